"""`python -m benchmarks.overload`: starts at a multiple of what the service can do, whether or not answers come.

The capacity is that of 32 callers, found a moment before. First so many starts a second, then so many callers, who ask
again at once when they were served and after a second when they were told `busy`. Two seconds pass before anything is
measured: a queue that grows is noticed only once it is there. Of those taken, p99 shall stay below 300 ms.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import quantiles

from benchmarks.rig import flood
from benchmarks.rig.flood import Flooded
from benchmarks.rig.servers import Plan, opened

WARM_SECONDS = 2.0
CAPACITY_SECONDS = 3.0
CALLERS = 32


def measured(times: float, seconds: float, workers: int = 1) -> dict[str, dict[str, float]]:
    """Times in ms."""
    with tempfile.TemporaryDirectory(prefix="otp-bench-") as name, opened(Plan(workers), Path(name)) as world:
        flood.by_callers(world.url, 1, CALLERS, 1.0)
        usual = flood.by_callers(world.url, 2, CALLERS, CAPACITY_SECONDS)
        capacity = usual.asked / CAPACITY_SECONDS
        evenly = flood.at_rate(world.url, 3, times * capacity, seconds, WARM_SECONDS)
        callers = flood.by_callers(world.url, 4, round(times * capacity), seconds)
    return {f"{CALLERS} callers": told(usual), "starts at a rate": told(evenly), "callers": told(callers)}


def told(found: Flooded) -> dict[str, float]:
    taken, refused = (quantiles(each, n=100) if len(each) > 1 else [0.0] * 99 for each in (found.taken, found.refused))
    return {
        "asked": found.asked,
        "taken": len(found.taken),
        "refused": len(found.refused),
        "bad": found.bad,
        "asked a second": found.asked / found.seconds,
        "taken a second": len(found.taken) / found.seconds,
        "taken p50": taken[49],
        "taken p99": taken[98],
        "refused p50": refused[49],
        "refused p99": refused[98],
        "generator, cores": found.own_seconds / found.seconds,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=float, default=2.0, help="the capacity (2)")
    parser.add_argument("--seconds", type=float, default=6.0, help="(6)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service (1)")
    asked = parser.parse_args()
    found = measured(asked.times, asked.seconds, asked.workers)
    print(json.dumps({which: {k: round(v, 2) for k, v in row.items()} for which, row in found.items()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
