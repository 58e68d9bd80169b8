"""`targetsms-get`: the gateway over G. Off by default: the URL holds credentials, phone and code."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, Delivery, Finding, Outgoing
from otp_service.gateways.config import account_name
from otp_service.gateways.polling import one_by_one
from otp_service.gateways.targetsms.config import TargetSmsConfig
from otp_service.gateways.targetsms.get import operations
from otp_service.gateways.targetsms.xml import examination

PAUSE_SECONDS = 61.0
"""G0: an identical request comes through once a minute."""
MOST_PAUSES = 10_000


class GetConfig(TargetSmsConfig, frozen=True, kw_only=True):
    kind: Literal["targetsms-get"]


class GetGateway:
    """Sends our code. An unclear attempt cannot be repeated: a minute later it would send another SMS."""

    channel = "sms"
    makes_code = False
    repeatable = False
    ask_batch = 20
    """One request each."""
    ask_pause_seconds = PAUSE_SECONDS
    repeat_pause_seconds = PAUSE_SECONDS

    def __init__(self, name: str, config: GetConfig) -> None:
        self.name = name
        self.account = account_name("targetsms", config.login)
        self.traits = config.traits()
        self.zone = config.zone(name)
        self.api = operations.GetApi(config.client(name), config.login, config.password)
        self._sender = config.sender
        self._pauses = Pauses()

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        (accepted,) = await operations.send(
            self.api, [message.phone], message.text, sender=self._sender, seconds=seconds
        )
        return accepted

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        """G3, one request for each id that was not asked about in the last 61 s; the others are left out silently."""
        now = time.monotonic()
        due = (provider_id for provider_id in provider_ids if self._pauses.begin(provider_id, now))
        return await one_by_one(
            due, lambda each: operations.detailed_state(self.api, each, seconds=self.traits.attempt_seconds)
        )

    async def balance(self, seconds: float) -> Decimal | None:
        return (await operations.balance(self.api, seconds=seconds)).money

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """By the balance, which may be asked once a minute like everything else."""
        if reason in (Reason.SENDER, Reason.ACCOUNT_BLOCKED, Reason.GATEWAY_EXHAUSTED):
            return False
        return await examination.has_money(self.balance(seconds))

    async def examine(self) -> list[Finding]:
        return [await examination.balance(operations.balance(self.api, seconds=self.traits.attempt_seconds))]

    async def close(self) -> None:
        await self.api.close()


class Pauses:
    """What was asked within the last `PAUSE_SECONDS`, in this process. Holds at most `MOST_PAUSES`."""

    def __init__(self) -> None:
        self._asked: dict[str, float] = {}
        """When each was asked, oldest first."""

    def begin(self, key: str, now: float) -> bool:
        """Whether it may be asked now; then its pause begins. No, too, while there is no room to remember it."""
        while self._asked and now - next(iter(self._asked.values())) >= PAUSE_SECONDS:
            del self._asked[next(iter(self._asked))]
        if key in self._asked or len(self._asked) >= MOST_PAUSES:
            return False
        self._asked[key] = now
        return True
