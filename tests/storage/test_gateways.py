"""What is remembered of how gateways did."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.gateways import ENDS, MOST_GROUPS, GatewayStore


@pytest.fixture
async def name(redis: Redis, phone: str) -> AsyncIterator[str]:
    found = f"test-{phone[1:]}"
    yield found
    await redis.delete(keys.heard(found), keys.ends(found), keys.delays(found))


async def test_ends_are_kept_and_times_by_operator(redis: Redis, name: str) -> None:
    store = GatewayStore(Database(redis))
    await store.observe(name, [True, False], [("МТС", 4000), ("?", None), ("Beeline", 9000), ("МТС", 0)])
    await store.observe(name, [], [("МТС", 5000)])
    found = (await store.read([name]))[name]
    assert (found.heard, found.ends) == ([False, True], [5000, 0, 9000, None, 4000])
    assert found.delays == {"МТС": [5000, 0, 4000], "Beeline": [9000]}, "the newest first, and none that failed"

    await store.observe(name, [], [("МТС", n) for n in range(ENDS + 1)])
    await store.observe(name, [], [(f"country {n}", 1) for n in range(MOST_GROUPS + 9)])
    found = (await store.read([name]))[name]
    assert (len(found.ends), len(found.delays)) == (ENDS, MOST_GROUPS), "strangers choose the country"
    assert found.delays["МТС"] == [ENDS - n for n in range(ENDS)]
    assert 0 < await redis.pttl(keys.delays(name)) <= 7 * 86_400_000


@pytest.mark.parametrize("value", [b"", b"x", b"1,", b"1,,2", b"-", b"9" * 5000])
async def test_times_that_cannot_be_read_are_set_aside(redis: Redis, name: str, value: bytes) -> None:
    await redis.hset(keys.delays(name), "МТС", value)
    store = GatewayStore(Database(redis))
    assert (await store.read([name]))[name].delays == {}
    await store.observe(name, [], [("МТС", 5000)])
    assert (await store.read([name]))[name].delays == {"МТС": [5000]}
