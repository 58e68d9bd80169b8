"""What processes cost: processor time by the kernel's own clocks, memory from /proc. Linux only."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KIB = 1024
TICKS = os.sysconf("SC_CLK_TCK")
Used = Mapping[int, float]
"""Seconds of processor time that each process has used so far, by its number."""


@dataclass(frozen=True)
class Memory:
    """MiB of one process. rss: what it has mapped; pss: the same, but what it shares counts in parts."""

    rss: float
    pss: float


def tree(pid: int) -> list[int]:
    """A process and all that came from it and live."""
    found = [pid]
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [each for child in listing.read_text().split() for each in tree(int(child))]
    return found


def used(pid: int) -> Used:
    """Of a process with its threads, ended ones too, and of each of its descendants."""
    now = {}
    for each in tree(pid):
        with suppress(OSError):
            now[each] = time.clock_gettime(_clock(each))
    return now


def since(before: Used, now: Used) -> float:
    """Seconds of processor time. Of a process that ended meanwhile the last stretch is lost."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in now.items())


def busy() -> float:
    """Seconds of processor time that all of the machine has used since it started, or was robbed of by its host."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + softirq + steal) / TICKS


def memory(pid: int) -> Memory:
    """Of this process alone."""
    rows = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.endswith("kB")
    )
    return Memory(int(rows["Rss"].split()[0]) / KIB, int(rows["Pss"].split()[0]) / KIB)


def _clock(pid: int) -> int:
    """The clock of another process, as clock_getcpuclockid(3) makes it: nanoseconds, where /proc/PID/stat has 10 ms."""
    return (~pid << 3) | 2
