"""A verification: one act of proving one phone for one purpose, and the states it can be in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import field
from msgspec.structs import replace

from otp_service.domain import inbound
from otp_service.domain.inbound import Expected
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.pumping import Decision
from otp_service.domain.route_choice import Choice
from otp_service.domain.value import Hidden, Value
from otp_service.domain.workflows import Step, Way

LIFE_CAP_SECONDS = 600
"""No code is accepted later than this after its verification was made (NIST SP 800-63B-4 §3.1.3.2)."""
LEAST_LIFE_SECONDS = 120
"""Nothing is sent with less life than this left: SMS take their time."""

LEAST_DELIVERY_SECONDS = 20
"""The same for a code whose life is the caller's: some give it a minute."""


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


class DeliveryStatus(StrEnum):
    """Where a code is that its caller made."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"


FAILED = frozenset({MessageStatus.UNDELIVERED, MessageStatus.EXPIRED, MessageStatus.REJECTED, MessageStatus.CANCELED})
"""Of messages: it did not arrive, or was not taken."""


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
    withheld: bool = False
    """A decoy: it looks like any other, and nothing is sent."""
    delivery: bool = False
    """Its code is the caller's, who judges it."""
    converted_at: int = 0
    """When the caller reported that the code of a delivery was entered; 0 for not yet."""
    failover_at: int = 0
    """When the next gateway has its turn, if nothing arrives; 0 for never."""
    service: str = ""
    """The Twilio service that it belongs to; '' for none."""
    own_code: bool = False
    """The caller gave the code, and may approve it."""
    assurance: str = ""
    """Of an approval, where it is not `held`: see domain/inbound.py."""
    expected: Expected | None = None
    """The SMS that it waits for."""
    steps: Sequence[Step] = ()
    """Of the channel `auto`, where its start said its own."""
    unreached: Sequence[str] = ()
    """Channels that do not reach its recipient, as far as is known: nothing is sent by them unasked."""
    route: Choice | None = None
    """The order in which a route that learns asks its gateways, or would."""
    entered: int = 0
    """The message whose own code was entered; 0 where others carry the same."""
    once_unreached: bool = False
    """Something of that kind is remembered of its recipient, and to be forgotten when something arrives."""
    counted_by: Mapping[str, str] = field(default_factory=dict)
    """What limits count it by and only its start knew: dimension → keyed stand-in."""

    @property
    def way(self) -> Way:
        """Along which a next message goes: where the person was to send the code, as what was asked for since."""
        asked = self.messages[-1].channel if self.channel == inbound.CHANNEL and self.messages else self.channel
        return Way(asked, self.steps)

    @property
    def tag(self) -> str:
        """Names this state among all states of the verification (an entity tag, RFC 9110 §8.8.3)."""
        return f'"{self.revision}-{self.status}"'

    @property
    def over(self) -> bool:
        """Nothing will change any more."""
        if self.delivery and self.delivery_status is DeliveryStatus.DELIVERED:
            return True
        return self.status is not Status.PENDING and all(message.status.final for message in self.messages)

    @property
    def delivery_status(self) -> DeliveryStatus:
        """Of a delivery: how it is told, since nobody judges it."""
        statuses = [message.status for message in self.messages]
        if MessageStatus.DELIVERED in statuses:
            return DeliveryStatus.DELIVERED
        if self.status is not Status.PENDING:
            return DeliveryStatus.FAILED if self.status is Status.FAILED else DeliveryStatus.EXPIRED
        if any(message.may_be_out and message.status not in FAILED for message in self.messages):
            return DeliveryStatus.ACCEPTED
        lost = bool(statuses) and FAILED.issuperset(statuses) and not self.failover_at
        return DeliveryStatus.FAILED if lost else DeliveryStatus.QUEUED

    @property
    def public_id(self) -> str:
        """As callers know it."""
        return delivery_id(self.id) if self.delivery else self.id

    @property
    def attempts_left(self) -> int:
        return max(0, self.max_attempts - self.attempts)

    @property
    def life_seconds(self) -> float:
        return max(0, self.expires_at - self.now) / 1000

    @property
    def sends_left(self) -> int:
        return max(0, self.max_sends - self.sends)


def disguised(found: Verification) -> Verification:
    """A decoy as callers see it; any other verification as it is."""
    if not any(message.withheld for message in found.messages):
        return found
    messages = [
        replace(message, status=MessageStatus.ACCEPTED, reason="", sent_at=message.updated_at, ended_at=0)
        if message.withheld
        else message
        for message in found.messages
    ]
    return replace(found, messages=messages)


DELIVERY = "dlv_"
"""Begins the public id of a delivery. Inside it has the form that ids of verifications have."""


def delivery_id(verification_id: str) -> str:
    return DELIVERY + verification_id


def inside(public_id: str) -> str:
    """The id inside; '' for what is not the public id of a delivery."""
    return public_id.removeprefix(DELIVERY) if public_id.startswith(DELIVERY) else ""
