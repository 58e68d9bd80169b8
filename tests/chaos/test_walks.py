"""Processes are frozen in the middle of walks, and thawed after others have gone on: nobody sends or ends what is not
theirs any more. `make walks` runs the long form.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

import otp_service
from tests.api import Answer, Api, Gateways
from tests.chaos.sends import Sends, at_rest, now_unclear, sends_of, unclear_in_events
from tests.running import API_KEY, RedisServer, running_service
from tests.sizes import sized

pytestmark = pytest.mark.slow
FREEZES = int(os.environ.get("OTP_TEST_FREEZES", sized(6, 3)))
"""Each catches a walk of every person at another moment. 34 for `make walks`: more than 200 moments."""
PEOPLE = 8
ORDERS = list(permutations(("targetsms-password", "targetsms-xml", "smska")))
QUICK = {
    "OTP__ROUTES__SMS__DEADLINE_SECONDS": "2",
    "OTP__ROUTES__SMS__RESERVE_SECONDS": "0.4",
    "OTP__ROUTES__SMS__FAILOVER_AFTER_SECONDS": "10",
    "OTP__APPLICATIONS__WEB__GUARD": "off",
}
FAULTS: tuple[dict[str, Any], ...] = (
    {"fault": "stall", "seconds": 3},
    {"fault": "processed_then_stall", "seconds": 3},
    {"fault": "latency", "seconds": 0.4},
    {"fault": "latency", "seconds": 0.8},
    {"fault": "processed_then_reset"},
    {"fault": "status", "status": 404},
    {"fault": "reset"},
)
UNDELIVERED = "03"
"""Of such a number: the gateway reports that the SMS did not arrive, so a fail-over follows."""


@dataclass
class Person:
    """One phone, and what its owner's application asked for and heard. erased: its records were deleted meanwhile."""

    phone: str
    verification: str = ""
    told: dict[str, list[str]] = field(default_factory=dict)
    erased: bool = False

    def heard(self, answer: Answer | None) -> None:
        if answer is not None and answer.status_code in (200, 201):
            self.verification = answer.json()["id"]
            self.told.setdefault(self.verification, []).append(answer.json()["status"])


@dataclass
class Round:
    """Two processes with workers, of which the first is frozen."""

    frozen: Api
    other: Api
    gateways: Gateways
    redis: Redis
    rng: random.Random
    people: list[Person] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    async def asked(self, ask: Any) -> Answer | None:
        try:
            answer: Answer = await ask
        except httpx.HTTPError:
            return None
        if answer.status_code >= 500 and answer.status_code not in (502, 503):
            self.bad.append(answer.text)
        return answer

    async def persist(self, person: Person, ask: Any) -> None:
        for _ in range(60):
            answer = await self.asked(ask())
            person.heard(answer)
            if answer is not None and answer.status_code not in (409, 429, 503):
                return
            await asyncio.sleep(0.2)

    async def trouble(self, seconds: float) -> None:
        """Gateways fail now and then."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            gateway = self.rng.choice(("password", "xml", "smska"))
            await self.gateways.fail(gateway, times=self.rng.randrange(1, 4), **self.rng.choice(FAULTS))
            await asyncio.sleep(0.3)

    async def person(self, person: Person, thaws_at: float) -> None:
        """Starts at the process that freezes; what is not answered soon is asked again at the other one."""
        rng, key = self.rng, f"walk-{person.phone}"
        await asyncio.sleep(rng.uniform(0, 1.5))
        first = asyncio.create_task(self.asked(self.frozen.start(person.phone, key=key)))
        await asyncio.sleep(rng.uniform(0.5, 3))
        await self.persist(person, lambda: self.other.start(person.phone, key=key))
        if person.verification and rng.random() < 0.5:
            named, again = person.verification, f"again-{person.phone}"
            ask = asyncio.create_task(self.asked(rng.choice((self.frozen, self.other)).resend(named, key=again)))
            await asyncio.sleep(rng.uniform(0.3, 2))
            await self.persist(person, lambda: self.other.resend(named, key=again))
            person.heard(await ask)
        if person.verification and rng.random() < 0.1:
            person.erased = True
            for name in [name async for name in self.redis.scan_iter(match=f"otp:v:*{person.verification}")]:
                await self.redis.delete(name)
        await asyncio.sleep(max(0.0, thaws_at - time.monotonic()))
        person.heard(await first)

    async def freeze(self, child: Any, number: int) -> None:
        """Catch walks in the middle, let others take them over, and let the frozen process go on."""
        people = []
        for n in range(PEOPLE):
            ending = UNDELIVERED if n == 0 else f"{20 + self.rng.randrange(80)}"
            people.append(Person(f"+7916{self.rng.randrange(10_000, 100_000)}{ending}"))
        self.people += people
        freezes_in, lasts = self.rng.uniform(0.3, 2.5), self.rng.uniform(3, 8)
        thaws_at = time.monotonic() + freezes_in + lasts
        walking = [asyncio.create_task(self.person(person, thaws_at)) for person in people]
        trouble = asyncio.create_task(self.trouble(freezes_in + lasts + 1))
        await asyncio.sleep(freezes_in)
        child.send_signal(signal.SIGSTOP)
        await asyncio.sleep(lasts)
        child.send_signal(signal.SIGCONT)
        await asyncio.gather(*walking, trouble)

    async def judged(self) -> tuple[list[str], list[Sends]]:
        """What broke a rule, after everything has come to rest."""
        await self.gateways.http.delete("/_sim/faults")
        for person in self.people:
            await at_rest(self.other, person.phone)
        await asyncio.sleep(2)  # until events have been passed on
        unclear = await unclear_in_events(self.other)
        found: list[Sends] = []
        broken = list(self.bad)
        for person in self.people:
            if person.erased:
                continue
            sends = await sends_of(self.other, self.gateways, person.phone, unclear)
            for verification, told in person.told.items():
                record = (await self.other.status(verification)).json()
                sends.told[verification] = [*told, record["status"]]
                broken += await self.verdicts(person, record)
            found.append(sends)
            if violations := list(sends.violations()):
                answer = await self.other.http.post("/v1/verifications/search", json={"to": person.phone})
                records = [(each["status"], each["messages"]) for each in answer.json()["verifications"]]
                broken += [f"{each}: {person.told} {records}" for each in violations]
                broken += [str(message) for message in await self.gateways.messages(person.phone)]
        return broken, found

    async def verdicts(self, person: Person, record: dict[str, Any]) -> list[str]:
        """The code of the SMS that went out last is good, once."""
        sure = [message for message in record["messages"] if message["status"] in ("accepted", "delivered")]
        if record["status"] != "pending" or not sure or now_unclear(record):
            return []
        code = (await self.gateways.codes(person.phone))[0]
        twice = [(await self.other.check(record["id"], code)).json()["outcome"] for _ in range(2)]
        return [] if twice == ["approved", "already_approved"] else [f"{person.phone}: {code} heard {twice}: {record}"]


async def walked(
    folder: Path, sandbox: str, gateways: Gateways, freezes: int, seed: int
) -> tuple[list[str], list[Sends]]:
    rng, server = random.Random(seed), RedisServer(folder)
    broken: list[str] = []
    found: list[Sends] = []
    try:
        for n in range(freezes):
            order = {"OTP__ROUTES__SMS__GATEWAYS": ",".join(ORDERS[n % len(ORDERS)])}
            with (
                running_service(folder, server.url, sandbox, **QUICK, **order) as (url, child, log),
                running_service(folder, server.url, sandbox, **QUICK, **order) as (second, _, other_log),
            ):
                async with Api(url, API_KEY) as frozen, Api(second, API_KEY) as other, Redis.from_url(server.url) as r:
                    this = Round(frozen, other, gateways, r, rng)
                    try:
                        await this.freeze(child, n)
                    finally:
                        child.send_signal(signal.SIGCONT)
                    await asyncio.sleep(3)
                    more, sends = await this.judged()
            for each in (log, other_log):
                more += [f"{each}: Traceback"] if "Traceback" in each.read_text() else []
            print(f"freeze {n} {order}: {len(sends)} phones, {sum(each.left for each in sends)} SMS, {more}")
            broken += more
            found += sends
    finally:
        server.kill()
    return broken, found


async def test_frozen_walks_send_and_end_nothing_more(tmp_path: Path, sandbox_process: str, gateways: Gateways) -> None:
    seed = random.randrange(2**32)
    broken, found = await walked(tmp_path, sandbox_process, gateways, FREEZES, seed)
    totals = Counter[str]()
    for each in found:
        totals.update(acts=each.acts, left=each.left, recorded=each.recorded, unclear=each.unclear)
    print(f"seed {seed}: {FREEZES} freezes, {len(found)} phones, {dict(totals)}")
    assert totals["left"] > len(found) // 2
    assert not broken, f"seed {seed}: {broken}"


def planted(folder: Path, script: str, right: str, wrong: str) -> dict[str, str]:
    """The environment of a service with a fault in one of its scripts."""
    copytree(Path(otp_service.__file__).parent, folder / "planted" / "otp_service")
    (path,) = (folder / "planted" / "otp_service" / "storage" / "scripts").rglob(f"{script}.lua")
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    return {"PYTHONPATH": str(folder / "planted"), "PYTHONSAFEPATH": "1"}


@pytest.mark.parametrize("fault", [False, True], ids=["as shipped", "without the number of the walk"])
async def test_a_missing_check_of_the_walk_is_seen(
    fault: bool, tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    right = "local lost = walk ~= '' and (number(v, 'walk') ~= tonumber(walk) or until_when > 0 and not under_way)"
    environ = planted(tmp_path, "progress", right, "local lost = false; under_way = true") if fault else {}
    await gateways.fail("password", "stall", times=1)
    with (
        running_service(tmp_path, redis_url, sandbox_process, **QUICK, **environ) as (url, child, _),
        running_service(tmp_path, redis_url, sandbox_process, **QUICK, **environ) as (second, _, _),
    ):
        async with Api(url, API_KEY) as frozen, Api(second, API_KEY) as other, Redis.from_url(redis_url) as redis:
            this, person = Round(frozen, other, gateways, redis, random.Random(0)), Person(phone)
            first = asyncio.create_task(this.asked(frozen.start(phone, key="missing-" + phone)))
            await asyncio.sleep(0.5)
            child.send_signal(signal.SIGSTOP)
            await this.persist(person, lambda: other.start(phone, key="missing-" + phone))
            await gateways.fail("*", "status", status=404)
            child.send_signal(signal.SIGCONT)
            await first
            this.people = [person]
            broken, _ = await this.judged()
    assert any("was told pending and became failed" in sentence for sentence in broken) == fault, broken
