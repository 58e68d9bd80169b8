"""What may lie in a key that is not ours: another type, garbage in the right type, what a newer version would write."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from otp_service.storage.keys import CATALOGUE, Kind

HOWS = ("wrong type", "garbage", "future")
GARBAGE = b"\xff\x00not ours; \xd1"
PERSONAL = ("otp:v:", "otp:sms:", "otp:idem:", "otp:{apikeys}:<", "otp:sub:", "otp:sop:", "otp:decoy:")


def globbed(pattern: str) -> str:
    return re.sub(r"<[^>]*>", "*", pattern).replace("{p}", "{[0-9]*}").replace("{lane}", "{*}")


async def names(redis: Redis, kind: Kind) -> list[bytes]:
    """Keys of this kind that are there now."""
    glob = globbed(kind.pattern)
    found = [name async for name in redis.scan_iter(match=glob, count=1000)]
    others = [globbed(each.pattern) for each in CATALOGUE if len(each.pattern) > len(kind.pattern)]
    return sorted(
        name for name in found if not any(fnmatch.fnmatchcase(name.decode("latin-1"), other) for other in others)
    )


@asynccontextmanager
async def poisoned(redis: Redis, name: bytes, kind: Kind, how: str) -> AsyncIterator[None]:
    """Afterwards what concerns one person, or protects, is as it was; anything else must have healed by itself."""
    before, ttl = await redis.dump(name), await redis.pttl(name)
    await poison(redis, name, kind, how)
    try:
        yield
    finally:
        own = kind.protects or "{p}" in kind.pattern or kind.pattern.startswith(PERSONAL)
        type_now = (await redis.type(name)).decode()
        if own or type_now not in ("none", {"sorted set": "zset"}.get(kind.type, kind.type)):  # nobody needed it
            await redis.delete(name)
            if before is not None:
                await redis.restore(name, max(ttl, 0), before)


async def poison(redis: Redis, name: bytes, kind: Kind, how: str) -> None:
    if how == "wrong type":
        await redis.delete(name)
        if kind.type == "string":
            await redis.rpush(name, GARBAGE)
        else:
            await redis.set(name, GARBAGE)
        return
    garbage = how == "garbage"
    match kind.type:
        case "hash":
            fields = await redis.hgetall(name)
            if garbage:
                await redis.hset(name, mapping=dict.fromkeys([*fields, b"\xfe?"], GARBAGE))
            else:
                await redis.hset(
                    name, mapping={b"schema": b"9", **({b"status": b"dormant"} if b"status" in fields else {})}
                )
        case "sorted set":
            await redis.zadd(name, {GARBAGE if garbage else b"tomorrow:abc": 0})
        case "list":
            await redis.lpush(name, GARBAGE if garbage else b"later:1")
        case "stream":
            event = {
                "type": "verification.dreamt",
                "at": "1700000000000",
                "application": "web",
                "subject": "s",
                "n": "1",
            }
            await redis.xadd(
                name, {GARBAGE: GARBAGE} if garbage else {**event, "sequence": "1", "actor": "", "action": "slept"}
            )
        case _:
            await redis.set(name, GARBAGE if garbage else b"v9:" + (await redis.get(name) or b""), keepttl=True)
