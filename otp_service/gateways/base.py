"""What every gateway looks like from inside: one protocol, one accepted result, one way to fail.

An adapter makes exactly one HTTP call per `send` and never repeats it by itself; whether to repeat, to go on or to
stop is decided by `delivery`, from what the error says (`GatewayError.then`).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from otp_service.domain.inbound import Incoming
from otp_service.domain.mails import Mail
from otp_service.domain.messages import MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import forms
from otp_service.domain.value import Hidden, Value
from otp_service.telemetry.logs import redacted


class Then(StrEnum):
    """What a failed attempt means for the walk along the route."""

    STOP = "stop"
    """This phone can never get it; no gateway will help."""
    NEXT = "next"
    """Nothing was sent here; try the next gateway."""
    UNCLEAR = "unclear"
    """The request left and no clear answer came: an SMS may arrive."""


class Outgoing(Value):
    """One message to be sent. `text` holds the code, except where the gateway makes it: there it holds `{код}`.

    phone: E.164, or an address where the channel is email. client_id: decimal digits, unique for ever in the provider's
    account. expires_at: aware UTC time after which the code is dead. code_length: digits wanted where the gateway makes
    the code, else 0. repeat: it was handed to this gateway before, under the same client id, and nobody knows what
    became of it. code: the one in the text, for providers that place it themselves; "" where the gateway makes it.
    locale: of the text. mail: what a mail has beside its text, where the channel is email.
    """

    phone: Hidden[str]
    text: Hidden[str]
    client_id: str
    expires_at: datetime
    code_length: int = 0
    repeat: bool = False
    code: Hidden[str] = ""
    locale: str = ""
    mail: Hidden[Mail | None] = None


class Accepted(Value):
    """The gateway took the message.

    status: `accepted`, `delivered`, `scheduled` or `held` (error 8 of TargetSMS: goes out after a top-up).
    code: only from a gateway that makes it; never logged, hashed at once by the caller and forgotten.
    parts: SMS parts as the gateway counts them, 0 if it does not say. earlier: it says that it has taken this message
    before and sends nothing now; only for a repeat is that good news, see `delivery.attempt`. price: of one part, None
    if it does not say.
    """

    provider_id: str = ""
    status: MessageStatus = MessageStatus.ACCEPTED
    parts: int = 0
    code: Hidden[str] = ""
    earlier: bool = False
    price: Decimal | None = None


LONGEST_WORDS = 200
_LONGEST_READ = 4000
_NUMBERS = re.compile(r"\d(?:[\s().+-]{0,3}\d){3,}")
"""Whatever may be a phone or a code, in pieces, too."""


class GatewayError(Exception):
    """A gateway did not take a message. Neither its text nor its `repr` holds anything that the provider wrote.

    reason: for records and metrics. then: what the walk does next. text: the sentence of the vendor's document that
    the answer stands for, as printed there, for an operator to read; "" where no document lists the answer. said: what
    the provider wrote instead, for `words`.
    """

    def __init__(self, reason: Reason, then: Then, text: str = "", said: str = "") -> None:
        super().__init__(f"{reason} ({then})")
        self.reason = reason
        self.then = then
        self.text = text
        printable = "".join(char if char.isprintable() else " " for char in said[:_LONGEST_READ])
        self._said = " ".join(printable.split())

    @property
    def words(self) -> str:
        """The provider's own words where no document lists them, for an operator alone: one line of up to
        `LONGEST_WORDS` characters, without what may be a phone or a code, without the credentials in use, and without
        what `hide` was given.
        """
        return _NUMBERS.sub("#", redacted(self._said))[:LONGEST_WORDS]

    def hide(self, secrets: Iterable[str]) -> None:
        """Take credentials out of `words`, however they are written. For the adapter that used them."""
        for form in sorted({form for each in secrets for form in forms(each)}, key=len, reverse=True):
            self._said = re.sub(re.escape(form), "[redacted]", self._said, flags=re.IGNORECASE)


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


class Push(Value):
    """A request of a provider to us. headers: names in lower case. path: without the token."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Hidden[Mapping[str, str]]
    body: Hidden[bytes]


class Pushed(Value):
    """What a push says, and what it is answered once that is stored. understood: false for what is no push."""

    deliveries: list[Delivery]
    answer: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    status: int = 200
    understood: bool = True
    incoming: Sequence[Incoming] = ()
    """SMS that people sent us."""


class Finding(Value):
    """One line of a gateway's self-examination for `otp-service doctor`. reason: why a question was not answered."""

    name: str
    ok: bool
    text: str
    reason: Reason | None = None

    @classmethod
    def not_told(cls, name: str, error: GatewayError) -> Finding:
        return cls(name, False, f"not told: {error}", error.reason)


class Traits(Value):
    """What the settings say of every gateway alike. `config.traits()` makes it."""

    attempt_seconds: float
    """The longest that one attempt may take."""
    balance_low: float
    """Below this, in money or SMS as the provider counts, the operator is told; 0 for never."""
    circuit_breaker: bool
    """Leave it alone for a while after it failed."""


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
    traits: Traits
    ask_batch: int
    """How many messages one call of `deliveries` may be about."""
    ask_pause_seconds: float
    """A message is asked about again only after so long."""
    repeat_pause_seconds: float
    """The same text to the same phone is refused for so long; 0: never."""

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


@runtime_checkable
class TakesCallbacks(Protocol):
    """A gateway whose provider pushes to us what became of messages. Anyone may send a push."""

    name: str
    account: str
    callback_tokens: Sequence[str]
    """What opens POST /callbacks/NAME/TOKEN; several during a rotation, none where nothing is taken."""
    callback_networks: Sequence[Container[IPv4Address | IPv6Address]]
    """Where pushes may come from; empty for anywhere."""
    believes_pushes: bool
    """A pushed state counts without asking, because there is no question for it; then a push proves who sent it."""

    def read_push(self, push: Push) -> Pushed:
        """Never raises."""
        ...

    async def examine_callback(self, public_url: str) -> Finding | None:
        """Whether states are pushed to this service; None where the provider does not tell. Never raises."""
        ...

    async def register_callback(self, public_url: str) -> bool:
        """Have states pushed to us, if the settings ask for it. True if that was changed. Raises `GatewayError`."""
        ...


@runtime_checkable
class Revokes(Protocol):
    """A gateway that can take back what it has sent, by `withdraw`, while nobody has seen it."""

    revokes: bool


@runtime_checkable
class TakesIncoming(Protocol):
    """A gateway whose provider can be asked for SMS that people sent us."""

    name: str
    incoming_seconds: float
    """How often; 0: not at all."""

    async def incoming(self, since: datetime, seconds: float) -> list[Incoming]:
        """What came after `since` (aware). Raises `GatewayError`."""
        ...


@runtime_checkable
class KnowsNumbers(Protocol):
    """A gateway whose provider can be asked about phones."""

    name: str
    stop_list_seconds: float
    """How often `stop_list` is to be read; 0: not at all."""

    async def number_info(self, phone: str, seconds: float) -> Number | None:
        """Operator and region of a phone (E.164); None if the provider says nothing of it. Raises `GatewayError`."""
        ...

    async def stop_list(self, seconds: float) -> list[str]:
        """Phones (E.164) that this account never writes to. Raises `GatewayError`."""
        ...
