"""The channel `auto`: an application's steps, each with its wait, confirmed by delivery."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests import running
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, free_port, running_sandbox, running_service
from tests.stories.test_described import own_redis
from tests.stories.test_tracking import World

__all__ = ["own_redis"]

MORE = """
[gateways.telegram]
kind = "telegram"
base_url = "env:TEST_SANDBOX"
token = "demo-token-of-telegram"
attempt_seconds = 1.0
circuit_breaker = false
[gateways.mail]
kind = "smtp"
base_url = "env:TEST_MAIL"
sender = "codes@shop.example"
circuit_breaker = false
[routes.telegram]
gateways = ["telegram", "targetsms-xml", "smska"]
deadline_seconds = 4
reserve_seconds = 0.9
[routes.email]
gateways = ["mail"]
[applications.web.workflow]
steps = [{channel = "telegram", wait_seconds = 20}, {channel = "email"}, {channel = "sms", wait_seconds = 0}]
"""


@pytest.fixture(autouse=True)
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + MORE)


async def test_steps_are_walked_and_skipped(tmp_path: Path, own_redis: str, gateways: Gateways, phone: str) -> None:
    mail = free_port()
    with (
        running_sandbox(tmp_path, OTP_SANDBOX_MAIL_PORT=str(mail)) as sandbox,
        running_service(tmp_path, own_redis, sandbox, TEST_MAIL=f"smtp://127.0.0.1:{mail}") as (url, _, _),
    ):
        async with (
            Api(url, API_KEY) as api,
            Redis.from_url(own_redis, protocol=2) as redis,
            Api(sandbox, "nobody") as their,
        ):
            inbox = Gateways(their.http)
            world = World(api, inbox, redis, url)
            there = [f"{phone[:-2]}{ending}" for ending in (30, 31, 32, 33)]
            started = [await api.started(one, channel="auto") for one in there]
            for one in started:
                assert [(m["gateway"], m["channel"]) for m in one["messages"]] == [("telegram", "telegram")]
                assert one["channel"] == "auto"
            code = (await inbox.messages(there[0]))[0]["text"].split()[0]
            assert await api.outcome(started[0]["id"], code) == "approved"

            await who_is_not_on_telegram_gets_an_sms_at_once(api, f"{phone[:-2]}12")
            by_mail = await api.started("anna@example.org", channel="auto")
            assert [(m["gateway"], m["channel"]) for m in by_mail["messages"]] == [("mail", "email")]
            problem(await api.start("anna", channel="auto"), 422, "invalid_phone")

            for one in started[1:]:  # so that the gateway's reports are known to come
                for _ in range(40):
                    if (await api.status(one["id"])).json()["messages"][0]["status"] == "delivered":
                        break
                    await world.hurry(one["id"])
                    await asyncio.sleep(0.2)
            await asyncio.sleep(1.5)
            await what_does_not_arrive_is_followed_by_the_next_step(world, f"{phone[:-2]}02")
            resent = await api.started(f"{phone[:-2]}34", channel="auto")
            again = (await api.resend(resent["id"])).json()
            assert [m["channel"] for m in again["messages"]] == ["telegram", "sms"]


async def who_is_not_on_telegram_gets_an_sms_at_once(api: Api, nobody: str) -> None:
    began = time.monotonic()
    fallen = await api.started(nobody, channel="auto")
    assert time.monotonic() - began < 1.5
    assert [(m["gateway"], m["status"]) for m in fallen["messages"]] == [
        ("telegram", "rejected"), ("targetsms-password", "accepted"),
    ]  # fmt: skip


async def what_does_not_arrive_is_followed_by_the_next_step(world: World, silent: str) -> None:
    one = await world.api.started(silent, channel="auto")
    name = await world.record(one["id"])
    fields = await world.redis.hgetall(name)
    wait = int(fields[b"failover_at"]) - int(fields[b"created_at"])
    assert 20_000 <= wait < 22_000  # as the step says
    found = {}
    for _ in range(40):
        await world.hurry_turn(one["id"])
        await asyncio.sleep(0.3)
        found = (await world.api.status(one["id"])).json()
        if len(found["messages"]) == 2:
            break
    assert [(m["channel"], m["gateway"]) for m in found["messages"]] == [
        ("telegram", "telegram"), ("sms", "targetsms-xml"),
    ]  # fmt: skip
    code = (await world.gateways.messages(silent))[0]["text"]
    assert await world.api.outcome(one["id"], running.code_in(code)) == "approved"


@pytest.mark.slow
async def test_an_application_without_steps_has_no_such_channel(
    tmp_path: Path, redis_url: str, sandbox_process: str, phone: str
) -> None:
    changes = {"TEST_MAIL": "smtp://127.0.0.1:9"}
    with running_service(tmp_path, redis_url, sandbox_process, **changes) as (url, _, _):
        key = running.create_key(tmp_path, redis_url, sandbox_process, "other", environ=changes)
        async with Api(url, key) as api:
            problem(await api.start(phone, channel="auto"), 422, "channel_not_available")
