"""A gateway that cannot work is left alone by all processes until it works again. Two service processes, own Redis."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from otp_service.storage.embedded import embedded_server
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, running_sandbox, running_service, service_environ

pytestmark = pytest.mark.slow

SETTINGS = {
    f"OTP__GATEWAYS__{name}__CIRCUIT_BREAKER": "true" for name in ("TARGETSMS_PASSWORD", "TARGETSMS_XML", "SMSKA")
} | {"OTP__GATEWAYS__SMSKA__BALANCE_LOW": "100"}
WRONG_LOGIN = {"fault": "error", "error": "Неверный логин или пароль"}


@dataclass(frozen=True)
class World:
    folder: Path
    first: Api
    second: Api
    gateways: Gateways
    redis: Redis
    environ: dict[str, str]

    async def gateway(self, name: str, api: Api | None = None) -> dict[str, Any]:
        listed = (await (api or self.second).http.get("/v1/gateways")).json()["gateways"]
        return next(each for each in listed if each["name"] == name)

    async def until(self, name: str, circuit: str) -> dict[str, Any]:
        """Both processes know it."""
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            found = [await self.gateway(name, api) for api in (self.first, self.second)]
            if all(each["circuit"] == circuit for each in found):
                return found[0]
            await asyncio.sleep(0.1)
        raise AssertionError(found)

    async def cooled_down(self, name: str) -> None:
        await self.redis.zadd("otp:due:{gateways}", {f"probe:{name}": 1})

    async def events(self, kind: str) -> list[dict[str, Any]]:
        await asyncio.sleep(1.2)
        listed = (await self.first.http.get("/v1/events")).json()["events"]
        return [event["data"] for event in listed if event["type"] == kind]


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("circuits")
    with running_sandbox(folder) as sandbox:
        async with embedded_server(folder / "redis") as redis_url:
            with (
                running_service(folder, redis_url, sandbox, **SETTINGS) as (first, _, _),
                running_service(folder, redis_url, sandbox, **SETTINGS) as (second, _, _),
            ):
                async with (
                    Api(first, API_KEY) as one,
                    Api(second, API_KEY) as two,
                    httpx.AsyncClient(base_url=sandbox, trust_env=False, verify=False, timeout=30) as http,
                    Redis.from_url(redis_url, protocol=2) as redis,
                ):
                    environ = service_environ(folder, redis_url, sandbox, **SETTINGS)
                    yield World(folder, one, two, Gateways(http), redis, environ)


@pytest.fixture(autouse=True)
async def all_well(world: World) -> None:
    await world.gateways.reset()
    for key in [key async for key in world.redis.scan_iter(match="otp:gateway:*", count=1000)]:
        await world.redis.delete(key)
    await asyncio.sleep(1.1)


def number() -> str:
    return f"+7916{random.randrange(10_000, 100_000)}{random.randrange(12, 100)}"


def route_of(started: dict[str, Any]) -> list[str]:
    return [message["gateway"] for message in started["messages"]]


async def test_wrong_credentials_shut_it_at_once_for_all_processes_until_a_probe_works(world: World) -> None:
    await world.gateways.fail("password", **WRONG_LOGIN)

    assert route_of(await world.first.started(number())) == ["targetsms-password", "targetsms-xml"]

    shut = await world.until("targetsms-password", "open")
    assert (shut["health"], shut["reason"]) == ("down", "credentials")
    asked = await world.gateways.asked("password")
    assert route_of(await world.second.started(number())) == ["targetsms-xml"]
    assert await world.gateways.asked("password") == asked
    doctor = subprocess.run(
        [sys.executable, "-m", "otp_service", "doctor"], env=world.environ, capture_output=True, text=True
    )
    assert doctor.returncode == 1
    assert "targetsms-password circuit" in doctor.stdout
    assert "because of credentials" in doctor.stdout

    await world.cooled_down("targetsms-password")  # its balance is told: login and password are right again

    await world.until("targetsms-password", "closed")
    await world.gateways.http.delete("/_sim/faults")
    assert route_of(await world.second.started(number())) == ["targetsms-password"]
    assert (await world.events("gateway.circuit_opened"))[-1] == {
        "gateway": "targetsms-password", "reason": "credentials",
    }  # fmt: skip
    assert (await world.events("gateway.circuit_closed"))[-1]["gateway"] == "targetsms-password"


async def test_errors_shut_it_by_their_rate_and_one_real_send_tries_it(world: World) -> None:
    await world.gateways.fail("password", "status", status=500)
    for _ in range(5):
        await world.first.started(number())
    await world.until("targetsms-password", "open")
    assert route_of(await world.second.started(number())) == ["targetsms-xml"]

    await world.cooled_down("targetsms-password")  # nothing tells without an SMS, so it may be tried
    await world.until("targetsms-password", "half_open")
    together = await asyncio.gather(*(world.second.started(number()) for _ in range(6)))
    assert sum("targetsms-password" in route_of(started) for started in together) == 1
    await world.until("targetsms-password", "open")  # it failed its trial

    await world.gateways.http.delete("/_sim/faults")
    await world.cooled_down("targetsms-password")
    await world.until("targetsms-password", "half_open")
    assert route_of(await world.first.started(number())) == ["targetsms-password"]
    await world.until("targetsms-password", "closed")


async def test_no_money_shuts_all_gateways_of_the_account_until_a_top_up(world: World) -> None:
    await world.gateways.fail("password", "error", error="Закончились SMS.")
    await world.gateways.account(money=0)
    assert route_of(await world.first.started(number()))[-1] == "smska"
    for name in ("targetsms-password", "targetsms-xml"):
        assert (await world.until(name, "open"))["reason"] == "funds"
    assert route_of(await world.second.started(number())) == ["smska"]

    await world.gateways.fail("smska", "error", error="-5|Insufficient Credits.")
    assert (await world.second.start(number())).status_code == 502
    await world.until("smska", "open")
    problem(await world.first.start(number()), 502, "no_gateway_available")  # hopeless: nobody is even asked

    await world.cooled_down("targetsms-xml")
    await asyncio.sleep(1.5)
    assert (await world.gateway("targetsms-xml"))["circuit"] == "open"
    await world.gateways.http.delete("/_sim/faults")
    await world.gateways.account(money=100)
    await world.cooled_down("targetsms-xml")
    await world.until("targetsms-xml", "closed")
    assert route_of(await world.first.started(number())) == ["targetsms-xml"]


async def test_a_low_balance_is_told_once(world: World) -> None:
    async def asked_again() -> dict[str, Any]:
        await world.redis.zadd("otp:due:{gateways}", {"balance:smska": 1})
        await asyncio.sleep(1.3)
        return await world.gateway("smska")

    before = len(await world.events("gateway.balance_low"))
    assert (await asked_again())["balance_low"] is False
    await world.gateways.account(provider="smska", money=99)
    assert (await asked_again())["balance_low"] is True
    assert (await asked_again())["balance"] == "99"

    told = (await world.events("gateway.balance_low"))[before:]
    assert told == [{"gateway": "smska", "balance": "99", "threshold": "100"}]


async def test_a_worker_alone_does_what_serve_would(world: World, tmp_path: Path) -> None:
    """`serve` without a worker and `worker` beside it, on another Redis."""
    sandbox = world.environ["TEST_SANDBOX"]
    async with embedded_server(tmp_path / "redis") as redis_url:
        with running_service(tmp_path, redis_url, sandbox, OTP__WORKER__IN_SERVE="false") as (url, _, _):
            async with Api(url, API_KEY) as api:
                assert (await api.http.get("/health/ready")).json()["worker"] == "elsewhere"
                started = await api.started(number())
                await asyncio.sleep(1.5)
                assert (await api.http.get("/v1/events")).json()["events"] == []
                with running_service(tmp_path, redis_url, sandbox, command="worker") as (alone, _, _):
                    async with httpx.AsyncClient(base_url=alone, trust_env=False, verify=False) as http:
                        assert (await http.get("/health/ready")).json()["worker"] == "ok"
                        assert (await http.get("/v1/events")).status_code in (401, 404)
                        await asyncio.sleep(1.5)
                events = (await api.http.get("/v1/events")).json()["events"]
                assert {event["data"]["verification_id"] for event in events} == {started["id"]}
