"""`make soak`: people sign up, mistype, give up and disconnect for minutes on end; nothing may leak or stay due.

    python -m tests.soak --seconds 1200 --redis-faults kill,freeze,disconnect

First it measures how many sign-ups the machine can do, then it goes on at half of that (R-16). Prints a line each ten
seconds; ends with an error if memory, open files or connections to Redis keep growing, a job is overdue, an answer was
a 500, or the service no longer does its work. Talks to this machine only and stops by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.api import Api, Gateways
from tests.running import API_KEY, RedisServer, running_sandbox, running_service

PEOPLE = 12
"""At once, while the capacity is measured."""
SHARE = 0.5
FAULTS = (
    {"fault": "reset"},
    {"fault": "processed_then_reset"},
    {"fault": "html"},
    {"fault": "latency", "seconds": 0.3},
)
REDIS_FAULTS = ("kill", "freeze", "disconnect")
GROWTH_ALLOWED = 0.15
"""Of what is measured between the end of the first fifth and the end."""
SLOPE_ALLOWED = 0.01
"""Of memory in an hour, over the second half of a run of ten minutes or more."""
OVERDUE_SECONDS = 60


@dataclass
class Soak:
    api: Api
    gateways: Gateways
    server: RedisServer
    redis: Redis
    pid: int
    rng: random.Random
    answers: Counter[int] = field(default_factory=Counter)
    samples: list[tuple[float, int, int, int]] = field(default_factory=list)
    """Seconds, resident KiB, open files, connections to Redis."""
    wrong: list[str] = field(default_factory=list)
    done: int = 0

    async def sign_up(self) -> None:
        """One person, with another phone each time, who behaves as people do."""
        rng, api, answers = self.rng, self.api, self.answers
        phone = f"+7916{rng.randrange(10_000, 100_000)}{rng.randrange(20, 100)}"
        if rng.random() < 0.05:  # closes the page, before or while a gateway is asked
            try:
                await asyncio.wait_for(api.start(phone), rng.uniform(0.001, 0.3))
            except (TimeoutError, httpx.HTTPError):
                answers[0] += 1
            return
        started = await api.start(phone, key=f"soak-{rng.getrandbits(64)}")
        answers[started.status_code] += 1
        if started.status_code != 201:
            return
        verification = started.json()["id"]
        if rng.random() < 0.2:
            answers[(await api.check(verification, "000000")).status_code] += 1
        if rng.random() < 0.2:
            answers[(await api.resend(verification)).status_code] += 1
        codes = await self.gateways.codes(phone)
        if codes and rng.random() < 0.8:
            answers[(await api.check(verification, codes[0])).status_code] += 1
        elif rng.random() < 0.5:
            answers[(await api.cancel(verification)).status_code] += 1
        self.done += 1

    async def capacity(self, seconds: float) -> float:
        """Sign-ups in a second, when the next begins as soon as one has ended."""
        until = time.monotonic() + seconds

        async def person() -> None:
            while time.monotonic() < until:
                await self.sign_up()

        await asyncio.gather(*(person() for _ in range(PEOPLE)))
        return self.done / seconds

    async def arrivals(self, rate: float, until: float) -> None:
        """So many people in a second, each at a time of their own, whether or not others have ended."""
        people: set[asyncio.Task[None]] = set()
        while time.monotonic() < until:
            await asyncio.sleep(self.rng.expovariate(rate))
            task = asyncio.create_task(self.arrived())
            people.add(task)
            task.add_done_callback(people.discard)
        await asyncio.gather(*people)

    async def arrived(self) -> None:
        try:
            await self.sign_up()
        except httpx.HTTPError as error:
            self.wrong.append(f"a request had no answer: {error!r}")

    async def trouble(self, until: float, redis_faults: Sequence[str]) -> None:
        """Gateways fail all the time, Redis each 20 s if it is to."""
        last = time.monotonic()
        while time.monotonic() < until:
            await self.gateways.fail(self.rng.choice(("password", "xml", "smska")), times=3, **self.rng.choice(FAULTS))
            await asyncio.sleep(0.5)
            if redis_faults and time.monotonic() - last > 20 and until - time.monotonic() > 10:
                last = time.monotonic()
                await self.break_redis(self.rng.choice(redis_faults))

    async def break_redis(self, fault: str) -> None:
        if fault == "disconnect":
            with contextlib.suppress(RedisError):  # our own connection may be among those of the last time
                await self.redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
        elif fault == "freeze":
            self.server.freeze()
            await asyncio.sleep(2)
            self.server.thaw()
        else:
            self.server.kill()
            await asyncio.sleep(0.5)
            self.server.start()

    async def watch(self, until: float, each: float) -> None:
        began = time.monotonic()
        while time.monotonic() < until:
            await asyncio.sleep(each)
            try:
                late, connections = await self.overdue(), int((await self.redis.info("clients"))["connected_clients"])
            except (RedisError, OSError):
                continue  # it is being broken
            resident, files = usage(self.pid)
            self.samples.append((time.monotonic() - began, resident, files, connections))
            print(
                f"{resident // 1024} MiB, {files} files, {connections} connections, overdue {late}, {self.done} people,"
                f" answers {dict(self.answers)}"
            )
            if late:
                self.wrong.append(f"{late} jobs are overdue")

    async def overdue(self) -> int:
        """Jobs that were due more than a minute ago."""
        now, _ = await self.redis.time()
        limit = (now - OVERDUE_SECONDS) * 1000
        return sum([await self.redis.zcount(key, "-inf", limit) async for key in self.redis.scan_iter("otp:due:*")])

    def judge(self, seconds: float) -> None:
        settled, last = self.samples[len(self.samples) // 5], self.samples[-1]
        for what, before, after in zip(("memory", "open files", "connections"), settled[1:], last[1:], strict=True):
            if after > before * (1 + GROWTH_ALLOWED) + 20:
                self.wrong.append(f"{what} grew from {before} to {after}")
        share = slope([(at, kib) for at, kib, _, _ in self.samples if at > seconds / 2]) * 3600 / settled[1]
        print(f"memory: {share:+.2%} in an hour, by the second half")
        if seconds >= 600 and share > SLOPE_ALLOWED:
            self.wrong.append(f"memory grows by {share:.1%} in an hour")
        if self.answers[500]:
            self.wrong.append(f"{self.answers[500]} answers were 500")


def slope(points: Sequence[tuple[float, float]]) -> float:
    """By least squares."""
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def usage(pid: int) -> tuple[int, int]:
    """Resident memory in KiB and open files of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    return resident, len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def held(api: Api) -> list[str]:
    """Sends that nobody waits for any more, and those that found no slot in the pool of their gateway (R-08)."""
    async with asyncio.timeout(30):
        while busy := re.findall(
            r"^otp_gateway_running.* [1-9]\S*$", page := (await api.http.get("/metrics")).text, re.M
        ):
            await asyncio.sleep(0.5)
    throttled = re.findall(r'^otp_sends_total.*reason="throttled".*$', page, re.MULTILINE)
    asked = sum(map(float, re.findall(r"^otp_gateway_seconds_count\S* (\S+)$", page, re.MULTILINE)))
    print(f"{asked:.0f} sends, {len(busy)} gateways still busy, {len(throttled)} without a slot")
    return [f"still busy: {one}" for one in busy] + [f"no slot in the pool: {one}" for one in throttled]


async def soak(seconds: float, seed: int, redis_faults: Sequence[str] = ()) -> list[str]:
    """What went wrong, one sentence each."""
    with tempfile.TemporaryDirectory() as name, running_sandbox(Path(name)) as sandbox:
        server = RedisServer(Path(name))
        with running_service(Path(name), server.url, sandbox, OTP_LOG_LEVEL="WARNING") as (url, child, log):
            redis = Redis.from_url(server.url, socket_timeout=5)
            limits = httpx.Limits(max_connections=None)  # a burst after an outage is no fault of the service
            async with (
                Api(url, API_KEY) as api,
                httpx.AsyncClient(base_url=sandbox, trust_env=False, timeout=60, limits=limits) as http,
            ):
                found = Soak(api, Gateways(http), server, redis, child.pid, random.Random(seed))
                rate = SHARE * await found.capacity(min(15.0, seconds / 6))
                print(f"half of the capacity: {rate:.0f} sign-ups in a second")
                until = time.monotonic() + seconds
                await asyncio.gather(
                    found.arrivals(rate, until),
                    found.trouble(until, redis_faults),
                    found.watch(until, min(10.0, seconds / 10)),
                )
                await found.gateways.reset()
                found.wrong += await held(api)
                done = await api.start("+79165550188")
                if done.status_code != 201 or done.json()["messages"][0]["gateway"] != "targetsms-password":
                    found.wrong.append(f"it no longer works: {done.text}")
            await redis.aclose()
            if "Traceback" in log.read_text():
                found.wrong.append("there is a traceback in the log")
        server.kill()
    found.judge(seconds)
    return found.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--redis-faults", default="", help=f"of {','.join(REDIS_FAULTS)}; none if not given")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    faults = [fault for fault in arguments.redis_faults.split(",") if fault]
    wrong = asyncio.run(soak(arguments.seconds, arguments.seed, faults))
    print("\n".join(wrong) or "nothing leaked")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
