"""Processes die and Redis goes away: what is promised then, with real processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.api import Api, Gateways, problem
from tests.clock import faked_server
from tests.running import API_KEY, RedisServer, process, running_service, service_environ, wait_for, written


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.thaw()
    server.kill()


@asynccontextmanager
async def service(folder: Path, redis: str, sandbox: str, **overrides: str) -> AsyncIterator[tuple[Api, int]]:
    """A service process of the test's own: a caller of it, and its pid."""
    with running_service(folder, redis, sandbox, **overrides) as (url, child, _):
        async with Api(url, API_KEY) as api:
            yield api, child.pid


async def killed_when(
    happened: Callable[[], Awaitable[object]], folder: Path, redis: str, sandbox: str, phone: str
) -> None:
    """A start with the key `crash-<phone>` by a process that is killed in the middle of it."""
    with running_service(folder, redis, sandbox) as (url, child, _):
        async with Api(url, API_KEY) as api:
            start = asyncio.create_task(api.start(phone, key="crash-" + phone))
            while not await happened():
                await asyncio.sleep(0.01)
            child.kill()
            await asyncio.gather(start, return_exceptions=True)


@pytest.mark.parametrize("fault", [pytest.param("kill", marks=pytest.mark.slow), "freeze"])
async def test_redis_goes_away_and_comes_back(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str, fault: str
) -> None:
    async with service(tmp_path, redis_server.url, sandbox_process) as (api, _):
        started = await api.started(phone)
        code = (await gateways.codes(phone))[0]
        assert (await api.http.get("/health/ready")).json() == {"status": "ok", "storage": "ok", "worker": "ok"}

        async with Redis.from_url(redis_server.url) as redis:
            await written(redis)
        getattr(redis_server, fault)()
        began = time.monotonic()
        answers = await asyncio.gather(
            api.start("+79167770044"),
            api.check(started["id"], code),
            api.status(started["id"]),
            api.resend(started["id"]),
            api.cancel(started["id"]),
            api.http.get("/health/ready"),
        )
        assert time.monotonic() - began < 1.5
        for answer in answers:
            problem(answer, 503, "storage_unavailable")
        assert (await api.http.get("/health/live")).status_code == 200
        assert await gateways.messages("+79167770044") == []  # sending fails closed

        redis_server.thaw() if fault == "freeze" else redis_server.start()
        back = time.monotonic()
        while (answer := await api.status(started["id"])).status_code != 200:
            assert time.monotonic() - back < 2, answer.text
            await asyncio.sleep(0.05)
        assert await api.outcome(started["id"], code) in ("approved", "already_approved", "canceled")
        while (await api.http.get("/health/ready")).status_code != 200:
            assert time.monotonic() - back < 2
            await asyncio.sleep(0.05)
        assert len(await gateways.messages(phone)) == 1
        await api.started(f"{phone[:-2]}21")


@pytest.mark.slow
async def test_killed_between_send_and_answer_the_retry_sends_no_second_sms_by_xml(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    await gateways.fail("password", "error", error="Неверный логин или пароль")
    await gateways.fail("xml", "processed_then_stall", times=1)
    await killed_when(lambda: gateways.messages(phone), tmp_path, redis_server.url, sandbox_process, phone)

    async with service(tmp_path, redis_server.url, sandbox_process) as (api, _):
        while (answer := await api.start(phone, key="crash-" + phone)).status_code == 409:
            problem(answer, 409, "request_in_progress")  # the dead one still has its lease
            await asyncio.sleep(0.3)

        assert answer.status_code == 201, answer.text
        started = answer.json()
        assert [(m["gateway"], m["status"]) for m in started["messages"]] == [
            ("targetsms-password", "rejected"), ("targetsms-xml", "accepted"),
        ]  # fmt: skip
        (code,) = await gateways.codes(phone)
        assert await api.outcome(started["id"], code) == "approved"


@pytest.mark.slow
async def test_killed_while_the_gateway_makes_the_code_the_retry_goes_on_by_xml(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    await gateways.fail("password", "processed_then_stall", times=1)
    await killed_when(lambda: gateways.messages(phone), tmp_path, redis_server.url, sandbox_process, phone)

    async with service(tmp_path, redis_server.url, sandbox_process) as (api, _):
        while (answer := await api.start(phone, key="crash-" + phone)).status_code == 409:
            await asyncio.sleep(0.3)
        started = answer.json()
        assert answer.status_code == 201, answer.text
        assert [(m["gateway"], m["status"]) for m in started["messages"]] == [
            ("targetsms-password", "unclear"), ("targetsms-xml", "accepted"),
        ]  # fmt: skip
        assert await api.outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"


@pytest.mark.slow
async def test_killed_and_nobody_comes_back_the_worker_ends_it(
    tmp_path: Path, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    await gateways.fail("password", "stall")
    await gateways.fail("xml", "processed_then_stall", times=1)
    await gateways.fail("smska", "stall")
    number = f"{phone[:-2]}77"
    with faked_server(tmp_path / "redis") as server:
        await killed_when(lambda: gateways.asked("password"), tmp_path, server.url, sandbox_process, number)
        sent = await gateways.asked("xml")

        async with service(tmp_path, server.url, sandbox_process) as (api, _):
            server.clock.move(seconds=26)  # the lease of 6 s, and 20 s for the caller to come back
            await asyncio.sleep(3)  # a round of the worker
            found = problem(await api.start(number, key="crash-" + number), 502, "no_gateway_available")
            kept = (await api.status(found["verification_id"])).json()
            assert kept["status"] == "failed"
            assert [m["status"] for m in kept["messages"]] == ["unclear"]
    assert await gateways.asked("xml") == sent == 0  # it never sends anew without a caller


@pytest.mark.slow
async def test_data_survive_a_kill_of_redis(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    async with service(tmp_path, redis_server.url, sandbox_process) as (api, _):
        used, live = await api.started(phone), await api.started(f"{phone[:-2]}55")
        used_code = (await gateways.codes(phone))[0]
        live_code = (await gateways.codes(f"{phone[:-2]}55"))[0]
        assert await api.outcome(used["id"], used_code) == "approved"
        async with Redis.from_url(redis_server.url) as redis:
            await written(redis)
        redis_server.kill()
        redis_server.start()
        await asyncio.sleep(0.2)
        assert await api.outcome(used["id"], used_code) == "already_approved"
        assert await api.outcome(live["id"], live_code) == "approved"


@pytest.mark.slow
async def test_killed_during_a_check_the_repeat_is_judged_without_counting_again(
    tmp_path: Path, redis_server: RedisServer, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Each computation takes a second, so that the process dies between the count and the verdict."""
    slow = {"OTP__HASHING__MEMORY_KIB": "65536", "OTP__HASHING__TIME_COST": "16"}
    with running_service(tmp_path, redis_server.url, sandbox_process, **slow) as (url, child, _):
        async with Api(url, API_KEY) as api, Redis.from_url(redis_server.url) as redis:
            started = await api.started(phone)
            code = (await gateways.codes(phone))[0]
            (name,) = [name async for name in redis.scan_iter(match=f"otp:v:*{started['id']}")]
            check = asyncio.create_task(api.check(started["id"], code, key="dies-" + phone))
            while await redis.hget(name, "attempts") != b"1":
                await asyncio.sleep(0.002)
            child.kill()
            await asyncio.gather(check, return_exceptions=True)
    async with service(tmp_path, redis_server.url, sandbox_process) as (api, _):
        while (answer := await api.check(started["id"], code, key="dies-" + phone)).status_code == 409:
            problem(answer, 409, "request_in_progress")
            await asyncio.sleep(0.3)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["outcome"], answer.json()["attempts_left"]) == ("approved", 4)


@pytest.mark.slow
async def test_the_parent_of_several_processes_is_killed(
    tmp_path: Path, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Its processes end by themselves, the embedded store with them. What was answered is there at the next start."""
    where = f"embedded:{tmp_path}/data"
    environ, log = service_environ(tmp_path, where, sandbox_process), tmp_path / "log"
    url = f"http://127.0.0.1:{environ['OTP_PORT']}"
    with process(["otp_service", "serve", "--workers", "2"], environ, log) as parent:
        wait_for(f"{url}/health/live", parent, log)
        async with Api(url, API_KEY) as api:
            started = await api.started(phone)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert len(children) == 3
        await asyncio.sleep(1.2)  # the file is synced each second
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 20
        while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        assert not [child for child in children if Path(f"/proc/{child}").exists()]
    async with service(tmp_path, where, sandbox_process) as (api, _):
        assert await api.outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"
