"""A verification: one act of proving one phone for one purpose, and the states it can be in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import field

from otp_service.domain.messages import Message
from otp_service.domain.phone import Number
from otp_service.domain.pumping import Decision
from otp_service.domain.value import Hidden, Value

LIFE_CAP_SECONDS = 600
"""No code is accepted later than this after its verification was made (NIST SP 800-63B-4 §3.1.3.2)."""
LEAST_LIFE_SECONDS = 120
"""Nothing is sent with less life than this left: SMS take their time."""


class Status(StrEnum):
    """Only `pending` moves; every other status is final."""

    PENDING = "pending"
    APPROVED = "approved"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    """The attempts are used up."""
    CANCELED = "canceled"
    FAILED = "failed"
    """No gateway took the message."""


class Outcome(StrEnum):
    """What one check came to."""

    APPROVED = "approved"
    WRONG_CODE = "wrong_code"
    ALREADY_APPROVED = "already_approved"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    CANCELED = "canceled"
    FAILED = "failed"

    @classmethod
    def of_closed(cls, status: Status) -> Outcome:
        """What a check hears that comes after the end."""
        return cls.ALREADY_APPROVED if status is Status.APPROVED else cls(status.value)


class Verification(Value):
    """A verification as it is at `now`. Times are milliseconds of Redis time; `phone` is E.164.

    ended_at: 0 until a final status is written down. revision: grows with every change that a caller can see.
    """

    id: str
    application: str
    phone: Hidden[str]
    purpose: str
    channel: str
    locale: str
    platform: str
    """Of the person's device: web, android, ios; '' where nobody said."""
    reference: str
    subject: Hidden[str]
    number: Number
    status: Status
    created_at: int
    expires_at: int
    resend_at: int
    attempts: int
    max_attempts: int
    sends: int
    max_sends: int
    ended_at: int
    attempted_at: Sequence[int]
    revision: int
    messages: Sequence[Message]
    now: int
    guard: Decision | None = None
    """What the pumping guard thought of its first send."""
    test: bool = False
    """Of a test number: nothing was sent."""
    counted_by: Mapping[str, str] = field(default_factory=dict)
    """What limits count it by and only its start knew: dimension → keyed stand-in."""

    @property
    def tag(self) -> str:
        """Names this state among all states of the verification (an entity tag, RFC 9110 §8.8.3)."""
        return f'"{self.revision}-{self.status}"'

    @property
    def over(self) -> bool:
        """Nothing will change any more."""
        return self.status is not Status.PENDING and all(message.status.final for message in self.messages)

    @property
    def attempts_left(self) -> int:
        return max(0, self.max_attempts - self.attempts)

    @property
    def life_seconds(self) -> float:
        return max(0, self.expires_at - self.now) / 1000

    @property
    def sends_left(self) -> int:
        return max(0, self.max_sends - self.sends)
