"""A withheld send is told from a real one by nothing that a caller can see or measure (A-9).

Two processes on a Redis of their own, so that every command of a request can be watched. Real starts and decoys take
turns: numbers that begin with `+791699` are on the block list. The pumping guard is off, since it asks more of numbers
in a row than of others, withheld or not.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import math
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from otp_service.storage.pumping import _TALLY as TALLY
from tests.api import Answer, Api, Gateways, problem
from tests.hardening.test_timing import mann_whitney
from tests.hardening.test_uniform import REFUSED_BY_THE_GATEWAY, blanked
from tests.running import API_KEY, RedisServer, create_key, running_service

BLOCKED = "+791699"
SAFE = {
    "OTP__APPLICATIONS__WEB__ENUMERATION_SAFE": "true",
    "OTP__APPLICATIONS__WEB__MAX_SENDS": "10",
    "OTP__APPLICATIONS__OTHER__ENUMERATION_SAFE": "true",
    "OTP__APPLICATIONS__OTHER__BUDGET_PER_DAY": "9",
    "OTP__GUARD__BLOCK": BLOCKED,
    "OTP__GUARD__MODE": "off",
    "OTP__WORKER__IN_SERVE": "false",
    "OTP_LOG_LEVEL": "INFO",
}
STARTS = 120
"""Of each kind and round; equal times fail one round in a thousand, and three in a row hardly ever."""
ROUNDS = 3
WARM = 12
"""Starts after which a process knows how the gateways do."""


class Safe:
    """Two callers, one for each process, and numbers that were never asked for."""

    def __init__(self, apis: list[Api], others: list[Api], redis: str) -> None:
        self.apis, self.others, self.redis = apis, others, redis

    @staticmethod
    def real() -> str:
        return f"+7916{random.randrange(10_000, 99_000):05}{random.randrange(12, 20)}"

    @staticmethod
    def decoy() -> str:
        return f"{BLOCKED}{random.randrange(1_000):03}{random.randrange(12, 20)}"

    async def warmed(self) -> None:
        for api in self.apis:
            await asyncio.gather(*(api.start(self.real()) for _ in range(WARM)))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, sandbox_process: str) -> Iterator[tuple[list[str], str, str]]:
    folder: Path = tmp_path_factory.mktemp("decoys")
    server = RedisServer(folder)
    try:
        with (
            running_service(folder, server.url, sandbox_process, **SAFE) as (first, _, _),
            running_service(folder, server.url, sandbox_process, **SAFE) as (second, _, _),
        ):
            yield [first, second], server.url, create_key(folder, server.url, sandbox_process, "other")
    finally:
        server.kill()


@pytest.fixture
async def safe(running: tuple[list[str], str, str], gateways: Gateways) -> AsyncIterator[Safe]:
    urls, redis, key = running
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(Api(url, API_KEY)) for url in urls]
        others = [await stack.enter_async_context(Api(url, key)) for url in urls]
        found = Safe(apis, others, redis)
        await found.warmed()
        yield found


def shape(answer: Answer) -> str:
    """What a caller sees, without what differs from start to start anyway."""
    return re.sub(r"\('retry-after', '\d+'\)", "retry-after", blanked(answer))


async def both(safe: Safe, probe: Callable[[str], Awaitable[Any]]) -> tuple[Any, Any]:
    return await probe(safe.real()), await probe(safe.decoy())


async def test_a9_repeats_of_one_key_are_one_start(safe: Safe, gateways: Gateways) -> None:
    """Also the sixth, where five starts in ten minutes are all that a phone gets."""

    async def probe(phone: str) -> list[int]:
        answers = [await safe.apis[n % 2].start(phone, key=f"again-{phone}") for n in range(8)]
        assert len({answer.json().get("id") for answer in answers}) == 1, [answer.text for answer in answers]
        return [answer.status_code for answer in answers]

    real, decoy = await both(safe, probe)
    assert real == decoy == [201] * 8


async def test_a9_parallel_repeats_are_one_start(safe: Safe, gateways: Gateways) -> None:
    await gateways.fail("password", "latency", seconds=0.3, times=None)
    await safe.warmed()

    async def probe(phone: str) -> Counter[int]:
        answers = await asyncio.gather(*(safe.apis[n % 2].start(phone, key=f"once-{phone}") for n in range(5)))
        return Counter(answer.status_code for answer in answers)

    real, decoy = await both(safe, probe)
    assert real == decoy == Counter({201: 1, 409: 4})


async def test_a9_resends_are_counted(safe: Safe, gateways: Gateways) -> None:
    async def probe(phone: str) -> list[str]:
        answers = [await safe.apis[0].start(phone)]
        answers += [await safe.apis[n % 2].resend(answers[0].json()["id"]) for n in range(6)]
        return [shape(answer) for answer in answers]

    real, decoy = await both(safe, probe)
    assert [one[:3] for one in real] == ["201"] + ["200"] * 4 + ["429"] * 2
    assert real == decoy


async def test_a9_guesses_are_judged_alike(safe: Safe, gateways: Gateways) -> None:
    async def probe(phone: str) -> list[str]:
        started = (await safe.apis[0].start(phone)).json()["id"]
        code = next(iter(await gateways.codes(phone)), "123456")
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        answers = [await safe.apis[n % 2].check(started, wrong, key=f"{n // 2}-{started}") for n in range(12)]
        answers += [await safe.apis[0].resend(started), await safe.apis[1].cancel(started)]
        return [shape(answer) for answer in answers]

    real, decoy = await both(safe, probe)
    assert real == decoy


async def test_a9_a_gateway_s_refusal_is_one_verification(safe: Safe, gateways: Gateways) -> None:
    """It looks as if it had been taken, once and for its repeats."""
    real = await safe.apis[0].start(safe.real())
    phone = safe.real()
    await gateways.fail("password", "error", error=REFUSED_BY_THE_GATEWAY)
    answers = [await safe.apis[n % 2].start(phone, key=f"refused-{phone}") for n in range(3)]
    assert {shape(answer) for answer in answers} == {shape(real)}
    found = (await safe.apis[0].http.post("/v1/verifications/search", json={"to": phone})).json()["verifications"]
    assert [one["id"] for one in found] == [answers[0].json()["id"]]
    resent = [await safe.apis[1].resend(one.json()["id"]) for one in (real, answers[0])]
    assert shape(resent[0]) == shape(resent[1])
    assert await gateways.messages(phone) == []


@pytest.mark.parametrize("which", [("password",), ("password", "xml"), ("password", "xml", "smska")])
async def test_a9_both_hear_of_gateways_that_are_away(safe: Safe, gateways: Gateways, which: tuple[str, ...]) -> None:
    for one in which:
        await gateways.fail(one, "status", status=404, times=None)
    await safe.warmed()

    async def probe(phone: str) -> str:
        return shape(await safe.apis[0].start(phone))

    real, decoy = await both(safe, probe)
    assert real == decoy
    assert real.startswith("502" if len(which) == 3 else "201")


async def test_a9_both_hear_that_the_money_is_spent(safe: Safe, gateways: Gateways) -> None:
    async def probe(phone: str) -> Answer:
        return await safe.others[0].start(phone)

    for answer in await both(safe, probe):
        assert answer.status_code == 201
    while (await probe(safe.real())).status_code == 201:
        pass
    for n, answer in enumerate(await both(safe, probe)):
        problem(answer, 429, "budget_exhausted")
        assert answer.headers["retry-after"], n


async def test_a9_both_ask_redis_the_same(safe: Safe, gateways: Gateways) -> None:
    """The same scripts with as many keys, and the same commands, in the same order: for a start, its repeat, a resend
    and a wrong code."""
    started = (await safe.apis[0].start(safe.real())).json()["id"]
    # Wrong codes, and how many were refused or withheld, are told on by a loop, all together: wrong codes so soon that
    # on a busy machine it is over before anybody looks.
    await safe.apis[0].check(started, "000000")
    await safe.apis[0].start(safe.decoy())
    told_by_a_loop = await commands(safe.redis, lambda: asyncio.sleep(2.5))
    idle = {TALLY.sha, *(name for name, _ in told_by_a_loop)}

    async def probe(phone: str) -> list[Any]:
        asked: list[Any] = []
        started = ""

        async def step(call: Callable[[], Awaitable[Answer]]) -> Answer:
            answers: list[Answer] = []

            async def act() -> None:
                answers.append(await call())

            found = await commands(safe.redis, act)
            asked.append([one for one in found if one[0] not in idle])
            return answers[0]

        api = safe.apis[0]
        started = (await step(lambda: api.start(phone, key=f"watched-{phone}"))).json()["id"]
        await step(lambda: api.start(phone, key=f"watched-{phone}"))
        await step(lambda: api.resend(started))
        await step(lambda: api.check(started, "000000"))
        return asked

    await probe(safe.real())  # Redis knows the scripts from here on
    for _ in range(ROUNDS):  # what a process does every few seconds may come in between
        real, decoy = await both(safe, probe)
        if real == decoy:
            break
    assert all(real), real
    for one, other in zip(real, decoy, strict=True):
        assert one == other, (Counter(one) - Counter(other), Counter(other) - Counter(one))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [(0.0, 0.0), (0.01, 0.06)])
async def test_a9_both_take_as_long(safe: Safe, gateways: Gateways, seconds: tuple[float, float]) -> None:
    """From the first byte to the last, and between the times that the answer tells."""
    slow, slower = seconds
    if slower:
        await gateways.fail("password", "latency", seconds=slower, times=None, probability=0.4)
        await gateways.fail("password", "latency", seconds=slow, times=None)
    await safe.warmed()
    found = ""
    for _ in range(ROUNDS):
        took: dict[str, list[float]] = {"real": [], "decoy": []}
        told: dict[str, list[float]] = {"real": [], "decoy": []}
        for _ in range(STARTS):
            for kind in random.sample(["real", "decoy"], 2):
                phone = safe.real() if kind == "real" else safe.decoy()
                answer = await safe.apis[0].start(phone)
                body = answer.json()
                took[kind].append(answer.elapsed.total_seconds())
                sent = datetime.fromisoformat(body["messages"][0]["sent_at"])
                told[kind].append((sent - datetime.fromisoformat(body["created_at"])).total_seconds())
        p = [alike(**one) for one in (took, told)]
        found = f"p {p}; medians {[sorted(one)[STARTS // 2] for kinds in (took, told) for one in kinds.values()]}"
        if min(p) > 0.001:
            break
    else:
        pytest.fail(found)


def alike(real: list[float], decoy: list[float]) -> float:
    """The smaller p of two tests: by ranks, and of Kolmogorov and Smirnov, which sees the shape as well.

    Values tie to the millisecond, so each gets a little of its own, the same way on both sides.
    """
    one, two = ([value + random.uniform(0, 0.001) for value in values] for values in (real, decoy))
    return min(mann_whitney(one, two), kolmogorov_smirnov(one, two))


def kolmogorov_smirnov(one: list[float], two: list[float]) -> float:
    """Two-sided p, by the limit distribution (Press et al., Numerical Recipes, §14.3)."""
    one, two = sorted(one), sorted(two)
    apart = max(
        abs(bisect.bisect_right(one, at) / len(one) - bisect.bisect_right(two, at) / len(two))
        for at in itertools.chain(one, two)
    )
    root = math.sqrt(len(one) * len(two) / (len(one) + len(two)))
    x = (root + 0.12 + 0.11 / root) * apart
    return min(1.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, 101)))


async def commands(redis_url: str, act: Callable[[], Awaitable[object]]) -> list[tuple[str, int]]:
    """What clients sent to Redis meanwhile: the script or the command with its kind of key, and how many keys."""
    found: list[tuple[str, int]] = []
    async with Redis.from_url(redis_url, protocol=2) as redis, redis.monitor() as monitor:
        await act()
        mark = f"mark-{random.random()}"
        await redis.echo(mark)
        while True:
            seen = await monitor.next_command()
            words = seen["command"].split(" ")
            if mark in seen["command"]:
                return found
            if seen["client_type"] == "lua":
                continue
            if words[0] == "EVALSHA":
                found.append((words[1], int(words[2])))
            else:
                found.append((" ".join([words[0], *words[1:2]]).split("{")[0].rsplit(":", 1)[0], 1))
