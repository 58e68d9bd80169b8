"""Routes that learn, with real processes: what a choice changes, what shadow only tells, and what nobody can move."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from otp_service.storage import keys
from tests.api import Api, Gateways
from tests.running import API_KEY, create_key, running_service
from tests.stories.test_described import own_redis

__all__ = ["own_redis"]

OPEN = {"OTP__GUARD__MODE": "off", "OTP__ROUTES__SMS__MAX_EXTRA_ROUBLES": "0.0"}
GATEWAYS = ("targetsms-password", "targetsms-xml", "smska")


async def counts(redis: Redis, **shares: tuple[float, float]) -> None:
    """As after many messages."""
    seconds, _ = await redis.time()
    for name, (good, bad) in shares.items():
        for group in ("", "МТС"):
            value = f"{good:g} {bad:g} {seconds * 1000} 0"
            await redis.hset(keys.ROUTES, f"{name.replace('_', '-')}|{group}", value)


async def firsts(api: Api, phone: str, times: int) -> list[dict[str, Any]]:
    return [await api.started(f"+7916{phone[5:10]}{10 + n}") for n in range(times)]


async def choices(url: str, admin: str, found: list[dict[str, Any]]) -> list[dict[str, str]]:
    """As operators read them; callers hear of none."""
    assert not any("route" in each for each in found)
    async with Api(url, admin) as operator:
        return [(await operator.status(each["id"])).json()["route"] for each in found]


def admin_key(folder: Path, redis: str, sandbox: str) -> str:
    return create_key(folder, redis, sandbox, "web", "--scope", "read", "--scope", "admin")


@pytest.mark.slow
async def test_learned_asks_first_who_brings_codes(
    tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    async with Redis.from_url(own_redis, protocol=2) as redis:
        with running_service(tmp_path, own_redis, sandbox_process, OTP__ROUTES__SMS__ORDER="learned", **OPEN) as (
            url,
            _,
            _,
        ):
            async with Api(url, API_KEY) as api:
                await counts(redis, targetsms_password=(1, 45), targetsms_xml=(2, 45), smska=(48, 1))
                await asyncio.sleep(2.2)
                found = await firsts(api, phone, 12)
                by = [each["messages"][0]["gateway"] for each in found]
                assert by.count("smska") >= 8, by
                admin = admin_key(tmp_path, own_redis, sandbox_process)
                for route, gateway in zip(await choices(url, admin, found), by, strict=True):
                    assert (route["order"], route["first"]) == ("learned", gateway)
                    assert (route["before"], route["reason"] in ("learned", "explore")) == (GATEWAYS[0], True)
                one = next(each for each in found if each["messages"][0]["gateway"] == "smska")
                again = (await api.resend(one["id"])).json()
                assert again["messages"][1]["gateway"] != "smska", "on along the order that was chosen"
                assert await choices(url, admin, [again]) == await choices(url, admin, [one])
                page = (await api.http.get("/metrics")).text
                assert 'otp_route_choices_total{channel="sms",differs="true",gateway="smska"' in page
                code = (await gateways.codes(f"+7916{phone[5:10]}{10 + found.index(one)}"))[0]
                assert await api.outcome(one["id"], code) == "approved"
                before = float((await redis.hget(keys.ROUTES, "smska|МТС")).split()[0])
                await asyncio.sleep(2.5)
                assert await redis.hget(keys.ROUTES, "smska|МТС") != f"{before:g}"


@pytest.mark.slow
async def test_shadow_only_tells(
    tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """As shipped. What it would have changed is in the statistics, and garbage in the counts harms nobody."""
    async with Redis.from_url(own_redis, protocol=2) as redis:
        with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, _):
            async with Api(url, API_KEY) as api:
                await counts(redis, targetsms_password=(1, 45), targetsms_xml=(2, 45), smska=(48, 1))
                await redis.hset(
                    keys.ROUTES, mapping={"smska|nan": "nan nan nan 1", "|x": "-", "x": "y", "a|b": "inf 1 1 1"}
                )
                await redis.hset(keys.ROUTES, b"\xff|", b"\xff")
                await asyncio.sleep(2.2)
                found = await firsts(api, phone, 8)
                assert {each["messages"][0]["gateway"] for each in found} == {"targetsms-password"}
                told = await choices(url, admin_key(tmp_path, own_redis, sandbox_process), found)
                assert {route["order"] for route in told} == {"shadow"}
                assert [route["first"] for route in told].count("smska") >= 4
                rows: dict[str, Any] = {}
                for _ in range(30):
                    page = (await api.http.get("/v1/statistics", params={"by": "gateway"})).json()
                    rows = {row["gateway"]: row for row in page["rows"]}
                    if sum(row["chosen"] for row in rows.values()) == 8:
                        break
                    await asyncio.sleep(0.2)
                assert sum(row["chosen"] for row in rows.values()) == 8
                assert rows["smska"]["chosen_otherwise"] == rows["smska"]["chosen"] >= 4
                assert rows["targetsms-password"]["chosen_otherwise"] == 0

                code = (await gateways.codes(f"+7916{phone[5:10]}10"))[0]
                assert await api.outcome(found[0]["id"], code) == "approved"
                for _ in range(30):
                    good = float((await redis.hget(keys.ROUTES, "targetsms-password|МТС")).split()[0])
                    if good > 1.5:
                        break
                    await asyncio.sleep(0.2)
                assert good > 1.5, "learnt from what is sent"


@pytest.mark.slow
async def test_a_stranger_moves_nothing(tmp_path: Path, own_redis: str, sandbox_process: str, phone: str) -> None:
    """Codes that nobody enters tell nothing of a route, whatever their gateways report."""
    async with Redis.from_url(own_redis, protocol=2) as redis:
        with running_service(tmp_path, own_redis, sandbox_process, OTP__ROUTES__SMS__ORDER="learned", **OPEN) as (
            url,
            _,
            _,
        ):
            async with Api(url, API_KEY) as api:
                for n in range(20):
                    started = await api.started(f"+7916{phone[5:9]}{n:02d}3")
                    for code in range(5):
                        await api.check(started["id"], f"{code:06d}")
                await asyncio.sleep(3)
                assert await redis.hgetall(keys.ROUTES) == {}
