"""Money: what a send will cost is set aside before it, and put right when it is known who took it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from zoneinfo import ZoneInfo

import structlog

from otp_service import metrics
from otp_service.domain import money
from otp_service.domain.lifecycle import LIFE_CAP_SECONDS, Verification
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.phone import known
from otp_service.domain.segments import measure
from otp_service.domain.value import Value
from otp_service.errors import Refused
from otp_service.settings import Settings, texts_of
from otp_service.settings.prices import PriceList
from otp_service.storage.spending import SpendingStore, Spent

FREE = frozenset({MessageStatus.QUEUED, MessageStatus.REJECTED, MessageStatus.CANCELED})
"""What nobody charges for. An unclear message may have left, so it counts."""

log = structlog.get_logger()


class Bill(Value):
    """Micro-roubles set aside for one send of `parts` parts."""

    application: str
    country: str
    parts: int
    reserved: int


class Spending:
    def __init__(self, settings: Settings, store: SpendingStore) -> None:
        self._settings = settings
        self._store = store
        self._prices = PriceList(settings)
        self._zone = ZoneInfo(settings.money.time_zone)
        self._texts = {name: texts_of(application) for name, application in settings.applications.items()}
        self._parts = cache(self._parts_of)  # few texts, and the same for everybody

    async def reserve(self, application: str, country: str, channel: str, locale: str, platform: str) -> Bill:
        """Set aside what the dearest gateway of the route takes. Raises Refused `budget_exhausted`."""
        parts = self._parts(application, locale, platform)
        amount = self._prices.dearest(channel, country) * parts if self._prices.budgets[application] else 0
        if amount:
            spent = await self._add(application, amount, must_fit=True)
            if spent.wait_seconds:
                metrics.LIMITED.labels(application, "budget_per_day").inc()
                raise Refused("budget_exhausted", "The money for today is spent.", retry_after=spent.wait_seconds)
        return Bill(application, country, parts, amount)

    async def settle(self, bill: Bill, messages: Iterable[Message]) -> None:
        """What really left, by the prices of who took it. No messages: all of it is given back."""
        cost = 0
        for message in messages:
            if message.status not in FREE:
                parts = message.parts or (bill.parts if message.channel == "sms" else 1)
                price = (self._prices.of_part(message.gateway, bill.country) or 0) * parts
                metrics.SPENT.labels(bill.application, message.gateway).inc(price / money.MICROS)
                cost += price
        if cost != bill.reserved:
            await self._add(bill.application, cost - bill.reserved)

    async def again(self, found: Verification) -> Bill:
        """Set money aside for one more send of a verification. Raises Refused `budget_exhausted`."""
        return await self.reserve(found.application, self._country(found), found.channel, found.locale, found.platform)

    async def reported(self, found: Verification, message: Message) -> None:
        """A gateway has told what one part of a message costs. To be called once for each message.

        The difference to the price of the settings is added to today's spending; settings that are wrong are told.
        """
        try:
            told = money.micros(Decimal(message.price))
        except (InvalidOperation, ValueError):
            return
        country = self._country(found)
        listed = self._prices.of_part(message.gateway, country)
        if listed is None or listed == told:
            return
        log.warning(
            "price_differs",
            gateway=message.gateway,
            country=country,
            listed=money.roubles(listed),
            told=money.roubles(told),
        )
        await self._add(found.application, (told - listed) * max(1, message.parts))

    async def today(self, application: str) -> tuple[str, str | None]:
        """Spent today, and the budget of a day if there is one, in roubles."""
        spent = await self._add(application, 0)
        budget = self._prices.budgets[application]
        return money.roubles(spent.today), money.roubles(budget) if budget else None

    async def _add(self, application: str, amount: int, *, must_fit: bool = False) -> Spent:
        offset = datetime.now(self._zone).utcoffset()
        offset_ms = int(offset.total_seconds() * 1000) if offset else 0
        budget = self._prices.budgets[application]
        spent = await self._store.add(application, amount, budget, offset_ms, must_fit=must_fit)
        if spent.told:
            metrics.BUDGETS.labels(application, spent.told).inc()
            log.warning(
                "budget_nearly_spent", application=application, what=spent.told, spent=money.roubles(spent.today)
            )
        return spent

    def _parts_of(self, application: str, locale: str, platform: str) -> int:
        policy = self._settings.applications[application]
        code = "0" * max(policy.code_length, policy.alarm_code_length)
        return measure(self._texts[application].render(locale or policy.locale, code, LIFE_CAP_SECONDS, platform)).parts

    def _country(self, found: Verification) -> str:
        return known(found.phone).region
