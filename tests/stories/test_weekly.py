"""The weekly report with real processes: once among several, as an event and by mail, and not lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from otp_service.domain.statistics import LATER, NUMBERS
from tests import running
from tests.api import Api, Gateways
from tests.running import API_KEY, free_port, running_sandbox, running_service
from tests.stories.test_described import own_redis

__all__ = ["own_redis"]

MAIL = """
[gateways.mail]
kind = "smtp"
base_url = "env:TEST_MAIL"
sender = "codes@shop.example"
circuit_breaker = false
[reports]
to = ["ops@shop.example", "boss@shop.example"]
gateway = "mail"
locale = "en"
"""


async def last_week(redis: Redis) -> str:
    """Something was counted in it."""
    now = datetime.now(UTC)
    monday = (now - timedelta(days=now.weekday() + 7, hours=1)).replace(hour=12)
    numbers = [0] * (NUMBERS - len(LATER))
    numbers[0], numbers[1], numbers[7] = 40, 50, 30
    packed = b"".join(number.to_bytes(8, "little") for number in numbers)
    monday = monday - timedelta(days=monday.weekday())
    await redis.hset(f"otp:days:{{app:web}}:{monday:%Y-%m}", f"{monday:%d}|targetsms-xml|sms|RU|", packed)
    return f"{monday:%Y-%m-%d}"


async def reports(api: Api) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = (await api.http.get("/v1/events")).json()["events"]
    return [each["data"] for each in told if each["type"] == "application.weekly_report"]


@pytest.mark.slow
async def test_it_is_told_once_and_mailed(tmp_path: Path, own_redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + MAIL)
    mail = free_port()
    environ = {"TEST_MAIL": f"smtp://127.0.0.1:{mail}"}
    with (
        running_sandbox(tmp_path, OTP_SANDBOX_MAIL_PORT=str(mail)) as sandbox,
        running_service(tmp_path, own_redis, sandbox, **environ) as (url, _, _),
        running_service(tmp_path, own_redis, sandbox, **environ),
    ):
        async with Api(url, API_KEY) as api, Redis.from_url(own_redis, protocol=2) as redis, Api(sandbox, "-") as their:
            due = "otp:due:{app:web}"
            planned = await redis.zscore(due, "report:web")
            assert planned > 1000 * datetime.now(UTC).timestamp()
            week = await last_week(redis)
            found: list[dict[str, Any]] = []
            for again in (1, 2):
                await redis.zadd(due, {"report:web": again})
                for _ in range(50):
                    found = await reports(api)
                    if found and (await redis.zscore(due, "report:web") or 0) > again + 1:
                        break
                    await asyncio.sleep(0.1)
            assert len(found) == 1, "a repeat, and another process, tell nothing"
            assert (found[0]["week"], found[0]["now"]["sends"], found[0]["now"]["approved"]) == (week, 50, 30)
            assert found[0]["routes"][0]["conversion"] == 0.6
            inbox = Gateways(their.http)
            for address in ("ops@shop.example", "boss@shop.example"):
                mails: list[dict[str, Any]] = []
                for _ in range(50):
                    mails = await inbox.messages(address)
                    if mails:
                        break
                    await asyncio.sleep(0.1)
                assert len(mails) == 1
                assert week in mails[0]["subject"]
                assert "targetsms-xml: 50, 60.0%" in mails[0]["text"]
            await redis.zadd(due, {"report_mail:web": 1})
            await asyncio.sleep(1)
            assert len(await inbox.messages("ops@shop.example")) == 1
            assert await redis.zscore(due, "report:web") == pytest.approx(planned, abs=3_600_000)
