"""What wrk cannot do: starts at a given pace whether or not answers come, many starts at once, and preparation."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import uvloop

from benchmarks.rig.load import phones
from tests.running import API_KEY

PARALLEL = 32
"""Starts at a time while verifications are prepared."""


@dataclass(frozen=True)
class Answered:
    """Milliseconds from each start until its answer was read. bad: those that were no 201. seconds: for all of them.

    taken, refused: the times of those answered 201, and 503.
    """

    times: tuple[float, ...]
    bad: int
    seconds: float
    taken: tuple[float, ...] = ()
    refused: tuple[float, ...] = ()

    def quantile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def prepare(url: str, segment: int, count: int) -> list[str]:
    """Make verifications that live and whose code is known; their ids."""

    async def run() -> list[str]:
        todo = itertools.islice(phones(segment), count)
        made: list[str] = []
        async with _client(url) as client:
            await asyncio.gather(*(_prepare(client, todo, made) for _ in range(PARALLEL)))
        return made

    return uvloop.run(run())


def pace(url: str, segment: int, rate: float, seconds: float, *, as_people_come: bool = False) -> Answered:
    """Start `rate` verifications a second: evenly, or at random moments as independent people do (Poisson)."""

    async def run() -> Answered:
        rng = random.Random(segment)
        gaps = (rng.expovariate(rate) if as_people_come else 1 / rate for _ in itertools.count())
        moments = itertools.takewhile(lambda moment: moment < seconds, itertools.accumulate(gaps))
        return await _at(url, segment, list(moments))

    return uvloop.run(run())


def burst(url: str, segment: int, count: int) -> Answered:
    """So many starts in the same moment, each on a connection of its own."""
    return uvloop.run(_at(url, segment, [0.0] * count))


def cancel(url: str, ids: Sequence[str]) -> None:
    """End verifications."""

    async def run() -> None:
        todo = iter(ids)
        async with _client(url) as client:
            await asyncio.gather(*(_cancel(client, todo) for _ in range(PARALLEL)))

    uvloop.run(run())


async def _at(url: str, segment: int, moments: list[float]) -> Answered:
    async with _client(url) as client:
        whose = phones(segment)
        await asyncio.gather(*(_start(client, *who) for _, who in zip(range(8), whose, strict=False)))  # connections
        began = time.perf_counter() + 0.1

        async def one(moment: float, phone: str, address: str) -> tuple[float, int]:
            await asyncio.sleep(began + moment - time.perf_counter())
            asked = time.perf_counter()  # up to 1 ms late, because the loop's timers know no smaller step
            try:
                status, _ = await _start(client, phone, address)
            except aiohttp.ClientConnectionError:  # more connections than the service takes from one address
                status = 0
            return time.perf_counter() - asked, status

        found = await asyncio.gather(*(one(moment, *who) for moment, who in zip(moments, whose, strict=False)))
        lasted = time.perf_counter() - began
    times = tuple(1000 * seconds for seconds, _ in found)
    taken, refused = (tuple(1000 * seconds for seconds, status in found if status == wanted) for wanted in (201, 503))
    return Answered(times, len(times) - len(taken), lasted, taken, refused)


async def _prepare(client: aiohttp.ClientSession, todo: Iterator[tuple[str, str]], made: list[str]) -> None:
    for phone, address in todo:
        status, body = await _start(client, phone, address)
        if status != 201:
            raise RuntimeError(f"a start that prepares was answered {status}: {body}")
        made.append(body["id"])


async def _cancel(client: aiohttp.ClientSession, todo: Iterator[str]) -> None:
    for each in todo:
        async with client.post(f"/v1/verifications/{each}/cancel") as answer:
            if answer.status != 200:
                raise RuntimeError(f"a cancel was answered {answer.status}: {await answer.text()}")


async def _start(client: aiohttp.ClientSession, phone: str, address: str) -> tuple[int, Any]:
    order = {"to": phone, "purpose": "login", "client": {"ip": address, "trusted": True}}
    async with client.post("/v1/verifications", json=order) as answer:
        return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def _client(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {API_KEY}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=60),
    ) as client:
        yield client
