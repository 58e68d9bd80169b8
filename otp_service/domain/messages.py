"""A message: one thing handed to one gateway for a verification, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from otp_service.domain.reasons import NoReason, Reason
from otp_service.domain.value import Value


class MessageStatus(StrEnum):
    """Where a message is. The order of `RANK` is the order in which it may move."""

    QUEUED = "queued"
    """Recorded; the gateway has not answered yet."""
    UNCLEAR = "unclear"
    """The request may have reached the gateway, its answer did not reach us: the message may have left."""
    SCHEDULED = "scheduled"
    HELD = "held"
    """Taken, but sent only after the account is topped up."""
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    """Final: the gateway itself never learned the end."""
    EXPIRED = "expired"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    CANCELED = "canceled"
    DELIVERED = "delivered"

    @property
    def final(self) -> bool:
        return RANK[self] >= RANK[MessageStatus.UNKNOWN]

    @property
    def may_have_left(self) -> bool:
        """Unless nobody was asked yet, or its gateway did not take it."""
        return self not in _NEVER_LEFT

    @property
    def predecessors(self) -> Sequence[MessageStatus]:
        """The statuses it may follow. They never go back; a late `delivered` may still overwrite a failed one."""
        return _PREDECESSORS[self]


RANK = {
    MessageStatus.QUEUED: 0,
    MessageStatus.UNCLEAR: 1,
    MessageStatus.SCHEDULED: 2,
    MessageStatus.HELD: 2,
    MessageStatus.ACCEPTED: 3,
    MessageStatus.UNKNOWN: 4,
    MessageStatus.EXPIRED: 5,
    MessageStatus.UNDELIVERED: 5,
    MessageStatus.REJECTED: 5,
    MessageStatus.CANCELED: 5,
    MessageStatus.DELIVERED: 6,
}

_PREDECESSORS = {status: [before for before in MessageStatus if RANK[before] < RANK[status]] for status in RANK}
_NEVER_LEFT = frozenset({MessageStatus.QUEUED, MessageStatus.REJECTED, MessageStatus.CANCELED})


class CodeSource(StrEnum):
    """Who made the code that a message carries."""

    GATEWAY = "gateway"
    LOCAL = "local"


class Message(Value):
    """One message of a verification, as stored.

    `number` counts from 1 within the verification. `client_id` is ours, drawn before the call; `provider_id` is the
    gateway's. Times are milliseconds of Redis time, 0 for not yet: `sent_at` is when the gateway took it, `ended_at`
    since when its status is final. `price` is of one part, as the gateway wrote it. `pushed` is a status that was
    pushed to us and not confirmed yet. `words` is what the gateway said where no document lists it, for operators.
    """

    number: int
    gateway: str
    channel: str
    code_source: CodeSource
    status: MessageStatus
    updated_at: int
    queued_at: int = 0
    sent_at: int = 0
    ended_at: int = 0
    parts: int = 0
    client_id: str = ""
    provider_id: str = ""
    reason: Reason | NoReason = ""
    price: str = ""
    pushed: str = ""
    words: str = ""

    @property
    def withheld(self) -> bool:
        """It was never handed to the gateway: of a decoy."""
        return self.reason == Reason.WITHHELD

    @property
    def may_have_left(self) -> bool:
        """It is paid for, and counts in limits: a gateway took it, or nobody knows whether one did."""
        return self.sent_at > 0 or self.status.may_have_left

    @property
    def may_arrive(self) -> bool:
        """Nobody said that it was sent, yet an SMS may come, and its code is one that we can check."""
        return self.status is MessageStatus.UNCLEAR and self.code_source is CodeSource.LOCAL

    @property
    def never_handed_over(self) -> bool:
        """It was recorded, and then its gateway was not asked."""
        return self.status is MessageStatus.CANCELED and not self.provider_id

    @property
    def may_be_out(self) -> bool:
        """A code that we can check is on its way, or may be."""
        return self.may_arrive or (
            RANK[self.status] >= RANK[MessageStatus.ACCEPTED]
            and self.status
            not in (
                MessageStatus.REJECTED,
                MessageStatus.CANCELED,
            )
        )
