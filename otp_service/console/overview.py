"""`/console`: alarms, today compared with the same day of last week, and the last day, week and month.

Today is the day of the budget, in the zone of `[money]`; statistics have hours and days of UTC. Each says which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from otp_service.api.routes.gateways import gateway_view
from otp_service.console import plots
from otp_service.console.visit import Answer, Visit, page
from otp_service.domain import money
from otp_service.domain.statistics import Row, summed
from otp_service.domain.value import Value
from otp_service.statistics.reading import read

SPANS: dict[str, tuple[Literal["hour", "day"], int]] = {"24h": ("hour", 24), "7d": ("day", 7), "30d": ("day", 30)}
"""Name of a span → step and how many of them."""
WEEK = timedelta(days=7)


class Day(Value):
    """The figures of a day until now, for people. median, late: seconds to delivery of half and of 95 %."""

    started: int
    sent_to: int
    reached: int
    approved: int
    conversion: float | None
    median: float | None
    late: float | None
    roubles: str


@page("/console")
async def overview(visit: Visit) -> Answer:
    service, application = visit.service, visit.application
    await service.circuits.refresh()
    tiles = [gateway_view(gateway, service.circuits.records[name]) for name, gateway in service.gateways.items()]
    reports = {name: await service.admission.report(name, 1) for name in visit.applications}
    alarms = [("alarm_circuit", tile.name, tile.reason) for tile in tiles if tile.health != "ok"]
    alarms += [("alarm_balance", tile.name, tile.balance) for tile in tiles if tile.balance_low]
    alarms += [("alarm_wrong_codes", name, "") for name, report in reports.items() if report.alarm]
    warned = service.settings.money.warning_percent / 100
    alarms += [
        ("alarm_budget", name, report.spent)
        for name, report in reports.items()
        if report.budget is not None and float(report.spent) >= warned * float(report.budget)
    ]
    span = visit.query("span") if visit.query("span") in SPANS else "24h"
    now = datetime.now(UTC)
    zone = service.settings.money.time_zone
    today, before = [
        _day(await read(service.stores.statistics, application, start=start, end=end))
        for start, end in same_hours(now, ZoneInfo(zone))
    ]
    return visit.page(
        "overview.html",
        application=application,
        tiles=tiles,
        reports=reports,
        alarms=alarms,
        today=today,
        before=before,
        zone=zone,
        funnel=_funnel(visit, today),
        drawn=await _drawn(visit, application, span, now),
        span=span,
        spans=list(SPANS),
    )


def same_hours(now: datetime, zone: ZoneInfo) -> Sequence[tuple[datetime, datetime]]:
    """From midnight until now, and from midnight until the same time by the clock a week before; the zone may have put
    its clocks on or back since."""
    here = now.astimezone(zone)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (midnight, here), (midnight - WEEK, here - WEEK)


async def _drawn(visit: Visit, application: str, span: str, now: datetime) -> Sequence[plots.Plot]:
    step, number = SPANS[span]
    size = timedelta(hours=1) if step == "hour" else timedelta(days=1)
    last = now.replace(minute=0, second=0, microsecond=0)
    last = last if step == "hour" else last.replace(hour=0)
    places = [last - size * back for back in reversed(range(number))]
    rows = await read(visit.service.stores.statistics, application, start=places[0], end=now, step=step)
    found = {row.at: row for row in rows}
    labels = [f"{place:%H:%M}" if step == "hour" else f"{place:%d.%m}" for place in places]

    def line(value: Callable[[Row], float | None], empty: float | None = None) -> list[float | None]:
        return [value(found[place]) if place in found else empty for place in places]

    say, head = visit.say, visit.say("time")
    started, approved = line(lambda row: row["started"], 0), line(lambda row: row["approved"], 0)
    conversion = line(lambda row: _percent(row["approved"], row["started"]))
    delivered = line(lambda row: _percent(row["delivered"], row["sends"]))
    half, late = line(lambda row: row.to_delivery.percentile(0.5)), line(lambda row: row.to_delivery.percentile(0.95))
    spent = line(lambda row: row["micro_roubles"] / money.MICROS, 0)
    both = [(say("started"), started), (say("approved"), approved)]
    shares = [(say("conversion"), conversion), (say("delivered_share"), delivered)]
    times = [(say("half"), half), (say("almost_all"), late)]
    return [
        plots.lines(f"{say('plot_started')} · UTC", head, labels, both),
        plots.lines(f"{say('plot_conversion')} · UTC", head, labels, shares, " %"),
        plots.lines(f"{say('plot_seconds')} · UTC", head, labels, times, " s"),
        plots.lines(f"{say('plot_money')} · UTC", head, labels, [(say("spent"), spent)], " ₽"),
    ]


def _day(rows: Sequence[Row]) -> Day:
    total = summed(rows)
    share = total["approved"] / total["started"] if total["started"] else None
    return Day(
        total["started"],
        total["sent_to"],
        total["reached"],
        total["approved"],
        share,
        total.to_delivery.percentile(0.5),
        total.to_delivery.percentile(0.95),
        money.roubles(total["micro_roubles"]),
    )


def _funnel(visit: Visit, today: Day) -> plots.Plot:
    """All four are verifications, so that each bar is a share of the one before it."""
    counts = (today.started, today.sent_to, today.reached, today.approved)
    words = [visit.say(f"funnel_{word}") for word in ("started", "sent", "arrived", "approved")]
    head = (visit.say("state"), visit.say("sum"))
    title = f"{visit.say('funnel_today')} · {visit.service.settings.money.time_zone}"
    return plots.bars(title, head, list(zip(words, counts, strict=True)), 156)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


PAGES = (overview,)
