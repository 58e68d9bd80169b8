"""TOTP in Twilio's words: entities are subjects, a factor's first code verifies it, a challenge judges one code."""

from __future__ import annotations

import re
import time
from typing import Any

import structlog
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service.api.requests import ApiRequest
from otp_service.api.twilio.context import Caller, Service, answer, gone, needs, now, opened, time_of
from otp_service.api.twilio.errors import NOT_SUPPORTED, TwilioRefused, invalid, not_found
from otp_service.api.twilio.pages import page
from otp_service.domain import sids
from otp_service.domain.factors import FactorOutcome, FactorStatus, Totp
from otp_service.domain.scopes import KeyScope
from otp_service.domain.totp import Algorithm, Generator, from_base32, to_base32
from otp_service.factors.factors import Enrolment
from otp_service.runtime import Runtime

ENTITIES = "/twilio/v2/Services/{va:str}/Entities"
ENTITY = f"{ENTITIES}/{{identity:str}}"
FACTORS = f"{ENTITY}/Factors"
FACTOR = f"{FACTORS}/{{yf:str}}"
CHALLENGES = f"{ENTITY}/Challenges"
CHALLENGE_MS = 300_000
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,63}")
_CODE = re.compile(r"[0-9]{3,8}")


@post(ENTITIES, status_code=201, include_in_schema=False, opt=needs(KeyScope.SEND))
async def create_entity(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    """Needs no making: an entity that has nothing is one that nobody has enrolled."""
    caller = await opened(request, service)
    meant = await caller.service(va)
    return answer(_entity(caller, meant, _identity(caller.form.needed("Identity"))), 201)


@get(ENTITY, include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch_entity(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], identity: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    return answer(_entity(caller, meant, _identity(identity)))


@delete(ENTITY, status_code=200, include_in_schema=False, opt=needs(KeyScope.SEND))
async def delete_entity(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], identity: FromPath[str]
) -> Response[bytes]:
    """Everything of the subject, as the native API does."""
    caller = await opened(request, service)
    await caller.service(va)
    await service.factors.forget(caller.application, _identity(identity), request.user.actor)
    return gone()


@post(FACTORS, status_code=201, include_in_schema=False, opt=needs(KeyScope.SEND))
async def create(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], identity: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant, form, subject = await caller.service(va), caller.form, _identity(identity)
    form.needed("FactorType")
    if form.word("FactorType", "totp", "push", "passkeys") != "totp":
        raise TwilioRefused(NOT_SUPPORTED, "not_supported")
    form.needed("FriendlyName")
    issuer = "" if meant.own else str(meant.document.get("totp", {}).get("issuer", "")) or meant.brand
    made = await service.factors.enrol(
        caller.application,
        Enrolment(
            subject,
            name=form.text("FriendlyName", 1, 64),
            issuer=issuer.replace(":", " "),
            generator=_generator(caller, meant),
        ),
        request.user.actor,
        caller.idempotency_key,
    )
    structlog.contextvars.bind_contextvars(factor=made.id)
    binding = {
        "secret": to_base32(made.generator.secret),
        "uri": made.generator.uri(made.label or subject, made.issuer),
    }
    return answer(_factor(caller, meant, made, binding=binding, metadata=form.object("Metadata")), 201)


@get(FACTORS, include_in_schema=False, opt=needs(KeyScope.READ))
async def all_of(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], identity: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = (await service.factors.overview(caller.application, _identity(identity))).totp
    return page(caller, "factors", [_factor(caller, meant, one) for one in found])


@get(FACTOR, include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch(
    request: ApiRequest,
    service: NamedDependency[Runtime],
    va: FromPath[str],
    identity: FromPath[str],
    yf: FromPath[str],
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    return answer(_factor(caller, meant, await _of(caller, _identity(identity), yf)))


@post(FACTOR, status_code=200, include_in_schema=False, opt=needs(KeyScope.CHECK))
async def verify(
    request: ApiRequest,
    service: NamedDependency[Runtime],
    va: FromPath[str],
    identity: FromPath[str],
    yf: FromPath[str],
) -> Response[bytes]:
    """Its first code. A wrong one leaves it unverified; a verified one stays so, and nothing is judged."""
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = await _of(caller, _identity(identity), yf)
    code = _payload(caller)
    if code and found.status is FactorStatus.UNCONFIRMED:
        judged = await service.factors.confirm(
            caller.application, found.id, code, request.user.actor, idempotency_key=caller.idempotency_key
        )
        found = judged.totp
    return answer(_factor(caller, meant, found))


@delete(FACTOR, status_code=200, include_in_schema=False, opt=needs(KeyScope.SEND))
async def remove(
    request: ApiRequest,
    service: NamedDependency[Runtime],
    va: FromPath[str],
    identity: FromPath[str],
    yf: FromPath[str],
) -> Response[bytes]:
    caller = await opened(request, service)
    await caller.service(va)
    found = await _of(caller, _identity(identity), yf)
    await service.factors.remove(caller.application, found.id, request.user.actor)
    return gone()


@post(CHALLENGES, status_code=201, include_in_schema=False, opt=needs(KeyScope.CHECK))
async def challenge(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], identity: FromPath[str]
) -> Response[bytes]:
    """Judge one code. A challenge is not kept: one whose code was wrong stays pending, and the next is another."""
    caller = await opened(request, service)
    meant, subject = await caller.service(va), _identity(identity)
    found = await _of(caller, subject, caller.form.needed("FactorSid"))
    code = _payload(caller)
    approved = False
    if code:
        judged = await service.factors.check(caller.application, found.id, code, idempotency_key=caller.idempotency_key)
        approved = judged.outcome is FactorOutcome.APPROVED
    sid = sids.drawn("YC")
    if code:
        await service.factors.tell_challenge(caller.application, subject, found.id, sid, approved=approved)
    moment = now()
    url = caller.url("Services", meant.sid, "Entities", subject, "Challenges", sid)
    return answer(
        {
            "sid": sid,
            "account_sid": caller.account_sid,
            "service_sid": meant.sid,
            "entity_sid": _entity_sid(caller, subject),
            "identity": subject,
            "factor_sid": _sid(caller, found),
            "date_created": moment,
            "date_updated": moment,
            "date_responded": moment if approved else None,
            "expiration_date": time_of(time.time() * 1000 + CHALLENGE_MS),
            "status": "approved" if approved else "pending",
            "responded_reason": None,
            "details": caller.form.object("Details") if caller.form.get("Details") else {},
            "hidden_details": {},
            "metadata": {},
            "factor_type": "totp",
            "url": url,
            "links": {"notifications": f"{url}/Notifications"},
        },
        201,
    )


def _identity(given: str) -> str:
    if not _IDENTITY.fullmatch(given):
        raise invalid("Identity", "8 to 64 letters, digits and dashes")
    return given


def _payload(caller: Caller) -> str:
    """The code; '' where none came."""
    given = caller.form.get("AuthPayload")
    if given and not _CODE.fullmatch(given):
        raise invalid("AuthPayload", "digits")
    return given


def _generator(caller: Caller, meant: Service) -> Generator:
    form, totp = caller.form, meant.document.get("totp", {})
    step = form.number("Config.TimeStep", 20, 60, totp.get("time_step", 30))
    digits = form.number("Config.CodeLength", 3, 8, totp.get("code_length", 6))
    form.number("Config.Skew", 0, 2, 1)
    algorithm = Algorithm(form.word("Config.Alg", "sha1", "sha256", "sha512").upper() or "SHA1")
    if step not in (30, 60):
        raise invalid("Config.TimeStep", "30 or 60")
    if digits < 6:
        raise invalid("Config.CodeLength", "6 to 8")
    given = form.get("Binding.Secret")
    if not given:
        return Generator(Generator.new(digits, algorithm).secret, digits, algorithm, step)
    try:
        return Generator(from_base32(given), digits, algorithm, step)
    except ValueError:
        raise invalid("Binding.Secret", "base32 of 10 to 64 bytes") from None


async def _of(caller: Caller, subject: str, yf: str) -> Totp:
    """Raises Refused 404."""
    found = (await caller.runtime.factors.overview(caller.application, subject)).totp
    for one in found:
        if _sid(caller, one) == yf:
            return one
    raise not_found()


def _sid(caller: Caller, found: Totp) -> str:
    return sids.keyed("YF", caller.names, found.id)


def _entity_sid(caller: Caller, subject: str) -> str:
    return sids.keyed("YE", caller.names, caller.application, subject)


def _entity(caller: Caller, meant: Service, subject: str) -> dict[str, Any]:
    url = caller.url("Services", meant.sid, "Entities", subject)
    return {
        "sid": _entity_sid(caller, subject),
        "identity": subject,
        "account_sid": caller.account_sid,
        "service_sid": meant.sid,
        "date_created": now(),
        "date_updated": now(),
        "url": url,
        "links": {"factors": f"{url}/Factors", "new_factors": f"{url}/Factors", "challenges": f"{url}/Challenges"},
    }


def _factor(
    caller: Caller, meant: Service, found: Totp, *, binding: dict[str, str] | None = None, metadata: Any = None
) -> dict[str, Any]:
    sid, generator = _sid(caller, found), found.generator
    return {
        "sid": sid,
        "account_sid": caller.account_sid,
        "service_sid": meant.sid,
        "entity_sid": _entity_sid(caller, found.subject),
        "identity": found.subject,
        "binding": binding,
        "options": None,
        "date_created": time_of(found.created_at),
        "date_updated": time_of(max(found.created_at, found.confirmed_at, found.used_at)),
        "friendly_name": found.name,
        "status": "unverified" if found.status is FactorStatus.UNCONFIRMED else "verified",
        "factor_type": "totp",
        "config": {
            "alg": generator.algorithm.lower(),
            "skew": caller.policy.totp_window,
            "code_length": generator.digits,
            "time_step": generator.period,
        },
        "metadata": metadata or {},
        "url": caller.url("Services", meant.sid, "Entities", found.subject, "Factors", sid),
    }


HANDLERS = [create_entity, fetch_entity, delete_entity, create, all_of, fetch, verify, remove, challenge]
