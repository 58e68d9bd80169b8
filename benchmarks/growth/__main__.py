"""`make bench-growth`: what changes when a thousand, or a million, verifications live in one Redis.

    python -m benchmarks.growth --sizes 1000,10000 --seconds 2

At each size: checks, statuses and starts over HTTP, the memory of Redis for each verification while it lives and after
its end, and how long a worker takes to find that nothing is due. benchmarks/README.md says how they come into being.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from redis import Redis

from benchmarks.growth.filling import Template, fill, template
from benchmarks.rig.load import WRONG, measured, metered, place, wrk
from benchmarks.rig.machine import RESULTS, machine
from benchmarks.rig.paced import cancel
from benchmarks.rig.recorder import Recorded, recorded
from benchmarks.rig.servers import APPLICATION, Plan, World, serving, settings, settle, stubbed, url_of
from benchmarks.speed import tables
from otp_service import settings as otp_settings
from otp_service.domain.keyring import Keyring
from otp_service.storage import keys
from otp_service.storage.connection import open_database
from otp_service.storage.install import load_names
from otp_service.storage.schedule import Schedule
from tests.running import SECRET

LIFE_SECONDS = 599
"""Of the starts that are taken down: a number that stands nowhere else in them."""
ATTEMPTS = 10
"""The most that can be set, so that few verifications are enough for many wrong codes."""
ENDED = 2_000
"""So many at most, and a tenth at most, are canceled to see what an ended one takes; the others are checked."""
CLAIMS = 20
REHASH_SECONDS = 60.0
"""A table of keys that has become too small is moved bit by bit, and both take memory meanwhile."""
CONCURRENCY = 16
LOOK_SECONDS = 6.0
"""After the last start, until the worker has asked what became of its message."""


@dataclass(frozen=True)
class Size:
    """What was found with so many. Bytes for one verification; operations: figures of the load by name.

    ended: all that is left of a canceled one. events: what of that, and of a living one, is its events in the log.
    """

    live: int
    bytes_live: float
    bytes_ended: float
    bytes_events: float
    redis_mib: float
    claim_ms: float
    operations: dict[str, dict[str, float]]
    bad: int


def grow(sizes: Sequence[int], seconds: float) -> Iterator[Size]:
    with tempfile.TemporaryDirectory(prefix="otp-bench-") as name:
        folder = Path(name)
        plan = Plan(life_seconds=LIFE_SECONDS, attempts=ATTEMPTS, delivered=True)
        with recorded(8, folder / "recording", plan) as taken:
            made_from = asyncio.run(_template(taken))
            with _served(taken, folder) as world:
                there = 0
                for size in sorted(sizes):
                    if there:
                        settle(world.pids["service"], LOOK_SECONDS)
                    yield _at(world, made_from, there, size, seconds)
                    there = size


@contextmanager
def _served(taken: Recorded, folder: Path) -> Iterator[World]:
    """The service as shipped, but for `ATTEMPTS`, on the store that the recording is from."""
    plan = Plan(attempts=ATTEMPTS)
    with stubbed(plan, folder) as (port, stub):
        before = taken.world
        before.settings.write_text(settings(plan, url_of(before.port), port))
        pids = {"redis": taken.pid, "gateway": stub.pid}
        with serving(plan, replace(before, gateway=port, pids=pids), folder) as world:
            settle(world.pids["service"], 1.0)
            yield world


def _at(world: World, made_from: Template, there: int, size: int, seconds: float) -> Size:
    redis, service = world.redis, world.pids["service"]
    before, events = _used(redis), _events(redis)
    added = size - there
    began = time.monotonic()
    with _file_off(redis):
        ids = fill(made_from, world.port, there, added)
        filled = time.monotonic() - began
    passed_on = settle(service, 1.0, patience=3600)
    print(f"{size:,} live: filled in {filled:.0f} s, events passed on {passed_on:.0f} s later", file=sys.stderr)
    full, told = _used(redis), _events(redis)
    ended = ids[: min(ENDED, len(ids) // 10)]
    cancel(world.url, ended)
    settle(service, 1.0)
    live = (full - before) / added
    gone = (_used(redis) - full) / max(1, len(ended))
    found = {
        "check": _load(world, "check", ids[len(ended) :], seconds),
        "status": _load(world, "status", ids[len(ended) :], seconds),
        "start": _load(world, "start", (), seconds),
    }
    return Size(
        size,
        live,
        live + gone,
        (told - events) / added,
        _used(redis) / 2**20,
        asyncio.run(_claim(world)),
        found,
        sum(int(figures["bad"]) for figures in found.values()),
    )


def _load(world: World, script: str, ids: Sequence[str], seconds: float) -> dict[str, float]:
    environ = {
        "BENCH_FIRST": str(place(next(world.segments))),
        "BENCH_CODE": WRONG,
        "BENCH_TIMES": str(ATTEMPTS - 1),
        "BENCH_OUTCOME": "wrong_code",
    }
    before = metered(world)
    run = wrk(script, world.url, CONCURRENCY, seconds, environ, ids)
    return {**measured(world, run, before), "bad": float(run.bad)}


async def _claim(world: World) -> float:
    """Milliseconds, median: a worker asks all lanes for due jobs, of which there are none."""
    async with _opened(world) as (database, names, _):
        schedule = Schedule(database, names, [APPLICATION])
        took = []
        for _ in range(CLAIMS):
            began = time.perf_counter()
            await schedule.claim(schedule.lanes)
            took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


async def _template(taken: Recorded) -> Template:
    async with _opened(taken.world) as (_, names, keyring):
        starts = taken.recordings["start"].operations
        return template(names, keyring, starts, taken.ids, b"%d" % (1000 * LIFE_SECONDS))


@asynccontextmanager
async def _opened(world: World):  # type: ignore[no-untyped-def]
    """The store, the names of this installation, and its keys."""
    config = otp_settings.Redis(url=f"redis://127.0.0.1:{world.port}/0")
    async with open_database(config) as database:
        keyring = Keyring([SECRET])
        yield database, await load_names(database, keyring), keyring


@contextmanager
def _file_off(redis: Redis) -> Iterator[None]:
    """Filling is not what is measured, so it need not wait for the disk; afterwards the file is made complete."""
    redis.config_set("appendonly", "no")
    try:
        yield
    finally:
        redis.config_set("appendonly", "yes")
        while _rewriting(redis.info("persistence")):
            time.sleep(0.1)


def _rewriting(found: dict[str, int]) -> bool:
    return bool(found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])


def _used(redis: Redis) -> float:
    """Bytes of data: without the buffers of connections and of the file, and with no second table of keys."""
    deadline = time.monotonic() + REHASH_SECONDS
    while redis.memory_stats().get("overhead.db.hashtable.rehashing") and time.monotonic() < deadline:
        time.sleep(0.1)
    found = redis.info("memory")
    return float(found["used_memory"] - found["mem_clients_normal"] - found["mem_aof_buffer"])


def _events(redis: Redis) -> float:
    return float(redis.memory_usage(keys.events(APPLICATION), samples=0) or 0)


def sections(found: Sequence[Size], seconds: float) -> dict[str, str]:
    """By the places in docs/performance.md."""
    figures = ("rate", "p50", "p95", "p99", "cpu_service", "cpu_redis")
    head = ("live", "", "requests/s", "p50 ms", "p95 ms", "p99 ms", "service, ms", "Redis, ms", "failed")
    loads = (
        [f"{size.live:,}", name, *(tables.number(each[figure]) for figure in figures), f"{each['bad']:.0f}"]
        for size in found
        for name, each in size.operations.items()
    )
    memory = (
        [
            f"{size.live:,}",
            *(f"{value:,.0f}" for value in (size.bytes_live, size.bytes_ended, size.bytes_events, size.redis_mib)),
            tables.number(size.claim_ms),
        ]
        for size in found
    )
    return {
        "growth loads": tables.table(head, loads),
        "growth memory": tables.table(
            ("live", "bytes, live", "bytes, ended", "events of that", "Redis, MiB", "claim, ms"), memory
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,10000,100000,1000000", help="(1000,10000,100000,1000000)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (4)")
    parser.add_argument("--json", type=Path, default=RESULTS / "growth.json", metavar="FILE", help="where all goes")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    found = []
    for size in grow([int(word) for word in options.sizes.split(",")], options.seconds):
        print(size, file=sys.stderr, flush=True)
        found.append(size)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine(), "sizes": [asdict(size) for size in found]}, indent=1))
    parts = sections(found, options.seconds)
    if options.write_docs:
        tables.put(parts)
    print("\n\n".join(tables.marked(parts)))
    return 1 if any(size.bad for size in found) else 0


if __name__ == "__main__":
    sys.exit(main())
