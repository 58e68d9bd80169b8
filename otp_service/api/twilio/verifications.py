"""The everyday path: create or resend, check, fetch, update."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service.api.auth import require
from otp_service.api.requests import ApiRequest
from otp_service.api.twilio.context import Caller, Service, answer, needs, opened, time_of
from otp_service.api.twilio.errors import (
    MAX_CHECKS,
    NO_TARGET,
    NOT_SUPPORTED,
    TwilioRefused,
    channel_disabled,
    invalid,
    not_found,
)
from otp_service.api.twilio.rate_limits import buckets_of
from otp_service.domain import limits, locales, sids, texts
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.networks import address
from otp_service.domain.phone import mask
from otp_service.domain.requests import Content, StartRequest
from otp_service.domain.scopes import KeyScope
from otp_service.domain.verifications import Outcome, Status, Verification, disguised
from otp_service.errors import Refused
from otp_service.runtime import Runtime

PATH = "/twilio/v2/Services/{va:str}"
STATUSES = {Status.EXHAUSTED: "max_attempts_reached"}
SENT = ("sms", "auto")
CLOSED = ("call", "email", "whatsapp", "sna", "rcs", "viber", "telegram")
"""Channels that there are, and that have no route here."""
MOST_TAGS, TAG_LENGTH = 10, 128
MOST_LIMITS, LIMIT_NAME, LIMIT_VALUE = 8, 64, 256
_HASH = re.compile(r"[A-Za-z0-9+/]{11}")


@post(f"{PATH}/Verifications", status_code=201, include_in_schema=False, opt=needs(KeyScope.SEND))
async def create(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    """A new verification, or once more the code of the one that is pending."""
    caller = await opened(request, service)
    meant = await caller.service(va)
    order = await _order(caller, meant)
    found = await service.of_services.send(caller.application, order, caller.idempotency_key)
    structlog.contextvars.bind_contextvars(verification=found.id, to=mask(found.phone))
    return answer(verification(caller, meant, found), 201, found.id)


@post(f"{PATH}/VerificationCheck", status_code=200, include_in_schema=False, opt=needs(KeyScope.CHECK))
async def check(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    """Judge a code, for the verification that `VerificationSid` names or the newest of the phone."""
    caller = await opened(request, service)
    meant, form = await caller.service(va), caller.form
    to, sid, code = form.get("To"), form.get("VerificationSid"), form.code("Code")
    if not to and not sid:
        raise TwilioRefused(NO_TARGET, "validation_failed")
    if not code:
        form.needed("Code")
    found = await _found(caller, meant, sid or to)
    if found is None:
        raise not_found("unknown")
    try:
        judged = await service.verifications.check(
            caller.application, found.id, code, to=to, idempotency_key=caller.idempotency_key, any_length=True
        )
    except Refused as refusal:
        if refusal.code == "not_found":
            raise not_found("unknown") from None
        raise
    found, outcome = judged.verification, judged.outcome
    structlog.contextvars.bind_contextvars(verification=found.id, outcome=str(outcome))
    if outcome is Outcome.EXHAUSTED and not judged.judged and found.now < found.expires_at:
        wait = (found.expires_at - found.now) / 1000
        raise TwilioRefused(MAX_CHECKS, "exhausted", retry_after=wait)
    if outcome in (Outcome.APPROVED, Outcome.WRONG_CODE) or (outcome is Outcome.EXHAUSTED and judged.judged):
        return answer(_checked(caller, meant, found, approved=outcome is Outcome.APPROVED), 200, found.id)
    raise _over(found)


@get(f"{PATH}/Verifications/{{which:str}}", include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], which: FromPath[str]
) -> Response[bytes]:
    """By its SID, or the newest of a phone; while it is pending."""
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = await _pending(caller, meant, which)
    return answer(verification(caller, meant, found), 200, found.id)


@post(
    f"{PATH}/Verifications/{{which:str}}",
    status_code=200,
    include_in_schema=False,
    opt=needs(KeyScope.SEND, KeyScope.CHECK),
)
async def update(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], which: FromPath[str]
) -> Response[bytes]:
    """Cancel it, or approve what was judged elsewhere."""
    caller = await opened(request, service)
    meant = await caller.service(va)
    caller.form.needed("Status")
    status = caller.form.word("Status", "canceled", "approved")
    require(request.user, KeyScope.SEND if status == "canceled" else KeyScope.CHECK)
    found = await _pending(caller, meant, which)
    if status == "canceled":
        ended = await service.verifications.cancel(caller.application, found.id)
    else:
        others_code = caller.policy.twilio.manual_approval
        judged = await service.verifications.approve(caller.application, found.id, others_code=others_code)
        if judged is None:
            raise TwilioRefused(NOT_SUPPORTED, "insufficient_scope")
        if judged.outcome is not Outcome.APPROVED:
            raise _over(judged.verification)
        ended = judged.verification
    if ended.status != status:  # somebody was faster
        raise _over(ended)
    return answer(verification(caller, meant, ended), 200, ended.id)


def verification(caller: Caller, meant: Service, found: Verification) -> dict[str, Any]:
    """As Twilio tells it."""
    found = disguised(found)
    carrier = {
        "mobile_country_code": None, "mobile_network_code": None, "name": found.number.operator, "type": "mobile",
        "error_code": None,
    }  # fmt: skip
    sid = sids.of_verification(caller.names, found.id)
    changes = (found.created_at, found.ended_at, *found.attempted_at, *(one.updated_at for one in found.messages))
    return {
        "sid": sid,
        "service_sid": meant.sid,
        "account_sid": caller.account_sid,
        "to": found.phone,
        "channel": "sms",
        "status": STATUSES.get(found.status, str(found.status)),
        "valid": found.status is Status.APPROVED,
        "lookup": {"carrier": carrier} if found.number.operator else {},
        "amount": None,
        "payee": None,
        "send_code_attempts": [
            {
                "time": time_of(message.queued_at or message.updated_at),
                "channel": "SMS",
                "attempt_sid": sids.of_message(caller.names, found.id, message.number),
            }
            for message in attempts(found)
        ],
        "date_created": time_of(found.created_at),
        "date_updated": time_of(max(changes)),
        "sna": None,
        "url": caller.url("Services", meant.sid, "Verifications", sid),
    }


def attempts(found: Verification) -> list[Message]:
    """Messages that left, or may have."""
    return [one for one in found.messages if one.sent_at or one.status is not MessageStatus.REJECTED]


def _checked(caller: Caller, meant: Service, found: Verification, *, approved: bool) -> dict[str, Any]:
    return {
        "sid": sids.of_verification(caller.names, found.id),
        "service_sid": meant.sid,
        "account_sid": caller.account_sid,
        "to": found.phone,
        "channel": "sms",
        "status": "approved" if approved else "pending",
        "valid": approved,
        "amount": None,
        "payee": None,
        "sna_attempts_error_codes": [],
        "date_created": time_of(found.created_at),
        "date_updated": time_of(found.now),
    }


async def _found(caller: Caller, meant: Service, which: str) -> Verification | None:
    """By SID or phone. Raises Refused `invalid_phone`."""
    of_services = caller.runtime.of_services
    if which[:2] == "VE":
        return await of_services.of_sid(caller.application, meant.sid, which)
    return await of_services.of_phone(caller.application, meant.sid, which)


async def _pending(caller: Caller, meant: Service, which: str) -> Verification:
    try:
        found = await _found(caller, meant, which)
    except Refused as refusal:
        if refusal.code != "invalid_phone":
            raise
        found = None
    if found is None:
        raise not_found("unknown")
    if found.status is not Status.PENDING:
        raise _over(found)
    return found


def _over(found: Verification) -> TwilioRefused:
    return not_found(str(found.status))


async def _order(caller: Caller, meant: Service) -> StartRequest:
    form, allowed = caller.form, caller.policy.twilio
    to, channel = form.needed("To"), form.needed("Channel").lower()
    if channel in CLOSED:
        raise channel_disabled(channel)
    if channel not in SENT:
        raise invalid("Channel", channel if channel.isascii() and channel.isalpha() and len(channel) <= 16 else "")
    code, app_hash = form.code("CustomCode"), form.get("AppHash")
    if code and not allowed.custom_code:
        raise TwilioRefused(NOT_SUPPORTED, "insufficient_scope")
    if app_hash and not _HASH.fullmatch(app_hash):
        raise invalid("AppHash", "11 characters")
    template, device_ip = form.get("TemplateSid"), form.get("DeviceIp")
    if template and template != sids.named("HJ", "template", caller.application):  # the one that an application has
        raise invalid("TemplateSid", "there is no such template")
    if device_ip and not _ip(device_ip):
        raise invalid("DeviceIp", "no IP address")
    own, buckets, end_user_ip = await _limits(caller, meant)
    content = Content(code=code, brand=_brand(caller, meant), android_hash=app_hash)
    return StartRequest(
        to=to,
        locale=locales.nearest_or_none(form.get("Locale")),
        client_ip=_ip(device_ip) or end_user_ip,
        platform="android" if app_hash else "",
        limits=own,
        content=content,
        code_length=len(code) or (0 if meant.own else meant.code_length),
        service=meant.sid,
        tags=form.strings("Tags", MOST_TAGS, TAG_LENGTH, TAG_LENGTH),
        unguarded=form.word("RiskCheck", "enable", "disable") == "disable" and allowed.risk_check_disable,
        buckets=buckets,
    )


async def _limits(caller: Caller, meant: Service) -> tuple[Mapping[str, str], Any, str]:
    """Dimensions of the settings, buckets made at run time, and the person's address."""
    given = caller.form.strings("RateLimits", MOST_LIMITS, LIMIT_NAME, LIMIT_VALUE)
    if not given:
        return {}, (), ""
    counted = caller.runtime.admission.words(caller.application)
    own = {name: value for name, value in given.items() if name in counted and name not in limits.DIMENSIONS}
    buckets, known = await buckets_of(caller, meant, given)
    person = _ip(given.get("end_user_ip", ""))
    unknown = given.keys() - own.keys() - known
    if unknown - ({"end_user_ip"} if person else set()):
        raise invalid("RateLimits", "nothing is counted by one of these names")
    return own, buckets, person


def _brand(caller: Caller, meant: Service) -> str:
    """'' for the application's own."""
    named = caller.form.text("CustomFriendlyName", 1, 40)
    if named and caller.policy.twilio.custom_friendly_name:
        if texts.brand_fault(named):
            raise invalid("CustomFriendlyName", "braces and unprintable characters have no place in it")
        return named
    return "" if meant.own else meant.brand


def _ip(given: str) -> str:
    return str(address(given) or "")


HANDLERS = [create, check, fetch, update]
