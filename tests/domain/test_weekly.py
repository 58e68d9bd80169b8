"""The report of a week: which week, what is in it, and what it advises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from otp_service.domain.statistics import NUMBERS, Addition, Group, Row, choice_made
from otp_service.domain.weekly import Help, last_week, next_report, weekly, written

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def row(gateway: str, operator: str, **counted: int) -> Row:
    from otp_service.domain.statistics import _AT

    numbers = [0] * NUMBERS
    for name, value in counted.items():
        numbers[_AT[name]] = value
    return Row(MONDAY, Group(gateway, "sms", "RU", operator), numbers)


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        (datetime(2026, 11, 30, 1, tzinfo=UTC), MONDAY),
        (datetime(2026, 11, 30, 0, 59, tzinfo=UTC), MONDAY - timedelta(days=7)),
        (datetime(2026, 12, 6, 23, 59, tzinfo=UTC), MONDAY),
        (datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 12, 21, tzinfo=UTC)),
    ],
)
def test_which_week(now: datetime, monday: datetime) -> None:
    assert last_week(now) == monday
    then = now + timedelta(seconds=next_report(now))
    assert last_week(then) == monday + timedelta(days=7)
    assert last_week(then - timedelta(seconds=1)) == monday


def test_what_it_says() -> None:
    rows = [
        row("", "", started=300, refused_limit=40),
        row("one", "МТС", sends=100, approved=60, micro_roubles=450_000_000, failovers=0),
        row("two", "МТС", sends=100, approved=90, micro_roubles=300_000_000, failovers=80, chosen=90,
            chosen_otherwise=90),
        row("one", "", sends=10, approved=1),
    ]  # fmt: skip
    found = weekly(MONDAY, rows, [row("", "", started=10)])
    assert found
    assert (found.week, found.now.started, found.now.approved, found.before.started) == ("2026-11-23", 300, 151, 10)
    assert (found.now.conversion, found.before.conversion, found.now.roubles) == (0.5033, 0.0, "750.00")
    assert [(each.gateway, each.operator, each.conversion) for each in found.routes] == [
        ("one", "МТС", 0.6), ("two", "МТС", 0.9), ("one", "", 0.1),
    ]  # fmt: skip
    assert [(hint.help, hint.gateway, hint.operator) for hint in found.hints] == [
        (Help.LEARN_ROUTES, "two", ""), (Help.WEAK_ROUTE, "one", "МТС"), (Help.MANY_FAILOVERS, "", ""),
        (Help.MANY_REFUSED, "", ""),
    ]  # fmt: skip
    for locale in ("ru", "en"):
        subject, text = written(found, "web", locale)
        assert "web" in subject
        assert "\n" not in subject
        assert "two" in text
        assert "750.00" in text


def test_a_week_of_nothing() -> None:
    assert weekly(MONDAY, [], []) is None
    found = weekly(MONDAY, [], [row("", "", started=1)])
    assert found
    assert (found.now.conversion, found.now.seconds_p50, found.routes, found.hints) == (None, None, [], [])
    assert "–" in written(found, "web", "en")[1]


def test_a_choice_is_counted_by_its_gateway() -> None:
    found = choice_made(5, Group("a|b", "sms", "RU", "x=y"), 3, differs=True)
    assert found == Addition(5, Group("ab", "sms", "RU", "xy"), found.counted)
    assert sorted(found.counted.values()) == [3, 3]
