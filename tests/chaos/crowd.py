"""Callers that submit codes while things break, and write down what they asked and heard."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api import Answer, Api, Gateways
from tests.chaos.history import Event, History
from tests.chaos.sends import Sends, sends_of
from tests.running import API_KEY
from tests.sizes import sized

SIZE = sized(40, 20)
"""Verifications in one round."""
SEEDS = sized(3, 1)
"""Rounds of each experiment."""
AT_ONCE = 12
TRIES = 60
"""Of a caller that does not give up; each waits a moment."""


@dataclass(frozen=True, slots=True)
class Case:
    verification: str
    code: str

    @property
    def wrong(self) -> str:
        return "0" * len(self.code) if self.code[0] != "0" else "1" * len(self.code)


@dataclass
class Crowd:
    """Callers of several service processes."""

    urls: Sequence[str]
    gateways: Gateways
    seed: int
    history: History = field(default_factory=History)
    bad: Counter[str] = field(default_factory=Counter)
    """Answers that no fault excuses, by what they were."""
    tries: Counter[int] = field(default_factory=Counter)
    """Checks by the number of times that they had to be asked; 0 for those that were never answered."""

    told: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Of each phone that somebody started for: the statuses that were told of its verifications."""
    sends: list[Sends] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.apis = [Api(url, API_KEY) for url in self.urls]
        for api in self.apis:
            api.http.timeout = httpx.Timeout(20)

    async def close(self) -> None:
        for api in self.apis:
            await api.http.aclose()

    async def started(self, count: int) -> list[Case]:
        """Verifications whose codes have arrived on their phones."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> Case:
            async with gate:
                phone, answer = await self._start(number)
                return Case(answer.json()["id"], (await self.gateways.codes(phone))[0])

        return list(await asyncio.gather(*(one(number) for number in range(count))))

    async def arrive(self, count: int, seconds: float) -> None:
        """While things break, people start: each asks with one key until there is an answer, as docs/api.md tells."""
        began = time.monotonic()

        async def one(number: int) -> None:
            await asyncio.sleep(max(0.0, began + seconds * number / count - time.monotonic()))
            _, answer = await self._start(number, 4 * TRIES)
            if answer.status_code != 201:
                self.bad[f"start {answer.status_code} {answer.text[:200]}"] += 1

        await asyncio.gather(*(one(number) for number in range(count)))

    async def _start(self, number: int, tries: int = TRIES) -> tuple[str, Answer]:
        """tries: what broke before may not have settled everywhere."""
        phone = f"+7916{self.rng.randrange(10_000, 100_000)}{20 + number % 80}"
        told = self.told.setdefault(phone, {})
        for _ in range(tries):
            answer = await self.rng.choice(self.apis).start(phone, key=f"start-{phone}")
            if answer.status_code == 201:
                told.setdefault(answer.json()["id"], []).append(answer.json()["status"])
                break
            await asyncio.sleep(0.1)
        return phone, answer

    async def count_sends(self) -> None:
        """What gateways sent to everybody who started since the last time, and what is recorded of it."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(phone: str, told: dict[str, list[str]]) -> None:
            async with gate:
                sends = await sends_of(self.apis[0], self.gateways, phone, Counter())
                for verification, heard in told.items():
                    record = (await self.apis[0].status(verification)).json()
                    sends.told[verification] = [*heard, record.get("status", "gone")]
                self.sends.append(sends)

        await asyncio.gather(*(one(phone, told) for phone, told in self.told.items()))
        self.told.clear()

    async def submit(self, cases: Sequence[Case], seconds: float = 0.0) -> None:
        """Everybody types: some wrong at first, some twice at once; the codes are spread over `seconds`."""
        gate = asyncio.Semaphore(AT_ONCE)
        began = time.monotonic()

        async def person(number: int, case: Case) -> None:
            await asyncio.sleep(max(0.0, began + seconds * number / len(cases) - time.monotonic()))
            async with gate:
                for n in range(self.rng.choice((0, 0, 1, 2))):
                    await self.persist(case, f"wrong-{n}", right=False)
                rivals = self.rng.choice((1, 1, 2))
                await asyncio.gather(*(self.persist(case, f"right-{n}", right=True) for n in range(rivals)))
                await self.look(case)

        await asyncio.gather(*(person(number, case) for number, case in enumerate(cases)))

    async def sweep(self, cases: Sequence[Case]) -> None:
        """Afterwards every code is submitted again, twice, and everybody looks."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case) -> None:
            async with gate:
                for n in range(2):
                    await self.persist(case, f"again-{n}", right=True)
                await self.look(case)

        await asyncio.gather(*(one(case) for case in cases))
        await self.count_sends()

    async def persist(self, case: Case, name: str, *, right: bool, tries: int = TRIES) -> None:
        """Ask with one key until there is a verdict, as docs/api.md tells callers to."""
        for attempt in range(1, tries + 1):
            event = await self.check(case, name, right=right)
            if event.definite:
                self.tries[attempt] += 1
                return
            # A 503 is asked again sooner than it says, so that more happens in a test.
            await asyncio.sleep(event.retry_after if event.http == 409 else self.rng.uniform(0.02, 0.2))
        self.tries[0] += 1

    async def check(self, case: Case, name: str, *, right: bool) -> Event:
        event = self.history.asked("check", case.verification, name, right=right)
        key = f"{name}-{case.verification}"
        answer = await self._asked(
            event, lambda api: api.check(case.verification, case.code if right else case.wrong, key=key)
        )
        if answer is not None and answer.status_code == 200:
            event.outcome, event.left = answer.json()["outcome"], answer.json()["attempts_left"]
        return event

    async def look(self, case: Case) -> None:
        event = self.history.asked("status", case.verification)
        answer = await self._asked(event, lambda api: api.status(case.verification))
        if answer is not None and answer.status_code == 200:
            event.status, event.left = answer.json()["status"], answer.json()["attempts_left"]

    async def _asked(self, event: Event, ask: Any) -> Answer | None:
        try:
            answer: Answer = await ask(self.rng.choice(self.apis))
        except httpx.HTTPError as error:
            self.bad[type(error).__name__] += 1
            return None
        finally:
            event.heard = time.monotonic()
        event.http = answer.status_code
        event.retry_after = float(answer.headers.get("retry-after", 0))
        if answer.status_code not in (200, 409, 503):
            self.bad[f"{answer.status_code} {answer.text[:200]}"] += 1
        return answer
