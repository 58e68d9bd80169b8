"""Load by wrk, as many connections as asked and no pause between an answer and the next request; and what it cost."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import meter
from benchmarks.rig.servers import World
from benchmarks.rig.stub import CODE
from tests.running import API_KEY

SCRIPTS = Path(__file__).parent / "wrk"
STEP, NUMBERS = 18_033_989, 10**8
SEGMENT = 10**6
WRONG = "000000"
"""A code that nobody was sent."""
_LINE = re.compile(r"^BENCH (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """What wrk saw. Milliseconds. bad: answers that are no 2xx or say the wrong thing, and broken connections.

    people: who signed up, where the script is about that.
    """

    requests: int
    seconds: float
    p50: float
    p95: float
    p99: float
    bad: int
    people: int
    generator_seconds: float
    """Of processor."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True)
class Metered:
    """All clocks at one moment. busy: of the whole machine."""

    at: float
    busy: float
    parts: Mapping[str, meter.Used]


def place(segment: int) -> int:
    """Where the walk through the phones begins for one user of a world."""
    return segment * SEGMENT * STEP % NUMBERS


def phones(segment: int) -> Iterable[tuple[str, str]]:
    """The same walk as in wrk/common.lua: phone and client's address."""
    at = place(segment)
    while True:
        at = (at + STEP) % NUMBERS
        yield f"+791{at:08d}", f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"


def wrk(
    script: str, url: str, connections: int, seconds: float, environ: Mapping[str, str], ids: Iterable[str] = ()
) -> Load:
    """Run one script. Raises RuntimeError when wrk could not run at all."""
    with tempfile.TemporaryDirectory(prefix="otp-wrk-") as folder:
        listed = Path(folder) / "ids"
        listed.write_text("\n".join(ids))
        told = {
            "BENCH_COMMON": str(SCRIPTS / "common.lua"),
            "BENCH_KEY": API_KEY,
            "BENCH_IDS": str(listed),
            "BENCH_CODE": CODE,
            "BENCH_SLIP": WRONG,
            **environ,
        }
        arguments = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
        command = ["wrk", *arguments, "--latency", "-s", str(SCRIPTS / f"{script}.lua"), url]
        with (Path(folder) / "said").open("w+") as said:
            child = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=os.environ | told)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read()
    found = _LINE.search(text)
    if child.returncode or not found:
        raise RuntimeError(f"wrk {script}: exit status {child.returncode}\n{text}")
    requests, lasted, p50, p95, p99, refused, wrong, people = map(int, found.groups())
    spent = usage.ru_utime + usage.ru_stime
    return Load(requests, lasted / 1e6, p50 / 1e3, p95 / 1e3, p99 / 1e3, refused + wrong, people, spent)


def measured(world: World, run: Load, before: Metered) -> dict[str, float]:
    """The figures of a row: rate, times in ms, and processor time in ms for each request.

    elsewhere: cores that were busy meanwhile with what is no part of this.
    """
    lasted, busy = time.monotonic() - before.at, meter.busy() - before.busy
    spent = {part: meter.since(before.parts[part], meter.used(pid)) for part, pid in world.pids.items()}
    others = busy - sum(spent.values()) - run.generator_seconds
    each = {f"cpu_{part}": 1000 * seconds / max(1, run.requests) for part, seconds in spent.items()}
    return {
        "rate": run.rate,
        "p50": run.p50,
        "p95": run.p95,
        "p99": run.p99,
        **each,
        "cpu_generator": 1000 * run.generator_seconds / max(1, run.requests),
        "elsewhere": max(0.0, others / lasted),
        "requests": run.requests,
        **({"people_rate": run.people / run.seconds} if run.people else {}),
    }


def metered(world: World) -> Metered:
    return Metered(time.monotonic(), meter.busy(), {part: meter.used(pid) for part, pid in world.pids.items()})
