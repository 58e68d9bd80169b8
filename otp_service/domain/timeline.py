"""What happened to a verification, step by step, from its record."""

from __future__ import annotations

from otp_service.domain.value import Value
from otp_service.domain.verifications import Status, Verification


class Moment(Value):
    """at: milliseconds of Redis time. what: `created`, `attempt`, `message.<status>`, or how it ended.

    message: number of the message that it is about, 0 for none.
    """

    at: int
    what: str
    message: int = 0


def timeline(found: Verification) -> list[Moment]:
    """Oldest first."""
    moments = [Moment(found.created_at, "created")]
    moments += [Moment(at, "attempt") for at in found.attempted_at if at]
    for message in found.messages:
        moments.append(Moment(message.queued_at, "message.queued", message.number))
        if message.sent_at:
            moments.append(Moment(message.sent_at, "message.accepted", message.number))
        if message.status not in ("queued", "accepted"):
            at = message.ended_at or message.updated_at
            moments.append(Moment(at, f"message.{message.status}", message.number))
    if found.ended_at or found.status is not Status.PENDING:
        moments.append(Moment(found.ended_at or found.expires_at, str(found.status)))
    return sorted(moments, key=lambda moment: moment.at)
