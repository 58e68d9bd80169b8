"""Every page answers in under 300 ms, however much is stored: nothing that a page does grows with it.

What a page reads from is filled beyond what it looks at, and 10,000 events a minute are passed on meanwhile.
OTP_TEST_STORED=1000000 stores a million verifications, in 2 GB of Redis; --log-cli-level=INFO tells the figures.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from otp_service.domain.keyring import Keyring, Names
from otp_service.domain.statistics import LATER, NUMBERS, WHYS
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.install import load_names
from otp_service.storage.refusals import MOST
from otp_service.storage.statistics import MOST_GROUPS
from otp_service.storage.verifications import REMEMBERED
from tests.api import Api, Gateways
from tests.console.conftest import command, named
from tests.console.desk import Desk, fields
from tests.running import API_KEY, SECRET, RedisServer, running_service
from tests.sizes import sized

VERIFICATIONS = int(os.environ.get("OTP_TEST_STORED", sized(100_000, 30_000)))
EVENTS, ENTRIES = sized(300_000, 60_000), sized(100_000, 30_000)
"""Of these a page looks at the newest."""
PENDING = 10
"""One in so many; the others have ended."""
EVENTS_PER_SECOND = 167
log = logging.getLogger(__name__)
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
    name, crowd = named(), f"{phone[:-2]}99"
    with running_service(tmp_path, full.url, sandbox_process) as (url, process, _):
        link = command(tmp_path, full.url, sandbox_process, "operators", "add", name, "--role", "admin").stdout.strip()
        desk = Desk(url)
        desk.http.timeout = httpx.Timeout(120)  # threads that hash stand back behind everybody on a busy machine
        desk.enrol(link)
        desk.sign_in(name)
        async with Api(url, API_KEY) as api, Redis.from_url(full.url, protocol=2) as redis:
            names = await load_names(Database(redis), Keyring([SECRET]))
            ended = await api.started(f"{phone[:-2]}98")
            assert await api.outcome(ended["id"], (await gateways.codes(f"{phone[:-2]}98"))[0]) == "approved"
            started = await api.started(phone, reference="order-1", subject="anna")
            while await redis.xlen("otp:events:{app:web}") < 3:  # both began, one was approved; messages may tell more
                await asyncio.sleep(0.05)
            await filled(redis, names, (ended["id"], started["id"]), crowd)
            csrf = {"csrf": token(desk), "application": "web"}
            asked: dict[str, Callable[[], httpx.Response]] = {
                path: lambda path=path: desk.get(path) for path in (*PATHS, f"/console/verifications/{started['id']}")
            }
            searched = {
                "phone": phone,
                "phone of many": crowd,
                "subject": "anna",
                "reference": "order-1",
                "nothing": "x",
            }
            asked |= {
                f"find by {what}": lambda q=q: desk.post("/console/find", {**csrf, "q": q})
                for what, q in searched.items()
            }
            async with passing_on(redis):
                taken = {what: await asyncio.to_thread(timed, ask, process.pid) for what, ask in asked.items()}
            memory = (await redis.info("memory"))["used_memory_human"]
    log.info("%d verifications, %s, load %.1f", VERIFICATIONS, memory, os.getloadavg()[0])
    for what, times in taken.items():
        log.info(
            "%-50s best %4.0f, median %4.0f, worst %4.0f, processor %4.0f ms", what, *(1000 * each for each in times)
        )
    assert {what: times for what, times in taken.items() if times[0] >= MOST_SECONDS} == {}


async def filled(redis: Redis, names: Names, ids: tuple[str, str], crowd: str) -> None:
    """Copies of what is there, in the form that the store has: verifications under ids and in partitions of their own,
    of one phone as many as are kept, events, entries of the audit log; and as many rows of statistics and refusals as
    there can be."""
    dumps = []
    for each in ids:
        located = names.locate(each)
        assert located
        dumps.append(await redis.dump(keys.verification(located[0], each)))

    def record(pipe: Any, n: int, phone: str) -> None:
        new = names.new_id("web", phone)
        located = names.locate(new)
        assert located
        pipe.restore(keys.verification(located[0], new), 3_600_000, dumps[n % PENDING == 0])
        pipe.zadd(keys.phone(*located), {new: n})

    await piped(redis, VERIFICATIONS, lambda pipe, n: record(pipe, n, f"+7916{n:07d}"))
    await piped(redis, REMEMBERED, lambda pipe, n: record(pipe, n, crowd))
    for stream, number in (("otp:events:{app:web}", EVENTS), ("otp:audit", ENTRIES)):
        (_, copied), *_ = await redis.xrevrange(stream, count=1)
        await piped(redis, number, lambda pipe, n, stream=stream, copied=copied: pipe.xadd(stream, copied))
    await piped(
        redis, MOST, lambda pipe, n: pipe.zadd(keys.refusals("web"), {f"{n:016x}|too_soon|": time.time() * 1000 + n})
    )
    row = b"".join(int.to_bytes(number, 8, "little") for number in range(NUMBERS))
    assert len(LATER) > len(WHYS)
    today = datetime.now(UTC)
    for back in range(31):
        day = today - timedelta(days=back)
        groups = [f"{('', 'a', 'b')[n % 3]}|sms|RU|{n:04}" for n in range(MOST_GROUPS)]
        await redis.hset(keys.days("web", day), mapping={f"{day:%d}|{group}": row for group in groups})
        for hour in range(24 if back in (0, 1, 7, 8) else 0):  # of which hours are read
            await redis.hset(keys.hours("web", day), mapping={f"{hour:02}|{group}": row for group in groups})


async def piped(redis: Redis, number: int, each: Callable[[Any, int], object]) -> None:
    """5,000 commands at a time, so that they take a bounded room here."""
    for begin in range(0, number, 5000):
        async with redis.pipeline(transaction=False) as pipe:
            for n in range(begin, min(begin + 5000, number)):
                each(pipe, n)
            await pipe.execute()


@asynccontextmanager
async def passing_on(redis: Redis) -> AsyncIterator[None]:
    """Events come into outboxes, for the worker to pass on."""
    (_, event), *_ = await redis.xrevrange("otp:events:{app:web}", count=1)
    fields = {name: value for name, value in event.items() if name != b"sequence"}

    over = asyncio.Event()  # a cancellation may be lost within a call of redis-py, and this would come for ever

    async def come() -> None:
        while not over.is_set():
            began = time.monotonic()
            for n in range(EVENTS_PER_SECOND):
                lane = str(n % 16)
                await redis.xadd(keys.outbox(lane), fields)
                await redis.zadd(keys.due(lane), {"relay:": 0})
            await asyncio.sleep(max(0.0, 1 - (time.monotonic() - began)))

    before = await redis.xlen("otp:events:{app:web}")
    coming = asyncio.create_task(come())
    try:
        yield
    finally:
        over.set()
        await coming
    assert await redis.xlen("otp:events:{app:web}") > before, "they were passed on"


def token(desk: Desk) -> str:
    return fields(desk.get("/console/find").text)["csrf"]


def timed(ask: Callable[[], httpx.Response], pid: int) -> tuple[float, float, float, float]:
    """Of ten (of three, if one of them is in time), after one: the best, which what else the machine does only adds to,
    the median, the worst, and the processor time of the service, in seconds."""
    taken: list[float] = []
    assert ask().status_code in (200, 303)
    used = processor(pid)
    while len(taken) < (sized(10, 3) if min(taken, default=MOST_SECONDS) < MOST_SECONDS else 10):
        began = time.perf_counter()
        answer = ask()
        assert answer.status_code in (200, 303), answer.text
        taken.append(time.perf_counter() - began)
    return min(taken), statistics.median(taken), max(taken), (processor(pid) - used) / len(taken)


def processor(pid: int) -> float:
    """Seconds of a process, of all its threads."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
