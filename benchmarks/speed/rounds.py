"""One round of the speed benchmark: floor, service, floor, service …, each on fresh servers."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import meter
from benchmarks.rig.load import WRONG, measured, metered, place, wrk
from benchmarks.rig.paced import Answered, burst, pace, prepare
from benchmarks.rig.recorder import recorded
from benchmarks.rig.servers import SHIPPED_COST, Plan, World, opened, serving_pids, settle
from benchmarks.rig.stub import CODE
from benchmarks.speed import floors, starting
from benchmarks.speed.samples import Sample

SHIPPED = SHIPPED_COST
DEAR = (19456, 2, 1)
"""argon2id at OWASP's minimum for passwords: here the hash is nearly all there is."""
GUESSES = 4
"""Wrong codes for one verification, one less than end it."""
GUESSING = {"BENCH_CODE": WRONG, "BENCH_TIMES": str(GUESSES), "BENCH_OUTCOME": "wrong_code"}
APPROVING = {"BENCH_CODE": CODE, "BENCH_TIMES": "1", "BENCH_OUTCOME": "approved"}
NOTHING: Mapping[str, str] = {}
SCRIPTS = {"approve": "check"}
"""Of wrk, where they have another name."""
SPARE = 1.15
"""So many times as many verifications are prepared as can be needed."""
HALF = 0.5


@dataclass(frozen=True)
class Told:
    """seconds: for each measurement of the service, half of that for a floor. recorded: operations that a floor
    repeats. settle: seconds until what a start leaves to the worker is over. burst: starts at once."""

    rounds: int = 5
    seconds: float = 4.0
    concurrency: tuple[int, ...] = (1, 16, 64)
    workers: tuple[int, ...] = (1, 2)
    recorded: int = 256
    settle: float = 6.0
    burst: int = 200

    @property
    def middle(self) -> int:
        """The concurrency of what is measured at one only, and of the verdicts."""
        return self.concurrency[len(self.concurrency) // 2]


def one_round(told: Told, names: Sequence[str]) -> Iterator[Sample]:
    """names: of the modules that the package imports from others."""
    yield starting.imports(names)
    for workers in told.workers:
        yield from _shipped(told, workers)
    for workers in told.workers:
        yield from _dear(told, workers)
    yield _at_once(told)


def written(cost: tuple[int, int, int]) -> str:
    return ",".join(map(str, cost))


@dataclass(frozen=True)
class Cell:
    """Where something is measured: so many callers of this service."""

    told: Told
    world: World
    workers: int
    cost: tuple[int, int, int]
    concurrency: int

    @property
    def cores(self) -> int:
        """That the callers can keep busy."""
        return min(self.concurrency, len(os.sched_getaffinity(0)))


def _shipped(told: Told, workers: int) -> Iterator[Sample]:
    with _folder() as folder, recorded(told.recorded, folder / "recording") as taken:
        (folder / "world").mkdir()
        with opened(Plan(workers, SHIPPED), folder / "world") as world:
            yield Sample("ready", workers, 0, "", {"seconds": world.ready_seconds})
            settle(world.pids["service"], min(1.0, told.settle))
            yield _memory(world, workers, "memory, idle")
            with floors.laid(told.seconds / 2, taken, world.gateway, folder) as under:
                starts = []
                for concurrency in told.concurrency:
                    for sample in _operations(Cell(told, world, workers, SHIPPED, concurrency), under):
                        if sample.name == "start":
                            starts.append(sample.figures["rate"])
                        yield sample
            yield from _latency(told, workers, world, max(starts) * HALF)
            yield _memory(world, workers, "memory, loaded")


def _operations(cell: Cell, under: floors.Floors) -> Iterator[Sample]:
    concurrency = cell.concurrency
    hashed = floors.hashes(under.seconds, written(cell.cost))
    yield hashed
    guessed = _prepared(cell, hashed.figures["cpu"], GUESSES)
    yield floors.lua(under, "check", concurrency)
    checked = _measured(cell, "check", GUESSING, guessed)
    yield checked
    approved = _prepared(cell, checked.figures["cpu_service"], 1)
    yield floors.lua(under, "approve", concurrency)
    yield _measured(cell, "approve", APPROVING, approved)
    yield floors.handler(under, "start", concurrency)
    yield floors.lua(under, "start", concurrency)
    yield floors.gateway(under, concurrency)
    yield _measured(cell, "start")
    yield floors.handler(under, "status", concurrency)
    yield floors.lua(under, "status", concurrency)
    yield floors.asking(under, concurrency)
    yield _measured(cell, "status", ids=[*guessed, *approved])
    yield _measured(cell, "mixed")


def _dear(told: Told, workers: int) -> Iterator[Sample]:
    """Where hashing is dear, checks alone."""
    with _folder() as folder, opened(Plan(workers, DEAR), folder) as world:
        cell = Cell(told, world, workers, DEAR, told.middle)
        hashed = floors.hashes(told.seconds / 2, written(DEAR))
        yield hashed
        # Nothing but the hash slows these checks down, so what slowed its measurement down must not make too few.
        guessed = _prepared(cell, hashed.figures["cpu"] / 3, GUESSES)
        yield _measured(cell, "check", GUESSING, guessed)


def _prepared(cell: Cell, cpu: float, checks: int) -> list[str]:
    """Verifications that are to be checked so often each. cpu: ms that a check takes at least, whatever else it does.

    So the number does not hang on a rate, which another program may have pressed down for a moment.
    """
    most = cell.told.seconds * cell.cores * 1000 / cpu * SPARE + cell.concurrency
    ids = prepare(cell.world.url, next(cell.world.segments), math.ceil(most / checks))
    settle(cell.world.pids["service"], cell.told.settle)
    return ids


def _measured(cell: Cell, name: str, environ: Mapping[str, str] = NOTHING, ids: Sequence[str] = ()) -> Sample:
    """later: processor time after the load has ended, for each request of it: the worker asks what became of it."""
    world, service = cell.world, cell.world.pids["service"]
    first = {"BENCH_FIRST": str(place(next(world.segments)))}
    before = metered(world)
    run = wrk(SCRIPTS.get(name, name), world.url, cell.concurrency, cell.told.seconds, {**first, **environ}, ids)
    figures = measured(world, run, before)
    if name in ("start", "mixed"):
        before = metered(world)
        settle(service, cell.told.settle)
        for part, later in (("service", "service_later"), ("redis", "redis_later")):
            spent = meter.since(before.parts[part], meter.used(world.pids[part]))
            figures[later] = 1000 * spent / max(1, run.requests)
    return Sample(name, cell.workers, cell.concurrency, written(cell.cost), figures, run.bad)


def _latency(told: Told, workers: int, world: World, rate: float) -> Iterator[Sample]:
    """Starts at half of the capacity: evenly, and as independent people come."""
    for name, random in (("paced", False), ("paced, at random", True)):
        found = pace(world.url, next(world.segments), rate, told.seconds, as_people_come=random)
        settle(world.pids["service"], told.settle)
        yield Sample(name, workers, 0, written(SHIPPED), {"rate": rate, **_times(found)}, found.bad)


def _at_once(told: Told) -> Sample:
    """All in the same moment, against a gateway that takes a second."""
    plan = Plan(1, SHIPPED, gateway_delay=1.0, max_parallel=told.burst)
    with _folder() as folder, opened(plan, folder) as world:
        found = burst(world.url, next(world.segments), told.burst)
    return Sample("burst", 1, told.burst, written(SHIPPED), {"seconds": found.seconds, **_times(found)}, found.bad)


def _times(found: Answered) -> dict[str, float]:
    return {"p50": found.quantile(0.5), "p95": found.quantile(0.95), "p99": found.quantile(0.99)}


def _memory(world: World, workers: int, name: str) -> Sample:
    """MiB. Of those that serve the largest; parent: of the one that watches them, where there are several."""
    found = [meter.memory(pid) for pid in serving_pids(world)]
    figures = {"rss": max(one.rss for one in found), "pss": max(one.pss for one in found)}
    if workers > 1:
        figures["parent_rss"] = meter.memory(world.pids["service"]).rss
    figures["redis_rss"] = meter.memory(world.pids["redis"]).rss
    return Sample(name, workers, 0, "", figures)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="otp-bench-") as name:
        yield Path(name)
