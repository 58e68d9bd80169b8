"""Each message with a code of its own: all are good, once, and it is known which one was entered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api import Api, Gateways
from tests.running import API_KEY, running_service
from tests.stories.test_described import own_redis

__all__ = ["own_redis"]

OPEN = {"OTP__APPLICATIONS__WEB__CODES": "per_message", "OTP__GUARD__MODE": "off"}


async def record(redis: Redis, verification: str) -> dict[bytes, bytes]:
    (name,) = [key async for key in redis.scan_iter(match=f"otp:v:*{verification}", count=1000)]
    found: dict[bytes, bytes] = await redis.hgetall(name)
    return found


@pytest.mark.slow
async def test_each_message_has_a_code_of_its_own(
    tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, log):
        async with Api(url, API_KEY) as api, Redis.from_url(own_redis, protocol=2) as redis:
            for entered in (1, 2, 3, 4):
                to = f"{phone[:-2]}{30 + entered}"
                started = await api.started(to)
                for _ in range(3):
                    assert (await api.resend(started["id"])).status_code == 200
                codes = (await gateways.codes(to))[::-1]
                assert len(set(codes)) == 4, codes
                wrong = next(f"{n:06d}" for n in range(10) if f"{n:06d}" not in codes)
                assert await api.outcome(started["id"], wrong) == "wrong_code"
                before = await record(redis, started["id"])
                assert sum(name.startswith(b"hash:") for name in before) == 4
                assert await api.outcome(started["id"], codes[entered - 1]) == "approved"
                for code in codes:
                    assert await api.outcome(started["id"], code) == "already_approved"
                after = await record(redis, started["id"])
                assert after[b"entered"] == b"%d" % entered
                assert not [name for name in after if name.startswith(b"hash:") or name in (b"salt", b"per_message")]
                assert not [code for code in codes if code in log.read_text()]


async def test_as_shipped_they_share_one(api: Api, gateways: Gateways, phone: str) -> None:
    started: dict[str, Any] = await api.started(phone)
    for _ in range(2):
        assert (await api.resend(started["id"])).status_code == 200
    codes = (await gateways.codes(phone))[::-1]
    assert codes[1] == codes[2]
