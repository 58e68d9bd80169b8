"""Which hours the overview compares."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from otp_service.console.overview import same_hours


@pytest.mark.parametrize(
    ("zone", "now", "today", "before"),
    [
        ("Europe/Moscow", "2026-11-29T12:05Z", "2026-11-28T21:00Z", "2026-11-21T21:00Z 2026-11-22T12:05Z"),
        # The clock was put back, and forward, within the week.
        ("Europe/Berlin", "2026-10-26T09:05Z", "2026-10-25T23:00Z", "2026-10-18T22:00Z 2026-10-19T08:05Z"),
        ("Europe/Berlin", "2026-03-30T08:05Z", "2026-03-29T22:00Z", "2026-03-22T23:00Z 2026-03-23T09:05Z"),
        # Midnight comes twice; the day began with the first.
        ("America/Havana", "2026-11-01T05:30Z", "2026-11-01T04:00Z", "2026-10-25T04:00Z 2026-10-25T04:30Z"),
    ],
)
def test_today_is_beside_the_same_hours_of_last_week(zone: str, now: str, today: str, before: str) -> None:
    at = datetime.fromisoformat
    found = same_hours(at(now), ZoneInfo(zone))
    hours = [moment.timestamp() for span in found for moment in span]
    assert hours == [at(one).timestamp() for one in (today, now, *before.split())]
