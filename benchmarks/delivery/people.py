"""People who ask for a code, wait for SMS, read each and submit its code. Nobody presses "send again"."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from benchmarks.delivery.plan import Plan
from tests.api import Api
from tests.running import code_in

LIFE_SECONDS = 610.0
"""No code is accepted later than 600 s after the start."""
FEED_SECONDS = 1.0
PAGE = 100


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
    sms: list[Sms] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waited(self) -> float | None:
        return self.held_at - self.asked_at if self.held_at is not None else None


def people(plan: Plan, begins: float) -> list[Person]:
    """Each with a phone of their own; they come as a Poisson process."""
    rng = random.Random(f"people {plan.seed}")
    found, at = [], begins
    for number in rng.sample(range(100_000), plan.verifications):
        at += rng.expovariate(plan.rate)
        found.append(Person(f"+7916{number:05d}50", at))
    return found


async def live(plan: Plan, person: Person, api: Api) -> None:
    await asyncio.sleep(person.starts_at - time.time())
    person.asked_at = time.time()
    answer = await api.start(person.phone)
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
        person.news.clear()
        try:
            async with asyncio.timeout(wakes - time.time()):
                await person.news.wait()
            continue
        except TimeoutError:
            pass
        there = [index for at, index in coming if at <= time.time()]
        if not there:
            continue
        newest = max(there, key=lambda index: person.sms[index].sent_at)
        read.update(there)
        if await _submit(person, api, person.sms[newest].code):
            return


async def _submit(person: Person, api: Api, code: str) -> bool:
    """True: there is nothing more to do."""
    answer = await api.check(person.verification, code)
    if answer.status_code != httpx.codes.OK:
        return True
    outcome = answer.json()["outcome"]
    if outcome == "approved":
        arrived = [sms.arrives_at for sms in person.sms if sms.code == code and sms.arrives_at is not None]
        person.held_at = max(min(arrived), person.asked_at)
    person.wrong_codes += outcome == "wrong_code"
    return outcome != "wrong_code"


class Feed:
    """Hands each SMS that a gateway took to the person whose it is."""

    def __init__(self, people: list[Person], sandbox: httpx.AsyncClient) -> None:
        self._people: Mapping[str, Person] = {person.phone.lstrip("+"): person for person in people}
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
            person = self._people[message["phone"]]
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
