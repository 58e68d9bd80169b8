"""Errors as Twilio tells them: `{code, message, more_info, status}`, never a member more.

What was not seen on the wire stands here and nowhere else (marked: unseen).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import msgspec

from otp_service.domain.value import Value
from otp_service.errors import Refused
from otp_service.settings import Limit
from otp_service.telemetry import metrics

PREFIX = "/twilio/"
VERSION = "/twilio/v2"
_TOLD = re.compile(r"[A-Za-z]{0,40}|[A-Z]{2}[0-9a-f]{32}")
"""Words of the API, names and SIDs."""
OF_A_PHONE = ({"phone"}, {"phone", "application"})


class Shape(Value):
    """message: how it begins or, where that says enough, all of it."""

    status: int
    code: int
    message: str


BLOCKED = "Verification delivery attempt blocked"
INVALID_TO = "Invalid parameter `To`: not a phone number that can get a message"
UNAVAILABLE = Shape(503, 20503, "Service Unavailable")
NOT_FOUND = "The requested resource {} was not found"

SHAPES: Mapping[str, Shape] = {
    "malformed_request": Shape(400, 60200, "Invalid parameter"),
    "validation_failed": Shape(400, 60200, "Invalid parameter"),
    "unauthorized": Shape(401, 20003, "Authenticate"),
    "insufficient_scope": Shape(403, 20403, "Forbidden"),
    "network_not_allowed": Shape(403, 20403, "Forbidden"),
    "factors_refused": Shape(403, 20403, "Forbidden"),
    "not_found": Shape(404, 20404, NOT_FOUND),
    "method_not_allowed": Shape(405, 20004, "Method not allowed"),
    "invalid_phone": Shape(400, 60200, INVALID_TO),
    "phone_rejected": Shape(400, 60200, INVALID_TO),
    "wrong_length": Shape(400, 60200, "Invalid parameter `Code`: not as many digits as were sent"),
    "too_many_failures": Shape(429, 60202, "Max check attempts reached"),
    "factor_disabled": Shape(429, 60202, "Max check attempts reached"),
    "no_sends_left": Shape(429, 60203, "Max send attempts reached"),
    "limit_exceeded": Shape(429, 60207, "Max rate limits per service reached"),
    "too_soon": Shape(429, 20429, "Too Many Requests"),
    "budget_exhausted": Shape(429, 20429, "Too Many Requests"),
    "challenge_required": Shape(429, 20429, "Too Many Requests"),
    "request_in_progress": Shape(429, 60212, "Too many concurrent requests for phone number"),
    "not_pending": Shape(404, 20404, NOT_FOUND),
    "number_type_not_allowed": Shape(403, 60205, "SMS is not supported by landline phone number"),
    "on_block_list": Shape(403, 60410, BLOCKED),
    "suspected_pumping": Shape(403, 60410, BLOCKED),
    "phone_disabled": Shape(403, 60410, BLOCKED),
    "country_not_allowed": Shape(403, 60605, f"{BLOCKED}: this country is not allowed"),
    "channel_not_available": Shape(403, 60223, "Delivery channel disabled"),
    "idempotency_key_reused": Shape(400, 60200, "Invalid parameter `Idempotency-Key`: it came with another request"),
    "too_many_factors": Shape(400, 60200, "Invalid parameter `Identity`: it has as many factors as one may have"),
    "not_confirmed": Shape(400, 60200, "Invalid parameter `FactorSid`: the factor is not verified"),
    "no_gateway_available": UNAVAILABLE,
    "busy": UNAVAILABLE,
    "storage_unavailable": UNAVAILABLE,
    "confirmation_pending": UNAVAILABLE,
    "internal_error": Shape(500, 20500, "Internal Server Error"),
    "unsupported_media_type": Shape(415, 20415, "Unsupported Media Type"),
    "body_too_large": Shape(413, 20413, "Payload Too Large"),
    "head_too_large": Shape(431, 20431, "Request Header Fields Too Large"),
    "request_timeout": Shape(408, 20408, "Request Timeout"),
}
"""By the native code. Any other is an internal error."""

NO_TARGET = Shape(400, 60221, "No target verification specified")
MAX_CHECKS = SHAPES["too_many_failures"]
NOT_SUPPORTED = Shape(403, 60204, "Service does not support this feature")  # the status is unseen
NAME_TAKEN = Shape(400, 60208, "Rate limit with this UniqueName already exists")  # unseen, and so are the three below
NAME_INVALID = Shape(400, 60209, "Invalid parameter `UniqueName`")
TOO_MANY_BUCKETS = Shape(400, 60210, "Max buckets per rate limit reached")
INTERVAL_TAKEN = Shape(400, 60211, "A bucket with this Interval already exists")
FIXED_BY_SETTINGS = Shape(403, 20403, "Forbidden: this service is made by the settings")


class TwilioRefused(Refused):
    """A refusal that exists in the facade only. reason: the value of `X-OTP-Reason`."""

    def __init__(self, shape: Shape, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason, shape.message, retry_after=retry_after)
        self.shape = shape


def invalid(parameter: str, why: str = "") -> TwilioRefused:
    """A field that is missing or malformed. why: never what was sent."""
    said = f"Invalid parameter `{parameter}`" + (f": {why}" if why else "")
    return TwilioRefused(Shape(400, 60200, said), "validation_failed")


def missing(parameter: str) -> TwilioRefused:
    return TwilioRefused(Shape(400, 60200, f"Missing required parameter `{parameter}`"), "validation_failed")


def not_found(reason: str = "not_found") -> TwilioRefused:
    return TwilioRefused(SHAPES["not_found"], reason)


def channel_disabled(channel: str) -> TwilioRefused:
    return TwilioRefused(Shape(403, 60223, f"Delivery channel disabled: {channel.upper()}"), "channel_not_available")


def shape_of(refusal: Refused, limits: Mapping[str, Limit]) -> Shape:
    """limits: those of the settings, since a limit of a phone alone is told otherwise than one of the service."""
    if isinstance(refusal, TwilioRefused):
        return refusal.shape
    if refusal.code == "limit_exceeded":
        limit = limits.get(str(refusal.extra.get("limit", "")))
        return SHAPES["no_sends_left" if limit and set(limit.per) in OF_A_PHONE else "limit_exceeded"]
    if refusal.code in ("validation_failed", "malformed_request"):
        errors = refusal.extra.get("errors") or []
        field = str(errors[0].get("field", "")) if errors else ""
        return Shape(400, 60200, f"Invalid parameter `{FIELDS.get(field.partition('.')[0], field) or 'Body'}`")
    return SHAPES.get(refusal.code, SHAPES["internal_error"])


FIELDS = {"to": "To", "code": "Code", "limits": "RateLimits", "client": "DeviceIp", "locale": "Locale"}


def document(shape: Shape, path: str) -> bytes:
    """path: of the request; what of it is below the version is told in a 404, but for what may be a phone or a code."""
    parts = path.removeprefix(VERSION).split("/")
    resource = "/".join(part if _TOLD.fullmatch(part) else "{…}" for part in parts)
    return msgspec.json.encode(
        {
            "code": shape.code,
            "message": shape.message.format(resource) if shape.message is NOT_FOUND else shape.message,
            "more_info": f"https://www.twilio.com/docs/errors/{shape.code}",
            "status": shape.status,
        }
    )


def answer(refusal: Refused, path: str, limits: Mapping[str, Limit]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; it is counted here."""
    metrics.REFUSALS.labels(refusal.code if refusal.code in SHAPES else "not_found").inc()
    shape = shape_of(refusal, limits)
    headers = {"X-OTP-Reason": refusal.code}
    if shape.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    wait = refusal.retry_after if refusal.retry_after is not None else 1 if shape.status == 503 else None
    if wait is not None and shape.status in (429, 503):
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return shape.status, headers, document(shape, path)
