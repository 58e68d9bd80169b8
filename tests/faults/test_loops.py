"""H-1: what a process does beside its requests outlives every error, and says so."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.api import Api, problem
from tests.faults.world import World, number, until
from tests.running import API_KEY, RedisServer, running_sandbox, running_service

TAKEN = ("-evalsha", "-eval")


async def without(redis: Redis, *permissions: str, seconds: float) -> None:
    """What the service may do in Redis, less these, for a while. Our own connection is asked before that."""
    await redis.execute_command("ACL", "SETUSER", "default", *permissions)
    await asyncio.sleep(seconds)
    given = [permission.replace("-", "+", 1) for permission in permissions]
    await redis.execute_command("ACL", "SETUSER", "default", *given)


async def circuit(api: Api, name: str) -> str:
    listed = (await api.http.get("/v1/gateways")).json()["gateways"]
    return str(next(each["circuit"] for each in listed if each["name"] == name))


@pytest.mark.slow
async def test_h_1_a_permission_that_was_gone_for_a_while_leaves_every_loop_alive(world: World) -> None:
    taken = asyncio.create_task(without(world.redis, *TAKEN, seconds=2.5))
    await asyncio.sleep(0.5)
    for api in world.both:
        answer = await api.start(number())
        problem(answer, 503, "storage_unavailable")
        assert (await api.http.get("/health/ready")).status_code == 503
    await taken

    for api in world.both:
        await until(lambda api=api: ready(api))
        assert await world.metric(api, 'otp_background_errors_total{loop="circuits"}') >= 1
    assert world.logged("background_failed")

    # Circuits are heard of again: opened by one process, closed by a probe.
    await world.gateways.fail("password", "error", error="Неверный логин или пароль")
    await world.first.started(number())
    for api in world.both:
        await until(lambda api=api: is_circuit(api, "open"), 5)
    await world.redis.zadd("otp:due:{gateways}", {"probe:targetsms-password": 1})
    for api in world.both:
        await until(lambda api=api: is_circuit(api, "closed"), 5)
    await world.gateways.reset()

    # The alarm is raised.
    await asyncio.gather(*(guess(world.second) for _ in range(25)))
    await until(lambda: alarmed(world.second), 5)
    await world.told(await world.signed_up(world.first))
    assert world.tracebacks() == []


async def ready(api: Api) -> bool:
    return (await api.http.get("/health/ready")).status_code == 200


async def is_circuit(api: Api, state: str) -> bool:
    return await circuit(api, "targetsms-password") == state


async def alarmed(api: Api) -> bool:
    page = (await api.http.get("/metrics")).text
    return any(
        line.startswith("otp_wrong_code_alarms_total{") and not line.endswith(" 0.0") for line in page.splitlines()
    )


async def guess(api: Api) -> None:
    """Five wrong codes."""
    started = await api.started(number())
    for code in ("000000", "111111", "222222", "333333", "444444"):
        await api.check(started["id"], code)


@pytest.mark.slow
async def test_h_1_stopping_ends_without_a_traceback_whatever_redis_says(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        server = RedisServer(tmp_path)
        with (
            running_service(tmp_path, server.url, sandbox) as (url, child, log),
            running_service(tmp_path, server.url, sandbox) as (_, other, second_log),
        ):
            async with Api(url, API_KEY) as api, Redis.from_url(server.url, protocol=2) as redis:
                await api.started(number())
                await redis.execute_command("ACL", "SETUSER", "default", *TAKEN)
                await asyncio.sleep(1.5)
                child.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(child.wait, 15) == 0
                server.kill()
                await asyncio.sleep(1.5)
                other.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(other.wait, 15) == 0
        for each in (log, second_log):
            assert "Traceback" not in each.read_text()


async def test_h_1_every_loop_is_named_in_the_metrics_before_it_fails(world: World) -> None:
    async with httpx.AsyncClient(trust_env=False) as _:
        page = (await world.first.http.get("/metrics")).text
    loops = {line.split('"')[1] for line in page.splitlines() if line.startswith("otp_background_errors_total{")}
    assert loops >= {"circuits", "webhooks", "judged codes", "worker"}
