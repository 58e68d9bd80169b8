"""The connection to Redis: how scripts and commands are run, and what faults mean.

A call is never repeated after a lost answer: nobody knows whether the script ran. Whoever needs a repeat makes its
script idempotent and asks again. What a server says it did not do (NOSCRIPT here, redirections in `topology`) is sent
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from otp_service import settings
from otp_service.domain.value import Hidden, Value
from otp_service.errors import StorageUnavailable
from otp_service.storage.again import again
from otp_service.storage.observing import observed
from otp_service.storage.topology import Call, Reply, Server, Single, Topology, open_topology

log = structlog.get_logger()

# Error replies that mean "not now" rather than "you asked wrongly". redis-py has classes for most of them.
_NOT_NOW = (
    AskError, AuthenticationError, ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError,
)  # fmt: skip
_NOT_NOW_PREFIXES = ("NOREPLICAS", "MISCONF", "BUSY")
_WAIT_MS = 500
_WAIT_SHARE = 0.6
"""Of the timeout for an answer, at most: WAIT has to answer before it."""
_SILENCE_SHARE, _SILENCE_OF_WAIT_SHARE = 0.18, 0.7
"""Of the same: an answer that takes longer counts as lost, where the question can be asked once more."""

Argument = str | bytes | int
T = TypeVar("T")


class Script(Value):
    """One operation of storage/scripts, with what it shares with others put behind its first line."""

    name: str
    text: Hidden[str]
    sha: str

    @classmethod
    def load(cls, name: str, *more: str) -> Script:
        """more: what only some scripts share, without `.lua`; what all share is always there."""
        folder = files("otp_service.storage") / "scripts"
        first, _, body = (folder / f"{name}.lua").read_text(encoding="utf-8").partition("\n")
        shared = "".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("_shared", *more))
        text = f"{first}\n{shared}{body}"
        return cls(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Step(Value):
    """One script with its keys, which have one hash tag, and its arguments."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]


class Database:
    """Runs scripts and plain commands. Raises StorageUnavailable when Redis did not do it or nobody can tell."""

    def __init__(self, servers: Redis | Topology, confirm_replicas: int = 0, timeout_seconds: float = 0.8) -> None:
        self.topology = Single(Server(servers)) if isinstance(servers, Redis) else servers
        self.confirm_replicas = confirm_replicas
        self._seconds = timeout_seconds
        self._wait = ("WAIT", confirm_replicas, min(_WAIT_MS, int(timeout_seconds * _WAIT_SHARE * 1000)))

    @observed
    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument], *, confirm: bool = False) -> Any:
        """Run one script. `confirm`: it is the request's last write, so replicas must have it before we answer."""
        waits = bool(confirm and self.confirm_replicas)
        (replies,) = await self._run([Step(script, keys, args)], waits=waits)
        _raise_faults(script.name, replies)
        if waits and replies[1] < self.confirm_replicas:
            log.warning("replicas_short", script=script.name, confirmed=replies[1], wanted=self.confirm_replicas)
            raise StorageUnavailable("confirmation_pending", "Not enough replicas have confirmed; ask again.")
        return replies[0]

    async def run_many(
        self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]], *, some: bool = False
    ) -> Sequence[Any]:
        """Run one script with many sets of keys; see `run_all`."""
        return await self.run_all([Step(script, *call) for call in calls], some=some)

    async def run_all(self, steps: Sequence[Step], *, some: bool = False) -> Sequence[Any]:
        """Run several scripts in one round trip to each primary that has some of their keys, each by itself: one may be
        done and another not.

        some: None stands for what a primary did not answer, unless none of them did.
        """
        if not steps:
            return []
        return await self._run_all("+".join(sorted({step.script.name for step in steps})), steps, some)

    @observed
    async def _run_all(self, operation: str, steps: Sequence[Step], some: bool) -> Sequence[Any]:
        return _heard(operation, [reply for (reply,) in await self._run(steps)], some)

    async def again(self, ask: Callable[[], Awaitable[T]], *, confirm: bool = False) -> tuple[T, bool]:
        """For what may be asked once more: see storage/again.py. confirm: replicas have to answer, too, as in `run`."""
        share = _SILENCE_OF_WAIT_SHARE if confirm and self.confirm_replicas else _SILENCE_SHARE
        return await again(ask, self._seconds, share * self._seconds)

    async def names(self, pattern: str) -> AsyncIterator[str]:
        """Names of keys on all primaries, each at least once; those that come or go meanwhile may be missed."""
        cursors: dict[str, int] = {}
        asked = [0]
        while asked:
            commands = [("SCAN", cursor, "MATCH", pattern, "COUNT", 500) for cursor in asked]
            replies = await self.topology.send_everywhere(commands)
            following = {}
            for address, answered in replies.items():
                _raise_faults("SCAN", answered)
                own = cursors.get(address, 0)  # all are asked with the cursors of all, and one that is done with none
                if own in asked:
                    cursor, found = answered[asked.index(own)]
                    for name in found:
                        yield name.decode()
                    if int(cursor):
                        following[address] = int(cursor)
            cursors, asked = following, sorted(set(following.values()))

    @observed
    async def command(self, *words: Argument) -> Any:
        """Run one plain command, on the primary that owns its key."""
        ((reply,),) = await self.topology.send([Call(_key_of(words), [words])])
        _raise_faults(str(words[0]), [reply])
        return reply

    @observed
    async def command_all(self, word: str, calls: Sequence[Call], *, some: bool = False) -> Sequence[Any]:
        """Run plain commands of this word, one in each call, in one round trip to each primary. some: see `run_all`."""
        return _heard(word, [reply for (reply,) in await self.topology.send(calls)], some)

    @observed
    async def everywhere(self, *words: Argument, some: bool = False) -> dict[str, Any]:
        """Run one command on every primary, by its address ('' where there is one only). some: see `run_all`."""
        found = await self.topology.send_everywhere([words])
        replies = _heard(str(words[0]), [reply for (reply,) in found.values()], some)
        return dict(zip(found, replies, strict=True))

    async def ping(self) -> None:
        """Raises StorageUnavailable if no primary answers; with some of a cluster, some phones can be served."""
        found = (await self.topology.send_everywhere([("PING",)])).values()
        if not any(reply for (reply,) in found if not isinstance(reply, Exception)):
            _raise_faults("PING", [reply for (reply,) in found] or [MasterDownError("no primary is known")])

    async def _run(self, steps: Sequence[Step], *, waits: bool = False) -> list[list[Reply]]:
        """WAIT speaks of the writes of its own connection only, so both go over one."""
        after = [self._wait] if waits else []

        def call(word: str, text: str, step: Step) -> Call:
            keys = step.keys
            return Call(keys[0] if keys else "", [(word, text, len(keys), *keys, *step.args), *after])

        replies = await self.topology.send([call("EVALSHA", step.script.sha, step) for step in steps])
        missing = [number for number, (reply, *_) in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            unknown = [steps[number] for number in missing]
            again = await self.topology.send([call("EVAL", step.script.text, step) for step in unknown])
            for number, reply in zip(missing, again, strict=True):
                replies[number] = reply
        return replies


_KEYLESS = frozenset({"PING", "TIME", "INFO", "CONFIG", "SCRIPT", "ROLE", "DBSIZE", "CLUSTER", "CLIENT"})
_WITH_SUBCOMMAND = frozenset({"XGROUP", "XINFO", "OBJECT", "MEMORY"})


def _key_of(words: Sequence[Argument]) -> str:
    """Its first key; where a command has several, they must have one hash tag."""
    name = str(words[0]).upper()
    place = 2 if name in _WITH_SUBCOMMAND else 1
    if name in ("XREAD", "XREADGROUP"):
        place = next(n for n, word in enumerate(words) if str(word).upper() == "STREAMS") + 1
    found = "" if name in _KEYLESS or len(words) <= place else words[place]
    return found.decode() if isinstance(found, bytes) else str(found)


def _heard(operation: str, replies: Sequence[Reply], some: bool) -> Sequence[Reply]:
    """Raises what is a fault. some: None stands for each absence, unless all are absent."""
    away = [reply for reply in replies if _is_absence(reply)] if some else []
    if 0 < len(away) < len(replies):
        log.warning("storage_unavailable", operation=operation, error=type(away[0]).__name__)
        replies = [None if _is_absence(reply) else reply for reply in replies]
    _raise_faults(operation, replies)
    return replies


def _raise_faults(operation: str, replies: Sequence[Reply]) -> None:
    for reply in replies:
        if _is_absence(reply):
            log.warning("storage_unavailable", operation=operation, error=type(reply).__name__)
            raise StorageUnavailable from reply
        if isinstance(reply, Exception):
            raise reply


def _is_absence(reply: Reply) -> bool:
    """Whether Redis is not there now. Any other fault is a bug of ours, which must be seen as such."""
    if isinstance(reply, ResponseError):
        return isinstance(reply, _NOT_NOW) or str(reply).startswith(_NOT_NOW_PREFIXES)
    return isinstance(reply, Exception)


@asynccontextmanager
async def open_database(config: settings.Redis) -> AsyncIterator[Database]:
    """Connect as the settings say; starts and supervises the embedded server where they say `embedded:`."""
    if not config.url.startswith("embedded:"):
        async with open_topology(config, config.url) as topology:
            yield Database(topology, config.confirm_replicas, config.timeout_seconds)
        return
    from otp_service.storage.embedded import embedded_server  # needs a Unix

    folder = Path(config.url.removeprefix("embedded:"))
    async with embedded_server(folder) as url, open_topology(config, url) as topology:
        yield Database(topology, config.confirm_replicas, config.timeout_seconds)
