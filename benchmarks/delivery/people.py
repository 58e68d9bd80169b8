"""People who ask for a code, wait for SMS, read each and submit its code. Some press "send again" when none comes."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import msgspec

from benchmarks.delivery.plan import Plan
from otp_service.sandbox.scenario import Scenario, person_of
from tests.api import Answer, Api
from tests.running import code_in

LIFE_SECONDS = 610.0
"""No code is accepted later than 600 s after the start."""
FEED_SECONDS = 1.0
LOOK_SECONDS = 3.0
"""So often the page is looked at, where people do what it says."""
TRIES = 5
PAGE = 100
CODES = ("916", "926", "903", "977")
"""Of МТС, Мегафон, Beeline, Теле2."""


@dataclass(slots=True)
class Sms:
    gateway: str
    code: str
    parts: int
    sent_at: float
    arrives_at: float | None


@dataclass(slots=True)
class Person:
    """held_at: when the first SMS with a code that works was there. All times of the sped-up clock."""

    phone: str
    starts_at: float
    verification: str = ""
    asked_at: float = 0
    answered_at: float = 0
    held_at: float | None = None
    refused: bool = False
    wrong_codes: int = 0
    presses_at: float | None = None
    """When "send again" is pressed, if nothing has come by then."""
    pressed: int = 0
    sends_at: float | None = None
    """When they send the SMS that the page asks for."""
    told_at: float | None = None
    """When `advice` first said that what we send does not come."""
    claimed: bool = False
    sms: list[Sms] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waited(self) -> float | None:
        return self.held_at - self.asked_at if self.held_at is not None else None


def people(plan: Plan, begins: float) -> list[Person]:
    """Each with a phone of their own; they come as a Poisson process."""
    rng = random.Random(f"people {plan.seed}")
    scenario = msgspec.convert({"seed": str(plan.seed), **plan.scenario}, Scenario)
    found, at = [], begins
    for number in rng.sample(range(100_000), plan.verifications):
        at += rng.expovariate(plan.rate)
        person = Person(_phone(scenario, number), at)
        if plan.again_share and rng.random() < plan.again_share:
            person.presses_at = plan.again_seconds
        found.append(person)
        if plan.returns_share and rng.random() < plan.returns_share:
            again = Person(person.phone, at + rng.uniform(LIFE_SECONDS + 10, LIFE_SECONDS + 300))
            again.presses_at = person.presses_at
            found.append(again)
    return sorted(found, key=lambda person: person.starts_at)


def _phone(scenario: Scenario, number: int) -> str:
    """Of a code that the number plan gives to the operator that it has in the scenario."""
    phones = [f"+7{code}{number:05d}50" for code in CODES]
    own = [phone for at, phone in enumerate(phones) if person_of(scenario, phone[1:]).operator == at % len(CODES)]
    return own[0] if own and scenario.operators else phones[0]


async def live(plan: Plan, person: Person, api: Api, sandbox: httpx.AsyncClient) -> None:
    await asyncio.sleep(person.starts_at - time.time())
    person.asked_at = time.time()
    channel, key = "sms" if plan.variant.telegram_seconds is None else "auto", f"{person.phone}-{person.starts_at:.3f}"
    answer = await asked(lambda: api.start(person.phone, channel=channel, key=key))
    person.answered_at = time.time()
    body = answer.json()
    person.verification = body.get("id") or body.get("verification_id") or ""
    if answer.status_code != httpx.codes.CREATED:
        person.refused = True
        return
    ends = person.asked_at + LIFE_SECONDS
    read: set[int] = set()
    while time.time() < ends:
        coming = [
            (sms.arrives_at, index)
            for index, sms in enumerate(person.sms)
            if index not in read and sms.arrives_at is not None
        ]
        wakes = min(min(coming)[0] + plan.reading_seconds, ends) if coming else ends
        pressing = person.asked_at + person.presses_at if person.presses_at is not None else ends
        wakes = min(wakes, pressing)
        if plan.variant.inbound:
            wakes = min(wakes, time.time() + LOOK_SECONDS, person.sends_at or ends)
        person.news.clear()
        try:
            async with asyncio.timeout(wakes - time.time()):
                await person.news.wait()
            continue
        except TimeoutError:
            pass
        if plan.variant.inbound and await _look(plan, person, api, sandbox):
            return
        if time.time() >= pressing and person.told_at is None:
            await _press_again(plan, person, api)
        there = [index for at, index in coming if at + plan.reading_seconds <= time.time()]
        if not there:
            continue
        newest = max(there, key=lambda index: person.sms[index].sent_at)
        read.update(there)
        if await _submit(person, api, person.sms[newest].code):
            return


async def _look(plan: Plan, person: Person, api: Api, sandbox: httpx.AsyncClient) -> bool:
    """At the page, which shows what `advice` says; True: it says that all is done."""
    if person.sends_at and time.time() >= person.sends_at:
        found = (await asked(lambda: api.status(person.verification))).json()
        if found.get("inbound"):
            body = {"originator": person.phone[1:], "text": found["inbound"]["text"], "phone": "79001112233"}
            await sandbox.post("/_sim/incoming", json=body)
        person.sends_at = None
        return False
    answer = await asked(lambda: api.status(person.verification))
    if answer.status_code != httpx.codes.OK:
        return False
    found = answer.json()
    if found["status"] == "approved":
        person.claimed = found["assurance"] == "claimed"
        told = [moment["at"] for moment in found["timeline"] if moment["what"] == "approved"]
        person.held_at = _seconds(told[0])
        return True
    if person.told_at is None and (found["advice"] or "wait") in ("inbound", "sms_likely_blocked"):
        person.told_at = time.time()
        rng = random.Random(f"{plan.seed} {person.phone} {person.starts_at:.0f}")
        if rng.random() < plan.follows_share:
            person.sends_at = time.time() + plan.sends_seconds * math.exp(rng.gauss(0, 0.5))
    return False


async def asked(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """What got no answer is asked once more, under the same Idempotency-Key: on a machine that is busy, seconds of a
    clock that runs fast are over before a request is written."""
    for _ in range(TRIES):
        with contextlib.suppress(httpx.TransportError):
            answer = await ask()
            if answer.status_code != httpx.codes.CONFLICT or answer.json()["code"] != "request_in_progress":
                return answer
        await asyncio.sleep(1)
    return await ask()


async def _press_again(plan: Plan, person: Person, api: Api) -> None:
    """Once, or after the pause that the service asks for; nobody presses more than three times."""
    key = f"again-{person.verification}-{time.time():.3f}"
    answer = await asked(lambda: api.resend(person.verification, key=key))
    person.pressed += answer.status_code == httpx.codes.OK
    retry = float(answer.headers.get("retry-after", plan.again_seconds))
    again = person.pressed < 3 and answer.status_code in (httpx.codes.OK, httpx.codes.TOO_MANY_REQUESTS)
    person.presses_at = time.time() - person.asked_at + max(1.0, retry) if again else None


async def _submit(person: Person, api: Api, code: str) -> bool:
    """True: there is nothing more to do."""
    answer = await asked(lambda: api.check(person.verification, code, key=f"{person.verification}-{code}"))
    if answer.status_code != httpx.codes.OK:
        return True
    outcome: str = answer.json()["outcome"]
    if outcome == "approved":
        arrived = [sms.arrives_at for sms in person.sms if sms.code == code and sms.arrives_at is not None]
        person.held_at = max(min(arrived), person.asked_at)
    person.wrong_codes += outcome == "wrong_code"
    return outcome != "wrong_code"


class Feed:
    """Hands each SMS that a gateway took to the person whose it is."""

    def __init__(self, people: list[Person], sandbox: httpx.AsyncClient) -> None:
        self._people: defaultdict[str, list[Person]] = defaultdict(list)
        for person in people:
            self._people[person.phone.lstrip("+")].append(person)
        self._sandbox = sandbox
        self._seen: set[str] = set()

    async def run(self) -> None:
        """Until canceled."""
        while True:
            await self.look()
            await asyncio.sleep(FEED_SECONDS)

    async def look(self) -> None:
        page = PAGE
        while True:
            found: list[dict[str, Any]] = (await self._sandbox.get("/_sim/messages", params={"limit": page})).json()
            fresh = [message for message in found if message["id"] not in self._seen]
            if len(fresh) < len(found) or len(found) < page:
                break
            if page == 1000:
                raise RuntimeError("1,000 SMS between two looks: the machine is too slow for this speed")
            page = 1000
        for message in reversed(fresh):
            self._seen.add(message["id"])
            person = [each for each in self._people[message["phone"]] if each.asked_at][-1]
            person.sms.append(_sms(message))
            person.news.set()


def _sms(message: Mapping[str, Any]) -> Sms:
    return Sms(
        message["gateway"],
        code_in(message["text"]),
        message["parts"],
        _seconds(message["sent_at"]),
        _seconds(message["arrives_at"]) if message["arrives_at"] else None,
    )


def _seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()
