"""`targetsms-password`: the gateway over the password interface (P)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, Delivery, Finding, Outgoing
from otp_service.gateways.config import account_name
from otp_service.gateways.targetsms.config import TargetSmsConfig
from otp_service.gateways.targetsms.password import generation
from otp_service.gateways.targetsms.xml import (
    account,
    examination,
    states,
)
from otp_service.gateways.targetsms.xml.client import XmlApi


class PasswordConfig(TargetSmsConfig, frozen=True, kw_only=True):
    kind: Literal["targetsms-password"]
    state_base_url: str
    """Where the states of its messages are asked (X4), with the same login."""


class PasswordGateway:
    """The provider makes the code. An unclear attempt cannot be repeated: each request sends another SMS."""

    channel = "sms"
    makes_code = True
    repeatable = False
    ask_batch = states.BATCH
    ask_pause_seconds = 0.0
    repeat_pause_seconds = 0.0

    def __init__(self, name: str, config: PasswordConfig) -> None:
        self.name = name
        self.account = account_name("targetsms", config.login)
        self.traits = config.traits()
        self.zone = config.zone(name)
        self._config = config
        self._http = config.client(name)
        self.states = XmlApi(config.client(name, "state_base_url"), config.login, config.password)

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        config = self._config
        return await generation.generate(
            self._http, config.login, config.password, message, sender=config.sender, seconds=seconds
        )

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        return await states.ask(self.states, provider_ids, seconds=self.traits.attempt_seconds)

    async def balance(self, seconds: float) -> Decimal | None:
        return (await account.balance(self.states, seconds=seconds)).money

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """The account is asked about on the other host, so only about what concerns the account."""
        if reason in (Reason.CREDENTIALS, Reason.FUNDS):
            return await examination.has_money(self.balance(seconds))
        return False

    async def examine(self) -> list[Finding]:
        return [
            Finding("sending", True, "cannot be examined: this API has no question that sends no SMS"),
            await examination.balance(account.balance(self.states, seconds=self.traits.attempt_seconds)),
        ]

    async def close(self) -> None:
        await self._http.close()
        await self.states.close()
