"""A simulated day of SMS pumping beside normal traffic: what reaches the attacker, and who else is refused.

    python -m benchmarks.pumping --seed 1

Real processes: two services, the sandbox, and a Valkey whose clock is moved by libfaketime, so that a day takes less
than a minute. An attacker starts 2,000 verifications for numbers in a row, from 200 addresses, and submits no code.
Beside it people sign up and sign in: 40 to 70 % (it changes from hour to hour) submit the right code, the others never
do; some ask twice; a tenth were proved before; one in twenty has a number in the attacked block, though not in the
attacked row. The same day is run in mode `enforce`, in mode `shadow`, and with limits per phone and address only.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.api import Api, Gateways
from tests.clock import Clock, FakedServer, faked_server
from tests.running import API_KEY, running_sandbox, running_service

BLOCK = "+7958123"
STEPS = 96
"""Of a day, a quarter of an hour each."""
AT_ONCE = 8
PRICE = 4.5
"""Roubles for one SMS."""
MODES = ("enforce", "shadow", "off")


@dataclass(frozen=True)
class Start:
    """Of an attacker, or of a person who will submit the right code or not."""

    phone: str
    ip: str
    attacker: bool = False
    answers: bool = False
    returning: bool = False


@dataclass
class Day:
    """What a day came to."""

    mode: str
    seconds: float = 0.0
    attacker: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    report: dict[str, Any] = field(default_factory=dict)
    refused_people: list[str] = field(default_factory=list)

    @property
    def paid_to_attacker(self) -> int:
        return self.attacker["201"]


def a_day(seed: int, attacks: int, people: int) -> list[list[Start]]:
    """Who starts in each step. The same for the same seed, whatever the mode."""
    rng = random.Random(seed)
    steps: list[list[Start]] = [[] for _ in range(STEPS)]
    first = rng.randrange(2_000, 7_000)
    proxies = [f"198.51.{rng.randrange(256)}.{rng.randrange(1, 255)}" for _ in range(200)]
    for n in range(attacks):
        place = (first + n) % 10_000
        steps[n * STEPS // attacks].append(Start(f"{BLOCK}{place:04}", rng.choice(proxies), attacker=True))
    operators = [f"100.64.{n}.1" for n in range(8)]
    seen: list[str] = []
    for n in range(people):
        hour = n * 24 // people
        conversion = 0.4 + 0.3 * ((hour * 7) % 24) / 23
        returning = bool(seen) and rng.random() < 0.1
        if returning:
            phone = rng.choice(seen)
        elif rng.random() < 0.05:
            phone = f"{BLOCK}{rng.choice([rng.randrange(1_500), rng.randrange(9_200, 10_000)]):04}"
        else:
            phone = f"+79{rng.choice('0136')}{rng.randrange(1, 10)}{rng.randrange(1_000_000):06}{rng.randrange(2, 6)}"
            phone = phone[:12]
        shared = rng.random() < 0.5
        ip = rng.choice(operators) if shared else f"203.0.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        answers = rng.random() < conversion
        if answers:
            seen.append(phone)
        where = n * STEPS // people
        steps[where].append(Start(phone, ip, answers=answers, returning=returning))
        if not answers and rng.random() < 0.3:
            steps[min(where + 1, STEPS - 1)].append(Start(phone, ip))  # asks once more, and gives up
    for step in steps:
        rng.shuffle(step)
    return steps


async def live(steps: list[list[Start]], mode: str, clock: Clock, apis: list[Api], gateways: Gateways) -> Day:
    """One day, by the clock of Redis."""
    day = Day(mode)
    began = time.monotonic()
    places = asyncio.Semaphore(AT_ONCE)

    async def one(start: Start) -> None:
        async with places:
            api = random.choice(apis)
            answer = await api.start(start.phone, client={"ip": start.ip})
            whose = day.attacker if start.attacker else day.people
            whose[str(answer.status_code)] += 1
            if start.attacker or answer.status_code == 422:
                return
            if answer.status_code != 201:
                day.refused_people.append(f"{start.phone} {answer.json().get('code')} {answer.json().get('reasons')}")
            elif start.answers:
                codes = await gateways.codes(start.phone)
                whose[await api.outcome(answer.json()["id"], codes[0])] += 1

    for step in steps:
        await asyncio.gather(*(one(start) for start in step))
        clock.move(hours=24 / STEPS)
    day.report = (await apis[0].http.get("/v1/fraud")).json()
    day.seconds = time.monotonic() - began
    return day


@contextmanager
def running(folder: Path, mode: str) -> Iterator[tuple[FakedServer, list[str], str]]:
    """One brand-new installation."""
    folder.mkdir(parents=True)
    settings = {
        "OTP__GUARD__MODE": mode,
        "OTP_LOG_LEVEL": "WARNING",
        "OTP__ROUTES__SMS__FAILOVER_AFTER_SECONDS": "0",
        "OTP__WORKER__IN_SERVE": "false",  # nobody follows messages: hours would pass between two looks
    }
    with (
        faked_server(folder / "redis") as server,
        running_sandbox(folder) as sandbox,
        running_service(folder, server.url, sandbox, **settings) as (first, _, _),
        running_service(folder, server.url, sandbox, **settings) as (second, _, _),
    ):
        yield server, [first, second], sandbox


async def simulate(folder: Path, mode: str, seed: int, attacks: int = 2_000, people: int = 1_200) -> Day:
    """`folder` must not exist. mode: one of MODES; `off` leaves the shipped limits per phone and address."""
    with running(folder, mode) as (server, urls, sandbox):
        async with AsyncExitStack() as stack:
            apis = [await stack.enter_async_context(Api(url, API_KEY)) for url in urls]
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=sandbox, trust_env=False, timeout=30))
            return await live(a_day(seed, attacks, people), mode, server.clock, apis, Gateways(http))


def told(day: Day) -> str:
    found = day.report["found"]
    blocks = ", ".join(f"{one['value']} by {one['reason']}" for one in found if one["value"]) or "none"
    total = day.report["total"]
    return (
        f"{day.mode:8} paid to the attacker {day.paid_to_attacker:5} SMS = {day.paid_to_attacker * PRICE:8.2f} RUB; "
        f"people: {day.people['201']} sent, {day.people['approved']} approved, {len(day.refused_people)} refused; "
        f"found: {blocks}; refused {total['refused']}, would have {total['would_refuse']}, "
        f"of these were people {total['converted']}; {day.seconds:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attacks", type=int, default=2_000)
    parser.add_argument("--people", type=int, default=1_200)
    parser.add_argument("--mode", choices=MODES, action="append")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for mode in arguments.mode or MODES:
            day = asyncio.run(simulate(Path(folder) / mode, mode, arguments.seed, arguments.attacks, arguments.people))
            print(told(day), flush=True)
            for refused in day.refused_people:
                print(f"         refused: {refused}")


if __name__ == "__main__":
    main()
