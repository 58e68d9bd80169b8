"""Channels that do not reach a person: how that is recognised, how long it is remembered, and what follows. Pure rules.

A stranger can ask for a code for anybody's phone, so what is remembered never closes the only way to a person: it moves
a workflow on to its next step, or keeps a second message from being sent automatically (docs/delivery.md, "Who cannot
be reached")."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from otp_service.domain.failover import Asked
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.recipients import EMAIL
from otp_service.domain.value import Value

HOUR_MS = 3_600_000
HOLDS_MS = (24 * HOUR_MS, 72 * HOUR_MS, 168 * HOUR_MS)
"""How long a channel is passed over after it did not reach a person in one verification, in two in a row, in more."""
PROVED_HOLDS_MS = (HOUR_MS, 24 * HOUR_MS, 72 * HOUR_MS)
"""The same for a phone that the right code came from before: it was rather this one message that was lost."""
ASKED_FOR_MS = HOUR_MS // 4
"""How long such a channel is refused when the caller names it, where the application offers another."""
FORGOTTEN_MS = 720 * HOUR_MS
"""After the last time; a hold is over long before."""
MOST_IN_VAIN = 4
"""Messages without another channel: where one in six is lost by chance, four in a row are for one person in a thousand,
three for one in two hundred, who would have got the next."""
KNOWN_ENDS, NEWEST_ENDS = 3, 20
SMS = "sms"
_LOST = frozenset({MessageStatus.UNDELIVERED, MessageStatus.EXPIRED})


class Unreached(Value):
    """One channel. times: verifications in a row that it did not reach. since, until: milliseconds of Redis time: the
    last of these, and until when the channel is skipped."""

    times: int
    since: int
    until: int


def tells(message: Message, how: Asked, ends: Sequence[int | None]) -> bool:
    """Whether it tells of the person that this message did not arrive; it was given up just now.

    how: whether its gateway answered. ends: how its newest messages ended, newest first (storage/gateways.py): one that
    brings nobody anything tells of itself. What a person has not looked at yet (Telegram, mail) is no SMS that is late.
    """
    known = ends[:NEWEST_ENDS]
    brings = len(known) >= KNOWN_ENDS and 2 * sum(end is not None for end in known) >= len(known)
    if not message.sent_at or not brings or message.channel == EMAIL:
        return False
    late = message.channel == SMS and message.status is MessageStatus.ACCEPTED and how is Asked.ANSWERED
    return message.status in _LOST or late


def in_vain(messages: Sequence[Message], channel: str, gateways: int, *, other_way: bool) -> bool:
    """Whether enough messages of a channel were sent to say that it does not reach the person: one, where there is
    another way; else one by each of its gateways on the route, and one more."""
    sent = sum(message.channel == channel and message.sent_at > 0 for message in messages)
    return sent >= (1 if other_way else min(gateways + 1, MOST_IN_VAIN))


def passed_over(known: Mapping[str, Unreached], now: int, *, asked_for: str = "") -> Collection[str]:
    """The channels that are skipped now. asked_for: the channel that the caller names, if it names one."""
    return [
        channel
        for channel, found in known.items()
        if now < (min(found.until, found.since + ASKED_FOR_MS) if channel == asked_for else found.until)
    ]
