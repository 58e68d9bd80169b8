"""What one verification takes in Redis: bounds that a change has to keep, or to move on purpose."""

from __future__ import annotations

import asyncio
import random

import pytest
from redis.asyncio import Redis

from tests.api import Api, Gateways

LIVE, ENDED = 1_136, 872
"""Bytes of the record alone, as `MEMORY USAGE` tells, its key included. Some 45 are the choice of a route."""
SUSPECTED = {"valkey": 3_000, "redis": 3_600}
"""The same, of a live one with what the guard found: a longer field than Redis keeps in the compact form of a hash. By
what stores it: of the same 45 fields Valkey 9.1 makes 2,672 bytes, Redis 7.0 3,264."""


async def size(redis: Redis, verification: str, encoding: bytes = b"listpack") -> int:
    (name,) = [name async for name in redis.scan_iter(f"otp:v:*:{verification}")]
    # A field of more than 64 bytes, or more than 128 fields, would make it three times as large.
    assert await redis.object("ENCODING", name) == encoding
    return int(await redis.memory_usage(name, samples=0))


@pytest.mark.usefixtures("unsuspected")
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


@pytest.mark.usefixtures("unsuspected")
async def test_what_the_guard_found_is_bounded(api: Api, redis: Redis) -> None:
    """Of a client's address and device at once; one that watches lets all of them go."""
    client = {"ip": f"198.18.{random.randrange(256)}.{random.randrange(256)}", "device": f"d{random.random()}"}
    for _ in range(24):
        started = await api.started(
            f"+7916{random.randrange(10_000, 100_000)}{random.randrange(13, 20)}", client=client
        )
    most = SUSPECTED["valkey" if "valkey_version" in await redis.info("server") else "redis"]
    assert 2 * LIVE < await size(redis, started["id"], b"hashtable") <= most
