"""Attempts with their summary, templates, and the safe list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service.api.requests import ApiRequest
from otp_service.api.twilio.context import BEGINNING, Caller, answer, gone, needs, opened, time_of
from otp_service.api.twilio.errors import invalid, not_found
from otp_service.api.twilio.pages import meta, page, page_size
from otp_service.api.twilio.verifications import attempts
from otp_service.domain import phone, sids
from otp_service.domain.messages import Message
from otp_service.domain.scopes import KeyScope
from otp_service.domain.verifications import Status, Verification, disguised
from otp_service.runtime import Runtime
from otp_service.settings import texts_of

ATTEMPTS = "/twilio/v2/Attempts"
READ_AT_ONCE = 200
MOST_READ = 50_000
"""Verifications that one question looks at."""
LAST_MOMENT = 2**53
SAFE = "/twilio/v2/SafeList/Numbers"
MOST_SAFE = 1000

Attempt = tuple[Verification, Message]


@get(ATTEMPTS, include_in_schema=False, opt=needs(KeyScope.READ))
async def list_attempts(request: ApiRequest, service: NamedDependency[Runtime]) -> Response[bytes]:
    """Newest first. A page begins at its token: so many verifications, and messages of the next, were told before."""
    caller = await opened(request, service)
    size, wanted = page_size(caller), _wanted(caller)
    start, skipped = _begin(caller)
    found: list[dict[str, Any]] = []
    async for position, verification in _newest(caller, start):
        for number, attempt in enumerate(_attempts(verification)):
            if position == start and number < skipped:
                continue
            if not wanted(attempt):
                continue
            if len(found) == size:
                token = f"{position}-{number}"
                return answer({"attempts": found, "meta": meta(caller, "attempts", more=True, token=token)})
            found.append(_view(caller, attempt))
    return answer({"attempts": found, "meta": meta(caller, "attempts", more=False)})


@get(f"{ATTEMPTS}/Summary", include_in_schema=False, opt=needs(KeyScope.READ))
async def summary(request: ApiRequest, service: NamedDependency[Runtime]) -> Response[bytes]:
    caller = await opened(request, service)
    wanted, total, converted = _wanted(caller), 0, 0
    async for _, verification in _newest(caller, 0):
        for attempt in filter(wanted, _attempts(verification)):
            total += 1
            converted += _is_converted(attempt)
    return answer(
        {
            "total_attempts": total,
            "total_converted": converted,
            "total_unconverted": total - converted,
            "conversion_rate_percentage": round(100 * converted / total, 2) if total else 0.0,
            "url": caller.url("Attempts", "Summary"),
        }
    )


@get(f"{ATTEMPTS}/{{vl:str}}", include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch_attempt(request: ApiRequest, service: NamedDependency[Runtime], vl: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    for found in await service.of_services.near(caller.application, vl) if sids.is_sid(vl, "VL") else ():
        for attempt in _attempts(found):
            if sids.of_message(caller.names, found.id, attempt[1].number) == vl:
                return answer(_view(caller, attempt))
    raise not_found()


@get("/twilio/v2/Templates", include_in_schema=False, opt=needs(KeyScope.READ))
async def templates(request: ApiRequest, service: NamedDependency[Runtime]) -> Response[bytes]:
    """The texts of the application: one template, in each language."""
    caller = await opened(request, service)
    made = texts_of(caller.policy)
    names = caller.form.get("FriendlyName")
    found = {
        "sid": sids.named("HJ", "template", caller.application),
        "account_sid": caller.account_sid,
        "friendly_name": made.brand,
        "channels": ["sms"],
        "translations": {
            locale: {
                "is_default_translation": locale == caller.policy.locale,
                "status": "approved",
                "locale": locale,
                "text": text.replace("{code}", "{{code}}").replace("{brand}", made.brand),
                "date_created": BEGINNING,
                "date_updated": BEGINNING,
            }
            for locale, text in made.templates.items()
        },
    }
    return page(caller, "templates", [found] if names in ("", made.brand) else [])


@post(SAFE, status_code=201, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def add_safe(request: ApiRequest, service: NamedDependency[Runtime]) -> Response[bytes]:
    """Put a phone on the safe list, so that the pumping guard lets it pass. Safe to repeat."""
    caller = await opened(request, service)
    e164 = _phone(caller, caller.form.needed("PhoneNumber"))
    sid = service.safe_list.sid(caller.application, e164)
    if not await service.safe_list.add(caller.application, e164):
        raise invalid("PhoneNumber", "the list is full")
    return answer(_safe(caller, sid, e164), 201)


@get(f"{SAFE}/{{number:str}}", include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch_safe(request: ApiRequest, service: NamedDependency[Runtime], number: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    e164 = await _listed(caller, number)
    return answer(_safe(caller, service.safe_list.sid(caller.application, e164), e164))


@delete(f"{SAFE}/{{number:str}}", status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def remove_safe(request: ApiRequest, service: NamedDependency[Runtime], number: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    await service.safe_list.remove(caller.application, await _listed(caller, number))
    return gone()


async def _newest(caller: Caller, start: int) -> AsyncIterator[tuple[int, Verification]]:
    """Verifications of the facade from a position on, newest first, with their positions."""
    since, until = caller.form.time("DateCreatedAfter"), caller.form.time("DateCreatedBefore")
    since_ms = int(since.timestamp() * 1000) if since else 0
    until_ms = int(until.timestamp() * 1000) if until else LAST_MOMENT
    for position in range(start, start + MOST_READ, READ_AT_ONCE):
        found = await caller.runtime.of_services.page(caller.application, since_ms, until_ms, position, READ_AT_ONCE)
        for index, verification in found:
            if verification:  # else it was erased, or is kept no longer
                yield position + index, verification
        if not found:
            return


def _begin(caller: Caller) -> tuple[int, int]:
    begin, dash, number = caller.form.get("PageToken").partition("-")
    if not dash:
        return 0, 0
    if not (begin.isascii() and begin.isdigit() and number.isascii() and number.isdigit() and len(begin + number) < 12):
        raise invalid("PageToken")
    return int(begin), int(number)


def _wanted(caller: Caller) -> Callable[[Attempt], bool]:
    form = caller.form
    to = _phone(caller, form.get("ChannelData.To")) if form.get("ChannelData.To") else ""
    country, prefix, service = form.get("Country").upper(), form.get("DestinationPrefix"), form.get("VerifyServiceSid")
    channel, status = (
        form.word("Channel", "sms", "call", "email", "whatsapp", "rbm"),
        form.word("Status", "converted", "unconverted"),
    )
    sid = form.get("VerificationSid")
    service = caller.own.sid if service == caller.application else service

    def wanted(attempt: Attempt) -> bool:
        found = attempt[0]
        return (
            to in ("", found.phone)
            and (not country or phone.known(found.phone).region == country)
            and found.phone.startswith(prefix)
            and channel in ("", "sms")
            and service in ("", found.service)
            and (not sid or sids.of_verification(caller.names, found.id) == sid)
            and (not status or _is_converted(attempt) == (status == "converted"))
        )

    return wanted


def _attempts(found: Verification) -> list[Attempt]:
    """Newest first."""
    found = disguised(found)
    return [(found, message) for message in reversed(attempts(found))]


def _is_converted(attempt: Attempt) -> bool:
    """The last attempt of an approved verification is what brought the code."""
    found, message = attempt
    return found.status is Status.APPROVED and message is attempts(found)[-1]


def _view(caller: Caller, attempt: Attempt) -> dict[str, Any]:
    found, message = attempt
    sid = sids.of_message(caller.names, found.id, message.number)
    return {
        "sid": sid,
        "account_sid": caller.account_sid,
        "service_sid": found.service,
        "verification_sid": sids.of_verification(caller.names, found.id),
        "date_created": time_of(message.queued_at or message.updated_at),
        "date_updated": time_of(message.updated_at),
        "conversion_status": "converted" if _is_converted(attempt) else "unconverted",
        "channel": "sms",
        "price": {"value": message.price, "currency": "RUB"} if message.price else {},
        "channel_data": {"to": found.phone, "country": phone.known(found.phone).region, "status": str(message.status)},
        "url": caller.url("Attempts", sid),
    }


def _phone(caller: Caller, written: str) -> str:
    return phone.normalise(written, caller.policy.region).e164


async def _listed(caller: Caller, written: str) -> str:
    e164 = _phone(caller, written)
    if not await caller.runtime.safe_list.holds(caller.application, e164, anew=True):
        raise not_found()
    return e164


def _safe(caller: Caller, sid: str, e164: str) -> dict[str, Any]:
    return {"sid": sid, "phone_number": e164, "url": caller.url("SafeList", "Numbers", e164)}


HANDLERS = [list_attempts, summary, fetch_attempt, templates, add_safe, fetch_safe, remove_safe]
