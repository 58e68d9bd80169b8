"""J1: one message tried through several channels, one after the other, until it is delivered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from otp_service.sandbox.accounts import AccountKey
from otp_service.sandbox.drafts import Draft, refusal
from otp_service.sandbox.messages import READING_TIME, UNREAD_ENDING, Channel, Message, Status
from otp_service.sandbox.sending import compose, settle, take
from otp_service.sandbox.state import Sandbox

IN_PROGRESS = frozenset({Status.SCHEDULED, Status.HELD, Status.ACCEPTED})
FAILED = frozenset({Status.UNDELIVERED, Status.EXPIRED, Status.REJECTED})
"""After one of these the next channel is tried. Not after `partly_deliver`: the message may have arrived (ours)."""


@dataclass(slots=True)
class Cascade:
    """ahead: for the channels not tried yet, in order. messages: one for each channel tried so far.

    read_is_final: `finale_viber_read`, only what was read counts as delivered by Viber.
    """

    id: str
    account: AccountKey
    phone: str
    client_id: str
    read_is_final: bool
    ahead: list[Draft]
    messages: list[Message]

    def by(self, channel: Channel) -> Message | None:
        return next((message for message in self.messages if message.channel == channel), None)

    def status_at(self, now: datetime) -> tuple[Status, datetime | None]:
        """Of the channel tried last, and since when. More channels may come after a failed one."""
        message = self.messages[-1]
        status, since = message.status_at(now)
        if not (message.viber and self.read_is_final and status in (Status.DELIVERED, Status.READ)):
            return status, since
        delivered_at = message.events(message.sent_at or message.taken_at)[0][1]
        read_at = None if message.phone.endswith(UNREAD_ENDING) else delivered_at + READING_TIME
        ends_at = message.valid_until
        if read_at and (ends_at is None or read_at <= ends_at):
            return (Status.DELIVERED, read_at) if read_at <= now else (Status.ACCEPTED, since)
        # Ours: delivered, but never read, is an expired message where nothing but reading counts.
        return (Status.EXPIRED, ends_at) if ends_at and ends_at <= now else (Status.ACCEPTED, since)


def start(sandbox: Sandbox, cascade: Cascade) -> None:
    """Try the first channel; a scheduled one has its id at once (ours)."""
    sandbox.keep_cascade(cascade)
    _try_next(sandbox, cascade, sandbox.clock.now())
    catch_up(sandbox)


def catch_up(sandbox: Sandbox) -> None:
    """Let happen all that is due by now."""
    settle(sandbox)
    now = sandbox.clock.now()
    for cascade in list(sandbox.running.values()):
        status, since = cascade.status_at(now)
        while status in FAILED and cascade.ahead:
            _try_next(sandbox, cascade, since or now)
            status, since = cascade.status_at(now)
        if status not in IN_PROGRESS or not cascade.ahead:
            del sandbox.running[cascade.id]


def _try_next(sandbox: Sandbox, cascade: Cascade, at: datetime) -> None:
    """A channel that is refused by now, as by a new entry in the stop list, is passed over (ours)."""
    draft, account = cascade.ahead.pop(0), sandbox.accounts[cascade.account]
    if refusal(account, draft) is None:
        message = compose(sandbox, account, draft, sandbox.new_id(), at)
        message.cascade = cascade.id
        cascade.messages.append(message)
        take(sandbox, message)
