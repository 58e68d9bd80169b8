"""`make bench`: what the service can do, beside the limits of the same machine in the same minutes.

    python -m benchmarks.speed --rounds 1 --seconds 1 --concurrency 16 --workers 1    # a look
    python -m benchmarks.speed --markdown                                             # as in docs/performance.md

benchmarks/README.md says what is measured and how. Ends with an error only where an answer was wrong: then the row is
invalid. A promise that is missed is a figure like any other.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.rig.machine import RESULTS, cores, machine
from benchmarks.speed import tables
from benchmarks.speed.rounds import Told, one_round
from benchmarks.speed.samples import Row, Sample, as_json, rows
from benchmarks.speed.starting import dependencies
from benchmarks.speed.verdicts import Verdict, verdicts


def measure(told: Told) -> Iterator[Sample]:
    """All rounds; what is measured is told on stderr as it comes."""
    names = dependencies()
    began = time.monotonic()
    for number in range(told.rounds):
        for sample in one_round(told, names):
            print(
                f"{time.monotonic() - began:6.0f} s, round {number + 1}: {_line(sample)}", file=sys.stderr, flush=True
            )
            yield sample


def result(told: Told, found: Sequence[Row], judged: Sequence[Verdict]) -> dict[str, object]:
    """What is written to the file."""
    return {
        "machine": machine(),
        "options": asdict(told),
        "rows": [as_json(row) for row in found],
        "verdicts": [
            asdict(one) | ({"kept": one.kept} if one.measured else {"value": None, "kept": None}) for one in judged
        ],
    }


def sections(told: Told, found: Sequence[Row], judged: Sequence[Verdict]) -> dict[str, str]:
    """By the places in docs/performance.md."""
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    elsewhere = [row.figures["elsewhere"] for row in found if "elsewhere" in row.figures]
    usual, most = statistics.median(one.median for one in elsewhere), max(one.most for one in elsewhere)
    return {
        "speed machine": f"{where}. Rounds: {told.rounds}, of {tables.number(told.seconds)} s for each measurement."
        f" Cores that were busy with something else: {tables.number(usual)} as a rule, {tables.number(most)} at most.",
        "speed verdicts": tables.judged(judged),
        "speed rates": tables.rates(found),
        "speed costs": tables.costs(found),
        "speed latencies": tables.latencies(found),
        "speed floors": tables.floors(found),
        "speed rest": tables.at_rest(found),
    }


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole = Told()
    parser.add_argument("--rounds", type=int, default=whole.rounds, help="(5)")
    parser.add_argument("--seconds", type=float, default=whole.seconds, help="of each measurement; a floor half (4)")
    parser.add_argument("--concurrency", type=_numbers, default=whole.concurrency, help="callers at once (1,16,64)")
    parser.add_argument("--workers", type=_numbers, default=whole.workers, help="processes of the service (1,2)")
    parser.add_argument("--recorded", type=int, default=whole.recorded, help="operations that a floor repeats (256)")
    parser.add_argument("--settle", type=float, default=whole.settle, help="seconds for the worker after starts (6)")
    parser.add_argument("--burst", type=int, default=whole.burst, help="starts at once (200)")
    parser.add_argument("--json", type=Path, default=RESULTS / "speed.json", metavar="FILE", help="where all goes")
    parser.add_argument("--markdown", action="store_true", help="print the tables as they stand in the page")
    parser.add_argument("--write-docs", action="store_true", help="put them into docs/performance.md")
    return parser.parse_args(argv)


def told_by(options: argparse.Namespace) -> Told:
    return Told(
        options.rounds, options.seconds, options.concurrency, options.workers, options.recorded, options.settle,
        options.burst,
    )  # fmt: skip


def main() -> int:
    options = arguments()
    if not shutil.which("wrk"):
        print("wrk is missing. On Debian and Ubuntu: apt-get install wrk", file=sys.stderr)
        return 2
    told = told_by(options)
    grouped = rows(measure(told))
    found, judged = list(grouped.values()), verdicts(grouped, told, cores())
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result(told, found, judged), indent=1))
    parts = sections(told, found, judged)
    if options.write_docs:
        tables.put(parts)
    print("\n\n".join(tables.marked(parts) if options.markdown else parts.values()))
    invalid = [row for row in found if not row.valid]
    for row in invalid:
        print(f"invalid: {row.name}, {row.workers} processes, {row.concurrency} at once: {row.bad}", file=sys.stderr)
    return 1 if invalid else 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _line(sample: Sample) -> str:
    where = [
        f"{sample.workers} proc." if sample.workers else "",
        f"x{sample.concurrency}" if sample.concurrency else "",
    ]
    figures = "  ".join(f"{name} {tables.number(value)}" for name, value in sample.figures.items())
    wrong = f"  INVALID: {sample.bad} wrong" if sample.bad else ""
    return f"{' '.join(filter(None, [sample.name, *where, sample.cost]))}:  {figures}{wrong}"


if __name__ == "__main__":
    sys.exit(main())
