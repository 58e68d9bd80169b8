"""Spending and statistics agree whatever a gateway tells of price and parts, and what cannot be is not believed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests import running
from tests.api import Api, Gateways
from tests.gateways.stub import Request, Stub
from tests.running import create_key, running_service
from tests.stories.test_described import own_redis
from tests.stories.test_tracking import World

pytestmark = pytest.mark.slow

__all__ = ["own_redis"]

TABLE = """
[gateways.mine]
kind = "http"
base_url = "env:TEST_PROVIDER"
sender = "Shop"
billed = "delivered"
prices = { "*" = "4.50" }
circuit_breaker = false
[gateways.mine.send]
path = "/send"
json = { to = "{phone}", text = "{text}" }
[gateways.mine.send.answer]
id = "/id"
parts = "/parts"
price = "/price"
rules = [{ status = [201], at = "/id", exists = true, then = "accepted" }]
[gateways.mine.status]
path = "/status"
query = { id = "{id}" }
[gateways.mine.status.answer]
state = "/state"
parts = "/parts"
price = "/price"
states = { ok = "delivered", lost = "undelivered" }
"""
CASES: list[tuple[dict[str, Any], dict[str, Any], float]] = [
    ({}, {"state": "ok"}, 4.50),
    ({}, {"state": "ok", "price": "3.00", "parts": 2}, 6.00),
    ({}, {"state": "ok", "parts": 2}, 9.00),
    ({"parts": 2}, {"state": "lost", "parts": 1}, 0.00),
    ({"price": "3.00"}, {"state": "ok"}, 3.00),
    ({"price": "3.00", "parts": 2}, {"state": "ok", "price": "4.00"}, 8.00),
    ({}, {"state": "ok", "price": "0"}, 0.00),  # a refund
    # What is not so: another currency, the whole account, more parts than the text has.
    ({}, {"state": "ok", "price": "0.10", "parts": 99}, 4.50),
    ({}, {"state": "ok", "price": "99999"}, 4.50),
    ({"price": "99999", "parts": 99}, {"state": "ok"}, 4.50),
    ({"price": "0"}, {"state": "ok"}, 4.50),  # "not known yet"
    ({"parts": 3}, {"state": "ok", "parts": 10}, 13.50),
]


@pytest.fixture
async def provider() -> AsyncIterator[Stub]:
    async with Stub(status=201) as stub:
        yield stub


async def test_spending_and_statistics_agree(
    tmp_path: Path,
    own_redis: str,
    sandbox_process: str,
    gateways: Gateways,
    phone: str,
    provider: Stub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: dict[str, dict[str, Any]] = {}

    def answer(request: Request) -> bytes:
        if request.path == "/send":
            number = json.loads(request.body)["to"]
            return json.dumps({"id": number[1:], **sends[number]}).encode()
        return json.dumps(said.get(request.path.partition("id=")[2], {"state": "on its way"})).encode()

    sends: dict[str, dict[str, Any]] = {}
    provider.answer_of = answer
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + TABLE)
    changes = {
        "TEST_PROVIDER": provider.url,
        "OTP__ROUTES__SMS__GATEWAYS": "mine",
        "OTP__APPLICATIONS__OTHER__BUDGET_PER_DAY": "1000",
    }
    with running_service(tmp_path, own_redis, sandbox_process, **changes) as (url, _, log):
        key = create_key(tmp_path, own_redis, sandbox_process, "other", environ=changes)
        async with Api(url, key) as api, Redis.from_url(own_redis, protocol=2) as redis:
            world = World(api, gateways, redis, url)

            async def spent() -> float:
                return float((await api.http.get("/v1/fraud")).json()["spent_today"])

            async def counted() -> float:
                rows = (await api.http.get("/v1/statistics")).json()["rows"]
                return sum(float(row["roubles"]) for row in rows)

            total = 0.0
            for n, (at_send, at_end, roubles) in enumerate(CASES):
                number = f"{phone[:-2]}{20 + n}"
                sends[number] = at_send
                started = await api.started(number)
                said[number[1:]] = at_end
                total += roubles
                for _ in range(100):
                    await world.hurry(started["id"])
                    if (await api.status(started["id"])).json()["messages"][0]["status"] != "accepted":
                        break
                    await asyncio.sleep(0.05)
                for _ in range(100):
                    if (await spent(), await counted()) == pytest.approx((total, total)):
                        break
                    await asyncio.sleep(0.05)
                assert (await spent(), await counted()) == pytest.approx((total, total)), CASES[n]
    for event in ("price_differs", "parts_not_believed"):
        assert f'"event":"{event}"' in log.read_text()
