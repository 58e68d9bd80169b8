"""Every error leaves as a problem document (RFC 9457) with a stable `code`. docs/errors.md explains each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

from otp_service import metrics
from otp_service.errors import Refused

MEDIA_TYPE = "application/problem+json"
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
    "phone_disabled": 403,
    "factor_disabled": 403,
    "factors_refused": 403,
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


def count_from_zero() -> None:
    """Let every code stand in the metrics before it is first refused: a counter that begins at 1 shows no growth."""
    for code in STATUSES:
        metrics.REFUSALS.labels(code)


# What the framework raises by itself: the code that stands for its status.
_OF_FRAMEWORK: Mapping[int, str] = {
    400: "malformed_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
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
    reasons: list[str] | None = None
    verification_id: str | None = None
    verification_status: str | None = None
    storage: str | None = None
    worker: str | None = None
    scope: str | None = None


def document(code: str, detail: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    status = STATUSES[code]
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


def encode(refusal: Refused) -> bytes:
    """The body of a refusal that goes out now; it is counted here."""
    metrics.REFUSALS.labels(refusal.code).inc()
    return msgspec.json.encode(document(refusal.code, refusal.detail, refusal.extra))


def on_refused(_: Request[Any, Any, Any], refusal: Refused) -> Response[bytes]:
    return Response(
        encode(refusal), status_code=STATUSES[refusal.code], media_type=MEDIA_TYPE, headers=headers(refusal)
    )


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """The framework names the fields; we say it in our own shape."""
    raw = error.extra if isinstance(error.extra, list) else []
    errors = [_field_error(item) for item in raw if isinstance(item, dict)]
    fields = ", ".join(item["field"] for item in errors) or "the request"
    return on_refused(request, Refused("validation_failed", f"Not understood: {fields}.", extra={"errors": errors}))


_NAMED = re.compile(r"(required|unknown) field `([A-Za-z_][A-Za-z0-9_]{0,63})`")


def _field_error(item: Mapping[str, Any]) -> dict[str, str]:
    """In our words, because the framework repeats what was sent; a missing or unknown field only it can name."""
    message, key = str(item.get("message", "")), str(item.get("key") or "body")
    named = _NAMED.search(message)
    if named:
        inside = "" if key in ("body", "data") else f"{key}."
        return {
            "field": inside + named[2],
            "message": "is missing" if named[1] == "required" else "there is no such field",
        }
    if "unknown field" in message:
        return {"field": key, "message": "has a field that there is not"}
    return {"field": key, "message": re.sub(r"^Invalid enum value .*$", "not one of the allowed values", message)[:200]}


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    code = _OF_FRAMEWORK.get(error.status_code, "malformed_request" if error.status_code < 500 else "internal_error")
    response = on_refused(request, Refused(code, HTTPStatus(STATUSES[code]).description or "Refused."))
    if code == "method_not_allowed":
        response.headers["Allow"] = ", ".join(sorted(_methods(request.scope)))
    return response


async def tell_methods(message: Message, scope: Scope) -> None:
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
            found.append((named, {str(method) for method in route.methods}))
    # A path spelt out goes before one with a placeholder, as it does in the router.
    return min(found, key=lambda one: one[0])[1] if found else set()


def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("request_failed", exc_info=error)
    return on_refused(request, Refused("internal_error", "Something went wrong here; the log knows more."))


HANDLERS: Mapping[int | type[Exception], Any] = {
    Refused: on_refused,
    ValidationException: on_validation,
    HTTPException: on_http,
    Exception: on_crash,
}


def documented(*codes: str) -> dict[int, ResponseSpec]:
    """For the OpenAPI document: the statuses that a route may answer with."""
    always = ("malformed_request", "unauthorized", "insufficient_scope", "network_not_allowed", "validation_failed",
              "internal_error", "storage_unavailable", "request_timeout", "body_too_large",
              "unsupported_media_type")  # fmt: skip
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *always):
        by_status.setdefault(STATUSES[code], []).append(f"`{code}`")
    return {
        status: ResponseSpec(Problem, description=", ".join(names), media_type=MEDIA_TYPE, generate_examples=False)
        for status, names in by_status.items()
    }
