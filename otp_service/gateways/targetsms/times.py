"""Times as TargetSMS writes them: local ones of the account, which name no zone (X3, X4, X8, X12, X16, X18, X20)."""

from __future__ import annotations

import re
from datetime import date, datetime, time, tzinfo

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]?([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
)  # XQ13: printed without blank
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def to_minute(moment: datetime, zone: tzinfo) -> str:
    """`YYYY-MM-DD hh:mm` in the account's zone, seconds dropped. moment: aware."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def to_second(moment: datetime, zone: tzinfo) -> str:
    """`YYYY-MM-DD hh:mm:ss` in the account's zone. moment: aware."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def moment_of(written: str | None, zone: tzinfo) -> datetime | None:
    """A date and time, to the minute or to the second, in the account's zone; None where it is absent, "" or none."""
    parts = _MOMENT.fullmatch((written or "").strip())
    if not parts:
        return None
    try:
        return datetime.fromisoformat(f"{parts[1]}T{parts[2]}").replace(tzinfo=zone)
    except ValueError:  # 2020-02-31 (XQ14)
        return None


def day_of(written: str | None) -> date | None:
    """`YYYY-MM-DD`; None where it is absent, "" or no date."""
    try:
        return date.fromisoformat(written) if written and _DAY.fullmatch(written) else None
    except ValueError:
        return None


def clock_of(written: str | None) -> time | None:
    """`hh:mm` or `hh:mm:ss`; None where it is absent, "" or no time."""
    try:
        return time.fromisoformat(written) if written and _CLOCK.fullmatch(written) else None
    except ValueError:
        return None
