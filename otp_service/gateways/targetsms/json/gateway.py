"""`targetsms-json`: the gateway over J, by Viber, by SMS, or by Viber and then SMS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, Delivery, Finding, GatewayError, Outgoing
from otp_service.gateways.config import account_name
from otp_service.gateways.targetsms.config import TargetSmsConfig
from otp_service.gateways.targetsms.json import cascade, cascade_sending, cascade_states
from otp_service.gateways.targetsms.json.client import JsonApi
from otp_service.gateways.targetsms.xml.states import BATCH

LONGEST_VALIDITY = 60
"""Minutes: what the document takes where nothing is said."""


class JsonConfig(TargetSmsConfig, frozen=True, kw_only=True):
    kind: Literal["targetsms-json"]
    cascade: Literal["viber", "viber-sms", "sms"] = "viber"
    sender_viber: Annotated[str, Meta(max_length=64)] = ""
    """"" for `sender`."""
    sender_sms: Annotated[str, Meta(max_length=15)] = ""
    """"" for `sender`."""


class JsonGateway:
    """Sends our code. A message with a client id that was sent before is not sent again."""

    makes_code = False
    repeatable = True
    ask_batch = BATCH
    ask_pause_seconds = 0.0
    repeat_pause_seconds = 0.0

    def __init__(self, name: str, config: JsonConfig) -> None:
        self.name = name
        self.channel = "sms" if config.cascade == "sms" else "viber"
        self.account = account_name("targetsms", config.login)
        self.traits = config.traits()
        self.zone = config.zone(name)
        self.api = JsonApi(config.client(name), config.login, config.password)
        self._config = config

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        (sent,) = await cascade_sending.send(self.api, [self._cascade(message)], UTC, seconds=seconds)
        if isinstance(sent.outcome, GatewayError):
            raise sent.outcome
        return sent.outcome

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        """Judged by the state of the whole message. Without a price: J2 tells money taken, not the price of a part."""
        states = await cascade_states.ask(self.api, provider_ids, seconds=self.traits.attempt_seconds)
        return [Delivery(state.provider_id, state.status, state.changed_at, state.sms_parts) for state in states]

    async def balance(self, seconds: float) -> Decimal | None:
        return None

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """By the state of a message that there is not: it is told to whom the account belongs, and to nobody else."""
        if reason in (Reason.FUNDS, Reason.SENDER, Reason.ACCOUNT_BLOCKED, Reason.GATEWAY_EXHAUSTED):
            return False
        await cascade_states.ask(self.api, ["0"], seconds=seconds)
        return True

    async def examine(self) -> list[Finding]:
        """Asks for the state of a message that there is not: login and password are right if it is answered."""
        try:
            await cascade_states.ask(self.api, ["0"], seconds=self.traits.attempt_seconds)
        except GatewayError as error:
            return [Finding("access", False, f"not given: {error}")]
        return [Finding("access", True, "login and password are accepted; this API tells no balance")]

    async def close(self) -> None:
        await self.api.close()

    def _cascade(self, message: Outgoing) -> cascade.Message:
        config = self._config
        minutes = validity_minutes(message.expires_at, datetime.now(UTC), then_sms=config.cascade == "viber-sms")
        viber = cascade.Viber(1, config.sender_viber or config.sender, message.text, validity_minutes=minutes)
        sms = cascade.Sms(2, config.sender_sms or config.sender, message.text)
        return cascade.Message(
            [cascade.Recipient(message.phone, message.client_id)],
            viber=viber if config.cascade != "sms" else None,
            sms=sms if config.cascade != "viber" else None,
        )


def validity_minutes(expires_at: datetime, now: datetime, *, then_sms: bool) -> int:
    """How long Viber is tried: whole minutes of the code's life, 1 to `LONGEST_VALIDITY`.

    then_sms: half of the life, because the SMS leaves when Viber's time is up and has no validity of its own (JQ7):
    it must not bring a dead code.
    """
    life = int((expires_at - now).total_seconds() // 60)
    return max(1, min(life // 2 if then_sms else life, LONGEST_VALIDITY))
