"""What the speed benchmark must show: each promise with its bound, the value measured, and how that was reckoned.

Of values that are compared all are medians of the same run. A miss is told as a miss; it is no error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.speed.rounds import DEAR, SHIPPED, Told, written
from benchmarks.speed.samples import Key, Row

SHIPPED_COST, DEAR_COST = written(SHIPPED), written(DEAR)

Rows = Mapping[Key, Row]


@dataclass(frozen=True)
class Verdict:
    """value: not a number where a row that it needs was not measured. at_least: the bound is from below. goal: what the
    parts alone would allow, where the bound is less."""

    what: str
    value: float
    bound: float
    unit: str = ""
    at_least: bool = False
    goal: float | None = None

    @property
    def measured(self) -> bool:
        return not math.isnan(self.value)

    @property
    def kept(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def verdicts(found: Rows, told: Told, threads: int) -> list[Verdict]:
    """threads: in which argon2id was measured alone."""
    medians = Medians(found, told.middle, threads)
    return [
        *(verdict for workers in told.workers for verdict in _checks(medians, workers)),
        *(verdict for workers in told.workers for verdict in _starts(medians, workers)),
        *_at_once(medians, told.burst),
        _statuses(medians),
        *_at_rest(medians),
    ]


@dataclass(frozen=True)
class Medians:
    """at: the concurrency that is judged."""

    found: Rows
    at: int
    threads: int

    def of(self, name: str, figure: str, workers: int = 0, at: int | None = None, cost: str = "") -> float:
        row = self.found.get((name, workers, self.at if at is None else at, cost))
        return row.get(figure) if row and figure in row.figures else math.nan

    def hash(self, figure: str, cost: str = SHIPPED_COST) -> float:
        return self.of("hash", figure, at=self.threads, cost=cost)


def _checks(medians: Medians, workers: int) -> Iterator[Verdict]:
    of = f"check, {processes(workers)}"
    beside = medians.of("check", "cpu_service", workers, cost=SHIPPED_COST) - medians.hash("cpu")
    yield Verdict(f"{of}: processor time beside the hash", beside, 0.6, "ms", goal=0.5)
    for cost, bound in ((SHIPPED_COST, 0.80), (DEAR_COST, 0.95)):
        share = medians.of("check", "rate", workers, cost=cost) / medians.hash("rate", cost)
        yield Verdict(f"{of}: share of the rate of argon2id alone, `{cost}`", share, bound, at_least=True)


def _starts(medians: Medians, workers: int) -> Iterator[Verdict]:
    of = f"start, {processes(workers)}"
    beside = medians.of("start", "cpu_service", workers, cost=SHIPPED_COST) - medians.hash("cpu")
    parts = sum(medians.of(name, "cpu") for name in ("empty start", "lua start", "gateway"))
    what = f"{of}: processor time beside the hash, as a multiple of its parts alone"
    yield Verdict(what, beside / parts, 2.0, goal=1.4)
    waits = medians.of("gateway", "answer_ms") + medians.hash("cpu")
    for figure, bound in (("p50", 3.0), ("p99", 15.0)):
        added = medians.of("paced", figure, workers, 0, SHIPPED_COST) - waits
        yield Verdict(f"{of}: latency added at half load, {figure}", added, bound, "ms")


def _at_once(medians: Medians, count: int) -> Iterator[Verdict]:
    of = f"{count} starts at once, gateway takes 1 s"
    lasted = medians.of("burst", "seconds", 1, count, SHIPPED_COST)
    yield Verdict(f"{of}: until the last answer", lasted, 2.5 + count / medians.hash("rate"), "s")
    row = medians.found.get(("burst", 1, count, SHIPPED_COST))
    yield Verdict(f"{of}: answers that are no 201", float(row.bad) if row else math.nan, 0)


def _statuses(medians: Medians) -> Verdict:
    share = medians.of("status", "rate", 1, cost=SHIPPED_COST) / medians.of("empty status, asking Redis", "rate")
    what = "status, 1 process: share of the rate of an empty handler that asks Redis the same"
    return Verdict(what, share, 0.7, at_least=True, goal=0.85)


def _at_rest(medians: Medians) -> Iterator[Verdict]:
    package, alone = (medians.of("import", figure, at=0) for figure in ("package", "dependencies"))
    yield Verdict("import, as a multiple of that of the dependencies alone", package / alone, 1.25)
    ready = medians.of("ready", "seconds", 1, 0) - medians.of("import", "whole", at=0)
    yield Verdict("ready after the import", ready, 0.5, "s")
    yield Verdict("memory of an idle process (RSS)", medians.of("memory, idle", "rss", 1, 0), 90, "MiB")


def processes(workers: int) -> str:
    return "1 process" if workers == 1 else f"{workers} processes"
