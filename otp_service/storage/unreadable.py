"""What cannot be read in Redis is set aside, so that it stops nothing but itself: a key of the wrong type, one part of
a key, an event, a job. Another program may have written it, a disk may have failed, or a newer version made it.

It is kept for `otp-service repair`, at most 1,000 things for 30 days. What protects somebody (keys.Kind.protects) is
left where it is and only noted: without a ledger of wrong codes, or without a factor, somebody would be let in.

Works below `connection`, which calls it over a fault.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import structlog

from otp_service.domain.value import Hidden, Value
from otp_service.errors import StorageUnavailable
from otp_service.storage import keys
from otp_service.storage.script import Script
from otp_service.storage.topology import Call, Topology
from otp_service.telemetry import metrics

MOST = 1000
LIFE_MS = 30 * 86_400_000
MOST_BYTES = 16_384
"""Of what one thing holds; of more, only that it was there is kept."""
MOST_PARTS = 5_000
"""Of one key that are looked at."""
NOTED_SECONDS = 60.0
"""So often one process notes the same thing that it has to leave in its place."""

_SET_ASIDE, _DROP, _NOTE, _PUT_BACK = map(
    Script.load, tuple(f"unreadable/{name}" for name in ("set_aside", "drop_part", "note", "put_back"))
)

What = Literal["key", "part", "event", "job", "left"]
log = structlog.get_logger()
_left: dict[str, float] = {}


class Entry(Value):
    """One thing that was set aside, or (`left`) only noted.

    at: ms of Redis time. key: where it was. data: of a `part` its words as in drop_part.lua, of an `event` its fields
    and values, of a `job` its name; empty if it was too long.
    """

    id: str
    at: int
    what: What
    key: str
    why: str
    data: Hidden[tuple[bytes, ...]] = ()


class Mended(Value):
    """done: something was set aside, so that a repeat may work. left: a key that has to stay as it is."""

    done: bool = False
    left: str = ""


class _Kept(msgspec.Struct):
    what: What
    key: str
    why: str
    data: list[str]


async def mend(topology: Topology, names: Sequence[str]) -> Mended:
    """Set aside what is wrong with these keys."""
    known = [(name, kind) for name in dict.fromkeys(names) if (kind := keys.kind_of(name))]
    replies = await topology.send([Call(name, [("TYPE", name)]) for name, _ in known]) if known else []
    done, left = False, ""
    for (name, kind), (found,) in zip(known, replies, strict=True):
        if isinstance(found, bytes) and found != b"none":
            why = await _mend(topology, name, kind, found.decode())
            if why and kind.protects:
                await leave(topology, name, why)
                left = name
            done = done or bool(why and not kind.protects)
    return Mended(done, left)


async def leave(topology: Topology, name: str, why: str) -> None:
    """Note something that is left where it is."""
    now = time.monotonic()
    if now - _left.get(name, -NOTED_SECONDS) < NOTED_SECONDS:
        return
    if len(_left) >= MOST:
        _left.clear()
    _left[name] = now
    await note(topology, "left", name, why)


async def note(topology: Topology, what: What, name: str, why: str, data: Sequence[bytes] = ()) -> None:
    """Remember something; taking it out of its place is for the caller, afterwards."""
    kind = keys.kind_of(name)
    metrics.UNREADABLE.labels(kind.pattern if kind else "unknown").inc()
    log.error("unreadable", what=what, key=name, why=why)
    whole = tuple(data) if sum(map(len, data)) <= MOST_BYTES else ()
    kept = msgspec.json.encode(_Kept(what, name, why, [base64.b64encode(part).decode() for part in whole]))
    field = hashlib.sha256(b"\0".join([what.encode(), name.encode(), *data])).hexdigest()[:12]
    await _run(topology, _NOTE, [keys.UNREADABLE], [field, kept, MOST, LIFE_MS])


async def entries(topology: Topology) -> list[Entry]:
    """The oldest first. Raises StorageUnavailable."""
    ((found,),) = await topology.send([Call(keys.UNREADABLE, [("HGETALL", keys.UNREADABLE)])])
    if isinstance(found, Exception):
        raise StorageUnavailable from found
    read = [_entry(field.decode(), value) for field, value in found.items()]
    return sorted(read, key=lambda entry: entry.at)


async def drop(topology: Topology, entry: Entry) -> None:
    """Forget it, and what was kept of it. What was left in its place is deleted there."""
    if entry.what == "left":
        await _command(topology, "DEL", entry.key)
    await forget(topology, entry)


async def forget(topology: Topology, entry: Entry) -> None:
    """Forget it, and what was kept of it."""
    if entry.what == "key":
        await _command(topology, "DEL", keys.aside(entry.key))
    await _command(topology, "HDEL", keys.UNREADABLE, entry.id)


async def retry(topology: Topology, entry: Entry) -> bool:
    """Put it back where it was; it is set aside again if it still cannot be read. False if that cannot be done."""
    done = True
    if entry.what == "key":
        done = bool(await _run(topology, _PUT_BACK, [keys.aside(entry.key), entry.key], []))
    elif entry.what != "left":
        done = bool(entry.data) and await _put_back(topology, entry)
    if done:
        await _command(topology, "HDEL", keys.UNREADABLE, entry.id)
    return done


async def take_out(topology: Topology, what: What, name: str, why: str, data: Sequence[bytes], part: bytes) -> None:
    """Note one part of a key (an event, a job) and take it out. part: its name there, the member or the id."""
    await note(topology, what, name, why, data)
    kind = keys.kind_of(name)
    await _run(topology, _DROP, [name], [_type(kind) if kind else "", part])


async def _mend(topology: Topology, name: str, kind: keys.Kind, found: str) -> str:
    """What is wrong with it, '' if nothing is; it is set aside, unless it has to stay."""
    wanted = _type(kind)
    if found != wanted != "any":
        why = f"is a {found}, not a {wanted}"
        # Another process may have been faster; then somebody has noted it.
        if not kind.protects and await _run(topology, _SET_ASIDE, [name, keys.aside(name)], [wanted, LIFE_MS]):
            await note(topology, "key", name, why)
        return why
    parts = await _parts(topology, name, wanted) if kind.pattern in keys.SOUND else []
    bad = [part for part in parts if not kind.is_sound(part)]
    for part in [] if kind.protects else bad:
        words = [wanted.encode(), *part]
        await note(topology, "part", name, "has a part that cannot be read", words)
        await _run(topology, _DROP, [name], words)
    return "has a part that cannot be read" if bad else ""


async def _parts(topology: Topology, name: str, kind: str) -> list[tuple[bytes, ...]]:
    """Fields with values, members, elements, or the string."""
    command: Sequence[str | int] = {
        "hash": ("HGETALL", name),
        "zset": ("ZRANGE", name, 0, MOST_PARTS - 1),
        "list": ("LRANGE", name, 0, MOST_PARTS - 1),
        "string": ("GET", name),
    }[kind]
    ((found,),) = await topology.send([Call(name, [command])])
    if isinstance(found, dict):
        return list(found.items())
    if isinstance(found, list):
        return [(each,) for each in found]
    return [(found,)] if isinstance(found, bytes) else []


async def _put_back(topology: Topology, entry: Entry) -> bool:
    first, *rest = entry.data
    lane = entry.key[entry.key.find("{") + 1 : entry.key.rfind("}")]
    if entry.what == "event":  # of a log it gets a new number
        pairs = zip(entry.data[::2], entry.data[1::2], strict=True)
        fields = [part for name, value in pairs if name != b"sequence" for part in (name, value)]
        await _command(topology, "XADD", keys.outbox(lane), "*", *fields)
        await _command(topology, "ZADD", keys.due(lane), "LT", entry.at, "relay:")
    elif entry.what == "job":
        await _command(topology, "ZADD", entry.key, entry.at, first)
    elif first == b"hash":
        return bool(await _command(topology, "HSETNX", entry.key, *rest))
    elif first == b"zset":
        await _command(topology, "ZADD", entry.key, 0, *rest)
    elif first == b"list":
        await _command(topology, "RPUSH", entry.key, *rest)
    else:
        return bool(await _command(topology, "SETNX", entry.key, *rest))
    return True


def _type(kind: keys.Kind) -> str:
    """As TYPE says it."""
    return "zset" if kind.type == "sorted set" else kind.type


def _entry(field: str, value: bytes) -> Entry:
    at, _, text = value.partition(b"|")
    try:
        kept = msgspec.json.decode(text, type=_Kept)
        data = tuple(base64.b64decode(part) for part in kept.data)
        return Entry(field, int(at), kept.what, kept.key, kept.why, data)
    except ValueError:
        return Entry(field, 0, "part", keys.UNREADABLE, "this entry cannot be read itself")


async def _run(topology: Topology, script: Script[Any], names: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
    """By its text: it is rare, and the repeat of a script that a server does not know belongs to `connection`."""
    return await _command(topology, "EVAL", script.text, len(names), *names, *args, key=names[0])


async def _command(topology: Topology, *words: str | bytes | int, key: str = "") -> Any:
    ((reply,),) = await topology.send([Call(key or str(words[1]), [words])])
    if isinstance(reply, Exception):
        raise StorageUnavailable from reply
    return reply
