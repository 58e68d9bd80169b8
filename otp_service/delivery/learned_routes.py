"""Routes that learn: chooses the order of gateways for one verification, and counts how verifications ended. The rules
are in domain/routes.py."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random, SystemRandom

import structlog

from otp_service.domain import money, number_plan, routes
from otp_service.domain.phone import Number
from otp_service.domain.route_choice import Choice, RouteOrder
from otp_service.domain.routes import OF_ALL, Known, Offer
from otp_service.domain.statistics import Group, choice_made
from otp_service.domain.verifications import Verification
from otp_service.gateways.base import Gateway
from otp_service.settings import Route, Settings
from otp_service.settings.prices import PriceList
from otp_service.storage.routes import RouteStore
from otp_service.storage.statistics import StatisticsStore
from otp_service.telemetry import metrics

REFRESH_SECONDS = 2.0
MOST_WAITING = 1_000
"""Bound of the counts that wait to be written: strangers choose the country of a phone, and so the group."""

log = structlog.get_logger()


class LearnedRoutes:
    """Every `REFRESH_SECONDS` it writes what this process counted and reads the sums of all processes. A process that
    is killed loses the counts of that time."""

    def __init__(
        self, settings: Settings, store: RouteStore, statistics: StatisticsStore, rng: Random | None = None
    ) -> None:
        self._routes = {name: route for name, route in settings.routes.items() if route.order != "fixed"}
        self._prices = PriceList(settings)
        self._store = store
        self._statistics = statistics
        self._rng = rng or SystemRandom()
        self._known = Known()
        self._now = 0
        self._seen: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._made: Counter[tuple[str, int, Group, bool]] = Counter()

    def choose(self, candidates: Sequence[Gateway], to: str, number: Number, country: str) -> Choice | None:
        """The order in which the gateways of a route are asked, or in `shadow` would be; None where no route learns, or
        has only one gateway to ask. Of several channels it concerns the first whose route learns."""
        for channel in dict.fromkeys(gateway.channel for gateway in candidates):
            route = self._routes.get(channel)
            names = [
                each.name for each in candidates if route and each.channel == channel and each.name in route.gateways
            ]
            if route and len(names) > 1:
                return self._choose(channel, route, names, number_plan.group_of(to, number), country)
        return None

    def _choose(self, channel: str, route: Route, names: Sequence[str], group: str, country: str) -> Choice:
        offers = [Offer(name, self._prices.of_part(name, country)) for name in names]
        extra = money.micros(str(route.max_extra_roubles))
        choice = routes.choose(RouteOrder(route.order), offers, self._known, group, self._now, extra, self._rng)
        metrics.ROUTE_CHOICES.labels(
            channel, choice.first, choice.order, choice.reason, str(choice.differs).lower()
        ).inc()
        return choice

    def note_choice(self, found: Verification, choice: Choice, country: str) -> None:
        """Count a choice for the statistics of its application."""
        if found.test or found.withheld or len(self._made) >= MOST_WAITING:
            return
        group = Group(choice.first, found.channel, country, number_plan.operator_of(found.phone, found.number))
        self._made[found.application, found.created_at // 3_600_000, group, choice.differs] += 1

    def note_end(self, found: Verification) -> None:
        """Count what a verification that was approved or expired says about its gateways."""
        group = number_plan.group_of(found.phone, found.number)
        for gateway, good in routes.told(found) if self._routes else ():
            for name in {group, OF_ALL}:
                if (gateway, name) in self._seen or len(self._seen) < MOST_WAITING:
                    self._seen[gateway, name][not good] += 1

    async def refresh(self) -> float:
        """Write what was seen, then read what all know. Returns the seconds that it is good for."""
        if self._routes:
            seen, self._seen = self._seen, defaultdict(lambda: [0, 0])
            made, self._made = self._made, Counter()
            await self._store.observe(seen)
            for application in {key[0] for key in made}:
                additions = [
                    choice_made(hour * 3_600_000, group, times, differs=differs)
                    for (named, hour, group, differs), times in made.items()
                    if named == application
                ]
                await self._statistics.add(application, additions)
            self._known, self._now = await self._store.read()
        return REFRESH_SECONDS


def in_order(candidates: Sequence[Gateway], choice: Choice | None) -> list[Gateway]:
    """The candidates in the chosen order. Those of other channels keep their positions."""
    chosen = next((gateway for gateway in candidates if choice and gateway.name == choice.first), None)
    if choice is None or chosen is None or choice.order is not RouteOrder.LEARNED:
        return list(candidates)
    rank = {name: index for index, name in enumerate(choice.gateways)}
    own = [gateway for gateway in candidates if gateway.channel == chosen.channel]
    ordered = iter(sorted(own, key=lambda gateway: rank.get(gateway.name, len(rank))))
    return [next(ordered) if gateway.channel == chosen.channel else gateway for gateway in candidates]
