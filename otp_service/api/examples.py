"""Examples of the OpenAPI document: a request and an answer for each operation, in the order in which they are shown.

A test reads each with the type of its operation, so none can fall behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api import descriptions, problems

_PHONE = "+79161234567"
_VERIFICATION_ID = "B_ft6vaMHerueU35_71oYPvmtS5qdXFoB79I"
_DELIVERY_ID = "dlv_B_ft6vaMHerueU35_71oYPvmtS5qdXFoB79I"
_FACTOR_ID = "JZRV6V331dFDNngAiS8XZ7LDi9tXiKgf6sTnnnYF"
_CREATED, _EXPIRES, _RESEND = "2026-01-01T12:00:00Z", "2026-01-01T12:05:00Z", "2026-01-01T12:00:30Z"
_SENT = "2026-01-01T12:00:01Z"

_MESSAGE = {
    "id": f"{_VERIFICATION_ID}.1", "gateway": "sms-main", "channel": "sms", "status": "accepted", "sent_at": _SENT,
    "ended_at": None, "updated_at": _SENT, "parts": 1, "price": "1.15", "reason": None,
}  # fmt: skip
_VERIFICATION = {
    "id": _VERIFICATION_ID, "status": "pending", "to": _PHONE, "channel": "sms", "purpose": "login", "locale": "ru",
    "reference": "order-77", "subject": None, "operator": None, "operator_region": None, "created_at": _CREATED,
    "expires_at": _EXPIRES, "attempts_left": 5, "sends_left": 4, "resend_at": _RESEND, "messages": [_MESSAGE],
    "timeline": [
        {"at": _CREATED, "what": "created", "message": None},
        {"at": _CREATED, "what": "message.queued", "message": f"{_VERIFICATION_ID}.1"},
        {"at": _SENT, "what": "message.accepted", "message": f"{_VERIFICATION_ID}.1"},
    ],
    "guard": {"decision": "allowed", "reasons": []}, "test": False, "inbound": None, "assurance": None,
    "advice": None,
}  # fmt: skip
_CHECKED = {
    "id": _VERIFICATION_ID, "outcome": "approved", "approved": True, "status": "approved", "attempts_left": 4,
    "to": _PHONE, "purpose": "login", "reference": "order-77", "subject": None, "test": False,
    "assurance": "held",
}  # fmt: skip
_DELIVERY = {
    "id": _DELIVERY_ID, "status": "accepted", "to": _PHONE, "channel": "sms", "purpose": "login", "locale": "ru",
    "reference": "order-77", "created_at": _CREATED, "expires_at": _EXPIRES,
    "messages": [{**_MESSAGE, "id": f"{_DELIVERY_ID}.1"}], "guard": {"decision": "allowed", "reasons": []},
    "test": False, "converted_at": None,
}  # fmt: skip
_TOTP = {
    "id": _FACTOR_ID, "subject": "user-1042", "name": "Work phone", "label": "anna", "issuer": "Example",
    "status": "confirmed", "digits": 6, "algorithm": "SHA1", "period": 30, "created_at": _CREATED,
    "confirmed_at": _RESEND, "used_at": _RESEND,
}  # fmt: skip
_TOTP_CHECKED = {
    "id": _FACTOR_ID, "subject": "user-1042", "name": "Work phone", "outcome": "approved", "approved": True,
    "status": "confirmed", "seconds": None, "detail": None,
}  # fmt: skip
_BACKUP_CODES = {"left": 10, "status": "confirmed", "issued_at": _CREATED, "used_at": None}
_SUBJECT = {
    "subject": "user-1042",
    "phones": [{"phone": "+7916***4567", "verified_at": _CREATED, "restricted": True}],
    "totp": [_TOTP],
    "backup_codes": _BACKUP_CODES,
}
_COUNTS = {"refused": 0, "challenged": 1985, "challenge_passed": 0, "would_refuse": 5, "converted": 0}

REQUESTS: Mapping[str, Any] = {
    "startVerification": {"to": _PHONE, "purpose": "login", "locale": "ru", "client": {"ip": "203.0.113.7"}},
    "checkVerification": {"code": "123456", "to": _PHONE, "purpose": "login"},
    "resendVerification": {"channel": "sms"},
    "searchVerifications": {"to": _PHONE},
    "checkPhone": {"to": _PHONE, "code": "123456", "purpose": "login"},
    "deliver": {"to": _PHONE, "code": "AB12-CD34", "purpose": "login"},
    "enrolTotp": {"subject": "user-1042", "name": "Work phone", "label": "anna"},
    "confirmTotp": {"code": "123456", "subject": "user-1042"},
    "checkTotp": {"code": "123456", "subject": "user-1042"},
    "searchTotp": {"subject": "user-1042"},
    "importTotp": {"rows": [{"subject": "user-1043", "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}]},
    "issueBackupCodes": {"subject": "user-1042"},
    "checkSubject": {"code": "123456"},
    "unlockPhone": {"to": _PHONE},
}

ANSWERS: Mapping[str, Any] = {
    "startVerification": _VERIFICATION,
    "checkVerification": _CHECKED,
    "resendVerification": {**_VERIFICATION, "sends_left": 3},
    "cancelVerification": {**_VERIFICATION, "status": "canceled"},
    "getVerification": _VERIFICATION,
    "searchVerifications": {"verifications": [_VERIFICATION]},
    "checkPhone": _CHECKED,
    "deliver": _DELIVERY,
    "getDelivery": _DELIVERY,
    "convertDelivery": {**_DELIVERY, "converted_at": _RESEND},
    "enrolTotp": {
        **_TOTP, "status": "unconfirmed", "confirmed_at": None, "used_at": None,
        "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "uri": "otpauth://totp/Example:anna?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example",
        "qr_svg": "data:image/svg+xml;base64,PHN2Zy8+", "qr_png": "data:image/png;base64,iVBORw0KGgo=",
    },
    "confirmTotp": _TOTP_CHECKED,
    "checkTotp": _TOTP_CHECKED,
    "searchTotp": {"factors": [_TOTP]},
    "removeTotp": _TOTP,
    "importTotp": {
        "imported": 1, "already_there": 0, "refused": 0, "rows": [{"row": 1, "result": "imported", "error": None}]
    },
    "issueBackupCodes": {
        **_BACKUP_CODES, "subject": "user-1042", "codes": ["ABCD-EFGH-JKMN", "PQRS-TVWX-YZ23"], "left": 2
    },
    "getSubject": _SUBJECT,
    "checkSubject": {
        "subject": "user-1042", "outcome": "approved", "approved": True, "factor": "totp", "factor_id": _FACTOR_ID,
        "name": "Work phone", "backup_codes_left": None, "seconds": None, "detail": None,
    },
    "unlockSubject": {"subject": "user-1042", "forgotten": 100},
    "forgetSubject": _SUBJECT,
    "unlockPhone": {"to": _PHONE, "forgotten": 100, "pause_seconds": 30, "limits": {"phone-burst": 5}},
    "listEvents": {
        "events": [
            {
                "id": "evt_web_1767268800026-0", "sequence": 41, "type": "gateway.circuit_opened",
                "timestamp": _CREATED, "data": {"gateway": "sms-main", "reason": "unreachable"},
            }
        ],
        "next": "evt_web_1767268800026-0",
    },
    "getStatistics": {
        "step": "day",
        "rows": [
            {
                "at": "2026-01-01T00:00:00Z", "gateway": "sms-main", "started": 1204, "sent_to": 1204,
                "reached": 1171, "sends": 1260, "parts": 1302,
                "roubles": "1497.30", "delivered": 1190, "failed": 41, "unknown": 29,
                "reasons": {"undelivered": 38, "stop_list": 3, "no_report": 29}, "approved": 1075, "expired": 118,
                "exhausted": 6, "canceled": 5, "unsent": 0, "refused": 12,
                "refused_by": {"limit": 9, "guard": 3, "budget": 0}, "failovers": 38, "failovers_won": 27,
                "conversion": 0.8123, "chosen": 0, "chosen_otherwise": 0,
                "seconds_to_delivery": {"p50": 4.2, "p95": 19.0}, "seconds_to_approval": {"p50": 21.0, "p95": 74.0},
            }
        ],
    },
    "getFraudReport": {
        "mode": "auto", "days": 7, "total": _COUNTS,
        "found": [{"reason": "adjacent_numbers", "value": "+7958123", **_COUNTS}],
        "wrong_code_alarm": False, "spent_today": "8730.00", "budget_per_day": None,
    },
    "listGateways": {
        "gateways": [
            {
                "name": "sms-main", "channel": "sms", "health": "ok", "circuit": "closed", "reason": None,
                "opened_at": None, "probe_at": None, "balance": "1520.40", "balance_at": _CREATED,
                "balance_low": False, "delivered_share": 0.97, "seconds_to_delivery": 4.2, "reports": True,
            }
        ]
    },
    "listAudit": {
        "entries": [
            {
                "id": "1767268800000-0", "at": "2026-01-01T12:00:00.000Z", "actor": "cli:anna",
                "action": "key.created", "application": "web", "subject": "4f0c2d1e",
                "details": {"scopes": "check,read,send"},
            }
        ],
        "next": None,
    },
    "live": {"status": "ok", "storage": None, "worker": None},
    "ready": {"status": "ok", "storage": "ok", "worker": "ok"},
}  # fmt: skip

TEXTS: Mapping[str, str] = {"issueBackupCodes": "Example: backup codes\n\nABCD-EFGH-JKMN\nPQRS-TVWX-YZ23\n"}
"""Answers in text/plain."""

EVENTS: Mapping[str, Any] = {
    "VerificationData": {
        "verification_id": _VERIFICATION_ID, "status": "pending", "to": _PHONE, "channel": "sms", "purpose": "login",
        "reference": "order-77", "created_at": _CREATED, "expires_at": _EXPIRES, "attempts_left": 5, "sends_left": 4,
    },
    "DeliveryData": {
        "delivery_id": _DELIVERY_ID, "status": "queued", "to": _PHONE, "channel": "sms", "purpose": "login",
        "reference": "order-77", "created_at": _CREATED, "expires_at": _EXPIRES,
    },
    "FactorData": {"subject": "user-1042", "factor": "totp", "factor_id": _FACTOR_ID, "backup_codes_left": None},
    "CircuitData": {"gateway": "sms-main", "reason": "unreachable"},
    "BalanceData": {"gateway": "sms-main", "balance": "480.00", "threshold": "500"},
    "BudgetData": {"spent": "8000.00", "budget": "10000.00"},
    "WrongCodesData": {"wrong": 70, "budget": 60},
    "WeeklyReportData": {
        "week": "2026-11-23",
        "now": {
            "started": 1200, "approved": 1080, "conversion": 0.9, "sends": 1420, "failovers": 180, "refused": 12,
            "roubles": "6390.00", "seconds_p50": 9.5, "seconds_p95": 31.0,
        },
        "before": {
            "started": 1200, "approved": 1080, "conversion": 0.9, "sends": 1420, "failovers": 180, "refused": 12,
            "roubles": "6390.00", "seconds_p50": 9.5, "seconds_p95": 31.0,
        },
        "routes": [
            {
                "gateway": "sms-main", "operator": "Beeline", "sends": 310, "conversion": 0.71, "seconds_p50": 6.2,
                "roubles": "1395.00",
            }
        ],
        "hints": [{"help": "weak_route", "gateway": "sms-main", "operator": "Beeline"}],
    },
    "WebhookTestData": {"endpoint": "7c1f0a9b2d3e4f50"},
}  # fmt: skip
"""`data` of an event, by their type."""

_MORE: Mapping[str, Mapping[str, Any]] = {
    "validation_failed": {"errors": [{"field": "code", "message": "must be 4 to 10 digits, for example `123456`"}]},
    "wrong_length": {"code_length": 6},
    "phone_rejected": {"reason": "invalid_number", "verification_id": _VERIFICATION_ID},
    "insufficient_scope": {"scope": "send"},
    "country_not_allowed": {"country": "KZ"},
    "number_type_not_allowed": {"number_type": "fixed_line"},
    "suspected_pumping": {"reasons": ["number_block"]},
    "challenge_required": {"reasons": ["number_block"]},
    "limit_exceeded": {"limit": "phone-burst"},
    "not_pending": {"verification_status": "approved"},
    "no_gateway_available": {"verification_id": _VERIFICATION_ID},
}


def problem(code: str) -> dict[str, Any]:
    """A problem with this code, with the members that it alone has."""
    return problems.document(code, descriptions.PROBLEMS.get(code, code), _MORE.get(code))
