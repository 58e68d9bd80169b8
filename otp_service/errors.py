"""Every error this service raises on purpose.

OtpError                        has a stable `code`; a person can act on its sentence
├── SettingsError               refused at start; names the key
├── Refused                     the caller's request is answered with a problem (api/problems.py: code → status)
└── StorageUnavailable          Redis is away, out of memory, or not the primary: nothing was promised

gateways.base.GatewayError      never leaves delivery; becomes a message's status and the walk's next step
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OtpError(Exception):
    """Base of all errors raised on purpose."""

    code = "internal_error"


class SettingsError(OtpError):
    """Settings that cannot work. The sentence names the key and says what to do."""

    code = "settings"


class Refused(OtpError):  # noqa: N818  a refusal is an answer, not a fault
    """The request is refused with a reason that the caller can act upon.

    code: stable, documented in docs/errors.md. retry_after: seconds, rounded up by the API. extra: members of the
    problem document, never a phone or a code.
    """

    def __init__(
        self, code: str, detail: str, *, retry_after: float | None = None, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.extra = dict(extra or {})


class StorageUnavailable(Refused):
    """Redis did not do it, or we cannot know whether it did. Safe to ask again with the same Idempotency-Key."""

    def __init__(self, code: str = "storage_unavailable", detail: str = "The storage is not available.") -> None:
        super().__init__(code, detail, retry_after=1)
