"""What every gateway looks like from inside: one protocol, one accepted result, one way to fail.

An adapter makes exactly one HTTP call per `send` and never repeats it by itself; whether to repeat, to go on or to
stop is decided by `delivery`, from what the error says (`GatewayError.then`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from otp_service.domain.messages import MessageStatus
from otp_service.domain.value import Hidden, Value


class Then(StrEnum):
    """What a failed attempt means for the walk along the route."""

    STOP = "stop"
    """This phone can never get it; no gateway will help."""
    NEXT = "next"
    """Nothing was sent here; try the next gateway."""
    UNCLEAR = "unclear"
    """The request left and no clear answer came: an SMS may arrive."""


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
    WITHHELD = "withheld"
    """It was never handed to the gateway: a decoy of an application that does not tell whom it refuses."""


class Outgoing(Value):
    """One message to be sent. `text` holds the code, except where the gateway makes it: there it holds `{код}`.

    phone: E.164. client_id: decimal digits, unique for ever in the provider's account. expires_at: aware UTC time
    after which the code is dead. code_length: digits wanted where the gateway makes the code, else 0.
    """

    phone: Hidden[str]
    text: Hidden[str]
    client_id: str
    expires_at: datetime
    code_length: int = 0


class Accepted(Value):
    """The gateway took the message.

    status: `accepted`, `delivered`, `scheduled` or `held` (error 8 of TargetSMS: goes out after a top-up).
    code: only from a gateway that makes it; never logged, hashed at once by the caller and forgotten.
    parts: SMS parts as the gateway counts them, 0 if it does not say.
    """

    provider_id: str = ""
    status: MessageStatus = MessageStatus.ACCEPTED
    parts: int = 0
    code: Hidden[str] = ""


class GatewayError(Exception):
    """A gateway did not take a message. Carries nothing that the provider wrote, no phone, no code.

    reason: for records and metrics. then: what the walk does next. text: the sentence of the vendor's document that
    the answer stands for, as printed there, for an operator to read; "" where no document lists the answer.
    """

    def __init__(self, reason: Reason, then: Then, text: str = "") -> None:
        super().__init__(f"{reason} ({then})")
        self.reason = reason
        self.then = then
        self.text = text


class Delivery(Value):
    """What a gateway says became of a message when asked.

    changed_at: as the gateway wrote it. price: of one part.
    """

    provider_id: str
    status: MessageStatus
    changed_at: str = ""
    parts: int = 0
    price: Decimal | None = None
    provider_code: str = ""


class Finding(Value):
    """One line of a gateway's self-examination for `otp-service doctor`."""

    name: str
    ok: bool
    text: str


class Gateway(Protocol):
    """One provider API under the name it has in the settings."""

    name: str
    channel: str
    makes_code: bool
    """The provider generates the code and tells us; `Outgoing.text` must hold `{код}` once."""
    repeatable: bool
    """A repeat with the same `client_id` sends nothing new, so an unclear attempt may be repeated."""

    account: str
    """Names the provider account: within it client ids are unique. Holds no password."""
    attempt_seconds: float
    """The longest that one attempt may take."""
    ask_batch: int
    """How many messages one call of `deliveries` may be about."""
    ask_pause_seconds: float
    """A message is asked about again only after so long."""
    balance_low: float
    """Below this the operator is told; 0 for never."""
    circuit_breaker: bool
    """Leave it alone for a while after it failed."""

    @property
    def zone(self) -> ZoneInfo | None:
        """Of the times that it writes; None where it writes none."""
        ...

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        """Hand over one message within `seconds`, or raise `GatewayError`. Nothing else escapes."""
        ...

    async def withdraw(self, provider_id: str) -> bool:
        """Take back a held or scheduled message; False where the provider offers no way or it is too late.

        Raises `GatewayError`.
        """
        ...

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        """Ask what became of messages. Raises `GatewayError`; ids the provider does not know are left out."""
        ...

    async def balance(self, seconds: float) -> Decimal | None:
        """What is left, in money or SMS; None where the provider does not tell. Raises `GatewayError`."""
        ...

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """Ask something that costs nothing, to learn whether it can work again after it failed for `reason`.

        False: the provider has no question that would tell. Raises `GatewayError` where it still fails.
        """
        ...

    async def examine(self) -> list[Finding]:
        """Balance, sender, clock: whatever the provider tells without an SMS. Never raises for a gateway's fault."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
