"""Counters of limits: each is a key, and so a slot, of its own; all that one request asks for go in one round trip."""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.domain.value import Value
from otp_service.storage.connection import Database, Script, Step

_COUNT, _UNCOUNT = Script.load("count", "_window"), Script.load("uncount", "_window")


class Counter(Value):
    """One limit as it meets one request. key: of storage.keys; limit: its name in the settings."""

    limit: str
    key: str
    quota: int
    window_seconds: int


class Full(Value):
    """The limit that stands in the way for the longest time."""

    limit: str
    wait_seconds: float


class LimitStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, counters: Sequence[Counter]) -> Full | None:
        """Count one event in each of the counters, or in none: what was counted is taken back when one is full."""
        if not counters:
            return None
        waits = await self._database.run_many(
            _COUNT, [([counter.key], [counter.quota, counter.window_seconds * 1000]) for counter in counters]
        )
        if not any(waits):
            return None
        await self.take_back([(counter, 1) for counter, wait in zip(counters, waits, strict=True) if not wait])
        wait, limit = max((wait, counter.limit) for counter, wait in zip(counters, waits, strict=True))
        return Full(limit, wait / 1000)

    async def take_back(self, events: Sequence[tuple[Counter, int]]) -> None:
        """Counters with how many of their events, the latest first."""
        if events:
            await self._database.run_all(taking_back(events))


def taking_back(events: Sequence[tuple[Counter, int]]) -> list[Step]:
    return [Step(_UNCOUNT, [counter.key], [times]) for counter, times in events]
