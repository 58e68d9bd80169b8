"""`make soak-faults`: every ten seconds something is poisoned, forbidden or goes mad, and nothing else notices.

    python -m tests.faults.soak --seconds 1200

Two processes, a Redis of their own. Every ten seconds one of: a key of a random kind holds another type, garbage, or
what a newer version would write; a permission in Redis is gone for 2 s; a gateway or a receiver goes mad. People sign
up all the time, and ask again where they hear 503. Ends with an error if the p99 of their answers is 500 ms or more and
ten medians (on a busy machine all are late, and what a fault holds up still stands out), an approval was not told of
somebody who heard no 503, somebody heard 500 who was not meant, a loop does not work, or memory grows. Stops by itself.

A permission that a script misses in its middle leaves half of what it does: Redis does not roll back. Whoever was in it
has heard 503, is told the verdict when he asks again, and its event may be lost.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from redis.exceptions import RedisError

from otp_service.storage.keys import CATALOGUE
from tests.api import Api
from tests.faults.poison import HOWS, names, poisoned
from tests.faults.world import World, number, opened
from tests.soak import usage

LONGEST_P99_SECONDS = 0.5
LONGEST_P99_MEDIANS = 10
PERMISSIONS = (("-evalsha", "-eval"), ("-xadd",), ("-zadd",), ("-hset", "-hget"), ("-ping", "-time"))
MAD = ({"fault": "reset"}, {"fault": "html"}, {"fault": "latency", "seconds": 3}, {"fault": "status", "status": 500})
STANDING = ("otp:install", "otp:{apikeys}", "otp:{apikeys}:<SHA-256>")
"""Without these a process does not start, or its callers are not known; they have tests of their own."""
GROWTH_ALLOWED = 0.15
SPARE_KIB = 20 * 1024


@dataclass
class Soak:
    world: World
    pids: list[int]
    rng: random.Random
    rate: float
    each: float
    """Seconds from trouble to trouble."""
    seconds: list[float] = field(default_factory=list)
    approved: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    befallen: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    """People who heard 503."""
    touched: int = 0
    """Of them, who were approved."""
    lost: set[str] = field(default_factory=set)
    """Of whom an event waited in an outbox that was poisoned."""
    memory: list[int] = field(default_factory=list)
    """KiB of both processes, at each trouble."""

    async def person(self) -> None:
        phone, key = number(), f"soak-{self.rng.getrandbits(64)}"
        api = self.rng.choice(self.world.both)
        started = await self.asked(api, "/v1/verifications", {"to": phone}, key)
        if started is None or started.status_code != 201:
            self.wrong.append(
                f"a start ended in {started.status_code if started else 'nothing'}: {started and started.text}"
            )
            return
        verification = started.json()["id"]
        codes = await self.world.gateways.codes(phone)
        if not codes:
            return  # a gateway is mad, and says that it took it
        checked = await self.asked(api, f"/v1/verifications/{verification}/check", {"code": codes[0]}, key)
        if checked is None or checked.json().get("outcome") not in ("approved", "already_approved"):
            self.wrong.append(f"a check ended in {checked and checked.text}")
        elif key in self.refused:
            self.touched += 1
        else:
            self.approved.append(verification)

    async def asked(self, api: Api, path: str, body: dict[str, str], key: str) -> httpx.Response | None:
        """As callers ask: again for ten seconds while they hear 503 or 409."""
        until = time.monotonic() + 10
        answer = None
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await api.post(path, body, key)
            self.seconds.append(time.monotonic() - began)
            self.answers[answer.status_code] += 1
            if answer.status_code == 503:
                self.refused.add(key)
            if answer.status_code not in (409, 429, 502, 503):
                break
            await asyncio.sleep(0.5)
        return answer

    async def arrivals(self, until: float) -> None:
        people: set[asyncio.Task[None]] = set()
        while time.monotonic() < until:
            await asyncio.sleep(self.rng.expovariate(self.rate))
            people.add(asyncio.create_task(self.person()))
        for ended in await asyncio.gather(*people, return_exceptions=True):
            if ended is not None:
                self.wrong.append(repr(ended))

    async def trouble(self, until: float) -> None:
        while time.monotonic() < until - self.each:
            began = time.monotonic()
            what = self.rng.choice(("key", "key", "permission", "gateway", "receiver"))
            self.befallen[what] += 1
            await getattr(self, f"_{what}")()
            self.memory.append(sum(usage(pid)[0] for pid in self.pids))
            await asyncio.sleep(max(0.0, self.each - (time.monotonic() - began)))

    async def _key(self) -> None:
        kinds = [kind for kind in CATALOGUE if kind.pattern not in STANDING and kind.type != "any"]
        kind, how = self.rng.choice(kinds), self.rng.choice(HOWS)
        found = await names(self.world.redis, kind)
        print(f"{kind.pattern}: {how}" if found else f"{kind.pattern}: there is none")
        if found:
            name = self.rng.choice(found)
            try:
                if kind.pattern == "otp:out:{lane}":  # what waits in it is lost with it
                    waiting = await self.world.redis.xrange(name)
                    self.lost |= {event.get(b"subject", b"").decode() for _, event in waiting}
                async with poisoned(self.world.redis, name, kind, how):
                    await asyncio.sleep(4)
            except RedisError as error:  # it ended meanwhile
                print(f"not poisoned: {error!r}")

    async def _permission(self) -> None:
        taken = self.rng.choice(PERMISSIONS)
        print(f"permissions: {' '.join(taken)}")
        await self.world.redis.execute_command("ACL", "SETUSER", "default", *taken)
        await asyncio.sleep(2)
        given = [word.replace("-", "+", 1) for word in taken]
        await self.world.redis.execute_command("ACL", "SETUSER", "default", *given)

    async def _gateway(self) -> None:
        name, fault = self.rng.choice(("password", "xml", "smska")), self.rng.choice(MAD)
        print(f"{name}: {fault}")
        await self.world.gateways.fail(name, times=5, **fault)
        await asyncio.sleep(5)
        await self.world.gateways.http.delete("/_sim/faults")

    async def _receiver(self) -> None:
        status = self.rng.choice((400, 500, 302, 410))
        print(f"receiver: {status}")
        self.world.receiver.answer("/mad", status)
        await asyncio.sleep(4)
        self.world.receiver.answers.pop("/mad", None)

    async def judge(self) -> None:
        untold = set(self.approved) - self.lost
        until = time.monotonic() + 60
        while untold and time.monotonic() < until:
            await asyncio.sleep(1)
            posts = self.world.receiver.taken("/w")
            untold -= {post.about for post in posts if post.body["type"] == "verification.approved"}
        if untold:
            self.wrong.append(f"{len(untold)} of {len(self.approved)} approvals were not told")
        took = sorted(self.seconds)
        p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
        print(f"{len(took)} requests, p50 {p50:.3f} s, p99 {p99:.3f} s, answers {dict(self.answers)}")
        print(f"{len(self.approved)} approved, {self.touched} of others, faults {dict(self.befallen)}")
        print(f"memory {self.memory[:1]} to {self.memory[-1:]} KiB")
        if p99 >= max(LONGEST_P99_SECONDS, LONGEST_P99_MEDIANS * p50):
            self.wrong.append(f"p99 is {p99:.3f} s")
        for api in self.world.both:
            health = await api.http.get("/health/ready")
            if health.status_code != 200 or "loops" in health.json():
                self.wrong.append(f"not ready: {health.text}")
        settled = self.memory[len(self.memory) // 5]
        if self.memory[-1] > settled * (1 + GROWTH_ALLOWED) + SPARE_KIB:
            self.wrong.append(f"memory grew from {settled} to {self.memory[-1]} KiB")
        self.wrong += [line[:600] for line in self.world.tracebacks()]


async def soak(seconds: float, seed: int, rate: float = 3.0, each: float = 10.0) -> list[str]:
    """What went wrong, one sentence each. rate: sign-ups a second. each: seconds from trouble to trouble, 5 or more."""
    with tempfile.TemporaryDirectory() as name:
        async with opened(Path(name), {"/w": {"events": ["*"]}, "/mad": {"events": ["*"]}}) as world:
            found = Soak(world, world.pids, random.Random(seed), rate, each)
            until = time.monotonic() + seconds
            await asyncio.gather(found.arrivals(until), found.trouble(until))
            await found.judge()
    return found.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    wrong = asyncio.run(soak(arguments.seconds, arguments.seed))
    print("\n".join(wrong) or "nothing else noticed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
