"""An SMS in the sandbox, and where it is at a given moment. Its fate is decided by the last digits of the phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from otp_service.sandbox.accounts import AccountKey


class Status(StrEnum):
    """Our words, shown on the pages and in `/_sim/messages`; each gateway has a table to its own."""

    SCHEDULED = "scheduled"
    HELD = "held"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    CANCELED = "canceled"


DELIVERY_TIME = timedelta(seconds=2)

STOP_LIST_ENDING = "00"
CLOSED_AREA_ENDING = "01"
FATES: dict[str, Status | None] = {
    "02": None,  # no report ever comes
    "03": Status.UNDELIVERED,
    "04": Status.EXPIRED,
    "05": Status.UNKNOWN,
    "06": Status.REJECTED,
    "09": Status.READ,  # a word that X4 does not document
}
"""Last two digits of the phone → what becomes of its SMS. Any other ending is delivered. Ours, like the two above."""


def fate_of(phone: str) -> Status | None:
    return FATES.get(phone[-2:], Status.DELIVERED)


@dataclass(slots=True)
class Message:
    """phone: digits. price: of one part. taken_at: when the gateway took the request. All times UTC."""

    id: str
    account: AccountKey
    gateway: str
    phone: str
    sender: str
    text: str
    parts: int
    price: Decimal
    taken_at: datetime
    fate: Status | None
    client_id: str = ""
    send_at: datetime | None = None
    valid_until: datetime | None = None
    sent_at: datetime | None = None
    held: bool = False
    canceled_at: datetime | None = None

    @property
    def cost(self) -> Decimal:
        return self.parts * self.price

    @property
    def waiting(self) -> bool:
        return self.sent_at is None and self.canceled_at is None

    def status_at(self, now: datetime) -> tuple[Status, datetime | None]:
        """The status and since when; no time while the status has "not been received yet" (X4)."""
        if self.canceled_at:
            return Status.CANCELED, self.canceled_at
        if self.sent_at is None:
            if self.valid_until and now >= self.valid_until:
                return Status.EXPIRED, self.valid_until
            return (Status.HELD if self.held else Status.SCHEDULED), None
        if self.fate is None:
            return Status.ACCEPTED, None
        fate, at = self.fate, self.sent_at + DELIVERY_TIME
        if self.valid_until and self.valid_until < at:
            fate, at = Status.EXPIRED, max(self.valid_until, self.sent_at)
        return (fate, at) if now >= at else (Status.ACCEPTED, None)
