"""What one verification takes in Redis: bounds that a change has to keep, or to move on purpose."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from tests.api import Api, Gateways

LIVE, ENDED = 1_136, 872
"""Bytes of the record alone, as `MEMORY USAGE` tells, its key included. Some 45 are the choice of a route."""


async def size(redis: Redis, verification: str) -> int:
    (name,) = [name async for name in redis.scan_iter(f"otp:v:*:{verification}")]
    # A field of more than 64 bytes, or more than 128 fields, would make it three times as large.
    assert await redis.object("ENCODING", name) == b"listpack"
    return int(await redis.memory_usage(name, samples=0))


async def test_a_record_stays_small(api: Api, gateways: Gateways, phone: str, redis: Redis) -> None:
    client = {"ip": "203.0.113.9", "trusted": True}
    started = (await api.start(phone, purpose="login", client=client)).json()
    code = (await gateways.codes(phone))[0]
    live = await size(redis, started["id"])
    assert live <= LIVE
    assert await api.outcome(started["id"], code) == "approved"
    await asyncio.sleep(0.2)
    ended = await size(redis, started["id"])
    assert ended <= ENDED
    assert ended <= live + 64, "hashes, salt and cost are gone; when it ended and what it cost has come"
