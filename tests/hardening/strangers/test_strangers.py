"""Thirty and more shapes of hostile traffic at once: who has a key hardly notices, and memory comes back."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

import pytest

from tests.api import Answer, Api, Gateways
from tests.console.test_speed import processor
from tests.hardening.strangers.shapes import SHAPES
from tests.running import API_KEY, running_service
from tests.sizes import sized
from tests.soak import usage

ROOT = Path(__file__).parents[3]
LONG = sized(60, 30)
"""Seconds."""
PER_SECOND = 12
"""Ordinary requests: starts, checks, statuses and probes."""
P99_MS = 250.0
"""What is promised, of a machine that nobody else uses."""
BESIDE_OTHERS_MS = 10_000.0
"""Of the short form, which other tests share the processors with: nobody is lost."""
MOST_BEFORE = {50: 30, 99: 150}
"""Where it takes longer: for so many requests of others half of the callers wait at most, and all but one in a hundred,
since of those of strangers one begins in each turn of the event loop. How long that is, is the machine's affair: 65 of
160 a second (400 ms) on a slow one, 75 of 64 (1.2 s) beside three that compute. Were all to begin at once, it would be
53 and 2,100."""
MOST_PROCESSOR_MS = 12.0
"""For one of these requests. It takes half of that, and where it took more all would wait longer."""
MOST_MIB = 200.0
BACK = 1.2
BACK_SECONDS = 60.0
OPEN_LIMITS = {
    "OTP__LIMITS__PHONE_BURST__QUOTA": "0", "OTP__LIMITS__PHONE_DAY__QUOTA": "0", "OTP__GUARD__MODE": "off",
    "OTP_LOG_LEVEL": "WARNING", "OTP__REDIS__TIMEOUT_SECONDS": "5",
}  # fmt: skip
"""And a Redis that may be as slow as a busy machine lets it be: what strangers hold up is in the times."""


@pytest.mark.parametrize(
    "seconds", [pytest.param(6.0, id="short"), pytest.param(float(LONG), id="long", marks=pytest.mark.slow)]
)
async def test_strangers(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, seconds: float
) -> None:
    assert len(SHAPES) >= 30
    with running_service(tmp_path, redis_url, sandbox_process, **OPEN_LIMITS) as (url, child, log):
        async with Api(url, API_KEY) as api:
            for path in ("/schema/openapi.json", "/schema/assets/swagger-ui-bundle.js", "/metrics", "/nowhere"):
                await api.http.get(path)  # whatever is made once is made now
            await ordinary(api, gateways, 2)
            calm = await ordinary(api, gateways, 3)
            before = usage(child.pid)[0] / 1024
            command = [sys.executable, "-m", "tests.hardening.strangers.shapes", url, str(seconds)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as attack:
                try:
                    await asyncio.sleep(1)
                    watching = asyncio.create_task(watched(child.pid, attack))
                    served, used = await served_by(api), processor(child.pid)
                    took = await ordinary(api, gateways, seconds - 1)
                    served, used = await served_by(api) - served, processor(child.pid) - used
                    a_second = served / (seconds - 1)
                    most = await watching
                finally:
                    attack.terminate()
                assert attack.stdout
                begun = Counter({name: int(times) for name, times in (line.split() for line in attack.stdout)})
            ended = time.monotonic()
            while (after := usage(child.pid)[0] / 1024) > before * BACK and time.monotonic() < ended + BACK_SECONDS:
                await asyncio.sleep(0.5)
            assert (await api.http.get("/health/ready")).status_code == 200
    before_them = {of_100: percentile(took, of_100) / 1000 * a_second for of_100 in MOST_BEFORE}
    print(
        f"{len(took)} ordinary requests: p50 {percentile(took, 50):.0f} ms, p99 {percentile(took, 99):.0f} ms"
        f" (calm: {percentile(calm, 50):.0f}, {percentile(calm, 99):.0f}); {a_second:.0f} of all a second, each"
        f" {1000 * used / served:.1f} ms of a processor, so that before them were {before_them};"
        f" RSS {before:.0f} MiB, at most {most:.0f},"
        f" {after:.0f} {time.monotonic() - ended:.0f} s later; {dict(begun)}"
    )
    assert set(begun) == {shape.__name__ for shape in SHAPES}
    assert percentile(took, 99) < BESIDE_OTHERS_MS
    if seconds >= LONG and percentile(took, 99) >= P99_MS:
        assert all(before_them[of_100] < most_before for of_100, most_before in MOST_BEFORE.items()), before_them
    assert 1000 * used / served < MOST_PROCESSOR_MS
    assert most < MOST_MIB
    assert after <= before * BACK
    written = log.read_text()
    assert "Traceback" not in written
    assert "request_failed" not in written


def percentile(took: list[float], of_100: int) -> float:
    return statistics.quantiles(took, n=100)[of_100 - 1] * 1000


async def served_by(api: Api) -> float:
    """Requests so far that were understood as such, whoever asked."""
    counted = re.findall(r"^otp_http_requests_total{.*} (\S+)$", (await api.http.get("/metrics")).text, re.MULTILINE)
    return sum(map(float, counted))


async def watched(pid: int, attack: subprocess.Popen[str]) -> float:
    """The most memory meanwhile, in MiB."""
    most = 0.0
    while attack.poll() is None:
        most = max(most, usage(pid)[0] / 1024)
        await asyncio.sleep(0.2)
    return most


async def ordinary(api: Api, gateways: Gateways, seconds: float) -> list[float]:
    """People who get and type a code, at a pace that does not depend on the answers. Seconds of each request."""
    took: list[float] = []

    async def timed(request: Awaitable[Answer]) -> Answer:
        began = time.perf_counter()
        answer = await request
        took.append(time.perf_counter() - began)
        assert answer.status_code in (200, 201), answer.text
        return answer

    async def person() -> None:
        phone = f"+7916{random.randrange(10_000, 100_000)}{random.randrange(12, 20)}"
        started = await timed(api.start(phone))
        verification = started.json()["id"]
        await timed(api.status(verification))
        await timed(api.http.get("/health/live"))
        code = (await gateways.codes(phone))[0]
        answer = await timed(api.check(verification, code))
        assert answer.json()["outcome"] == "approved"

    people = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        people.append(asyncio.create_task(person()))
        await asyncio.sleep(4 / PER_SECOND)
    await asyncio.gather(*people)
    return took
