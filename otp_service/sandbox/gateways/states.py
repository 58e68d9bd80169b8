"""The words of the platform for the state of an SMS: X4, X5, X20, G2, G3."""

from __future__ import annotations

from otp_service.sandbox.messages import Status

WORDS = {
    Status.SCHEDULED: "send",
    Status.HELD: "send",
    Status.ACCEPTED: "send",
    Status.DELIVERED: "deliver",
    Status.UNDELIVERED: "not_deliver",
    Status.EXPIRED: "expired",
    Status.UNKNOWN: "partly_deliver",
    # Ours from here: no word for an SMS that was deleted or refused later; `read` is a word that is not listed.
    Status.CANCELED: "not_deliver",
    Status.REJECTED: "not_deliver",
    Status.READ: "read",
}

UNKNOWN_ID = "Сообщение с таким ID не принималось"
"""J2's text. What X4 and G2 answer for an unknown id is not documented: theirs is ours."""
