"""What Redis must be before we serve on it: there, new enough, never evicting, keeping what it is given, on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from otp_service.errors import SettingsError, StorageUnavailable
from otp_service.storage.connection import Database
from otp_service.storage.topology import SLOTS, Cluster, Single

log = structlog.get_logger()

REDIS_FLOOR = (7, 0)
VALKEY_FLOOR = (7, 2)
PATIENCE_SECONDS = 10.0
CLOCK_SECONDS = 2.0
"""How far clocks may be apart. Lives follow the primary's; what gateways are told follows ours."""


async def wait_until_there(database: Database, patience: float = PATIENCE_SECONDS) -> None:
    """Give a Redis that starts or fails over beside us time to come up. Raises SettingsError when it does not."""
    deadline = asyncio.get_running_loop().time() + patience
    while absent := await _absent(database):
        if asyncio.get_running_loop().time() > deadline:
            raise SettingsError(f"redis.url: {absent.format(patience=f'{patience:.0f} s')}")
        await asyncio.sleep(0.25)


async def inspect(database: Database, *, allow_no_persistence: bool) -> Sequence[str]:
    """What is wrong with this Redis, one sentence each; nothing if it may be used."""
    problems = []
    for address, info in (await _infos(database)).items():
        where = f" at {address}" if address else ""
        found = [
            *_unfit(info, allow_no_persistence=allow_no_persistence),
            *_misplaced(database, info),
            *_lonely(database, info),
        ]
        problems += [f"redis{where}: {sentence}" for sentence in found]
    return [*problems, *await _clocks(database)]


async def is_lasting(database: Database) -> bool:
    """Whether this Redis keeps what it is given over a restart, each primary of it."""
    return all(info.get("aof_enabled") for info in (await database.everywhere("INFO", "persistence")).values())


async def refuse_unfit(database: Database, *, allow_no_persistence: bool) -> None:
    """Raises SettingsError with every reason at once."""
    problems = await inspect(database, allow_no_persistence=allow_no_persistence)
    if problems:
        raise SettingsError("\n".join(problems))
    if wrong := await own_clock(database):
        log.warning("clock_is_wrong", text=f"The clock of this host is {wrong}.")


async def _absent(database: Database) -> str:
    """What is not there yet; '' if everything is."""
    if isinstance(database.topology, Cluster):
        gap = database.topology.uncovered()
        if gap:
            database.topology.watch.doubt()
        if 0 < gap < SLOTS:
            return f"{gap} of the cluster's {SLOTS} slots have no primary, not even after {{patience}}"
        if gap:
            return _NOBODY
    try:
        infos = await _infos(database)
    except StorageUnavailable:
        return _NO_ANSWER if isinstance(database.topology, Single) else _NOBODY
    lonely = [sentence for info in infos.values() for sentence in _lonely(database, info)]
    return f"{lonely[0]} (waited {{patience}})" if lonely else ""


_NO_ANSWER = "no Redis answers there within {patience}; check the address, the password and that the server runs"
_NOBODY = "no primary is there, not even after {patience}; check the addresses, the password and that the servers run"


async def _infos(database: Database) -> dict[str, Mapping[str, Any]]:
    """INFO of every primary."""
    found: dict[str, dict[str, Any]] = {}
    for section in ("server", "memory", "persistence", "replication", "cluster"):
        for address, info in (await database.everywhere("INFO", section)).items():
            found.setdefault(address, {}).update(info)
    return dict(found)


def _unfit(info: Mapping[str, Any], *, allow_no_persistence: bool) -> list[str]:
    problems = []
    valkey = str(info.get("valkey_version", ""))
    name, version, floor = (
        ("Valkey", valkey, VALKEY_FLOOR) if valkey else ("Redis", str(info.get("redis_version", "0")), REDIS_FLOOR)
    )
    if tuple(int(part) for part in version.split(".")[:2]) < floor:
        problems.append(f"{name} {version} is too old; {floor[0]}.{floor[1]} or newer is needed")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        problems.append(f"maxmemory-policy is {policy}; it would drop attempt counters. Set it to noeviction")
    if not info.get("aof_enabled") and not allow_no_persistence:
        problems.append(
            "appendonly is off, so used codes could be used again after a restart. Switch it on, or set "
            "redis.allow_no_persistence = true if losing codes and counters is acceptable"
        )
    return problems


def _misplaced(database: Database, info: Mapping[str, Any]) -> list[str]:
    """One server that is part of something larger."""
    if isinstance(database.topology, Single):
        if info.get("cluster_enabled"):
            return ["it belongs to a Cluster; write redis+cluster:// into redis.url"]
        if info.get("role") == "slave":
            return ["it is a replica; name the primary in redis.url, or the Sentinels with redis+sentinel://"]
    return []


def _lonely(database: Database, info: Mapping[str, Any]) -> list[str]:
    replicas, wanted = int(info.get("connected_slaves", 0)), database.confirm_replicas
    if replicas >= wanted:
        return []
    return [f"it has {replicas} of the {wanted} replicas of redis.confirm_replicas; every verdict would be a 503"]


async def _clocks(database: Database) -> list[str]:
    """Servers whose clocks disagree. Replicas too: each may be the primary tomorrow, and lives follow its clock."""
    began = time.time()
    told = {
        address: seconds + microseconds / 1_000_000
        for address, reply in (await database.topology.ask_all("TIME")).items()
        if not isinstance(reply, Exception)
        for seconds, microseconds in [reply]
    }
    doubt = time.time() - began  # what the questions' own way may explain
    if not told:
        return []
    earliest, latest = min(told, key=told.__getitem__), max(told, key=told.__getitem__)
    apart = told[latest] - told[earliest]
    if apart - doubt > CLOCK_SECONDS:
        return [f"redis: the clock at {latest} is {apart:.0f} s ahead of that at {earliest}; set them by NTP"]
    return []


async def own_clock(database: Database) -> str:
    """What is wrong with the clock of this host, compared with that of Redis; '' if nothing is."""
    began = time.time()
    told = await database.everywhere("TIME")
    middle, doubt = (began + time.time()) / 2, (time.time() - began) / 2
    for seconds, microseconds in told.values():
        apart = middle - seconds - microseconds / 1_000_000
        if abs(apart) - doubt > CLOCK_SECONDS:
            return f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} that of Redis; set both by NTP"
    return ""
