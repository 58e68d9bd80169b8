"""The weekly report of an application: what changed, what it cost, what would help. Pure rules over its statistics.

A week begins on Monday, UTC, as the days of the statistics do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from otp_service.domain import money
from otp_service.domain.statistics import Row, summed
from otp_service.domain.value import Value

WEEK = timedelta(days=7)
TOLD_AFTER = timedelta(hours=1)
"""How long after the end of a week its report is made, so that late delivery reports are counted."""
MOST_ROUTES = 15
ENOUGH_SENDS = 50
"""Least number of messages from which a share means something."""
WEAK = 0.10
"""How far a share has to be below that of the best gateway for the same operator."""
MANY_FAILOVERS, MANY_OTHERWISE, MANY_REFUSED = 0.25, 0.2, 0.1


class Help(StrEnum):
    """What would help."""

    LEARN_ROUTES = "learn_routes"
    """A route in shadow would ask this gateway first, where the settings ask another."""
    WEAK_ROUTE = "weak_route"
    """For the same operator, the messages of another gateway lead to clearly more approvals."""
    MANY_FAILOVERS = "many_failovers"
    """A quarter of the messages went out because others did not arrive: another channel would be cheaper."""
    MANY_REFUSED = "many_refused"
    """Limits, guard or budget refused a tenth of all starts."""


class Figures(Value):
    """Of one week. conversion: approvals for each start, None without any. seconds: until the right code came."""

    started: int
    approved: int
    conversion: float | None
    sends: int
    failovers: int
    refused: int
    roubles: str
    seconds_p50: float | None
    seconds_p95: float | None


class RouteFigures(Value):
    """Of one gateway and operator; the operator is '' where it is not known. seconds_p50: until the delivery. chosen,
    chosen_otherwise: how often learning would ask it first, and how often of these the settings have another."""

    gateway: str
    operator: str
    sends: int
    conversion: float
    seconds_p50: float | None
    roubles: str
    chosen: int = 0
    chosen_otherwise: int = 0


class Hint(Value):
    help: Help
    gateway: str = ""
    operator: str = ""


class Weekly(Value):
    """week: its Monday, as in 2026-11-23."""

    week: str
    now: Figures
    before: Figures
    routes: Sequence[RouteFigures]
    hints: Sequence[Hint]


def last_week(now: datetime) -> datetime:
    """Monday of the newest week that can be reported: it ended an hour ago or more."""
    at = now.astimezone(UTC) - TOLD_AFTER
    monday = (at - timedelta(days=at.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    return monday - WEEK


def next_report(now: datetime) -> float:
    """Seconds until the week under way can be reported."""
    return (last_week(now) + 2 * WEEK + TOLD_AFTER - now).total_seconds()


def weekly(monday: datetime, rows: Sequence[Row], before: Sequence[Row]) -> Weekly | None:
    """rows, before: of that week and the one before it, by gateway and operator. None where nothing was sent."""
    now, earlier = _figures(rows), _figures(before)
    if not (now.sends or now.started or earlier.sends or earlier.started):
        return None
    known = [route for route in by_route(rows) if route.sends]
    return Weekly(f"{monday:%Y-%m-%d}", now, earlier, known[:MOST_ROUTES], [*_hints(now, known, rows)][:MOST_ROUTES])


def by_route(rows: Sequence[Row]) -> list[RouteFigures]:
    """Of rows by gateway and operator, those with most messages first."""
    found: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.group.gateway:
            found[row.group.gateway, row.group.operator].append(row)
    return sorted((_route(*name, each) for name, each in found.items()), key=lambda route: -route.sends)


def _figures(rows: Sequence[Row]) -> Figures:
    total = summed(rows)
    approval = total.to_approval
    return Figures(
        started=total["started"],
        approved=total["approved"],
        conversion=round(total["approved"] / total["started"], 4) if total["started"] else None,
        sends=total["sends"],
        failovers=total["failovers"],
        refused=total.refused,
        roubles=money.roubles(total["micro_roubles"]),
        seconds_p50=approval.percentile(0.5),
        seconds_p95=approval.percentile(0.95),
    )


def _route(gateway: str, operator: str, rows: Sequence[Row]) -> RouteFigures:
    total = summed(rows)
    return RouteFigures(
        gateway,
        operator,
        total["sends"],
        round(total["approved"] / total["sends"], 4) if total["sends"] else 0.0,
        total.to_delivery.percentile(0.5),
        money.roubles(total["micro_roubles"]),
        total["chosen"],
        total["chosen_otherwise"],
    )


def _hints(now: Figures, routes: Sequence[RouteFigures], rows: Sequence[Row]) -> Sequence[Hint]:
    found = []
    chosen: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        chosen[row.group.gateway][0] += row["chosen"]
        chosen[row.group.gateway][1] += row["chosen_otherwise"]
    all_chosen = sum(each for each, _ in chosen.values())
    for gateway, (_, otherwise) in chosen.items():
        if all_chosen >= ENOUGH_SENDS and otherwise >= MANY_OTHERWISE * all_chosen:
            found.append(Hint(Help.LEARN_ROUTES, gateway))
    enough = [route for route in routes if route.sends >= ENOUGH_SENDS and route.operator]
    for route in enough:
        best = max(each.conversion for each in enough if each.operator == route.operator)
        if route.conversion < best - WEAK:
            found.append(Hint(Help.WEAK_ROUTE, route.gateway, route.operator))
    if now.sends >= ENOUGH_SENDS and now.failovers >= MANY_FAILOVERS * now.sends:
        found.append(Hint(Help.MANY_FAILOVERS))
    if now.started >= ENOUGH_SENDS and now.refused >= MANY_REFUSED * now.started:
        found.append(Hint(Help.MANY_REFUSED))
    return found


_WORDS = {
    "ru": {
        "subject": "{application}: отчёт за неделю с {week}",
        "head": "Неделя с {week}. В скобках — неделей раньше.",
        "started": "Запросов кода", "approved": "Подтверждено", "conversion": "Доля подтверждённых",
        "sends": "Отправлено сообщений", "failovers": "из них вместо не дошедших", "refused": "Отказов",
        "roubles": "Стоимость, ₽", "seconds_p50": "До подтверждения, с (медиана)",
        "seconds_p95": "До подтверждения, с (95 %)",
        "routes": "Маршруты: сообщений, доля приведших к подтверждению, секунд до доставки, ₽",
        "hints": "Что поможет:",
        Help.LEARN_ROUTES: '— шлюз {gateway} чаще приводит к подтверждению: включите order = "learned".',
        Help.WEAK_ROUTE: "— {gateway} хуже других доводит сообщения до абонентов {operator}.",
        Help.MANY_FAILOVERS: "— много повторных отправок: добавьте канал (Telegram, Viber) или шаг inbound.",
        Help.MANY_REFUSED: "— много отказов по ограничениям, защите или бюджету: проверьте их.",
        "nothing": "— ничего не бросается в глаза.",
    },
    "en": {
        "subject": "{application}: report of the week from {week}",
        "head": "The week from {week}. In brackets the week before.",
        "started": "Codes asked for", "approved": "Approved", "conversion": "Share approved",
        "sends": "Messages sent", "failovers": "of these instead of ones that did not arrive", "refused": "Refused",
        "roubles": "Cost, RUB", "seconds_p50": "Until approved, s (median)", "seconds_p95": "Until approved, s (95 %)",
        "routes": "Routes: messages, share that led to an approval, seconds to delivery, RUB",
        "hints": "What would help:",
        Help.LEARN_ROUTES: '- the gateway {gateway} brings more codes: set order = "learned".',
        Help.WEAK_ROUTE: "- {gateway} brings the people of {operator} fewer codes than others do.",
        Help.MANY_FAILOVERS: "- many messages are sent again: add a channel (Telegram, Viber) or the step inbound.",
        Help.MANY_REFUSED: "- limits, the guard or the budget refuse a lot: look at them.",
        "nothing": "- nothing stands out.",
    },
}  # fmt: skip


def written(found: Weekly, application: str, locale: str) -> tuple[str, str]:
    """Subject and text of a mail to operators. locale: ru, else en."""
    say = _WORDS["ru" if locale == "ru" else "en"]
    lines = [say["head"].format(week=found.week), ""]
    for name in Figures.__struct_fields__:
        value, before = (_shown(name, getattr(each, name)) for each in (found.now, found.before))
        lines.append(f"{say[name]}: {value} ({before})")
    lines += ["", say["routes"]]
    for route in found.routes:
        who = f"{route.gateway}, {route.operator}" if route.operator else route.gateway
        lines.append(f"{who}: {route.sends}, {route.conversion:.1%}, {_shown('', route.seconds_p50)}, {route.roubles}")
    lines += ["", say["hints"]]
    told = [say[hint.help].format(gateway=hint.gateway, operator=hint.operator) for hint in found.hints]
    return say["subject"].format(application=application, week=found.week), "\n".join(
        [*lines, *(told or [say["nothing"]])]
    )


def _shown(name: str, value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if name == "conversion" and isinstance(value, float) else str(value)
