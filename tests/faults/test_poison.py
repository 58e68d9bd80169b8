"""H-4: a record that cannot be read stops at most the one thing that it is about. Two processes, with traffic."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from otp_service.storage.keys import CATALOGUE, Kind
from tests.api import Api
from tests.faults.poison import HOWS, PERSONAL, names, poison, poisoned
from tests.faults.world import World, number, until
from tests.running import create_key

LANES = (b"{gateways}", b"{app:web}")
GATEWAYS = (b"targetsms-password", b"targetsms-xml", b"smska")
ELSEWHERE = {
    "otp:{operators}:account:<id>": "test_poisoned_console.py",
    "otp:{operators}:link:<SHA-256>": "test_poisoned_console.py",
    "otp:{operators}:session:<SHA-256>": "test_poisoned_console.py",
    "otp:{operators}:wrong:<id>": "test_poisoned_console.py",
    "otp:aside:{lane}:<hash of the key>": "only operators ask for it: test_wrong_redis.py",
    "otp:hookopen:{app:<name>}:<id>": "is there while a receiver is told",
    "otp:turns:<account hash>": "is there while an account is asked",
    "otp:sms:<hash>": "is written where gateways push, which they do not here",
}
"""Kinds of which nothing may be there, and nobody would ask for what this test could make up."""


@pytest.fixture(autouse=True)
async def lived_in(world: World) -> None:
    """Something of most kinds is there: the person's message went through the gateway that reports."""
    phone = number()
    await world.gateways.fail("password", "error", times=1)
    started = (await world.first.start(phone, key="victim-" + phone, client={"ip": "203.0.113.7"})).json()
    await world.first.check(started["id"], "000000", key="wrong-" + phone)
    await world.first.post("/v1/factors/totp", {"subject": "anna"}, key="enrol")
    await world.first.post("/v1/subjects/nobody/check", {"code": "123456"})
    await world.redis.hset("otp:twilio:{app:web}", "safe:GN1", b'{"sid":"GN1","phone":""}')
    day = int(time.time() // 86400)
    await world.redis.hset("otp:fraud:{app:web}", f"{day}|would_refuse|adjacent_numbers|+7911091", 1)
    await world.redis.zadd("otp:refused:{app:web}", {"0123456789abcdef|too_soon|": time.time() * 1000})


async def chosen(redis: Redis, kind: Kind) -> list[bytes]:
    """Of what concerns one person one key, of what many share all of it, and the lanes that all need."""
    found = await names(redis, kind) or await made_up(redis, kind)
    if kind.pattern in ("otp:due:{lane}", "otp:out:{lane}"):
        prefix = kind.pattern.encode().partition(b"{")[0]
        return [*found[:3], *(prefix + lane for lane in LANES)]
    if "{p}" in kind.pattern or kind.pattern.startswith(PERSONAL):
        return found[-1:]
    return found


async def made_up(redis: Redis, kind: Kind) -> list[bytes]:
    """Of a kind of which nothing is there yet, the names that are asked for: an application's, each gateway's, and
    those of the phone that was sent to last."""
    pattern = kind.pattern.encode().replace(b"{app:<name>}", b"{app:web}")
    if b"<phone index>" in pattern:
        (last, *_) = reversed(await redis.keys("otp:pause:*"))
        return [pattern.replace(b"{p}:<phone index>", last.removeprefix(b"otp:pause:"))]
    found = [pattern.replace(b"{lane}", lane) for lane in LANES] if b"{lane}" in pattern else [pattern]
    if b"{gateways}:<name>" in pattern:
        found = [pattern.replace(b"<name>", name) for name in GATEWAYS]
    return [name for name in found if b"<" not in name]


async def goes_on(world: World) -> None:
    """Everybody else signs up by both processes, and the receiver hears of it. 503 is heard at most for a moment."""
    await asyncio.gather(*(somebody(world, api) for api in world.both))


async def somebody(world: World, api: Api) -> None:
    verification = await world.signed_up(api, patient=True)
    await world.told(verification)
    events = (await api.http.get("/v1/events", params={"limit": 5})).status_code
    assert events in (200, 503)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.pattern)
async def test_h_4_of_every_kind(world: World, kind: Kind, how: str) -> None:
    if kind.pattern == "otp:{apikeys}:<SHA-256>":  # not the key that everybody uses
        create_key(world.folder, world.server.url, world.sandbox, "other")
        living = await names(world.redis, kind)
        found = [name for name in living if await world.redis.hget(name, "application") == b"other"][:1]
    else:
        found = await chosen(world.redis, kind)
    assert found or kind.pattern in ELSEWHERE
    async with AsyncExitStack() as stack:
        for name in found:
            await stack.enter_async_context(poisoned(world.redis, name, kind, how))
        earlier = [name.decode().rpartition(":")[2] for name in (await world.redis.keys("otp:v:*"))[-2:]]
        await asyncio.gather(goes_on(world), victims_ask(world, earlier), asyncio.sleep(0.6))
        await goes_on(world)
    for api in world.both:
        health = await until(lambda api=api: healthy(api), 15)
        assert "loops" not in health, health
    assert world.tracebacks() == []


@pytest.mark.slow
async def test_h_4_of_many_who_meet_it_at_once_nobody_hears_500(world: World) -> None:
    """One of them sets it aside, before the others have looked."""
    await goes_on(world)
    kind = next(kind for kind in CATALOGUE if kind.pattern == "otp:tally:<keyed hash>")
    for _ in range(5):
        for name in await names(world.redis, kind):
            await poison(world.redis, name, kind, "wrong type")
        answers = await asyncio.gather(*(api.start(number()) for api in world.both * 10))
        assert {answer.status_code for answer in answers} <= {201, 503}, [answer.text for answer in answers]


async def victims_ask(world: World, victims: list[str]) -> None:
    """Whom it is about hears something, and the log no traceback. victims: ids of their verifications."""

    async def asks(api: Api) -> None:
        assert (await api.http.get("/v1/fraud")).status_code in (200, 503)
        for name in victims:
            heard = [await api.status(name), await api.check(name, "123456"), await api.resend(name)]
            heard += [await api.cancel(name), await api.post("/v1/subjects/anna/check", {"code": "123456"})]
            heard += [await api.post("/v1/factors/totp/search", {"subject": "anna"})]
            assert all(answer.headers["content-type"].startswith("application/") for answer in heard)

    await asyncio.gather(*(asks(api) for api in world.both))


async def healthy(api: Any) -> dict[str, Any]:
    answer = await api.http.get("/health/ready")
    return answer.json() if answer.status_code == 200 and "loops" not in answer.json() else {}
