"""Reading statistics: one function for the API, the command line and the console."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from otp_service.domain.statistics import DIMENSIONS, Row
from otp_service.errors import Refused
from otp_service.storage.statistics import StatisticsStore

Step = Literal["hour", "day"]
LONGEST = {"hour": timedelta(days=31), "day": timedelta(days=1100)}
"""May be read at once."""
USUAL = {"hour": timedelta(days=1), "day": timedelta(days=30)}
MOST_ROWS = 10_000
_PLUS = re.compile(r"(:[0-9]{2}) ([0-9]{2}:?[0-9]{2})$")


async def read(
    store: StatisticsStore,
    application: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    step: Step = "hour",
    by: Sequence[str] = (),
) -> list[Row]:
    """What was counted from `start` until before `end`, oldest first: a row for each period and group in which anything
    was counted. Periods are whole hours or days, UTC; the first is the one in which `start` is.

    start, end: with a time zone; left out, the last 24 hours or 30 days until now. by: of domain.statistics.DIMENSIONS;
    what it leaves out is summed, and '' in the row. Raises Refused `validation_failed` that names the field.
    """
    end = (end or datetime.now(UTC)).astimezone(UTC)
    start = (start or end - USUAL[step]).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if step == "day":
        start = start.replace(hour=0)
    if start >= end:
        raise _refused("from", "must be before `to`")
    if end - start > LONGEST[step] + timedelta(days=1):
        raise _refused("from", f"must be at most {LONGEST[step].days} days before `to` with steps of one {step}")
    if set(by) - set(DIMENSIONS):
        raise _refused("by", f"must be some of {', '.join(DIMENSIONS)}, with commas between")
    rows = await store.read(application, start, end, step, by)
    if len(rows) > MOST_ROWS:
        raise _refused("by", f"must make at most {MOST_ROWS} rows: fewer groups, a shorter time or longer steps")
    return rows


def moment(field: str, text: str) -> datetime | None:
    """A day or a moment in ISO 8601, UTC where it names no zone; None for ''. Raises Refused `validation_failed`."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(_PLUS.sub(r"\1+\2", text.strip()))  # in a query + is a space, unless escaped
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        found = datetime.min.replace(tzinfo=UTC)
    if not 2000 <= found.year < 2300:
        raise _refused(field, "must be a day or a moment, for example `2026-11-28` or `2026-11-28T09:00:00Z`")
    return found


def _refused(field: str, message: str) -> Refused:
    errors = [{"field": field, "message": message}]
    return Refused("validation_failed", f"`{field}` {message}.", extra={"errors": errors})
