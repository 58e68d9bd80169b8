"""`smska`: the gateway over K."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret
from otp_service.gateways.base import Accepted, Delivery, Finding, GatewayError, Outgoing, Then
from otp_service.gateways.config import GatewayConfig, account_name
from otp_service.gateways.polling import one_by_one
from otp_service.gateways.smska import api as k


class SmskaConfig(GatewayConfig, frozen=True, kw_only=True):
    kind: Literal["smska"]
    api_key: Secret
    api_password: Secret


class SmskaGateway:
    """Sends our code to Russian mobile numbers. No idempotency: every request sends another SMS."""

    channel = "sms"
    makes_code = False
    repeatable = False
    zone = None
    ask_batch = 20
    """One request each."""
    ask_pause_seconds = 0.0
    repeat_pause_seconds = 0.0

    def __init__(self, name: str, config: SmskaConfig) -> None:
        self.name = name
        self.account = account_name("smska", config.api_key)
        self.traits = config.traits()
        self.api = k.SmskaApi(config.client(name), config.api_key, config.api_password)
        self._sender = config.sender

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        return await k.send(self.api, message.phone, message.text, sender=self._sender, seconds=seconds)

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        return await one_by_one(
            provider_ids, lambda each: k.status(self.api, each, seconds=self.traits.attempt_seconds)
        )

    async def balance(self, seconds: float) -> Decimal | None:
        return await k.balance(self.api, seconds=seconds)

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """By the balance. -1 means a wrong password as well as a locked account, so that tells of both."""
        if reason is Reason.SENDER:
            return False
        if not await self.balance(seconds):
            raise GatewayError(Reason.FUNDS, Then.NEXT)
        return True

    async def examine(self) -> list[Finding]:
        try:
            left = await k.balance(self.api, seconds=self.traits.attempt_seconds)
        except GatewayError as error:
            return [Finding.not_told("balance", error)]
        return [Finding("balance", left > 0, f"{left} SMS parts")]

    async def close(self) -> None:
        await self.api.close()
