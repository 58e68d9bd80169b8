"""Statistics of applications in Redis: a hash for each day with its hours, and one for each month with its days.

Events are counted in the step that passes them on to their log (storage/events.py), so each counts once; what has no
event is added by `add`. A field is `period|gateway|channel|country|operator`, its value a row of numbers of eight
bytes, least first (domain/statistics.py).
"""

from __future__ import annotations

import asyncio
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import structlog

from otp_service.domain import statistics
from otp_service.domain.statistics import NUMBERS, Addition, Group, Owes, Price, Row
from otp_service.domain.value import Value
from otp_service.settings.values import Statistics
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script, hash_of
from otp_service.storage.topology import Call

MOST_GROUPS = 250
"""Rows of one hour, and of one day; see write_rows in _rows.lua."""
ADDED_AT_ONCE = 200
AT_ONCE = 16
"""How many hashes are read in one go; others are served in between."""
_HOUR_MS = 3_600_000
_ROW_BYTES, _LONGEST_ROW_BYTES = 8 * NUMBERS, 8 * 128
_ADD = Script.load("statistics/add", "statistics/_rows")

log = structlog.get_logger()


class PeriodKey(Value):
    """Where a row is written: hash, until when that is kept in milliseconds, and the period within it."""

    name: str
    kept_until: int
    period: str


class StatisticsStore:
    """keep: for how long. price, owes: see domain/statistics.py."""

    def __init__(self, database: Database, keep: Statistics, price: Price, owes: Owes = statistics.always) -> None:
        self._database = database
        self._keep = keep
        self._price = price
        self._owes = owes
        self._period_keys = lru_cache(1024)(self._period_keys_of)  # most of what is counted began a moment ago

    def of_event(self, kind: str, fields: Mapping[bytes, bytes], operator: str = "") -> Addition | None:
        """What an event of an outbox adds. One that cannot be read adds nothing: it must not stop those after it.

        operator: of the phone, where the event names none.
        """
        try:
            told = {name: fields[stored].decode() for stored, name in _TOLD.items() if stored in fields}
            told["operator"] = told.get("operator") or operator
            return statistics.addition(kind, told, self._price, self._owes)
        except (LookupError, ValueError) as error:
            log.warning("event_not_counted", type=kind, error=type(error).__name__)
            return None

    def period_keys(self, application: str, at: int) -> tuple[PeriodKey, PeriodKey]:
        """Where the hour and the day of a moment are."""
        return self._period_keys(application, at // _HOUR_MS)

    def _period_keys_of(self, application: str, number: int) -> tuple[PeriodKey, PeriodKey]:
        """number: of the hour since the epoch."""
        hour = statistics.hour_of(number * _HOUR_MS)
        day = hour.replace(hour=0)
        month = day.replace(day=1)
        day_ends, month_ends = day + timedelta(days=1), (month + timedelta(days=32)).replace(day=1)
        return (
            PeriodKey(keys.hours(application, day), _ms(day_ends, self._keep.hours_days), f"{hour:%H}"),
            PeriodKey(keys.days(application, month), _ms(month_ends, self._keep.days_days), f"{hour:%d}"),
        )

    async def add(self, application: str, additions: Sequence[Addition]) -> None:
        """Count what has no event. After a lost answer it is not repeated: a count may be missing, never double."""
        for first in range(0, len(additions), ADDED_AT_ONCE):
            hashes: dict[str, int] = {}
            rows: list[Argument] = []
            for each in additions[first : first + ADDED_AT_ONCE]:
                for key in self.period_keys(application, each.at):
                    hashes[key.name] = key.kept_until
                    rows += [list(hashes).index(key.name) + 1, key.period, *written(each)]
            await self._database.run(_ADD, list(hashes), [MOST_GROUPS, *hashes.values(), *rows])

    async def read(self, application: str, start: datetime, end: datetime, step: str, by: Sequence[str]) -> list[Row]:
        """See otp_service/statistics/reading.py."""
        names = _names(application, start, end, step)
        groups = _Groups(tuple(name in by for name in statistics.DIMENSIONS))
        rows: list[Row] = []
        for first in range(0, len(names), AT_ONCE):
            some = names[first : first + AT_ONCE]
            found = await self._database.command_all("HGETALL", [Call(name, [("HGETALL", name)]) for name, _ in some])
            for (_, begins), flat in zip(some, found, strict=True):
                for period, grouped in sorted(_grouped(hash_of(flat).items(), groups).items()):
                    at = begins + (timedelta(hours=period) if step == "hour" else timedelta(days=period - 1))
                    if start <= at < end:
                        rows += [Row(at, group, _sum(values)) for group, values in grouped.items()]
            await asyncio.sleep(0)
        return rows


def written(each: Addition) -> tuple[str, str]:
    """Group and counters, as _rows.lua reads them."""
    group = each.group
    counters = ",".join(f"{index}:{added}" for index, added in each.counted.items())
    return f"{group.gateway}|{group.channel}|{group.country}|{group.operator}", counters


_TOLD = {name.encode(): name for name in statistics.TOLD}


def _ms(ends: datetime, days: int) -> int:
    return int((ends + timedelta(days=days)).timestamp() * 1000)


def _names(application: str, start: datetime, end: datetime, step: str) -> list[tuple[str, datetime]]:
    """The hashes that hold these periods, with the moment at which each begins."""
    found = []
    at = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if step == "day":
        at = at.replace(day=1)
    while at < end:
        found.append(((keys.hours if step == "hour" else keys.days)(application, at), at))
        at = at + timedelta(days=1) if step == "hour" else (at + timedelta(days=32)).replace(day=1)
    return found


class _Groups(dict[bytes, Group | None]):
    """By the end of a field's name, the group that it is summed in; None for what is no name of ours."""

    def __init__(self, shown: Sequence[bool]) -> None:
        self._shown = shown
        self._known: dict[tuple[bytes, ...], Group] = {}

    def __missing__(self, name: bytes) -> Group | None:
        words = name.split(b"|")
        if len(words) != len(self._shown):
            return None
        key = tuple(word if keep else b"" for word, keep in zip(words, self._shown, strict=True))
        self[name] = self._known.setdefault(key, Group(*(word.decode(errors="replace") for word in key)))
        return self[name]


def _grouped(rows: Iterable[tuple[bytes, bytes]], groups: _Groups) -> dict[int, dict[Group, list[bytes]]]:
    """What is stored, by period and group."""
    found: dict[bytes, dict[Group, list[bytes]]] = defaultdict(dict)
    for name, value in rows:
        group = groups[name[3:]]
        if group is not None and len(value) <= _LONGEST_ROW_BYTES:
            found[name[:2]].setdefault(group, []).append(value)
    return {int(period): grouped for period, grouped in found.items() if period.isdigit()}


def _sum(stored: Sequence[bytes]) -> Sequence[int]:
    """Of rows as they are stored. They stay bytes until a number is asked for: to make all of them took half of
    the time where thousands of rows are read.

    Several are added as the large numbers that their bytes are: no counter comes near eight bytes, so none reaches into
    the next, and that is a tenth of the work."""
    row = stored[0]
    if len(stored) > 1:
        total = sum(int.from_bytes(each, "little") for each in stored)
        row = total.to_bytes(_LONGEST_ROW_BYTES + 8, "little")
    numbers = array("Q", row[:_ROW_BYTES].ljust(_ROW_BYTES, b"\0"))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
