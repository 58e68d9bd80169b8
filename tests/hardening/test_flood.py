"""S-20: a flood of checks is bounded in memory, hears 503, and does not slow down anybody else."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path

import pytest

from tests.api import Api, Gateways, problem
from tests.running import API_KEY, running_service
from tests.sizes import sized
from tests.soak import usage

pytestmark = pytest.mark.slow

MEMORY_KIB = 65_536
THREADS = 1
QUEUE = 32
DEAR_HASHES = {
    "OTP__HASHING__THREADS": str(THREADS),
    "OTP__HASHING__QUEUE": str(QUEUE),
    "OTP__HASHING__MEMORY_KIB": str(MEMORY_KIB),
    "OTP__HASHING__TIME_COST": "2",
    "OTP__LIMITS__PHONE_BURST__QUOTA": "0",
    "OTP__GUARD__MODE": "off",
    "OTP_LOG_LEVEL": "WARNING",
}
CALLERS = sized(200, 80)
SECONDS = float(sized(10, 6))
LONGEST_MS = 50.0


async def test_s20_a_flood_of_checks(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Many callers check at once, again when they are told to; a hash takes 64 MiB and 0.1 s, one at a time."""
    with running_service(tmp_path, redis_url, sandbox_process, **DEAR_HASHES) as (url, child, _):
        async with Api(url, API_KEY) as attacker, Api(url, API_KEY) as person:
            watched = (await person.started(f"{phone[:-2]}30"))["id"]
            numbers = [f"{phone[:-4]}{2000 + 100 * (n // 70) + 20 + n % 70}" for n in range(CALLERS)]
            pending = [(await attacker.started(number))["id"] for number in numbers]
            await asyncio.gather(*(person.status(watched) for _ in range(200)))  # as many connections as later
            before, _ = usage(child.pid)
            calm = p99_ms([await timed(person, watched) for _ in range(200)])
            command = [sys.executable, "-m", "tests.hardening.flooding", url, API_KEY, str(SECONDS), *pending]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attack:
                in_turn = cycle(pending)  # one that is exhausted takes no hash
                while (full := await person.check(next(in_turn), "000000")).status_code != 503:
                    assert attack.poll() is None, "the pool was never full"
                    await asyncio.sleep(0.1)
                times, most = [], 0
                while attack.poll() is None:
                    times.append(await timed(person, watched))
                    most = max(most, usage(child.pid)[0])
                    await asyncio.sleep(0.02)
                assert attack.stdout
                answers = {int(status): int(count) for status, count in (line.split() for line in attack.stdout)}
    p99 = p99_ms(times)
    print(
        f"S-20: {dict(answers)}, {most - before} KiB more, p99 of others {p99:.0f} ms of {len(times)}, calm {calm:.0f}"
    )
    assert answers[503] > 100
    assert set(answers) == {200, 503}
    problem(full, 503, "busy")
    assert most - before <= THREADS * MEMORY_KIB * 1.2
    assert p99 < max(LONGEST_MS, 3 * calm)  # other work on this machine slows both


async def timed(api: Api, verification: str) -> float:
    began = time.perf_counter()
    assert (await api.status(verification)).status_code == 200
    return time.perf_counter() - began


def p99_ms(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] * 1000
