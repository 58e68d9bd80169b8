"""Telegram first, SMS after: who is there gets it there, the others wait for nothing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests import running
from tests.api import Api, Gateways
from tests.running import API_KEY, running_service
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
[routes.telegram]
gateways = ["telegram", "targetsms-xml", "smska"]
deadline_seconds = 4
reserve_seconds = 0.9
"""


@pytest.fixture(autouse=True)
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + MORE)


async def test_telegram_then_sms(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    with running_service(tmp_path, redis_url, sandbox_process) as (url, _, _):
        async with Api(url, API_KEY) as api:
            there = f"{phone[:-2]}45"
            started = await api.started(there, channel="telegram")
            assert [(m["gateway"], m["channel"], m["status"]) for m in started["messages"]] == [
                ("telegram", "telegram", "accepted")
            ]
            (arrived,) = await gateways.messages(there)
            code = arrived["text"].split()[0]
            resent = (await api.resend(started["id"], channel="sms")).json()
            assert resent["messages"][-1]["channel"] == "sms"
            assert await api.outcome(started["id"], code) == "approved"  # the same code by the other channel

            nobody = f"{phone[:-2]}12"
            began = time.monotonic()
            fallen = await api.started(nobody, channel="telegram")
            assert time.monotonic() - began < 1.5
            assert [(m["gateway"], m["status"], m["reason"]) for m in fallen["messages"]] == [
                ("telegram", "rejected", "invalid_number"), ("targetsms-xml", "accepted", None),
            ]  # fmt: skip


@pytest.mark.slow
async def test_what_nobody_needs_any_more_is_taken_back(
    tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    with running_service(tmp_path, own_redis, sandbox_process) as (url, _, _):
        async with (
            Api(url, API_KEY) as api,
            Redis.from_url(own_redis, protocol=2) as redis,
            httpx.AsyncClient(base_url=sandbox_process, trust_env=False, verify=False) as http,
        ):
            world = World(api, Gateways(http), redis, url)
            slow = f"{phone[:-2]}02"  # Telegram never delivers
            started = await api.started(slow, channel="telegram")
            await api.resend(started["id"], channel="sms")
            code = (await gateways.messages(slow))[-1]["text"].split()[0]
            assert await api.outcome(started["id"], code) == "approved"
            for _ in range(20):
                await world.hurry(started["id"])
                await asyncio.sleep(0.3)
                first = (await api.status(started["id"])).json()["messages"][0]
                if first["status"] == "undelivered":
                    break

            assert first["status"] == "undelivered"
            asked = (await http.get("/_sim/requests", params={"operation": "revokeVerificationMessage"})).json()
            assert asked
