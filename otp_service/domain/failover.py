"""When a message that does not arrive is replaced by another: pure rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from otp_service.domain.messages import Message, MessageStatus

LEAST_WAIT_SECONDS = 10.0
"""By then nine of ten SMS are there, where the median is 5 s."""
LEAST_LEARNED_SECONDS = 7.0
PATIENCE = (0.96, 0.86)
"""The share of messages that are there by then, of those that come in time at all: at the first turn, and at the
second. Whoever waits half a minute gets the third SMS too, and few are paid for although the one before was only slow
(docs/delivery.md)."""
VERY_LATE_MS = 60_000
"""Nobody waits for these, so they say nothing of when to give up."""
PRIOR_MS = (1500, 1900, 2200, 2500, 2900, 3200, 3600, 4000, 4400, 4800, 5200, 5700, 6300, 6900, 7600, 8500, 9600,
            11_000, 13_000, 17_000)  # fmt: skip
"""What is believed of a gateway of which little is known: half arrive in 5 s, nine of ten in 10 s."""
ENOUGH_OF_GROUP = 20
"""As many as what is believed beforehand."""
ON_FAILURE_ONLY_MS = 3_600_000
"""Later than the end of any verification."""
SOON_MS = 2000
BUSY_MS = 3000
"""A gateway that could not be asked so long after the next one's turn had come is one that does not answer: so slow are
its answers."""
FAILED = frozenset({MessageStatus.UNDELIVERED, MessageStatus.EXPIRED, MessageStatus.REJECTED, MessageStatus.CANCELED})


class Turn(StrEnum):
    """Whether the next gateway has its turn."""

    NOW = "now"
    NOT_YET = "not yet"
    SOON = "soon"
    """The gateway could not be asked; to be judged anew as soon as it may be."""
    ON_FAILURE = "on failure"
    """Only if the gateway says that the message failed."""
    NEVER = "never"


class Asked(StrEnum):
    """Whether what is known of a gateway's messages is what it says now."""

    ANSWERED = "answered"
    BUSY = "busy"
    """It was not asked: others ask its account, or it answers too slowly for all."""
    SILENT = "silent"
    """It was asked, and did not answer."""


def wait_ms(after_seconds: float, failovers: int, ends: Sequence[int | None] | None = None) -> int:
    """From the end of a walk until the next gateway's turn, if nothing arrives; 0 seconds: on failure only.

    Each further wait is half of the one before: who has waited once waits less patiently. ends: how the newest messages
    of the gateway ended that is waited for, as in storage/gateways.py: it is given up as soon as it is later than it
    usually is, and no later than without.
    """
    if not after_seconds:
        return ON_FAILURE_ONLY_MS
    fixed_ms = int(1000 * max(min(after_seconds, LEAST_WAIT_SECONDS), after_seconds / 2**failovers))
    if ends is None or failovers >= len(PATIENCE):
        return fixed_ms
    return min(fixed_ms, max(int(LEAST_LEARNED_SECONDS * 1000), usual_ms(ends, PATIENCE[failovers])))


def of_group(own: Sequence[int], ends: Sequence[int | None]) -> Sequence[int | None]:
    """By which messages a gateway is waited for: those to the people of the same operator, once enough are known; else
    all of it. own: as storage/gateways.py keeps them."""
    return own if len(own) >= ENOUGH_OF_GROUP else ends


def usual_ms(ends: Sequence[int | None], share: float) -> int:
    """Within so long this share of the messages arrives that are not lost or very late, 0 < share < 1."""
    known = sorted([*PRIOR_MS, *(each for each in ends if each is not None and each <= VERY_LATE_MS)])
    return known[int(share * len(known))]


PUT_OFF_MS: Mapping[Turn, int] = {Turn.SOON: SOON_MS, Turn.ON_FAILURE: ON_FAILURE_ONLY_MS}
"""Until it is judged anew."""


def waited_for(messages: Sequence[Message]) -> Message | None:
    """The message that went out last, or may have."""
    out = [message for message in messages if message.sent_at or message.status is MessageStatus.UNCLEAR]
    return out[-1] if out else None


def turn(
    messages: Sequence[Message],
    *,
    due: bool,
    reports_come: Callable[[str], bool | None],
    asked: Asked,
    late_ms: int,
    failovers: int,
) -> Turn:
    """Judged by the message that went out last. due: its time is up. reports_come: whether a gateway's reports are
    known to come, because the silence of a mute one means nothing; None where too little is known, and then only who
    has waited in vain before is believed not to get this one either. asked: whether its gateway answered just now.
    late_ms: for how long it has been due. failovers: turns that the verification had before.

    One that does not answer is not waited for, or its outage would be that of all who wait for its SMS. But only once
    for each verification, or an hour of it would cost every send that they have.
    """
    last = waited_for(messages)
    if last is None or any(message.status is MessageStatus.DELIVERED for message in messages):
        return Turn.NEVER
    if last.status in FAILED:
        return Turn.NOW
    if last.status is MessageStatus.UNKNOWN:
        return Turn.NEVER
    if not due:
        return Turn.NOT_YET
    if last.status is MessageStatus.UNCLEAR:
        return Turn.NOW
    come = reports_come(last.gateway)
    if come is False or (come is None and not failovers):
        return Turn.ON_FAILURE
    silent = asked is Asked.SILENT or late_ms >= BUSY_MS
    if asked is not Asked.ANSWERED and (failovers or not silent):
        return Turn.SOON
    return Turn.NOW
