"""`python -m benchmarks.sizing`: the arithmetic of docs/performance.md with what the last runs measured.

It reads benchmarks/results/speed.json and growth.json, measures nothing, and prints (or with `--write-docs` writes) the
figures by the names that the formulas have.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rig.machine import RESULTS
from benchmarks.speed import tables
from benchmarks.speed.rounds import SHIPPED, Told, written
from benchmarks.speed.samples import from_json
from benchmarks.speed.verdicts import Medians

GIB = 2**30


@dataclass(frozen=True)
class Demand:
    """starts: a second. wrong, right: codes for each start. load: how busy a core may be. answer: seconds of a gateway.

    Lives in seconds: live of a verification, kept of its record, told of its events.
    """

    starts: float = 10_000
    wrong: float = 0.2
    right: float = 0.9
    load: float = 0.5
    answer: float = 0.3
    live: float = 300
    kept: float = 86_400
    told: float = 259_200


@dataclass(frozen=True)
class Costs:
    """Milliseconds of a core for a start, for what follows it, for a wrong and for a right code; bytes."""

    service: tuple[float, float, float, float]
    redis: tuple[float, float, float, float]
    live: float
    ended: float
    events: float


def costs(medians: Medians, size: Mapping[str, Any]) -> Costs:
    """size: the largest of the growth benchmark."""

    def each(part: str) -> tuple[float, float, float, float]:
        def of(name: str, figure: str) -> float:
            return medians.of(name, figure, 1, cost=written(SHIPPED))

        used = f"cpu_{part}"
        return of("start", used), of("start", f"{part}_later"), of("check", used), of("approve", used)

    found = (float(size.get(name, math.nan)) for name in ("bytes_live", "bytes_ended", "bytes_events"))
    return Costs(each("service"), each("redis"), *found)


def busy(each: tuple[float, float, float, float], demand: Demand) -> float:
    """Cores that do this much, none of them busier than asked."""
    start, later, wrong, right = each
    return demand.starts * (start + later + demand.wrong * wrong + demand.right * right) / 1000 / demand.load


def memory(found: Costs, demand: Demand) -> float:
    """Bytes: what lives, the records that are kept, and the events."""
    records = demand.live * (found.live - found.events) + demand.kept * (found.ended - found.events)
    return demand.starts * (records + demand.told * found.events)


def sizing(found: Costs, demand: Demand) -> str:
    brief = Demand(kept=600, told=3600)
    named = [
        *(
            (f"`{letter}_{name}`", f"{value * 1000:,.0f} µs")
            for letter, values in (("s", found.service), ("r", found.redis))
            for name, value in zip(("start", "later", "wrong", "right"), values, strict=True)
        ),
        ("`b_live`", f"{found.live:,.0f} bytes"),
        ("`b_ended`", f"{found.ended:,.0f} bytes"),
        ("`b_events`", f"{found.events:,.0f} bytes"),
        ("cores of the service", f"{busy(found.service, demand):,.0f}"),
        ("primaries of Redis", f"{busy(found.redis, demand):,.1f}"),
        ("requests to gateways at once", f"{demand.starts * demand.answer:,.0f}"),
        ("memory of Redis, as shipped", f"{memory(found, demand) / GIB:,.0f} GiB"),
        ("memory of Redis, records 600 s and events 1 h", f"{memory(found, brief) / GIB:,.0f} GiB"),
    ]
    return tables.table(("name", "value"), named)


def read(folder: Path = RESULTS) -> Costs:
    """Raises FileNotFoundError where one of the two has not been run."""
    speed = json.loads((folder / "speed.json").read_text())
    growth = json.loads((folder / "growth.json").read_text())
    rows = {row.key: row for row in map(from_json, speed["rows"])}
    options = speed["options"]
    told = Told(**{**options, "concurrency": tuple(options["concurrency"]), "workers": tuple(options["workers"])})
    return costs(Medians(rows, told.middle, int(speed["machine"]["cores"])), growth["sizes"][-1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where the two files are")
    parser.add_argument("--write-docs", action="store_true", help="put it into docs/performance.md")
    options = parser.parse_args()
    parts = {"sizing": sizing(read(options.results), Demand())}
    if options.write_docs:
        tables.put(parts)
    print("\n\n".join(tables.marked(parts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
