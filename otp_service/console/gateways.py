"""`/console/gateways`: the health of each gateway, which of them are closed, and what the numbers suggest for the order
of a route."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

from otp_service.api.routes.gateways import GatewayView, gateway_view
from otp_service.console import plots
from otp_service.console.visit import Answer, Visit, change, page
from otp_service.domain.operators import Role
from otp_service.domain.statistics import Row
from otp_service.domain.weekly import RouteFigures, by_route
from otp_service.errors import Refused
from otp_service.statistics.reading import read
from otp_service.storage.audit import Action

MINUTES = (15, 60, 1440)
"""How many minutes a gateway may be closed by hand; then it is tried again."""
STEPS = (2, 5, 10, 20, 30, 60)
"""Seconds to delivery that the histogram counts up to; what took longer stands behind."""
ENOUGH = 20
"""Least number of messages with a known end from which a gateway's numbers mean something."""
SPANS: Sequence[tuple[Literal["hour", "day"], timedelta]] = (("hour", timedelta(hours=23)), ("day", timedelta(days=6)))
"""Steps of statistics and how far back; the period that is under way is one of 24, or of 7."""
MOST_ROUTES = 100
"""Rows of gateways and operators: strangers choose the country, and so the operators."""
BETTER = 0.05
"""How much larger the delivered share of the later gateway must be before another order is suggested."""


@page("/console/gateways")
async def gateways(visit: Visit) -> Answer:
    service = visit.service
    await service.circuits.refresh()
    records = service.circuits.records
    tiles = [gateway_view(gateway, records[name]) for name, gateway in service.gateways.items()]
    ends = {name: records[name].ends for name in service.gateways}
    histograms = {name: _histogram(visit, found) for name, found in ends.items()}
    by_name = {tile.name: tile for tile in tiles}
    routes = [
        (channel, [by_name[name] for name in route.gateways], _suggestion(route.gateways, by_name, ends))
        for channel, route in service.settings.routes.items()
    ]
    return visit.page(
        "gateways.html",
        tiles=tiles,
        histograms=histograms,
        application=visit.application,
        reasons=await _reasons(visit, visit.application),
        routes=routes,
        by_operator=await _by_operator(visit),
        minutes=MINUTES,
    )


@change("/console/gateways/{name:str}", Role.ADMIN)
async def gateway_changed(visit: Visit) -> Answer:
    name, action = visit.path("name"), visit.value("action")
    if name not in visit.service.gateways:
        raise Refused("not_found", "There is no such gateway.")
    match action:
        case "use":
            await visit.record(Action.CIRCUIT_CLOSED, name)
            await visit.service.circuits.use(name)
        case "leave_alone" if visit.value("minutes") in map(str, MINUTES):
            minutes = int(visit.value("minutes"))
            await visit.record(Action.CIRCUIT_OPENED, name, minutes=minutes)
            await visit.service.circuits.leave_alone(name, minutes * 60)
        case _:
            raise Refused("validation_failed", "There is no such action.")
    return visit.go("/console/gateways", done=action)


async def _reasons(visit: Visit, application: str) -> Mapping[str, Sequence[tuple[str, Sequence[int]]]]:
    """By gateway: why messages of the application failed, how many in each of SPANS, the most frequent first."""
    now, store = datetime.now(UTC), visit.service.stores.statistics
    counts: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0] * len(SPANS)))
    for index, (step, back) in enumerate(SPANS):
        for row in await read(store, application, start=now - back, end=now, step=step, by=("gateway",)):
            for why, number in row.reasons.items():
                counts[row.group.gateway][why][index] += number
    return {name: sorted(found.items(), key=lambda each: -each[1][-1]) for name, found in counts.items()}


async def _by_operator(visit: Visit) -> Sequence[RouteFigures]:
    """How messages of all applications did in the longer of SPANS, those of an operator together; nothing of a gateway
    that is gone."""
    now, (step, back) = datetime.now(UTC), SPANS[-1]
    store, rows = visit.service.stores.statistics, list[Row]()
    for application in visit.applications:
        rows += await read(store, application, start=now - back, end=now, step=step, by=("gateway", "operator"))
    found = [each for each in by_route(rows) if each.gateway in visit.service.gateways and (each.sends or each.chosen)]
    return sorted(found[:MOST_ROUTES], key=lambda each: (not each.operator, each.operator))


def _histogram(visit: Visit, ends: Sequence[int | None]) -> plots.Plot | None:
    """Of the newest messages whose end is known: how long they took, and how many did not arrive."""
    if not ends:
        return None
    arrived = [end / 1000 for end in ends if end is not None]
    counts = Counter(next((step for step in STEPS if seconds <= step), 0) for seconds in arrived)
    bars = [(f"≤ {step}", counts[step]) for step in STEPS]
    bars += [(f"> {STEPS[-1]}", counts[0]), (visit.say("not_delivered"), len(ends) - len(arrived))]
    return plots.bars(visit.say("seconds_to_delivery"), (visit.say("time"), visit.say("messages")), bars)


def _suggestion(
    order: Sequence[str], tiles: dict[str, GatewayView], ends: dict[str, Sequence[int | None]]
) -> Sequence[str]:
    """Another order of a route, where a gateway plainly delivers more than the one before it; else nothing."""
    known = [name for name in order if len(ends[name]) >= ENOUGH]
    best = sorted(known, key=lambda name: -(tiles[name].delivered_share or 0))
    for earlier, later in pairwise(known):
        if (tiles[later].delivered_share or 0) > (tiles[earlier].delivered_share or 0) + BETTER:
            rest = [name for name in order if name not in known]
            return [*best, *rest]
    return ()


PAGES = (gateways, gateway_changed)
