"""What Redis must be before we serve on it: new enough, never evicting, keeping what it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from otp_service.errors import SettingsError, StorageUnavailable
from otp_service.storage.connection import Database

log = structlog.get_logger()

REDIS_FLOOR = (7, 0)
VALKEY_FLOOR = (7, 2)
PATIENCE_SECONDS = 10.0


async def wait_until_there(database: Database, patience: float = PATIENCE_SECONDS) -> None:
    """Give a Redis that starts beside us time to come up. Raises SettingsError when it does not."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            await database.command("PING")
        except StorageUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise SettingsError(
                    f"redis.url: no Redis answers there within {patience:.0f} s; check the address, the password and "
                    "that the server runs"
                ) from None
            await asyncio.sleep(0.25)
        else:
            return


async def inspect(database: Database, *, allow_no_persistence: bool) -> Sequence[str]:
    """What is wrong with this Redis, one sentence each; nothing if it may be used."""
    info: dict[str, object] = {}
    for section in ("server", "memory", "persistence"):
        info |= await database.command("INFO", section)
    problems = []
    valkey = str(info.get("valkey_version", ""))
    name, version, floor = (
        ("Valkey", valkey, VALKEY_FLOOR) if valkey else ("Redis", str(info.get("redis_version", "0")), REDIS_FLOOR)
    )
    if tuple(int(part) for part in version.split(".")[:2]) < floor:
        problems.append(f"redis: {name} {version} is too old; {floor[0]}.{floor[1]} or newer is needed")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        problems.append(f"redis: maxmemory-policy is {policy}; it would drop attempt counters. Set it to noeviction")
    if not info.get("aof_enabled") and not allow_no_persistence:
        problems.append(
            "redis: appendonly is off, so used codes could be used again after a restart. Switch it on, or set "
            "redis.allow_no_persistence = true if losing codes and counters is acceptable"
        )
    return problems


async def refuse_unfit(database: Database, *, allow_no_persistence: bool) -> None:
    """Raises SettingsError with every reason at once."""
    problems = await inspect(database, allow_no_persistence=allow_no_persistence)
    if problems:
        raise SettingsError("\n".join(problems))
