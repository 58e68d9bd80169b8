"""What the contract needs to know of each kind: settings, a message, and which fixture means what."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Gateway, Outgoing, Then
from otp_service.gateways.registry import build
from tests.gateways.stub import PATIENT

FIXTURES = Path(__file__).parent / "fixtures"

LOGIN = "canary-login"
PASSWORD = "canary-password"
PHONE = "+79001234567"
CODE = "64653989"
CANARIES = (LOGIN, PASSWORD, PHONE, PHONE[1:], CODE)


@dataclass(frozen=True)
class Kind:
    """settings: besides the address. refusals: fixture name to what it means. unclear: fixtures nobody can rely on."""

    name: str
    settings: dict[str, Any]
    text: str
    accepted_id: str
    refusals: dict[str, tuple[Reason, Then]]
    unclear: tuple[str, ...]
    addresses: tuple[str, ...] = ("base_url",)
    extra: dict[str, Any] = field(default_factory=dict)
    method: str = "POST"

    def build(self, url: str, **changes: Any) -> Gateway:
        table = {
            "kind": self.name,
            "sender": "target",
            "connect_seconds": PATIENT,
            **dict.fromkeys(self.addresses, url),
            **self.settings,
            **changes,
        }
        return build("tested", table)

    def fixture(self, name: str) -> bytes:
        (path,) = (FIXTURES / self.name).glob(f"{name}.*")
        return path.read_bytes()

    def message(self, **changes: Any) -> Outgoing:
        fields: dict[str, Any] = {
            "phone": PHONE,
            "text": self.text,
            "client_id": "170000000000101",
            "expires_at": datetime.now(UTC) + timedelta(minutes=5),
            **self.extra,
            **changes,
        }
        return Outgoing(**fields)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "targetsms-password",
            {"login": LOGIN, "password": PASSWORD},
            text="Код {код}",
            accepted_id="1712292705",
            refusals={
                "error_login": (Reason.CREDENTIALS, Then.NEXT),
                "error_stop_list": (Reason.STOP_LIST, Then.STOP),
                "error_funds": (Reason.FUNDS, Then.NEXT),
                "error_sender": (Reason.SENDER, Then.NEXT),
                "error_unknown": (Reason.UNKNOWN_ERROR, Then.NEXT),
                "not_valid_phone": (Reason.INVALID_NUMBER, Then.STOP),
                "connection_error": (Reason.NOT_SENT, Then.NEXT),
                "not_deliver": (Reason.NOT_SENT, Then.NEXT),
                "expired": (Reason.NOT_SENT, Then.NEXT),
            },
            unclear=("code_too_short", "code_not_ascii", "hostile_id", "unknown_status"),
            addresses=("base_url", "state_base_url"),
            extra={"code_length": 8},
        ),
        Kind(
            "targetsms-xml",
            {"login": LOGIN, "password": PASSWORD},
            text=f"Код {CODE}",
            accepted_id="2856677675",
            refusals={
                "error_login": (Reason.CREDENTIALS, Then.NEXT),
                "error_format": (Reason.BAD_REQUEST, Then.NEXT),
                "error_no_data": (Reason.BAD_REQUEST, Then.NEXT),
                "error_account_blocked": (Reason.ACCOUNT_BLOCKED, Then.NEXT),
                "error_stop_list": (Reason.STOP_LIST, Then.STOP),
                "error_phone_too_long": (Reason.INVALID_NUMBER, Then.STOP),
                "error_funds": (Reason.FUNDS, Then.NEXT),
                "error_sender": (Reason.SENDER, Then.NEXT),
                "error_direction": (Reason.DIRECTION_CLOSED, Then.NEXT),
                "error_unknown": (Reason.UNKNOWN_ERROR, Then.NEXT),
            },
            unclear=("accepted_without_id", "hostile_id", "unknown_text_with_id"),
        ),
        Kind(
            "targetsms-get",
            {"login": LOGIN, "password": PASSWORD},
            text=f"Код {CODE}",
            accepted_id="1179038981",
            refusals={
                "error_login": (Reason.CREDENTIALS, Then.NEXT),
                "error_account_blocked": (Reason.ACCOUNT_BLOCKED, Then.NEXT),
                "error_stop_list": (Reason.STOP_LIST, Then.STOP),
                "error_phone_too_long": (Reason.INVALID_NUMBER, Then.STOP),
                "error_funds": (Reason.FUNDS, Then.NEXT),
                "error_sender": (Reason.SENDER, Then.NEXT),
                "error_direction": (Reason.DIRECTION_CLOSED, Then.NEXT),
                "error_unknown": (Reason.UNKNOWN_ERROR, Then.NEXT),
            },
            unclear=("partly_sent", "two_ids", "zero_id", "not_a_sentence", "hostile_id"),
            method="GET",
        ),
        Kind(
            "targetsms-json",
            {"login": LOGIN, "password": PASSWORD},
            text=f"Код {CODE}",
            accepted_id="2856677680",
            refusals={
                "error_login": (Reason.CREDENTIALS, Then.NEXT),
                "error_format": (Reason.BAD_REQUEST, Then.NEXT),
                "error_no_data": (Reason.BAD_REQUEST, Then.NEXT),
                "error_account_blocked": (Reason.ACCOUNT_BLOCKED, Then.NEXT),
                "error_stop_list": (Reason.STOP_LIST, Then.STOP),
                "error_funds": (Reason.FUNDS, Then.NEXT),
                "error_message": (Reason.SENDER, Then.NEXT),
                "error_unknown": (Reason.UNKNOWN_ERROR, Then.NEXT),
            },
            unclear=(
                "accepted_without_id",
                "zero_id",
                "hostile_id",
                "another_phone",
                "unknown_text_with_id",
                "no_answer_for_message",
            ),
        ),
        Kind(
            "smska",
            {"api_key": LOGIN, "api_password": PASSWORD},
            text=f"Код {CODE}",
            accepted_id="ah1acugxz98a27t9z",
            refusals={
                "error_login": (Reason.CREDENTIALS, Then.NEXT),
                "error_sender_2": (Reason.SENDER, Then.NEXT),
                "error_not_sent": (Reason.NOT_SENT, Then.NEXT),
                "error_arguments": (Reason.BAD_REQUEST, Then.NEXT),
                "error_funds": (Reason.FUNDS, Then.NEXT),
                "error_phone": (Reason.INVALID_NUMBER, Then.STOP),
                "error_sender": (Reason.SENDER, Then.NEXT),
                "error_unknown": (Reason.UNKNOWN_ERROR, Then.NEXT),
            },
            unclear=("unknown_success", "hostile_id", "too_few_fields"),
        ),
    )
}
