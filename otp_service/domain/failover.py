"""When a message that does not arrive is replaced by another: pure rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from otp_service.domain.messages import Message, MessageStatus

LEAST_WAIT_SECONDS = 5.0
ON_FAILURE_ONLY_MS = 3_600_000
"""Later than the end of any verification."""
FAILED = frozenset({MessageStatus.UNDELIVERED, MessageStatus.EXPIRED, MessageStatus.REJECTED, MessageStatus.CANCELED})


class Turn(StrEnum):
    """Whether the next gateway has its turn."""

    NOW = "now"
    NOT_YET = "not yet"
    NEVER = "never"


def wait_ms(after_seconds: float, failovers: int) -> int:
    """From the end of a walk until the next gateway's turn, if nothing arrives; 0 seconds: on failure only.

    Each further wait is half of the one before: who has waited once waits less patiently.
    """
    if not after_seconds:
        return ON_FAILURE_ONLY_MS
    return int(1000 * max(min(after_seconds, LEAST_WAIT_SECONDS), after_seconds / 2**failovers))


def turn(messages: Sequence[Message], *, due: bool, reports_come: Callable[[str], bool]) -> Turn:
    """Judged by the message that went out last. due: its time is up. reports_come: whether a gateway's reports are
    known to come, because the silence of a mute one means nothing.
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
    return Turn.NOW if last.status is MessageStatus.UNCLEAR or reports_come(last.gateway) else Turn.NEVER
