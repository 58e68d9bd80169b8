"""Money: before a send, what it may cost is reserved; once it is known which gateway took it, the sum is corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import structlog

from otp_service.domain import costs, money
from otp_service.domain.messages import Message
from otp_service.domain.recipients import known
from otp_service.domain.segments import measure
from otp_service.domain.value import Value
from otp_service.domain.verifications import LIFE_CAP_SECONDS, Verification
from otp_service.domain.workflows import Way
from otp_service.errors import Refused
from otp_service.settings import Settings, texts_of
from otp_service.settings.prices import PriceList
from otp_service.settings.workflows import route_of
from otp_service.storage.spending import SpendingStore, Spent
from otp_service.telemetry import metrics

log = structlog.get_logger()

LONGEST_PRICE = 20
"""Characters of a gateway's that are logged."""


class Bill(Value):
    """Micro-roubles set aside, on this day."""

    application: str
    country: str
    reserved: int
    day: str = ""


class Spending:
    def __init__(self, settings: Settings, store: SpendingStore) -> None:
        self._settings = settings
        self._store = store
        self._prices = PriceList(settings)
        self._zone = ZoneInfo(settings.money.time_zone)
        self._texts = {name: texts_of(application) for name, application in settings.applications.items()}
        self._parts = cache(self._parts_of)  # few texts, and the same for everybody

    async def reserve(
        self,
        application: str,
        country: str,
        way: Way,
        locale: str,
        platform: str,
        bill: Bill | None = None,
        text: str = "",
    ) -> Bill:
        """Set aside what the dearest gateway of the route takes for one message. Raises Refused `budget_exhausted`.

        bill: of the messages before. text: the caller's own, '' for the application's.
        """
        parts = measure(text).parts if text else self._parts(application, locale, platform)
        route = route_of(self._settings, application, way) if self._prices.budgets[application] else None
        amount, day = self._prices.dearest(route, country) * parts if route else 0, ""
        if amount:
            spent = await self._add(application, amount, must_fit=True)
            if spent.wait_seconds:
                metrics.LIMITED.labels(application, "budget_per_day").inc()
                raise Refused(
                    "budget_exhausted", "The application's budget for today is spent.", retry_after=spent.wait_seconds
                )
            day = spent.day
        return Bill(application, country, amount + (bill.reserved if bill else 0), day)

    async def settle(self, bill: Bill, messages: Iterable[Message]) -> None:
        """Charge what was sent, or may have been, by the prices of the gateways that took it. Without messages
        everything is given back."""
        cost = 0
        for message in messages:
            price = self._cost(message, bill.country)
            if price:
                metrics.SPENT.labels(bill.application, message.gateway).inc(price / money.MICROS)
            if message.price:
                self._compare(message, bill.country)
            cost += price
        # One that tells nothing asks Redis whatever came of it, so that a withheld send takes no less time.
        if cost != bill.reserved or self._settings.applications[bill.application].enumeration_safe:
            await self._add(bill.application, cost - bill.reserved, day=bill.day)

    async def reported(self, changed: Iterable[tuple[Verification, Message, Message]]) -> None:
        """What became known of messages, each as it was before and as it is: a price, its parts, an end that is not
        charged. The difference to what they were thought to cost before is added to today's spending."""
        amounts: defaultdict[str, int] = defaultdict(int)
        for found, before, message in changed:
            country = known(found.phone).region
            if message.price not in ("", before.price):
                self._compare(message, country)
            if before.may_have_left:  # else it was under way, and `settle` charges it by what is known then
                amounts[found.application] += self._cost(message, country) - self._cost(before, country)
        for application, amount in amounts.items():
            if amount:
                await self._add(application, amount)

    def _cost(self, message: Message, country: str) -> int:
        owed = message.may_have_left and self._prices.owes(message.gateway, message.status)
        listed = self._prices.of_part(message.gateway, country)
        return costs.of_message(message.price, listed, message.parts, owed=owed)

    def _compare(self, message: Message, country: str) -> None:
        """Log where the price of a gateway differs from the one in the settings."""
        listed = self._prices.of_part(message.gateway, country)
        price = costs.believed(message.price, listed)
        if price is None:
            metrics.NOT_BELIEVED.labels(message.gateway, "price").inc()
        if listed is not None and price != listed and self._prices.owes(message.gateway, message.status):
            log.warning(
                "price_differs",
                gateway=message.gateway,
                country=country,
                listed=money.roubles(listed),
                told=message.price[:LONGEST_PRICE],
                believed=price is not None,
            )

    async def today(self, application: str) -> tuple[str, str | None]:
        """Spent today, and the budget of a day if there is one, in roubles."""
        spent = await self._add(application, 0)
        budget = self._prices.budgets[application]
        return money.roubles(spent.today), money.roubles(budget) if budget else None

    async def _add(self, application: str, amount: int, *, must_fit: bool = False, day: str = "") -> Spent:
        offset = datetime.now(self._zone).utcoffset()
        offset_ms = int(offset.total_seconds() * 1000) if offset else 0
        budget = self._prices.budgets[application]
        spent = await self._store.add(application, amount, budget, offset_ms, must_fit=must_fit, day=day)
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
