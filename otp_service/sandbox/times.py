"""Times as the gateways write them: in the zone of the account (ours: no document but X19 names a zone)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from otp_service.sandbox.accounts import Account

MINUTE = "%Y-%m-%d %H:%M"
SECOND = "%Y-%m-%d %H:%M:%S"


def read_time(account: Account, written: str, form: str) -> datetime:
    """form: MINUTE or SECOND. The answer is UTC. Raises ValueError."""
    local = datetime.strptime(written[10:], form[8:])  # noqa: DTZ007  # the zone is the account's, set below
    day = read_date(written[:10])
    return datetime.combine(day, local.time(), account.zone).astimezone(UTC)


def read_date(written: str) -> date:
    """`YYYY-MM-DD`; the 31st of a shorter month is a day of the next one, as PHP reads it: X8 shows 2020-02-31.

    Raises ValueError, also for a year that leaves no room for reckoning with time zones.
    """
    first = datetime.strptime(written[:8] + "01", "%Y-%m-%d").date()  # noqa: DTZ007  # a date has no zone
    day = int(written[8:])
    if len(written) != 10 or not (1 <= day <= 31 and 1970 <= first.year <= 9000):
        raise ValueError("not a date")
    return first + timedelta(days=day - 1)


def write_time(account: Account, moment: datetime | None, form: str) -> str:
    """Nothing for None, as X4 does with a status not received yet."""
    return moment.astimezone(account.zone).strftime(form) if moment else ""
