"""A walk belongs to one process. Another takes over from one that was frozen; an answer in hand is not thrown away."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api import Answer, Api, Gateways, problem
from tests.cli.commands import Commands
from tests.running import API_KEY, RedisServer, process, running_service, service_environ

QUICK = {"OTP__ROUTES__SMS__DEADLINE_SECONDS": "2", "OTP__ROUTES__SMS__RESERVE_SECONDS": "0.5"}
"""Leases of 4 s, so that a test does not wait long for a take-over."""


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.thaw()
    server.kill()


@asynccontextmanager
async def serving(folder: Path, redis: str, sandbox: str, **overrides: str) -> AsyncIterator[Api]:
    with running_service(folder, redis, sandbox, **(QUICK | overrides)) as (url, _, _):
        async with Api(url, API_KEY) as api:
            yield api


@asynccontextmanager
async def freezable(
    folder: Path, redis: str, sandbox: str, **overrides: str
) -> AsyncIterator[tuple[Api, subprocess.Popen[bytes]]]:
    """A service process of the test's own, which is thawed at the end."""
    with running_service(folder, redis, sandbox, **(QUICK | overrides)) as (url, child, _):
        try:
            async with Api(url, API_KEY) as api:
                yield api, child
        finally:
            child.send_signal(signal.SIGCONT)


@contextmanager
def freezable_worker(folder: Path, redis: str, sandbox: str, **overrides: str) -> Iterator[subprocess.Popen[bytes]]:
    environ = service_environ(folder, redis, sandbox, **(QUICK | overrides))
    with process(["otp_service", "worker"], environ, folder / "worker.log") as child:
        try:
            yield child
        finally:
            child.send_signal(signal.SIGCONT)


async def persist(ask: Any, seconds: float = 20) -> Answer:
    """Ask until there is an answer, as docs/api.md tells callers to."""
    deadline = time.monotonic() + seconds
    while True:
        answer: Answer = await ask()
        if answer.status_code not in (409, 503) or time.monotonic() > deadline:
            return answer
        await asyncio.sleep(0.2)


async def quiet(gateways: Gateways, seconds: float = 3.0) -> None:
    """Until whoever was thawed has done what it was going to do."""
    await asyncio.sleep(seconds)


def may_have_left(found: dict[str, Any]) -> int:
    """Messages that are recorded as sent, or as unclear."""
    return sum(message["status"] not in ("queued", "rejected", "canceled") for message in found["messages"])


@pytest.mark.slow
@pytest.mark.parametrize("then", ["all gateways fail", pytest.param("all work", marks=pytest.mark.slow)])
async def test_a_frozen_start_comes_back_after_another_took_it_over(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str, then: str
) -> None:
    await gateways.fail("password", "stall", times=1)
    async with (
        freezable(tmp_path, redis_url, sandbox_process) as (frozen, child),
        serving(tmp_path, redis_url, sandbox_process) as other,
    ):
        first = asyncio.create_task(frozen.start(phone, key="thaw-" + phone))
        await asyncio.sleep(0.5)
        child.send_signal(signal.SIGSTOP)
        answer = await persist(lambda: other.start(phone, key="thaw-" + phone))
        assert answer.status_code == 201, answer.text
        started = answer.json()
        (code,) = await gateways.codes(phone)
        if then == "all gateways fail":
            await gateways.fail("*", "status", status=404)
        child.send_signal(signal.SIGCONT)
        await first
        await quiet(gateways)

        found = (await other.status(started["id"])).json()
        assert found["status"] == "pending", found
        assert await gateways.codes(phone) == [code]
        assert [(m["gateway"], m["status"]) for m in found["messages"]] == [
            ("targetsms-password", "unclear"), ("targetsms-xml", "accepted"),
        ]  # fmt: skip
        assert (await first).status_code == 201, (await first).text
        assert await other.outcome(started["id"], code) == "approved"


@pytest.mark.slow
async def test_a_frozen_resend_comes_back_after_another_took_it_over(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    async with (
        freezable(tmp_path, redis_url, sandbox_process) as (frozen, child),
        serving(tmp_path, redis_url, sandbox_process) as other,
    ):
        started = await other.started(phone)
        await gateways.fail("xml", "stall", times=2)
        first = asyncio.create_task(frozen.resend(started["id"], key="again-" + phone))
        await asyncio.sleep(0.5)
        child.send_signal(signal.SIGSTOP)
        answer = await persist(lambda: other.resend(started["id"], key="again-" + phone))
        assert answer.status_code == 200, answer.text
        child.send_signal(signal.SIGCONT)
        await first
        await quiet(gateways)

        found = (await other.status(started["id"])).json()
        assert (found["status"], found["sends_left"]) == ("pending", 3)
        assert len(await gateways.messages(phone)) <= may_have_left(found)
        assert len(await gateways.messages(phone)) == 2


@pytest.mark.slow
async def test_a_frozen_failover_comes_back_after_its_walk_was_ended(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """The worker that walks is frozen, a resend takes its place; it opens and sends nothing more."""
    alone = {"OTP__WORKER__IN_SERVE": "false", "OTP__ROUTES__SMS__FAILOVER_AFTER_SECONDS": "10"}
    async with serving(tmp_path, redis_url, sandbox_process, **alone) as api:
        await gateways.fail("password", "error", error="Неверный логин или пароль")
        started = await api.started(f"{phone[:-2]}03")  # its SMS is not delivered
        number = f"{phone[:-2]}03"
        await gateways.fail("smska", "stall")
        with freezable_worker(tmp_path, redis_url, sandbox_process, **alone) as child:
            deadline = time.monotonic() + 20
            while await gateways.asked("smska") == 0 and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            child.send_signal(signal.SIGSTOP)
            answer = await persist(lambda: api.resend(started["id"], key="instead-" + phone))
            assert answer.status_code == 200, answer.text
            sent = len(await gateways.messages(number))
            await gateways.http.delete("/_sim/faults")
            child.send_signal(signal.SIGCONT)
            await quiet(gateways)
            found = (await api.status(started["id"])).json()
            assert len(await gateways.messages(number)) == sent, found
            assert len(await gateways.messages(number)) <= may_have_left(found)


async def test_a_phone_is_erased_while_its_code_goes_out(
    api: Api, gateways: Gateways, commands: Commands, redis_url: str, phone: str
) -> None:
    """There is no such verification any more. Who asks again with the key begins anew."""
    await gateways.fail("password", "latency", seconds=0.7, times=1)
    async with Redis.from_url(redis_url) as redis:
        others = {key async for key in redis.scan_iter(match="otp:v:*", count=1000)}
        started = asyncio.create_task(api.start(phone, key="erased-" + phone))
        mine: set[bytes] = set()
        while not mine and not started.done():
            await asyncio.sleep(0.02)
            mine = {key async for key in redis.scan_iter(match="otp:v:*", count=1000)} - others
        await redis.delete(*mine)
    problem(await started, 404, "not_found")
    answer = await persist(lambda: api.start(phone, key="erased-" + phone))
    assert answer.status_code == 201, answer.text


async def test_a_phone_is_erased_while_its_code_goes_out_once_more(
    api: Api, gateways: Gateways, redis_url: str, phone: str
) -> None:
    started = await api.started(phone)
    await gateways.fail("xml", "latency", seconds=0.7, times=1)
    again = asyncio.create_task(api.resend(started["id"]))
    await asyncio.sleep(0.4)
    async with Redis.from_url(redis_url) as redis:
        for key in [key async for key in redis.scan_iter(match=f"otp:v:*{started['id']}")]:
            await redis.delete(key)
    problem(await again, 404, "not_found")
    problem(await api.resend(started["id"]), 404, "not_found")


@pytest.mark.slow
async def test_redis_is_away_while_gateways_answer(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Killed for a second and more: what the gateways said is written when it is back, and nobody gets a second SMS."""
    numbers = [f"{phone[:-2]}{n}" for n in range(20, 32)]
    async with serving(tmp_path, redis_server.url, sandbox_process, OTP__ROUTES__SMS__DEADLINE_SECONDS="8") as api:
        await api.started(phone)
        await gateways.fail("password", "latency", seconds=0.6, times=len(numbers))
        starts = [asyncio.create_task(api.start(number, key="gone-" + number)) for number in numbers]
        await asyncio.sleep(0.45)
        redis_server.kill()
        await asyncio.sleep(1.2)
        redis_server.start()
        back = time.monotonic()
        answers = await asyncio.gather(*starts)
        took = time.monotonic() - back
        for number, answer in zip(numbers, answers, strict=True):
            if await gateways.messages(number):
                assert answer.status_code == 201, answer.text
            else:  # it had not begun
                assert (await persist(lambda number=number: api.start(number, key="gone-" + number))).status_code == 201
                continue
            again = await api.start(number, key="gone-" + number)
            assert (again.status_code, again.json()["id"]) == (201, answer.json()["id"])
            (code,) = await gateways.codes(number)
            assert await api.outcome(answer.json()["id"], code) == "approved"
        assert took < 2, "work goes on within 2 s of its return"


@pytest.mark.slow
async def test_redis_is_away_for_longer_than_a_walk(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """The caller hears 503 at the end of the walk. Who asks again with the key hears what became of it, at once."""
    async with serving(tmp_path, redis_server.url, sandbox_process) as api:
        await api.started(f"{phone[:-2]}21")
        await gateways.fail("password", "latency", seconds=0.6, times=1)
        start = asyncio.create_task(api.start(phone, key="longer-" + phone))
        await asyncio.sleep(0.4)
        redis_server.kill()
        problem(await start, 503, "storage_unavailable")
        redis_server.start()
        began = time.monotonic()
        answer = await persist(lambda: api.start(phone, key="longer-" + phone))
        assert answer.status_code == 201, answer.text
        assert time.monotonic() - began < 2
        assert [m["status"] for m in answer.json()["messages"]] == ["accepted"]
        (code,) = await gateways.codes(phone)
        assert await api.outcome(answer.json()["id"], code) == "approved"


@pytest.mark.slow
async def test_redis_is_full(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Codes that are out are read, judged and canceled; nothing new begins, and readiness points at the storage."""
    async with (
        serving(tmp_path, redis_server.url, sandbox_process) as api,
        Redis.from_url(redis_server.url) as redis,
    ):
        judged, canceled = await api.started(phone), await api.started(f"{phone[:-2]}22")
        code = (await gateways.codes(phone))[0]
        await gateways.fail("password", "latency", seconds=0.5, times=1)
        under_way = asyncio.create_task(api.start(f"{phone[:-2]}23"))
        await asyncio.sleep(0.3)
        await redis.config_set("maxmemory", "1")
        assert (await under_way).status_code == 201
        assert (await api.status(judged["id"])).status_code == 200
        assert (await api.http.get("/v1/gateways")).status_code == 200
        problem(await api.start(f"{phone[:-2]}24"), 503, "storage_unavailable")
        problem(await api.resend(judged["id"]), 503, "storage_unavailable")
        assert await api.outcome(judged["id"], "0" * len(code) if code[0] != "0" else "1" * len(code)) == "wrong_code"
        assert await api.outcome(judged["id"], code) == "approved"
        assert (await api.cancel(canceled["id"])).json()["status"] == "canceled"
        await asyncio.sleep(6)  # longer than a worker may be late
        ready = problem(await api.http.get("/health/ready"), 503, "storage_unavailable")
        assert (ready["storage"], ready["worker"]) == ("unavailable", "ok")
        await redis.config_set("maxmemory", "0")
        assert (await api.http.get("/health/ready")).status_code == 200
        await api.started(f"{phone[:-2]}24")


@pytest.mark.slow
async def test_the_disk_of_redis_is_full(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Redis takes no writes at all then: what is there can be read, and nothing else."""
    async with (
        serving(tmp_path, redis_server.url, sandbox_process) as api,
        Redis.from_url(redis_server.url) as redis,
    ):
        started = await api.started(phone)
        code = (await gateways.codes(phone))[0]
        (tmp_path / "dump.rdb").mkdir()  # a folder cannot be written to, and neither can a disk that is full
        await redis.config_set("save", "3600 1")
        await redis.bgsave()
        while (await redis.info("persistence"))["rdb_last_bgsave_status"] != "err":
            await asyncio.sleep(0.05)
        assert (await api.status(started["id"])).status_code == 200
        assert (await api.http.get("/v1/gateways")).status_code == 200
        problem(await api.start(f"{phone[:-2]}24"), 503, "storage_unavailable")
        problem(await api.check(started["id"], code), 503, "storage_unavailable")
        await asyncio.sleep(6)  # longer than a worker may be late
        ready = problem(await api.http.get("/health/ready"), 503, "storage_unavailable")
        assert (ready["storage"], ready["worker"]) == ("unavailable", "ok")
        await redis.config_set("save", "")
        assert await api.outcome(started["id"], code) == "approved"
        assert (await api.http.get("/health/ready")).status_code == 200
