"""Every error leaves as a problem document (RFC 9457) with a stable `code`. docs/errors.md explains each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.routes import HTTPRoute
from litestar.types import Empty, Message, Scope
from litestar.utils.scope.state import ScopeState

from otp_service.api.twilio import errors as twilio
from otp_service.errors import Erased, Refused, Unreadable
from otp_service.schemas.incoming import wrong_fields, wrong_parameter
from otp_service.settings import Limit
from otp_service.telemetry import metrics

MEDIA_TYPE = "application/problem+json"
NO_LIMITS: Mapping[str, Limit] = {}
MOST_IN_A_SENTENCE = 3
"""Fields that `detail` names; `errors` has all."""
log = structlog.get_logger()

# code → HTTP status. The sentence is written where the refusal is raised.
STATUSES: Mapping[str, int] = {
    "malformed_request": 400,
    "unauthorized": 401,
    "insufficient_scope": 403,
    "network_not_allowed": 403,
    "country_not_allowed": 403,
    "number_type_not_allowed": 403,
    "on_block_list": 403,
    "suspected_pumping": 403,
    "challenge_required": 403,
    "phone_disabled": 403,
    "factor_disabled": 403,
    "factors_refused": 403,
    "text_not_allowed": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "not_pending": 409,
    "not_confirmed": 409,
    "too_many_factors": 409,
    "request_in_progress": 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "validation_failed": 422,
    "invalid_phone": 422,
    "invalid_address": 422,
    "wrong_length": 422,
    "phone_rejected": 422,
    "channel_not_available": 422,
    "idempotency_key_reused": 422,
    "too_soon": 429,
    "no_sends_left": 429,
    "too_many_failures": 429,
    "limit_exceeded": 429,
    "budget_exhausted": 429,
    "head_too_large": 431,
    "internal_error": 500,
    "no_gateway_available": 502,
    "busy": 503,
    "storage_unavailable": 503,
    "confirmation_pending": 503,
}


ALWAYS = (
    "malformed_request", "unauthorized", "insufficient_scope", "network_not_allowed", "validation_failed",
    "internal_error", "storage_unavailable", "busy", "request_timeout", "body_too_large", "unsupported_media_type",
)  # fmt: skip
"""Codes that every operation with a key may answer with."""


def init_counters() -> None:
    """Let every code stand in the metrics before it is first refused: a counter that begins at 1 shows no growth."""
    for code in STATUSES:
        metrics.REFUSALS.labels(code)


_OF_FRAMEWORK: Mapping[int, str] = {
    400: "malformed_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    500: "internal_error",
}
"""The code that stands for a status of the framework's own."""
_SENTENCES: Mapping[str, str] = {
    "malformed_request": "The request cannot be read.",
    "unauthorized": "Send an API key, as in `Authorization: Bearer otp_…`.",
    "not_found": "There is nothing at this address; docs/api.md lists what there is.",
    "method_not_allowed": "This address does not take this method; the header Allow says which ones it takes.",
    "body_too_large": "The body is larger than 64 KiB.",
    "unsupported_media_type": "Send the body as JSON, with `Content-Type: application/json`.",
    "internal_error": "An unexpected error; the log has the details under this X-Request-Id.",
}


class FieldError(msgspec.Struct, kw_only=True):
    """One field that was not understood."""

    field: str
    message: str


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """RFC 9457. Programs go by `code`; `detail` is for people and may change."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] | None = None
    reason: str | None = None
    country: str | None = None
    number_type: str | None = None
    limit: str | None = None
    code_length: int | None = None
    reasons: list[str] | None = None
    advice: str | None = None
    verification_id: str | None = None
    delivery_id: str | None = None
    verification_status: str | None = None
    storage: str | None = None
    worker: str | None = None
    loops: dict[str, str] | None = None
    scope: str | None = None


def document(code: str, detail: str, extra: Mapping[str, Any] | None = None, status: int = 0) -> dict[str, Any]:
    """status: 0 for the code's own."""
    status = status or STATUSES[code]
    return {
        "type": f"urn:otp-service:problem:{code}",
        "title": phrase(status),
        "status": status,
        "code": code,
        "detail": detail,
        **(extra or {}),
    }


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def headers(refusal: Refused) -> dict[str, str]:
    """Retry-After in whole seconds, rounded up, on whatever passes by itself; the scheme on 401 (RFC 9110)."""
    found = {}
    if refusal.retry_after is not None:
        found["Retry-After"] = str(max(1, math.ceil(refusal.retry_after)))
    if refusal.code == "unauthorized":
        found["WWW-Authenticate"] = "Bearer"
    return found


def encode(refusal: Refused, status: int = 0) -> bytes:
    """The body of a refusal that goes out now; it is counted here. status: 0 for the code's own."""
    metrics.REFUSALS.labels(refusal.code).inc()
    return msgspec.json.encode(document(refusal.code, refusal.detail, refusal.extra, status))


def answer(refusal: Refused, path: str, limits: Mapping[str, Limit] = NO_LIMITS) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a refusal that goes out now, as callers of that path understand it.

    limits: those of the settings, by name.
    """
    if path.startswith(twilio.PREFIX):
        status, found, body = twilio.answer(refusal, path, limits)
        return status, {"Content-Type": "application/json", **found}, body
    return STATUSES[refusal.code], {"Content-Type": MEDIA_TYPE, **headers(refusal)}, encode(refusal)


def on_refused(request: Request[Any, Any, Any], refusal: Refused) -> Response[bytes]:
    service = getattr(request.app.state, "service", None)
    limits = service.settings.limits if service and request.scope["path"].startswith(twilio.PREFIX) else NO_LIMITS
    status, found, body = answer(refusal, request.scope["path"], limits)
    return Response(body, status_code=status, media_type=found.pop("Content-Type"), headers=found)


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """The framework found that something is wrong; what that is, we look up and say ourselves, of every field."""
    wanted = request.route_handler.parsed_fn_signature.parameters
    named = [item for item in error.extra if isinstance(item, dict)] if isinstance(error.extra, list) else []
    errors = []
    for item in named:
        name = str(item.get("key", "")).partition(".")[0]
        if item.get("source") in ("query", "header", "path") and name:
            found = wanted.get(name)
            alias = getattr(found.kwarg_definition, "name", None) if found else None  # as callers write it
            errors.append({"field": alias or name, "message": wrong_parameter(found)})
    if "data" in wanted:
        body = ScopeState.from_scope(request.scope).json  # the framework has decoded it by now
        errors += wrong_fields(wanted["data"].annotation, None if body is Empty else body)
    return on_refused(request, validation_failed(errors))


def validation_failed(errors: Sequence[Mapping[str, str]]) -> Refused:
    """errors: field and message of each; the message goes on from the field, as in `must be …`."""
    sentences = [f"`{item['field']}` {item['message']}." for item in errors[:MOST_IN_A_SENTENCE]]
    more = len(errors) - len(sentences)
    detail = " ".join([*sentences, *([f"And {more} more."] if more else [])]) or "The request is not understood."
    return Refused("validation_failed", detail, extra={"errors": list(errors)})


def of_status(status: int) -> Refused:
    """For what the framework or a file server answers by itself, with this status and in a shape of its own."""
    code = _OF_FRAMEWORK.get(status) or _OF_FRAMEWORK[400 if status < 500 else 500]
    return Refused(code, _SENTENCES[code])


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    refusal = of_status(error.status_code)
    response = on_refused(request, refusal)
    if refusal.code == "method_not_allowed":
        response.headers["Allow"] = ", ".join(sorted(_methods(request.scope)))
    return response


async def add_allow_header(message: Message, scope: Scope) -> None:
    """For OPTIONS, where the framework forgets some of a path that several handlers serve."""
    if message["type"] == "http.response.start" and scope.get("method") == "OPTIONS":
        allowed = ", ".join(sorted(_methods(scope))).encode()
        message["headers"] = [(name, allowed if name == b"allow" else value) for name, value in message["headers"]]


def _methods(scope: Scope) -> set[str]:
    """Those of the route that the path belongs to (RFC 9110 §10.2.1); the framework leaves them out."""
    wanted = scope["path"].rstrip("/").split("/")
    found: list[tuple[int, set[str]]] = []
    for route in Litestar.from_scope(scope).routes:
        parts = route.path_format.rstrip("/").split("/")
        same = len(parts) == len(wanted) and all(
            part == given or part.startswith("{") for part, given in zip(parts, wanted, strict=True)
        )
        if same and isinstance(route, HTTPRoute):
            named = sum(part.startswith("{") for part in parts)
            methods = {str(method) for method in route.methods}
            found.append((named, methods | ({"HEAD"} if "GET" in methods else set())))
    # A path spelt out goes before one with a placeholder, as it does in the router.
    return min(found, key=lambda one: one[0])[1] if found else set()


def refusal_of(error: Exception) -> Refused:
    """What is answered to what was not meant as an answer."""
    if isinstance(error, Erased):
        return Refused("not_found", "The verification was erased meanwhile.")
    log.error("request_failed", exc_info=error)
    return of_status(500)


def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return on_refused(request, refusal_of(error))


HANDLERS: Mapping[int | type[Exception], Any] = {
    Refused: on_refused,
    Unreadable: on_crash,
    Erased: on_crash,
    ValidationException: on_validation,
    HTTPException: on_http,
    Exception: on_crash,
}


def documented(*codes: str) -> dict[int, ResponseSpec]:
    """For the OpenAPI document: the statuses that a route may answer with."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *ALWAYS):
        by_status.setdefault(STATUSES[code], []).append(f"`{code}`")
    return {
        status: ResponseSpec(Problem, description=", ".join(names), media_type=MEDIA_TYPE, generate_examples=False)
        for status, names in by_status.items()
    }
