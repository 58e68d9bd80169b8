"""Why a message was not taken, or did not arrive: the words that records, metrics and callers share."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class Reason(StrEnum):
    """Why a gateway did not take a message: a closed list for records, metrics and callers."""

    INVALID_NUMBER = "invalid_number"
    STOP_LIST = "stop_list"
    DIRECTION_CLOSED = "direction_closed"
    CREDENTIALS = "credentials"
    ACCOUNT_BLOCKED = "account_blocked"
    FUNDS = "funds"
    GATEWAY_EXHAUSTED = "gateway_exhausted"
    """The provider itself has run out of SMS."""
    SENDER = "sender"
    CONTENT = "content"
    BAD_REQUEST = "bad_request"
    """The gateway did not understand us: a bug of ours or a wrong setting."""
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    """No connection was made, so nothing was sent."""
    TIMEOUT = "timeout"
    BROKEN_ANSWER = "broken_answer"
    """Cut, reset, HTML, an HTTP error, or a shape the document does not know."""
    NOT_SENT = "not_sent"
    """The gateway says so itself (`connection_error`, `Sent Error`)."""
    UNKNOWN_ERROR = "unknown_error"
    """An error text that no document lists."""
    NO_REPORT = "no_report"
    """The gateway took it and never told the end."""
    UNREACHED = "unreached"
    """Nothing that was sent to this recipient by the channel arrived lately; nothing was sent now."""
    WITHHELD = "withheld"
    """It was never handed to the gateway: a decoy of an application that does not tell whom it refuses."""


NoReason = Literal[""]

_WORDS: dict[str, Reason | NoReason] = {"": "", **{reason.value: reason for reason in Reason}}


def stored_reason(word: str) -> Reason | NoReason:
    """A reason as a record has it; an unknown word, of a later version, is `UNKNOWN_ERROR`."""
    return _WORDS.get(word, Reason.UNKNOWN_ERROR)
