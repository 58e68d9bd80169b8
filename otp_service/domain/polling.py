"""When a gateway is asked what became of a message: pure rules."""

from __future__ import annotations

from otp_service.domain.messages import Message
from otp_service.domain.verifications import Status, Verification

LOOKS_SECONDS = (5, 10, 15, 30, 60, 120, 300)
"""After the gateway took a message; from then on every 300 s. Of a gateway that tells no times a delivery is known by
these alone, so they are dense where the next gateway's turn comes."""
UNANSWERED_SECONDS = 5.0
"""After a question that was not answered, while the code is of use to somebody: else an outage of the states would hide
for minutes that a message failed."""
FIRST_LOOK_MS = LOOKS_SECONDS[0] * 1000


def open_messages(found: Verification) -> list[Message]:
    """Those whose end is not known: taken by a gateway, or perhaps, or by nobody can tell whom."""
    return [message for message in found.messages if not message.status.final]


def given_up_at(found: Verification) -> int:
    """From then on nobody is asked: after the code's end as long again as it lived. Milliseconds of Redis time."""
    return 2 * found.expires_at - found.created_at


def next_look_ms(found: Verification, message: Message, least_seconds: float = 0, *, answered: bool = True) -> int:
    """From now until a gateway is asked about a message again, by the message's age, whether it answered now, and the
    gateway's least pause."""
    age = (found.now - (message.sent_at or message.queued_at)) / 1000
    later = [seconds - age for seconds in LOOKS_SECONDS if seconds > age + 0.5]
    wait = later[0] if later else LOOKS_SECONDS[-1]
    if not answered and found.status is Status.PENDING:
        wait = min(wait, UNANSWERED_SECONDS)
    return max(1, min(int(max(wait, least_seconds) * 1000), given_up_at(found) - found.now))
