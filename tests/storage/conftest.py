"""The Redis of the session, looked into."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url, protocol=2)
    yield client
    await client.aclose()


@pytest.fixture
async def unsuspected(redis: Redis) -> None:
    """The guard has counted nothing: the starts of other tests, most of them without an approval, use up the budgets of
    a session, and then each record tells what was found."""
    for pattern in ("otp:tally:*", "otp:places:*"):
        if found := [name async for name in redis.scan_iter(match=pattern, count=1000)]:
            await redis.unlink(*found)
