"""When a message that does not arrive is replaced by another: pure rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from otp_service.domain.messages import Message, MessageStatus

LEAST_WAIT_SECONDS = 10.0
"""By then nine of ten SMS are there, where the median is 5 s."""
ON_FAILURE_ONLY_MS = 3_600_000
"""Later than the end of any verification."""
SOON_MS = 2000
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
    """It was not asked: others ask its account."""
    SILENT = "silent"
    """It was asked, and did not answer."""


def wait_ms(after_seconds: float, failovers: int) -> int:
    """From the end of a walk until the next gateway's turn, if nothing arrives; 0 seconds: on failure only.

    Each further wait is half of the one before: who has waited once waits less patiently.
    """
    if not after_seconds:
        return ON_FAILURE_ONLY_MS
    return int(1000 * max(min(after_seconds, LEAST_WAIT_SECONDS), after_seconds / 2**failovers))


PUT_OFF_MS: Mapping[Turn, int] = {Turn.SOON: SOON_MS, Turn.ON_FAILURE: ON_FAILURE_ONLY_MS}
"""Until it is judged anew."""


def turn(
    messages: Sequence[Message],
    *,
    due: bool,
    reports_come: Callable[[str], bool],
    asked: Callable[[str], Asked],
    failovers: int,
) -> Turn:
    """Judged by the message that went out last. due: its time is up. reports_come: whether a gateway's reports are
    known to come, because the silence of a mute one means nothing. asked: whether a gateway answered just now.
    failovers: turns that the verification had before.

    One that does not answer is not waited for, or its outage would be that of all who wait for its SMS. But only once
    for each verification, or an hour of it would cost every send that they have.
    """
    out = [message for message in messages if message.sent_at or message.status is MessageStatus.UNCLEAR]
    if not out or any(message.status is MessageStatus.DELIVERED for message in messages):
        return Turn.NEVER
    last = out[-1]
    if last.status in FAILED:
        return Turn.NOW
    if last.status is MessageStatus.UNKNOWN:
        return Turn.NEVER
    if not due:
        return Turn.NOT_YET
    if last.status is MessageStatus.UNCLEAR:
        return Turn.NOW
    if not reports_come(last.gateway):
        return Turn.ON_FAILURE
    how = asked(last.gateway)
    if how is Asked.BUSY or (how is Asked.SILENT and failovers):
        return Turn.SOON
    return Turn.NOW
