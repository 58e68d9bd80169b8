"""Every error this service raises on purpose.

OtpError                        has a stable `code`; a person can act on its sentence
├── SettingsError               refused at start; names the key
│   └── WrongRedisError         what answers there is not for us
├── Refused                     the caller's request is answered with a problem (api/problems.py: code → status)
├── StorageUnavailable          Redis is away, out of memory, or does not let us: nothing was promised
├── Unreadable                  one record in Redis is not what it should be: what it is about cannot be done
└── Erased                      a verification was erased while something was being done about it

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


class WrongRedisError(SettingsError):
    """It answers, but not for us: its user may not do our work, or another program has its data under our names."""


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


class Erased(OtpError):  # noqa: N818  nothing went wrong
    """A verification was erased while it was being sent or judged. Something may have been sent, so this is no refusal
    that gives counts back; its caller hears that there is no such verification."""

    code = "not_found"


class StorageUnavailable(Refused):
    """Redis did not do it, or we cannot know whether it did, or another process does it now.

    Safe to ask again with the same Idempotency-Key. What was counted stays counted.
    """

    def __init__(
        self,
        code: str = "storage_unavailable",
        detail: str = "The storage is not available.",
        *,
        retry_after: float = 1,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, detail, retry_after=retry_after, extra=extra)


class Unreadable(Refused):
    """A record in Redis cannot be read: another program wrote it, it is damaged, or a newer version made it.

    key: of the record, which holds nothing personal; "" where it is not known.
    """

    def __init__(self, key: str = "") -> None:
        super().__init__("internal_error", "A stored record cannot be read; the log knows which.")
        self.key = key
