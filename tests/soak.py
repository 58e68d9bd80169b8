"""`make soak`: people sign up, mistype, give up and disconnect for minutes on end; nothing may leak or stay due.

    python -m tests.soak --seconds 600

Prints a line each ten seconds; ends with an error if memory or open files keep growing, a job is overdue, an answer
was a 500, or the service no longer does its work. Talks to this machine only and stops by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
from redis.asyncio import Redis

from tests.api import Api, Gateways
from tests.running import API_KEY, RedisServer, running_sandbox, running_service

PEOPLE = 12
FAULTS = (
    {"fault": "reset"},
    {"fault": "processed_then_reset"},
    {"fault": "html"},
    {"fault": "latency", "seconds": 0.3},
)
GROWTH_ALLOWED = 0.15
"""Of memory and open files between the end of the first fifth and the end."""
OVERDUE_SECONDS = 60


async def person(api: Api, gateways: Gateways, until: float, rng: random.Random, answers: Counter[int]) -> None:
    """Signs up again and again, each time with another phone, and behaves as people do."""
    while time.monotonic() < until:
        phone = f"+7916{rng.randrange(10_000, 100_000)}{rng.randrange(20, 100)}"
        if rng.random() < 0.1:  # closes the page at once
            try:
                await asyncio.wait_for(api.start(phone), 0.005)
            except (TimeoutError, httpx.HTTPError):
                answers[0] += 1
            continue
        started = await api.start(phone, key=f"soak-{rng.getrandbits(64)}")
        answers[started.status_code] += 1
        if started.status_code != 201:
            continue
        verification = started.json()["id"]
        if rng.random() < 0.2:
            answers[(await api.check(verification, "000000")).status_code] += 1
        if rng.random() < 0.2:
            answers[(await api.resend(verification)).status_code] += 1
        codes = await gateways.codes(phone)
        if codes and rng.random() < 0.8:
            answers[(await api.check(verification, codes[0])).status_code] += 1
        elif rng.random() < 0.5:
            answers[(await api.cancel(verification)).status_code] += 1


async def trouble(gateways: Gateways, until: float, rng: random.Random) -> None:
    while time.monotonic() < until:
        await gateways.fail(rng.choice(("password", "xml", "smska")), times=3, **rng.choice(FAULTS))
        await asyncio.sleep(0.5)


def usage(pid: int) -> tuple[int, int]:
    """Resident memory in KiB and open files of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    return resident, len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def overdue(redis: Redis) -> int:
    """Jobs that were due more than a minute ago."""
    now, _ = await redis.time()
    limit = (now - OVERDUE_SECONDS) * 1000
    return sum([await redis.zcount(key, "-inf", limit) async for key in redis.scan_iter(match="otp:due:*")])


async def soak(seconds: float, seed: int) -> list[str]:
    """What went wrong, one sentence each."""
    rng = random.Random(seed)
    answers: Counter[int] = Counter()
    samples: list[tuple[int, int]] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name, running_sandbox(Path(name)) as sandbox:
        server = RedisServer(Path(name))
        with running_service(Path(name), server.url, sandbox, OTP_LOG_LEVEL="WARNING") as (url, child, log):
            redis = Redis.from_url(server.url)
            async with Api(url, API_KEY) as api, httpx.AsyncClient(base_url=sandbox, trust_env=False) as http:
                gateways = Gateways(http)
                until = time.monotonic() + seconds
                tasks = [asyncio.create_task(person(api, gateways, until, rng, answers)) for _ in range(PEOPLE)]
                tasks.append(asyncio.create_task(trouble(gateways, until, rng)))
                while time.monotonic() < until:
                    await asyncio.sleep(min(10.0, seconds / 10))
                    samples.append(usage(child.pid))
                    late = await overdue(redis)
                    print(
                        f"{samples[-1][0] // 1024} MiB, {samples[-1][1]} files, overdue {late}, answers {dict(answers)}"
                    )
                    if late:
                        wrong.append(f"{late} jobs are overdue")
                await asyncio.gather(*tasks)
                await gateways.reset()
                done = await api.start("+79165550188")
                if done.status_code != 201 or done.json()["messages"][0]["gateway"] != "targetsms-password":
                    wrong.append(f"it no longer works: {done.text}")
            await redis.aclose()
            if "Traceback" in log.read_text():
                wrong.append("there is a traceback in the log")
        server.kill()
    settled, last = samples[len(samples) // 5], samples[-1]
    for what, before, after in (("memory", settled[0], last[0]), ("open files", settled[1], last[1])):
        if after > before * (1 + GROWTH_ALLOWED) + 20:
            wrong.append(f"{what} grew from {before} to {after}")
    if answers[500]:
        wrong.append(f"{answers[500]} answers were 500")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    wrong = asyncio.run(soak(arguments.seconds, arguments.seed))
    print("\n".join(wrong) or "nothing leaked")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
