"""What a gateway bills only when it arrives, and what then becomes of the money of what does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.api import Api, Gateways
from tests.running import create_key, running_service
from tests.stories.test_described import own_redis
from tests.stories.test_tracking import World

pytestmark = pytest.mark.slow

__all__ = ["own_redis"]

ROUBLES = {"sent": 2.0, "delivered": 1.0}
"""Of one SMS that arrives and one that does not, at the price that the gateway tells."""


async def spent(tmp_path: Path, redis_url: str, sandbox: str, gateways: Gateways, phone: str, billed: str) -> None:
    changes = {
        "OTP__ROUTES__SMS__GATEWAYS": "targetsms-xml",
        "OTP__GATEWAYS__TARGETSMS_XML__BILLED": billed,
        "OTP__APPLICATIONS__OTHER__BUDGET_PER_DAY": "20",
    }
    with running_service(tmp_path, redis_url, sandbox, **changes) as (url, _, _):
        key = create_key(tmp_path, redis_url, sandbox, "other", environ=changes)
        async with (
            Api(url, key) as api,
            Redis.from_url(redis_url, protocol=2) as redis,
        ):
            world = World(api, gateways, redis, url)
            both = [await api.started(f"{phone[:-2]}{ending}") for ending in ("03", "77")]
            async with Api(url, key) as operator:
                before = (await operator.http.get("/v1/fraud")).json()["spent_today"]
                assert before == "6.00"  # by the settings
                ends: list[str] = []
                for _ in range(60):
                    ends = [(await api.status(one["id"])).json()["messages"][0]["status"] for one in both]
                    if ends == ["undelivered", "delivered"]:
                        break
                    for one in both:
                        await world.hurry(one["id"])
                    await asyncio.sleep(0.3)
                assert ends == ["undelivered", "delivered"]
                after = (await operator.http.get("/v1/fraud")).json()["spent_today"]
                assert float(after) == ROUBLES[billed]


async def test_what_is_billed_when_delivered_is_given_back_when_it_fails(
    tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    await spent(tmp_path, own_redis, sandbox_process, gateways, phone, "delivered")


async def test_what_is_billed_when_sent_stays_paid(
    tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    await spent(tmp_path, own_redis, sandbox_process, gateways, phone, "sent")
