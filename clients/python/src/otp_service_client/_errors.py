"""What can go wrong: `OtpServiceError` is the base of all.

OtpServiceError
├── NoAnswer            no answer came, also after repeats; what was asked for may have been done
├── Refused             the service answered with a problem; has a subclass for each code that callers act upon
└── InvalidSignature    a webhook that is not ours (_webhooks.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OtpServiceError(Exception):
    """Base of all errors of this package."""


class NoAnswer(OtpServiceError):
    """No answer came. Ask again with the same idempotency key, or look with `get`."""


class Refused(OtpServiceError):
    """A problem document (RFC 9457) of the service.

    code: stable, see docs/errors.md of the service. retry_after: seconds, None where waiting does not help. extra: the
    other members, such as `reason`, `limit`, `country`, `verification_id`, `advice`. request_id: for the
    operator's log.
    """

    def __init__(
        self,
        code: str,
        status: int,
        detail: str,
        *,
        retry_after: float | None = None,
        extra: Mapping[str, Any] | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.extra = dict(extra or {})
        self.request_id = request_id


class Unauthorized(Refused):
    """The API key is unknown, or may not do this here."""


class NotFound(Refused):
    """There is no such verification, delivery or factor."""


class ValidationFailed(Refused):
    """A field has a wrong form; `extra["errors"]` names it."""


class InvalidPhone(Refused):
    """That is no phone number."""


class InvalidAddress(Refused):
    """That is no e-mail address."""


class PhoneRejected(Refused):
    """This phone can never get the message, or is not sent to."""


class TooSoon(Refused):
    """A code was sent just now, or no send is left; `retry_after` says how long to wait."""


class LimitExceeded(Refused):
    """A limit, a budget, or too many wrong codes."""


class SuspectedPumping(Refused):
    """The guard against SMS pumping refused the send."""


class ChallengeRequired(SuspectedPumping):
    """The guard lets it go once the person has passed a challenge of yours: start again with `challenge_passed`."""


class NoGatewayAvailable(Refused):
    """No gateway took the message."""


class Busy(Refused):
    """Not now: the storage is away, or too much is under way."""


BY_CODE: Mapping[str, type[Refused]] = {
    "unauthorized": Unauthorized,
    "insufficient_scope": Unauthorized,
    "network_not_allowed": Unauthorized,
    "not_found": NotFound,
    "validation_failed": ValidationFailed,
    "malformed_request": ValidationFailed,
    "invalid_phone": InvalidPhone,
    "invalid_address": InvalidAddress,
    "phone_rejected": PhoneRejected,
    "country_not_allowed": PhoneRejected,
    "number_type_not_allowed": PhoneRejected,
    "on_block_list": PhoneRejected,
    "phone_disabled": PhoneRejected,
    "too_soon": TooSoon,
    "no_sends_left": TooSoon,
    "limit_exceeded": LimitExceeded,
    "budget_exhausted": LimitExceeded,
    "too_many_failures": LimitExceeded,
    "suspected_pumping": SuspectedPumping,
    "challenge_required": ChallengeRequired,
    "no_gateway_available": NoGatewayAvailable,
    "busy": Busy,
    "storage_unavailable": Busy,
    "confirmation_pending": Busy,
}


def refused(status: int, body: Any, retry_after: float | None, request_id: str) -> Refused:
    """What an error answer means. One that is no problem document (a proxy's) has the code `http_<status>`."""
    told = dict(body) if isinstance(body, dict) else {}
    code, detail = str(told.pop("code", f"http_{status}")), str(told.pop("detail", "not an answer of the service"))
    extra = {name: value for name, value in told.items() if name not in ("type", "title", "status")}
    kind = BY_CODE.get(code, Refused)
    return kind(code, status, detail, retry_after=retry_after, extra=extra, request_id=request_id)
