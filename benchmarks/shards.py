"""`python -m benchmarks.shards`: the same load on a cluster of one, two and three primaries, each with a replica.

Interleaved rounds. All servers, the service and the load share the cores of this machine, so the rates cannot grow with
the primaries; what is shown is whether the load spreads: what each request costs all of them, and the busiest one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis

from benchmarks.rig.load import WRONG, measured, metered, place, wrk
from benchmarks.rig.machine import RESULTS, machine
from benchmarks.rig.paced import prepare
from benchmarks.rig.servers import Plan, World, serving, settings, settle, stubbed, valkey
from benchmarks.speed import tables
from tests.topologies.servers import join, port_with_bus, until

CONCURRENCY = 16
PREPARED = 600
"""Verifications; four wrong codes are tried at each in turn."""
SETTLE_SECONDS = 6.0
LOADS = ("start", "check", "status")
Figures = Mapping[str, float]


def rounds(shards: Sequence[int], count: int, seconds: float, quiet: float) -> dict[tuple[int, str], list[Figures]]:
    """What was found, by the number of primaries and the load. quiet: seconds for the worker after starts."""
    found = defaultdict[tuple[int, str], list[Figures]](list)
    for number in range(count):
        for primaries in shards:
            with tempfile.TemporaryDirectory(prefix="otp-bench-") as name, opened(primaries, Path(name)) as world:
                for load, figures in _loaded(world, seconds, quiet):
                    print(number + 1, primaries, load, f"{figures['rate']:.0f}/s", file=sys.stderr, flush=True)
                    found[primaries, load].append(figures)
    return found


@contextmanager
def opened(primaries: int, folder: Path) -> Iterator[World]:
    """A cluster, and the service on it."""
    plan = Plan()
    with ExitStack() as stack:
        nodes, pids = [], {}
        for number in range(2 * primaries):
            home = folder / str(number)
            home.mkdir()
            node, child = stack.enter_context(valkey(home, "--cluster-enabled", "yes", port=port_with_bus()))
            nodes.append(node)
            pids[f"primary {number}" if number < primaries else f"replica {number}"] = child.pid
        join([node.execute_command for node in nodes], [("127.0.0.1", _port(node)) for node in nodes], primaries)
        until(lambda: all(node.info("replication")["master_link_status"] == "up" for node in nodes[primaries:]))
        gateway, stub = stack.enter_context(stubbed(plan, folder))
        port = _port(nodes[0])
        config = folder / "otp-service.toml"
        config.write_text(settings(plan, f"redis+cluster://127.0.0.1:{port}", gateway))
        world = World("", nodes[0], port, gateway, {**pids, "gateway": stub.pid}, config)
        yield stack.enter_context(serving(plan, world, folder))


def _port(node: Redis) -> int:
    return int(node.get_connection_kwargs()["port"])


def _loaded(world: World, seconds: float, quiet: float) -> Iterator[tuple[str, Figures]]:
    service = world.pids["service"]
    ids = prepare(world.url, next(world.segments), PREPARED)
    settle(service, quiet)
    for load in LOADS:
        told = {"BENCH_FIRST": str(place(next(world.segments)))}
        if load == "check":
            told |= {"BENCH_CODE": WRONG, "BENCH_TIMES": "4", "BENCH_OUTCOME": "wrong_code"}
        before = metered(world)
        run = wrk(load, world.url, CONCURRENCY, seconds, told, () if load == "start" else ids)
        if run.bad:
            raise AssertionError(f"{load}: {run.bad} answers were wrong")
        figures = measured(world, run, before)
        each = [spent for part, spent in figures.items() if part.startswith("cpu_primary")]
        yield (
            load,
            {
                **{name: figures[name] for name in ("rate", "p50", "p99", "cpu_service")},
                "primaries": sum(each),
                "busiest": max(each) / sum(each),
                "replicas": sum(spent for part, spent in figures.items() if part.startswith("cpu_replica")),
            },
        )
        if load == "start":
            settle(service, quiet)


def section(found: Mapping[tuple[int, str], Sequence[Figures]]) -> dict[str, str]:
    """By its place in docs/performance.md."""
    head = (
        "primaries",
        "",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "service, ms",
        "primaries, ms",
        "the busiest one's share",
        "replicas, ms",
    )
    names = ("rate", "p50", "p99", "cpu_service", "primaries", "busiest", "replicas")
    lines = (
        [
            str(primaries),
            tables.OPERATIONS[load],
            *(tables.number(statistics.median(each[name] for each in rows)) for name in names),
        ]
        for (primaries, load), rows in sorted(found.items(), key=lambda item: (LOADS.index(item[0][1]), item[0][0]))
    )
    return {"shards": tables.table(head, lines)}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.shards", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--primaries", default="1,2,3", help="(1,2,3)")
    parser.add_argument("--rounds", type=int, default=3, help="(3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (3)")
    parser.add_argument("--settle", type=float, default=SETTLE_SECONDS, help="seconds for the worker after starts (6)")
    parser.add_argument("--json", type=Path, default=RESULTS / "shards.json", metavar="FILE", help="where all goes")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    shards = [int(word) for word in options.primaries.split(",")]
    found = rounds(shards, options.rounds, options.seconds, options.settle)
    rows = [
        {"primaries": primaries, "load": load, "rounds": list(figures)} for (primaries, load), figures in found.items()
    ]
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1))
    part = section(found)
    if options.write_docs:
        tables.put(part)
    print("\n\n".join(tables.marked(part)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
