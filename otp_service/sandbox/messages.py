"""An SMS in the sandbox, and where it is at a given moment. Its fate is decided by the last digits of the phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

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


Channel = Literal["sms", "viber", "telegram", "email"]

OF_GATEWAYS: dict[str, Channel] = {"telegram": "telegram", "smtp": "email"}

DELIVERY_TIME = timedelta(seconds=2)
READING_TIME = timedelta(seconds=2)
"""From the delivery of a Viber message until a person has read it."""

STOP_LIST_ENDING = "00"
CLOSED_AREA_ENDING = "01"
UNREAD_ENDING = "07"
"""Nobody ever reads the Viber message; an SMS is delivered as any other."""
EARLY_ENDING = "10"
"""Delivered at once, and reported before the gateway has answered the send (X5)."""
TWICE_ENDING = "11"
"""Reported once more after the report was acknowledged (X5)."""
NOT_ON_TELEGRAM_ENDING = "12"
"""Telegram does not know the phone; an SMS is delivered as any other."""
FATES: dict[str, Status | None] = {
    "02": None,  # no report ever comes; a Viber message expires
    "03": Status.UNDELIVERED,
    "04": Status.EXPIRED,
    "05": Status.UNKNOWN,
    "06": Status.REJECTED,
    "09": Status.READ,  # a word that X4 does not document
}
"""Last two digits of the phone → what becomes of its SMS. Any other ending is delivered. Ours, like the five above."""
VIBER_FATES = FATES | {"08": Status.READ}


@dataclass(frozen=True, slots=True)
class Viber:
    """What only a Viber message has (J1). validity: for how long its delivery is tried, from when it leaves."""

    validity: timedelta
    button_text: str = ""
    button_url: str = ""
    image_url: str = ""


@dataclass(slots=True)
class Message:
    """One SMS, one Viber message, one mail. phone: digits, or an address. price: of one part. All times UTC.

    taken_at: when the gateway took the request. type: as X16 lists it. cascade: the id_message of J that it serves.
    """

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
    viber: Viber | None = None
    type: str = "sms"
    name_delivery: str = ""
    cascade: str = ""
    client_id: str = ""
    send_at: datetime | None = None
    valid_until: datetime | None = None
    sent_at: datetime | None = None
    held: bool = False
    canceled_at: datetime | None = None
    subject: str = ""
    html: str = ""
    """Of a mail."""
    delivery_time: timedelta = DELIVERY_TIME
    """From when it leaves until its fate is met."""

    @property
    def channel(self) -> Channel:
        return "viber" if self.viber else OF_GATEWAYS.get(self.gateway, "sms")

    @property
    def cost(self) -> Decimal:
        return self.parts * self.price

    @property
    def arrives_at(self) -> datetime | None:
        """When the phone has it, be it in the future; None where it never does, or waits to leave."""
        events = self.events(self.sent_at) if self.sent_at and not self.canceled_at else []
        return next((at for status, at in events if status is Status.DELIVERED), None)

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
        past = [event for event in self.events(self.sent_at) if event[1] <= now]
        return past[-1] if past else (Status.ACCEPTED, None)

    def events(self, sent_at: datetime) -> list[tuple[Status, datetime]]:
        """What becomes of it after it has left, in order; nothing: no report ever comes."""
        at = sent_at if self.phone.endswith(EARLY_ENDING) else sent_at + self.delivery_time
        # J1: delivery by Viber is tried until its validity ends, then it is final. Of an SMS we may hear nothing.
        tried_to_the_end = self.channel != "sms" and self.fate in (None, Status.EXPIRED)
        if self.valid_until and (tried_to_the_end or (self.fate and self.valid_until < at)):
            return [(Status.EXPIRED, max(self.valid_until, sent_at))]
        if self.fate is None:
            return []
        if self.viber and self.fate is Status.READ:
            return [(Status.DELIVERED, at), (Status.READ, at + READING_TIME)]
        return [(self.fate, at)]
