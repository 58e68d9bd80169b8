"""`POST /v1/hooks/{kind}/{application}`: one way for all kinds, from the request to the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service import load
from otp_service.api import problems
from otp_service.api.auth import authenticate
from otp_service.api.hooks import (
    authentik,
    keycloak,
    kratos,
    linotp,
    logto,
    privacyidea,
    supabase,
    supertokens,
    zitadel,
)
from otp_service.api.hooks.kind import Answer, Call, Handed, Kind, malformed, parsed, presented_key
from otp_service.api.hooks.sentences import sentence
from otp_service.domain.networks import address
from otp_service.domain.requests import Content, StartRequest
from otp_service.domain.scopes import KeyScope
from otp_service.errors import Refused
from otp_service.runtime import Runtime
from otp_service.settings import Settings
from otp_service.settings.integrations import Hook
from otp_service.telemetry import metrics

PREFIX = "/v1/hooks/"
KINDS: Mapping[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (supabase, kratos, authentik, keycloak, logto, zitadel, supertokens, privacyidea, linotp)
}
LEAST_SECONDS, MOST_SECONDS = 30, 3600
REST_SECONDS = 0.3
"""Part of a kind's time that is kept for what comes before and after the delivery on a busy machine."""
PERSONAL = {"invalid_phone": 400, "phone_rejected": 400}
"""Errors that a person can correct are answered 400 to callers that do not know 422."""
OF_CALLERS = (
    "malformed_request", "unauthorized", "not_found", "body_too_large", "unsupported_media_type", "request_timeout",
)  # fmt: skip
"""What a person can do nothing about: told to whoever set up the caller, where a kind has no words of its own."""

log = structlog.get_logger()


@post(
    PREFIX + "{kind:str}/{application:str}",
    status_code=200,
    include_in_schema=False,
    opt={"public": True},  # each kind knows its callers in its own way
)
async def hook(
    request: Request[Any, Any, Any],
    service: NamedDependency[Runtime],
    kind: FromPath[str],
    application: FromPath[str],
) -> Response[bytes]:
    """Deliver a code that another system made."""
    opened = _opened(service.settings, kind, application)
    if opened is None:
        raise Refused("not_found", "There is no such hook.")
    found, hook_settings, locale = opened
    structlog.contextvars.bind_contextvars(application=application, hook=kind)
    try:
        call = Call({name.lower(): value for name, value in request.headers.items()}, await request.body())
        delivery_id = await _take(request, service, found, application, hook_settings, call)
    except Refused as refusal:
        return _response(*_refused(found, refusal, locale))
    return _response(found.takes(delivery_id), {"X-OTP-Delivery-Id": delivery_id})


def answer(settings: Settings, refusal: Refused, path: str) -> tuple[int, Mapping[str, str], bytes]:
    """As `problems.answer`: what is refused before a hook is asked is told in the words of its kind, too."""
    kind, _, application = path.removeprefix(PREFIX).partition("/")
    opened = _opened(settings, kind, application) if path.startswith(PREFIX) else None
    if opened is None:
        return problems.answer(refusal, path)
    found, headers = _refused(opened[0], refusal, opened[2])
    media = f"{found.media}; charset=utf-8" if found.media.startswith("text/") else found.media  # as the framework
    return found.status, {"Content-Type": media, **_headers(found, headers)}, found.body


def _opened(settings: Settings, kind: str, application: str) -> tuple[Kind, Hook, str] | None:
    """A hook that the settings have, and the language of its application; None where they have none."""
    found, policy = KINDS.get(kind), settings.applications.get(application)
    hook: Hook | None = getattr(policy.hooks, kind) if found and policy else None
    return (found, hook, policy.locale) if found and policy and hook is not None else None


async def _take(
    request: Request[Any, Any, Any],
    service: Runtime,
    kind: Kind,
    application: str,
    hook: Hook,
    call: Call,
) -> str:
    """The public id of the delivery. Raises Refused."""
    signed = kind.is_authentic(call, hook) if kind.is_authentic else None
    if signed is False:
        raise Refused("unauthorized", "The signature is missing, wrong or too old.")
    if signed:
        load.begin()
    presented = presented_key(call.headers)
    if signed is None and presented:
        await _refuse_strangers(request, service, application, presented)
    if signed is None and not presented and not kind.key_in:
        raise Refused("unauthorized", "An API key is needed.")
    body = parsed(call)
    if signed is None and not presented:
        await _refuse_strangers(request, service, application, kind.key_in(body) if kind.key_in else "")
    handed = kind.reads(body, hook)
    order, same = _order(kind, hook, handed), service.deliveries.fingerprint("hook", kind.name, *handed.same)
    return await service.deliveries.send_within(application, order, same, kind.seconds - REST_SECONDS)


async def _refuse_strangers(
    request: Request[Any, Any, Any], service: Runtime, application: str, presented: str
) -> None:
    caller = await authenticate(service, presented, request.scope, KeyScope.SEND)
    if caller.application != application:
        raise Refused("unauthorized", "This API key is another application's.")


def _order(kind: Kind, hook: Hook, handed: Handed) -> StartRequest:
    seconds = hook.ttl_seconds or (int(min(max(handed.seconds, LEAST_SECONDS), MOST_SECONDS)) if handed.seconds else 0)
    return StartRequest(
        to=handed.to,
        purpose=hook.purpose,
        locale=handed.locale,
        # A hook's own word for where a person came from must not keep the code back.
        client_ip=str(address(handed.client_ip) or ""),
        platform="web" if handed.webotp_host and not handed.text else "",
        delivery=True,
        content=Content(handed.code, handed.text, webotp_host="" if handed.text else handed.webotp_host),
        ttl_seconds=seconds,
        key_seconds=kind.window_of(handed) if kind.window_of else kind.window_seconds,
    )


def _refused(kind: Kind, refusal: Refused, locale: str) -> tuple[Answer, Mapping[str, str]]:
    """With headers beside its own."""
    if refusal.code == "validation_failed":  # the fields that it names are not the caller's
        refusal = malformed("Something in it cannot be sent.")
    if refusal.code == "idempotency_key_reused":  # the same message by its name, with other words
        refusal = malformed("Another message came under this name.")
    if refusal.code == "no_gateway_available":
        refusal.retry_after = refusal.retry_after or 1
    status = PERSONAL.get(refusal.code, problems.STATUSES[refusal.code])
    log.info("hook_refused", code=refusal.code)
    if kind.refuses:
        metrics.REFUSALS.labels(refusal.code).inc()
        return kind.refuses(refusal, status, sentence(refusal.code, locale)), {}
    status = 503 if status >= 500 else status
    told = Refused(
        refusal.code, sentence(refusal.code, locale) if status < 500 else "Not possible right now; try again."
    )
    told.detail = refusal.detail if refusal.code in OF_CALLERS else told.detail
    body = problems.encode(told, status)
    return Answer(status, body, problems.MEDIA_TYPE, refusal.retry_after), problems.headers(told)


def _response(answer: Answer, headers: Mapping[str, str]) -> Response[bytes]:
    return Response(answer.body, status_code=answer.status, media_type=answer.media, headers=_headers(answer, headers))


def _headers(answer: Answer, headers: Mapping[str, str]) -> dict[str, str]:
    more = {"Retry-After": str(max(1, math.ceil(answer.retry_after)))} if answer.retry_after is not None else {}
    return {**headers, **more}
