"""Every page answers in under 300 ms, however much is stored: nothing that a page does grows with it.

A bounded form of a million verifications and a full log: what a page reads from is filled beyond what it looks at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.api import Api, Gateways
from tests.console.conftest import command, named
from tests.console.desk import Desk, fields
from tests.running import API_KEY, RedisServer, running_service

VERIFICATIONS, EVENTS, ENTRIES = 100_000, 200_000, 50_000
MOST_SECONDS = 0.3
PATHS = (
    "/console", "/console?span=7d", "/console?span=30d", "/console/find", "/console/gateways", "/console/fraud?days=30",
    "/console/webhooks", "/console/events", "/console/keys", "/console/operators", "/console/audit",
    "/console/audit?actor=nobody", "/console/settings",
)  # fmt: skip


@pytest.fixture
def full(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis")
    yield server
    server.kill()


@pytest.mark.slow
async def test_every_page_answers_in_time(
    full: RedisServer, tmp_path: Path, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    name = named()
    with running_service(tmp_path, full.url, sandbox_process) as (url, _, _):
        link = command(tmp_path, full.url, sandbox_process, "operators", "add", name, "--role", "admin").stdout.strip()
        desk = Desk(url)
        desk.enrol(link)
        desk.sign_in(name)
        async with Api(url, API_KEY) as api, Redis.from_url(full.url) as redis:
            started = await api.started(phone, reference="order-1", subject="anna")
            while not await redis.xlen("otp:events:{app:web}"):
                await asyncio.sleep(0.05)
            await filled(redis)
            taken = {path: timed(desk, lambda path=path: desk.get(path)) for path in PATHS}
            of_one = f"/console/verifications/{started['id']}"
            taken[of_one] = timed(desk, lambda: desk.get(of_one))
            csrf = {"csrf": token(desk), "application": "web"}
            for asked in (phone, "order-1", "a-reference-that-nobody-has"):
                taken[f"find {len(asked)}"] = timed(desk, lambda q=asked: desk.post("/console/find", {**csrf, "q": q}))
    slow = {path: round(seconds, 3) for path, seconds in taken.items() if seconds >= MOST_SECONDS}
    assert slow == {}, taken


async def filled(redis: Redis) -> None:
    """Copies of what is there: verifications, events and entries of the audit log."""
    (key,) = [key async for key in redis.scan_iter(match="otp:v:*", count=1000)]
    (_, event), *_ = await redis.xrevrange("otp:events:{app:web}", count=1)
    (_, entry), *_ = await redis.xrevrange("otp:audit", count=1)
    dump = await redis.dump(key)
    for begin in range(0, VERIFICATIONS, 5000):
        async with redis.pipeline(transaction=False) as pipe:
            for n in range(begin, begin + 5000):
                pipe.restore(b"%b%d" % (key[:-8], n), 3_600_000, dump)
            await pipe.execute()
    for stream, copied, number in (("otp:events:{app:web}", event, EVENTS), ("otp:audit", entry, ENTRIES)):
        for _ in range(0, number, 5000):
            async with redis.pipeline(transaction=False) as pipe:
                for _ in range(5000):
                    pipe.xadd(stream, copied)
                await pipe.execute()


def token(desk: Desk) -> str:
    return fields(desk.get("/console/find").text)["csrf"]


def timed(desk: Desk, ask: object) -> float:
    """The best of five, after one: what else the machine does only adds to it."""
    taken = []
    for _ in range(6):
        began = time.perf_counter()
        assert ask().status_code in (200, 303)  # type: ignore[operator]
        taken.append(time.perf_counter() - began)
    return min(taken[1:])
