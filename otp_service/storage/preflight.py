"""What Redis must be before we serve on it: there, new enough, never evicting, keeping what it is given, on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from redis.exceptions import NoPermissionError, ResponseError

from otp_service.domain.keyring import Keyring
from otp_service.errors import OtpError, SettingsError, StorageUnavailable, WrongRedisError
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script
from otp_service.storage.install import PARTITIONS, UNREADABLE_INSTALL, foreign_secret
from otp_service.storage.topology import SLOTS, Call, Cluster, Single
from otp_service.storage.trouble import Trouble, trouble_of

log = structlog.get_logger()

REDIS_FLOOR = (7, 0)
VALKEY_FLOOR = (7, 2)
PATIENCE_SECONDS = 10.0
FIRST_WORD_SECONDS, WORD_EACH_SECONDS = 5.0, 60.0
"""When a start that waits says for the first time what it waits for, and how often from then on."""
MOST_LOOKED_AT = 10_000
_PROBE = Script.load("install/probe")
CLOCK_SECONDS = 2.0
"""How far clocks may be apart. Lives follow the primary's; what gateways are told follows ours."""


async def wait_until_there(database: Database, patience: float = PATIENCE_SECONDS) -> None:
    """Give a Redis that starts or fails over beside us time to come up. Raises SettingsError when it does not, at once
    where it never will: a wrong password, or, unless more patience is wanted than usual, a name without an address."""
    clock = asyncio.get_running_loop().time
    began = clock()
    next_word = began + FIRST_WORD_SECONDS
    if refused := await _refused(database):
        raise WrongRedisError(
            f"redis.url: the user of this URL may not do there: {', '.join(refused)}. docs/operations.md, Logins, "
            "has the line for its ACL"
        )
    while absent := await _absent(database):
        hopeless = absent.certain and not (absent.nameless and patience > PATIENCE_SECONDS)
        if hopeless or clock() > began + patience:
            raise SettingsError(f"redis.url: {absent.sentence.format(patience=f'{patience:.0f} s')}")
        if clock() >= next_word:
            next_word += WORD_EACH_SECONDS
            waited = f"{clock() - began:.0f} s"
            log.warning("waiting_for_redis", text=absent.sentence.format(patience=waited), of_seconds=patience)
        await asyncio.sleep(0.25)


async def obstacles(
    database: Database,
    keyring: Keyring,
    applications: Collection[str],
    *,
    allow_no_persistence: bool,
    patience: float = PATIENCE_SECONDS,
) -> Sequence[str]:
    """All of this Redis that a start is refused for, one sentence each: the one list, for `serve` and `doctor`. Raises
    WrongRedisError for one that is not for us at all."""
    try:
        await wait_until_there(database, patience)
        problems = [*await inspect(database, allow_no_persistence=allow_no_persistence)]
        try:
            await refuse_foreign(database, applications)
        except StorageUnavailable:
            if not problems:  # what is wrong already explains why it answers nothing else
                raise
        if not problems and (foreign := await foreign_secret(database, keyring)):
            problems.append(foreign)
    except WrongRedisError:
        raise
    except OtpError as error:
        return [str(error)]
    return problems


async def inspect(database: Database, *, allow_no_persistence: bool) -> Sequence[str]:
    """What is wrong with this Redis, one sentence each; nothing if it may be used."""
    problems = []
    for address, info in (await _infos(database)).items():
        where = f" at {address}" if address else ""
        found = [
            *_version_and_policy(info, allow_no_persistence=allow_no_persistence),
            *_replicas(database, info),
        ]
        if isinstance(database.topology, Single):  # one server that is part of something larger
            if info.get("cluster_enabled"):
                found.append("it belongs to a Cluster; write redis+cluster:// into redis.url")
            elif info.get("role") == "slave":
                found.append("it is a replica; name the primary in redis.url, or the Sentinels with redis+sentinel://")
        problems += [f"redis{where}: {sentence}" for sentence in found]
    return [*problems, *await _clocks(database)]


async def refuse_foreign(database: Database, applications: Collection[str]) -> None:
    """Raises WrongRedisError where another program has its data under our names."""
    lanes = [keys.GATEWAYS, *map(keys.application_lane, applications), *map(str, range(PARTITIONS))]
    standing = [keys.INSTALL, keys.API_KEYS, keys.AUDIT, keys.UNREADABLE]
    standing += [name for lane in lanes for name in (keys.due(lane), keys.outbox(lane))]
    for application in applications:
        standing += [keys.events(application), keys.event_state(application), keys.spending(application)]
    types = await database.command_all("TYPE", [Call(name, [("TYPE", name)]) for name in standing])
    for name, found in zip(standing, types, strict=True):
        wanted = keys.type_of(name)
        if found not in (b"none", wanted.encode()):
            raise WrongRedisError(
                f"redis: {name} is a {found.decode()} and not a {wanted}: another program writes there. Give the "
                "service a database of its own, or take that key away"
            )
    partitions, *others = await database.command("HMGET", keys.INSTALL, "partitions", "key_id", "index_key")
    if types[0] != b"none" and (None in others or not (partitions or b"").isdigit()):
        raise WrongRedisError(UNREADABLE_INSTALL)
    if types[0] == b"none" and (stranger := await _stranger(database)):
        if await database.command("EXISTS", keys.INSTALL):
            return  # a process that started beside this one has drawn it since, and works
        raise WrongRedisError(
            f"redis: {stranger} is there, and otp:install is not: these are the keys of another program, or "
            "otp:install was lost. Give the service a database of its own, or restore a backup"
        )


async def _stranger(database: Database) -> str:
    """A key under our prefix; '' if there are none but those that commands may leave before the first start."""
    looked = 0
    async for name in database.names("otp:*"):
        kind, looked = keys.kind_of(name), looked + 1
        if kind is None or not name.startswith((keys.API_KEYS, keys.AUDIT, keys.UNREADABLE)):
            return ascii(name[:80])[1:-1]
        if looked >= MOST_LOOKED_AT:
            break
    return ""


async def _refused(database: Database) -> list[str]:
    """Commands that the Redis user may not run, or that the server does not have. A server that does not answer refuses
    nothing."""
    asked = [("PING",), ("INFO", "server"), ("TIME",), ("SCAN", 0, "MATCH", "otp:*", "COUNT", 1)]
    answered = list((await database.topology.send_everywhere(asked)).values())
    probe = ("EVAL", _PROBE.text, 1, keys.PREFLIGHT)
    (probed,) = await database.topology.send([Call(keys.PREFLIGHT, [probe])])
    named = [str(word) for words in asked for word in words[:1]]
    refused = {word for replies in answered for word, reply in zip(named, replies, strict=True) if _is_refusal(reply)}
    if _is_refusal(probed[0]):
        refused.add("anything with keys that begin with otp:" if "key" in str(probed[0]) else "EVAL")
    elif isinstance(probed[0], list):
        refused |= {word.decode() for word in probed[0]}
    return sorted(refused)


def _is_refusal(reply: Any) -> bool:
    return isinstance(reply, NoPermissionError) or (
        isinstance(reply, ResponseError) and "unknown command" in str(reply)
    )


async def is_persistent(database: Database) -> bool:
    """Whether this Redis keeps what it is given over a restart, each primary of it."""
    return all(info.get("aof_enabled") for info in (await database.everywhere("INFO", "persistence")).values())


async def refuse_unfit(
    database: Database,
    keyring: Keyring,
    applications: Collection[str],
    *,
    allow_no_persistence: bool,
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Raises SettingsError with every reason at once."""
    problems = await obstacles(
        database, keyring, applications, allow_no_persistence=allow_no_persistence, patience=patience
    )
    if problems:
        raise SettingsError("\n".join(problems))
    if wrong := await own_clock(database):
        log.warning("clock_is_wrong", text=f"The clock of this host is {wrong}.")


async def _absent(database: Database) -> Trouble | None:
    """What is not there yet; None if everything is."""
    if isinstance(database.topology, Cluster):
        gap = database.topology.uncovered()
        if gap:
            database.topology.watch.doubt()
        if 0 < gap < SLOTS:
            return Trouble(f"{gap} of the cluster's {SLOTS} slots have no primary, not even after {{patience}}")
        if gap:
            return _NOBODY
    try:
        infos = await _infos(database)
    except StorageUnavailable as fault:
        return trouble_of(fault, database.where) if isinstance(database.topology, Single) else _NOBODY
    short = [sentence for info in infos.values() for sentence in _replicas(database, info)]
    return Trouble(f"{short[0]} (waited {{patience}})") if short else None


_NOBODY = Trouble(
    "no primary is there, not even after {patience}; check the addresses, the password and that the servers run"
)


async def _infos(database: Database) -> dict[str, Mapping[str, Any]]:
    """INFO of every primary."""
    found: dict[str, dict[str, Any]] = {}
    for section in ("server", "memory", "persistence", "replication", "cluster"):
        for address, info in (await database.everywhere("INFO", section)).items():
            found.setdefault(address, {}).update(info)
    return dict(found)


def _version_and_policy(info: Mapping[str, Any], *, allow_no_persistence: bool) -> list[str]:
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
    counted = int(info.get("used_memory", 0)) - int(info.get("mem_not_counted_for_evict", 0))
    if 0 < int(info.get("maxmemory", 0)) <= counted:
        problems.append("its memory is full, so it takes nothing new; raise maxmemory")
    if not info.get("aof_enabled") and not allow_no_persistence:
        problems.append(
            "appendonly is off, so used codes could be used again after a restart. Switch it on, or set "
            "redis.allow_no_persistence = true if losing codes and counters is acceptable"
        )
    return problems


def _replicas(database: Database, info: Mapping[str, Any]) -> list[str]:
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
