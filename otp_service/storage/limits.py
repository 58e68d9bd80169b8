"""Counters of limits: each is a key, and so a slot, of its own; all that one request asks for go in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from otp_service.domain.value import Value
from otp_service.storage.connection import Database, Script, Step

_COUNT, _UNCOUNT = Script.load("limit/count", "limit/_window"), Script.load("limit/uncount", "limit/_window")


class Counter(Value):
    """One limit as it meets one request. key: of storage.keys; limit: its name in the settings."""

    limit: str
    key: str
    quota: int
    window_seconds: int


class Counted(Value):
    """Events that stand in a counter: when each was counted, in ms of Redis time, or at most so long before."""

    counter: Counter
    times: Sequence[int]
    before_ms: int = 0


class Full(Value):
    """The limit that stands in the way for the longest time."""

    limit: str
    wait_seconds: float


class LimitStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, counters: Sequence[Counter]) -> list[Counted] | Full:
        """Count one event in each of the counters, or in none: what was counted is taken back when one is full."""
        return await self.counted(counters, await self._database.run_all(count_steps(counters)))

    async def counted(self, counters: Sequence[Counter], answers: Sequence[Any]) -> list[Counted] | Full:
        """The same where the steps of `count_steps` were asked together with others."""
        counted = [Counted(counter, [now]) for counter, (wait, now) in zip(counters, answers, strict=True) if not wait]
        if len(counted) == len(counters):
            return counted
        await self.take_back(counted)
        wait, limit = max((wait, counter.limit) for counter, (wait, _) in zip(counters, answers, strict=True))
        return Full(limit, wait / 1000)

    async def take_back(self, events: Sequence[Counted]) -> None:
        if events:
            await self._database.run_all(uncount_steps(events))

    async def clear(self, counters: Sequence[Counter]) -> dict[str, int]:
        """Begin anew; returns how many events each limit had counted, without those that had none."""
        counted = await self._database.run_all([clear_step(counter) for counter in counters])
        return {counter.limit: count for counter, count in zip(counters, counted, strict=True) if count}


def count_steps(counters: Sequence[Counter]) -> list[Step]:
    """See `LimitStore.counted`."""
    return [Step(_COUNT, [each.key], [each.quota, each.window_seconds * 1000]) for each in counters]


def uncount_steps(events: Sequence[Counted]) -> list[Step]:
    return [
        Step(_UNCOUNT, [each.counter.key], [each.counter.window_seconds * 1000, each.before_ms, *each.times])
        for each in events
    ]


def clear_step(counter: Counter) -> Step:
    return Step(_UNCOUNT, [counter.key], [""])
