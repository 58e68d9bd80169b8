"""Whom SMS do not reach: the workflow goes on, the second time nothing is paid, and nobody is locked out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests import running
from tests.api import Api, Gateways, problem
from tests.cli.commands import Commands
from tests.running import API_KEY, PATIENT, create_key, running_service, service_environ
from tests.stories.test_described import own_redis
from tests.stories.test_inbound import ended, sends
from tests.stories.test_tracking import World

__all__ = ["own_redis"]

NUMBER = "+79001112233"
PATIENCE_SECONDS = 40.0
OPEN = {
    **PATIENT,
    "OTP__INBOUND__NUMBER": NUMBER,
    "OTP__GATEWAYS__TARGETSMS_XML__INCOMING_SECONDS": "0.3",
    "OTP__APPLICATIONS__WEB__ASSURANCE": "claimed",
    "OTP__LIMITS__PHONE_BURST__QUOTA": "0",
    "OTP__LIMITS__PHONE_DAY__QUOTA": "0",
}
MORE = """
[gateways.telegram]
kind = "telegram"
base_url = "env:TEST_SANDBOX"
token = "demo-token-of-telegram"
attempt_seconds = 1.0
circuit_breaker = false
[routes.telegram]
gateways = ["telegram"]
deadline_seconds = 4
reserve_seconds = 0.9
[applications.web.workflow]
steps = [{channel = "telegram", wait_seconds = 20}, {channel = "sms"}, {channel = "inbound"}]
"""


@pytest.fixture(autouse=True)
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + MORE)


@pytest.fixture
async def phones(sandbox_process: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox_process, trust_env=False, verify=False, timeout=30) as http:
        yield http


@pytest.fixture
def commands() -> Iterator[Commands]:
    found = Commands()
    yield found
    found.close()


@pytest.fixture
async def redis(own_redis: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(own_redis, protocol=2) as one:
        yield one


async def reports_are_known_to_come(redis: Redis) -> None:
    """As after some messages, most of which arrived."""
    for name in ("targetsms-password", "targetsms-xml", "smska"):
        await redis.rpush(f"otp:heard:{{gateways}}:{name}", *["1"] * 10)
        await redis.rpush(f"otp:ends:{{gateways}}:{name}", *["5000"] * 9, "failed")
    await asyncio.sleep(1.1)


async def given_up(world: World, verification_id: str) -> dict[str, Any]:
    """Hurried until the person is told of another way than to wait, or a while has gone by."""
    found: dict[str, Any] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        await world.hurry_turn(verification_id)
        await asyncio.sleep(0.3)
        found = (await world.api.status(verification_id)).json()
        if found["advice"] not in ("wait", "resend"):
            break
    return found


async def remembered(redis: Redis) -> list[bytes]:
    return [name async for name in redis.scan_iter(match="otp:unreached:*", count=1000)]


async def test_the_second_time_nothing_is_paid(
    tmp_path: Path, own_redis: str, redis: Redis, sandbox_process: str, gateways: Gateways, phones: httpx.AsyncClient,
    phone: str,
) -> None:  # fmt: skip
    with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, log):
        async with Api(url, API_KEY) as api:
            world = World(api, gateways, redis, url)
            await reports_are_known_to_come(redis)
            silent = f"{phone[:-2]}02"
            await telegram_is_away(gateways)
            started = await api.started(silent, channel="auto")
            assert [m["channel"] for m in started["messages"] if m["status"] != "rejected"] == ["sms"]
            assert started["advice"] == "wait"
            assert started["inbound"] is None
            found = await given_up(world, started["id"])
            assert found["advice"] == "inbound"
            await world.hurry(started["id"])
            await asyncio.sleep(0.5)
            found = (await api.status(started["id"])).json()
            assert [m["channel"] for m in found["messages"]] == ["telegram", "sms"], "nor what was tried before"
            assert len(await gateways.messages(silent)) == 1, "no second SMS"
            resent = (await api.resend(started["id"])).json()
            assert (resent["advice"], resent["sends_left"]) == ("inbound", found["sends_left"])
            assert len(await gateways.messages(silent)) == 1, "only who names the channel gets another"

            (key,) = await remembered(redis)
            assert silent[1:] not in key.decode()
            assert 0 < await redis.pttl(key) <= 30 * 86_400_000

            again = await api.started(silent, channel="auto", key="again")
            assert (await api.start(silent, channel="auto", key="again")).json()["id"] == again["id"]
            assert [m["channel"] for m in again["messages"] if m["status"] != "rejected"] == []
            assert again["advice"] == "inbound"
            named = problem(await api.start(silent, channel="sms"), 422, "phone_rejected")
            assert (named["reason"], named["advice"]) == ("unreached", "try_channel:telegram")
            assert len(await gateways.messages(silent)) == 1

            await gateways.account("demo", provider="telegram", blocked=False)
            await gateways.fail("sendVerificationMessage", "status")
            unclear = await api.started(silent, channel="auto")
            assert [(m["channel"], m["status"]) for m in unclear["messages"]] == [("telegram", "unclear")]
            assert (await given_up(world, unclear["id"]))["advice"] == "inbound", "the step that is passed over is none"
            assert len((await api.status(unclear["id"])).json()["messages"]) == 1

            await sends(phones, silent, again["inbound"]["text"])
            assert (await ended(api, again["id"]))["assurance"] == "claimed"
            assert await remembered(redis) == [key], "what they sent says nothing of what reaches them"
            assert silent not in log.read_text()


async def telegram_is_away(gateways: Gateways) -> None:
    """So that SMS are asked at once."""
    await gateways.account("demo", provider="telegram", blocked=True)


@pytest.mark.slow
async def test_what_arrives_is_what_counts(
    tmp_path: Path, own_redis: str, redis: Redis, sandbox_process: str, gateways: Gateways, phones: httpx.AsyncClient,
    phone: str,
) -> None:  # fmt: skip
    with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, _):
        async with Api(url, API_KEY) as api:
            world = World(api, gateways, redis, url)
            await reports_are_known_to_come(redis)
            await telegram_is_away(gateways)
            silent = f"{phone[:-2]}02"
            started = await api.started(silent, channel="auto")
            await given_up(world, started["id"])
            assert await remembered(redis)
            code = (await gateways.codes(silent))[0]
            assert await api.outcome(started["id"], code) == "approved"
            assert await remembered(redis) == [], "the code came, however late"
            assert len((await api.started(silent, channel="auto"))["messages"]) >= 1


@pytest.mark.slow
async def test_nobody_is_locked_out(
    tmp_path: Path, own_redis: str, redis: Redis, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """An application that has SMS alone sends them, once; and who names the channel is refused for minutes only."""
    with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, _):
        other = create_key(tmp_path, own_redis, sandbox_process, "theirs", environ=OPEN)
        async with Api(url, API_KEY) as web, Api(url, other) as api:
            await reports_are_known_to_come(redis)
            silent = f"{phone[:-2]}02"
            started = await api.started(silent)
            world = World(api, gateways, redis, url)
            until = time.monotonic() + PATIENCE_SECONDS
            while await world.hurry_turn(started["id"]) and time.monotonic() < until:
                await asyncio.sleep(0.2)
            assert len(await gateways.messages(silent)) == 4, "each gateway of the route once, and one more"
            await asyncio.sleep(0.5)
            again = await api.started(silent)
            assert again["advice"].startswith("try_channel:") or again["advice"] == "sms_likely_blocked"
            assert [m["status"] for m in again["messages"]] == ["accepted"]
            await given_up(world, again["id"])
            assert len(await gateways.messages(silent)) == 5, "one, and none by itself"
            assert len((await api.resend(again["id"])).json()["messages"]) == 2, "who asks gets another"

            for key in await remembered(redis):
                await redis.hset(key, "sms:since", 1)
            assert (await web.start(silent, channel="sms")).status_code == 201


@pytest.mark.slow
async def test_it_is_erased_with_the_phone(
    tmp_path: Path, own_redis: str, redis: Redis, sandbox_process: str, gateways: Gateways, phone: str,
    commands: Commands,
) -> None:  # fmt: skip
    with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, _):
        async with Api(url, API_KEY) as api:
            await reports_are_known_to_come(redis)
            await telegram_is_away(gateways)
            silent = f"{phone[:-2]}02"
            started = await api.started(silent, channel="auto")
            await given_up(World(api, gateways, redis, url), started["id"])
            assert await remembered(redis)
            environ = service_environ(tmp_path, own_redis, sandbox_process, **OPEN)
            commands.run("erase", "--application", "web", "--phone", silent, environ=environ, folder=tmp_path)
            assert await remembered(redis) == []
