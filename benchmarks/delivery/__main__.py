"""How many people hold a code that works in time, what it costs, and how that compares with what others do.

    python -m benchmarks.delivery --seeds 10

Runs the service as it ships, a real Valkey and the sandbox, all under libfaketime: their clock is one, and `--speed`
times as fast as the kernel's. Prints four ways of running it side by side. benchmarks/README.md says more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from benchmarks.delivery.plan import ROUTE, Outcome, Plan, Variant

ROOT = Path(__file__).parents[2]
WORLDS: Mapping[str, Mapping[str, float]] = {
    "independent": {
        "common_outage_share": 0.0, "operators": 0, "banned_share": 0.0, "paused_share": 0.0, "again_share": 0.0,
        "returns_share": 0.0,
    },
    "true": {
        "common_outage_share": 0.01, "operators": 4, "banned_share": 0.05, "paused_share": 0.01, "again_share": 0.5,
        "returns_share": 0.3,
    },
}  # fmt: skip
"""What the flags below are where they are not given. benchmarks/README.md says where the figures come from."""
TELEGRAM: Mapping[str, Any] = {"median_seconds": 1.5, "late_share": 0.1, "late_seconds": [30, 300], "never_share": 0.02}
"""A push is quick; who looks at Telegram late or never is what costs."""
LATE_JOBS_SECONDS, LATE_START_SECONDS = 2.0, 1.0
"""Beyond these a run tells more of the machine than of the service: 95 % of jobs, and half of the starts."""
FIGURES: Mapping[str, tuple[Callable[[Outcome], float], str]] = {
    "a code that works within 30 s": (lambda found: found.held_30, ".1%"),
    "a code that works within 60 s": (lambda found: found.held_60, ".1%"),
    "approved in the end": (lambda found: found.approved, ".1%"),
    "until it is there, s (median)": (lambda found: found.waited_seconds.median, ".1f"),
    "until it is there, s (95 %)": (lambda found: found.waited_seconds.p95, ".1f"),
    "SMS per approval": (lambda found: found.sms_per_approval, ".2f"),
    "Telegram messages per approval": (lambda found: found.telegram_per_approval, ".2f"),
    "roubles per approval": (lambda found: found.roubles_per_approval, ".2f"),
    "of those whom SMS reach: within 30 s": (lambda found: found.held_of_reachable_30, ".1%"),
    "of those whom SMS reach: within 60 s": (lambda found: found.held_of_reachable_60, ".1%"),
    "people whom no SMS reaches": (lambda found: found.unreachable, ".0f"),
    "SMS paid for each of these": (lambda found: found.sms_per_unreachable, ".2f"),
    "these were told that SMS do not come": (lambda found: found.told_of_unreachable, ".1%"),
    "told so although one came in 30 s": (lambda found: found.told_in_vain, ".1%"),
    "approved by the person's own SMS": (lambda found: found.claimed, ".1%"),
    'pressed "send again"': (lambda found: found.pressed_again, ".0f"),
    "duplicates after unclear outcomes": (lambda found: found.duplicates, ".0f"),
    "starts refused": (lambda found: found.refused, ".0f"),
    "codes that were wrong": (lambda found: found.wrong_codes, ".0f"),
    "verifications left open": (lambda found: found.open_verifications, ".0f"),
    "messages left open": (lambda found: found.open_messages, ".0f"),
}
MEASURE: Mapping[str, tuple[Callable[[Outcome], float], str]] = {
    "clocks, times the kernel's (slowest)": (lambda found: min(found.clocks.values()), ".3f"),
    "clocks, times the kernel's (fastest)": (lambda found: max(found.clocks.values()), ".3f"),
    "start answered, s (median)": (lambda found: found.start_seconds.median, ".2f"),
    "start answered, s (95 %)": (lambda found: found.start_seconds.p95, ".2f"),
    "jobs late, s (95 %)": (lambda found: found.lateness_seconds.p95, ".2f"),
    "jobs late, s (most)": (lambda found: found.lateness_seconds.most, ".2f"),
    "people's timers late, s (95 %)": (lambda found: found.loop_seconds.p95, ".2f"),
    "second SMS after silence, s (median)": (lambda found: found.turn_seconds.median, ".2f"),
    "1: the machine was too slow": (lambda found: distorted(found), ".0f"),
    "CPU busy, cores": (lambda found: found.busy, ".2f"),
    "real seconds": (lambda found: found.real_seconds, ".0f"),
}


def distorted(found: Outcome) -> bool:
    return found.lateness_seconds.p95 > LATE_JOBS_SECONDS or found.start_seconds.median > LATE_START_SECONDS


def variants(alone: str, tuned_seconds: int, telegram_seconds: int) -> dict[str, Variant]:
    """max_sends = 1 switches off whatever is sent after the first walk along the route; nobody here asks for it."""
    return {
        "a": Variant("one gateway", (alone,), max_sends=1, failover_after_seconds=0),
        "b": Variant("errors only", max_sends=1, failover_after_seconds=0),
        "c": Variant("as shipped"),
        "d": Variant(f"{tuned_seconds} s", failover_after_seconds=tuned_seconds, failover_delay="fixed"),
        "e": Variant("30 s", failover_delay="fixed"),
        "t": Variant("Telegram first", telegram_seconds=telegram_seconds),
        "w": Variant("Telegram, SMS, the person's SMS", telegram_seconds=telegram_seconds, inbound=True),
        "f": Variant("order fixed", order="fixed"),
        "l": Variant("order learned", order="learned"),
    }


def measure(plan: Plan) -> Outcome:
    """One run in a process of its own. Raises RuntimeError with what it said if it fails."""
    if not shutil.which("faketime"):
        raise RuntimeError("faketime is not installed; on Debian and Ubuntu: apt-get install faketime")
    done = subprocess.run(
        ["faketime", "-f", f"+0 x{plan.speed:g}", sys.executable, "-m", "benchmarks.delivery.run"],
        input=msgspec.json.encode(plan),
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": "UTC"},
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return msgspec.json.decode(done.stdout, type=Outcome)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows))


def rows(
    figures: Mapping[str, tuple[Callable[[Outcome], float], str]], outcomes: Sequence[Sequence[Outcome]]
) -> list[list[str]]:
    """For each figure and variant the median over the seeds, with the least and the most in brackets."""
    made = []
    for name, (of, form) in figures.items():
        cells = []
        for found in outcomes:
            values = [of(outcome) for outcome in found]
            spread = f" ({min(values):{form}}–{max(values):{form}})" if len(values) > 1 else ""
            cells.append(f"{median(values):{form}}{spread}")
        made.append([name, *cells])
    return made


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.delivery", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seeds", type=int, default=10, help="how many runs of each variant")
    add("--first-seed", type=int, default=1)
    add(
        "--variants",
        default="abcd",
        help="which of them: a one gateway, b errors only, c as shipped, d and e fixed waits, t Telegram, w a workflow "
        "to its end, f and l a fixed order and one that learns",
    )
    add("--verifications", type=int, default=800, help="of each run")
    add("--rate", type=float, default=1.0, help="starts a second, Poisson")
    add("--speed", type=float, default=18, help="of the clock")
    add("--parallel", type=int, default=2, help="runs at the same time; each wants most of a core at this speed")
    add("--alone", choices=ROUTE, default="smska", help="the gateway of variant a")
    add("--tuned-seconds", type=int, default=15, help="failover_after_seconds of variant d")
    add("--price", action="append", default=[], metavar="GATEWAY=ROUBLES", help="of one part; 1.00 if not told")
    add("--median-seconds", type=float, default=5.0, help="of the normal time to delivery, log-normal")
    add("--sigma", type=float, default=0.6)
    add("--late-share", type=float, default=0.10)
    add("--late-seconds", type=float, nargs=2, default=(60, 600))
    add("--never-share", type=float, default=0.08)
    add("--silent-share", type=float, default=0.5, help="of those never delivered: no report comes")
    add("--reset-share", type=float, default=0.02, help="sent, and the answer lost by a TCP reset")
    add("--outage-share", type=float, default=0.05, help="of the time, of each gateway by itself")
    add("--outage-seconds", type=float, default=60.0, help="mean length")
    add("--outage-faults", default="reset=1,status=1,stall=1", help="weights")
    add(
        "--world",
        choices=WORLDS,
        default="independent",
        help="faults by themselves, or people and operators as they are",
    )
    add("--common-outage-share", type=float, help="of the time, of all gateways at once")
    add("--operators", type=int, help="each with its own speed at each gateway")
    add("--banned-share", type=float, help="of the people: no SMS with a code reaches them")
    add("--paused-share", type=float, help="of the people: their SIM is paused")
    add("--telegram-seconds", type=int, default=10, help="until the SMS, where Telegram brings nothing (variant t)")
    add("--telegram-share", type=float, default=0.6, help="of the people: they are on Telegram (variant t)")
    add("--returns-share", type=float, help="of the people: they come back for another code after the first")
    add("--again-share", type=float, help='of the people: they press "send again"')
    add("--json", type=Path, help="write all outcomes to this file")
    add("--records", type=Path, help="a folder for what happened to each person, one file for each run")
    told = parser.parse_args(given)
    for name, value in WORLDS[told.world].items():
        if getattr(told, name) is None:
            setattr(told, name, value)
    return told


def plans(told: argparse.Namespace) -> list[Plan]:
    scenario: dict[str, Any] = {
        name: getattr(told, name)
        for name in (
            "median_seconds", "sigma", "late_share", "late_seconds", "never_share", "silent_share", "outage_share",
            "outage_seconds", "common_outage_share", "operators", "banned_share", "paused_share",
        )
    }  # fmt: skip
    scenario["processed_then_reset_share"] = told.reset_share
    scenario["outage_faults"] = _weights(told.outage_faults.split(","))
    prices = {**dict.fromkeys((*ROUTE, "telegram"), 1.0), **_weights(told.price)}
    chosen = variants(told.alone, told.tuned_seconds, told.telegram_seconds)
    seeds = range(told.first_seed, told.first_seed + told.seeds)
    return [
        Plan(
            chosen[letter],
            seed,
            told.verifications,
            told.rate,
            told.speed,
            prices,
            scenario,
            {**TELEGRAM, "telegram_share": told.telegram_share},
            again_share=told.again_share,
            returns_share=told.returns_share,
            records=str(told.records.resolve() / f"{letter}-{seed}.jsonl") if told.records else "",
        )
        for seed, letter in product(seeds, told.variants)
    ]


def _weights(written: Sequence[str]) -> dict[str, float]:
    return {name: float(value) for name, _, value in (each.partition("=") for each in written)}


def main() -> int:
    told = arguments()
    planned = plans(told)
    first = planned[0]
    print(f"{len(planned)} runs of {first.verifications} verifications, {first.rate:g} a second, x {first.speed:g}")
    print(f"scenario: {json.dumps(first.scenario)}\nprices of a part: {json.dumps(first.prices)}", flush=True)
    with ThreadPoolExecutor(told.parallel) as pool:
        outcomes = []
        for plan, outcome in zip(planned, pool.map(measure, planned), strict=True):
            outcomes.append(outcome)
            print(
                f"seed {plan.seed}, {plan.variant.name}: {outcome.held_60:.1%} within 60 s,"
                f" {outcome.sms_per_approval:.2f} SMS, {outcome.real_seconds:.0f} s"
                f"{', the machine was too slow for this clock' * distorted(outcome)}",
                file=sys.stderr,
                flush=True,
            )
    if told.json:
        told.json.write_bytes(msgspec.json.format(msgspec.json.encode(list(zip(planned, outcomes, strict=True)))))
    by_variant = [
        [outcome for plan, outcome in zip(planned, outcomes, strict=True) if plan.variant == variant]
        for variant in dict.fromkeys(plan.variant for plan in planned)
    ]
    names = [variant.name for variant in dict.fromkeys(plan.variant for plan in planned)]
    for title, figures in (("what people get", FIGURES), ("how well it was measured", MEASURE)):
        print(f"\n{table([title, *names], rows(figures, by_variant))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
