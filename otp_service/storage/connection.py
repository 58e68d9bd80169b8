"""The connection to Redis: how scripts and commands are run, and what faults mean.

A call is never repeated after a lost answer: nobody knows whether the script ran. Whoever needs a repeat makes its
script idempotent and asks again. What a server says it did not do (NOSCRIPT here, redirections in `topology`) is sent
again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import InvalidResponse, MasterDownError, NoScriptError, OutOfMemoryError, ResponseError

from otp_service import settings
from otp_service.errors import StorageUnavailable, Unreadable
from otp_service.settings import redis_url
from otp_service.storage import unreadable
from otp_service.storage.observing import observed
from otp_service.storage.outage import Outage
from otp_service.storage.retry import retry_lost
from otp_service.storage.script import Script as Script  # those who run one load it from here
from otp_service.storage.steps import Argument as Argument
from otp_service.storage.steps import Step as Step
from otp_service.storage.steps import batched
from otp_service.storage.topology import Call, Cluster, Reply, Server, Single, Topology, open_topology

log = structlog.get_logger()

_OF_THE_RECORD = re.compile(
    "WRONGTYPE|ERR user_script:|user_script:|.*(?:is not an integer|is not a (?:valid )?float|Invalid stream ID)"
)
"""Error replies that speak of what lies in a key. Any other means that Redis does not do it, or not now: a permission
is gone, memory is used up, it is no primary. Redis has many of those and gets more, so they are not listed."""
_PING = "#!lua\nreturn 'PONG'"
MOST_MENDED = 20
"""Records of one reply; the rest at the next."""
_WAIT_MS = 500
_WAIT_SHARE = 0.6
"""Of the timeout for an answer, at most: WAIT has to answer before it."""
_SILENCE_SHARE, _SILENCE_OF_WAIT_SHARE = 0.18, 0.7
"""Of the same: an answer that takes longer counts as lost, where the question can be asked once more."""

_EMBEDDED_FILES = "appendonlydir"
"""Where a server keeps what it appends, below its folder."""

T = TypeVar("T")


class Database:
    """Runs scripts and plain commands. Raises StorageUnavailable when Redis did not do it or nobody can tell, and
    Unreadable where it could not because of what lies in one of the keys."""

    def __init__(
        self,
        servers: Redis | Topology,
        confirm_replicas: int = 0,
        timeout_seconds: float = 0.8,
        where: str = "redis.url",
        folder: Path | None = None,
    ) -> None:
        """where: host and port, for people. folder: of an embedded server's files."""
        self.topology = Single(Server(servers)) if isinstance(servers, Redis) else servers
        self.where = where
        self.folder = folder
        self._outage = Outage()
        self.confirm_replicas = confirm_replicas
        self.several_primaries = isinstance(self.topology, Cluster)
        self._seconds = timeout_seconds
        self._wait = ("WAIT", confirm_replicas, min(_WAIT_MS, int(timeout_seconds * _WAIT_SHARE * 1000)))

    @observed
    async def run(
        self, script: Script[Any], keys: Sequence[str], args: Sequence[Argument], *, confirm: bool = False
    ) -> Any:
        """Run one script. `confirm`: it is the request's last write, so replicas must have it before we answer."""
        waits = bool(confirm and self.confirm_replicas)
        (replies,) = await self._run([Step(script, keys, args)], waits=waits)
        await self._raise_faults(script.name, replies, [keys])
        if waits and replies[1] < self.confirm_replicas:
            log.warning("replicas_short", script=script.name, confirmed=replies[1], wanted=self.confirm_replicas)
            raise StorageUnavailable("confirmation_pending", "Not enough replicas have confirmed; try again.")
        return replies[0]

    async def run_many(
        self,
        script: Script[Any],
        calls: Sequence[tuple[Sequence[str], Sequence[Argument]]],
        *,
        some: bool = False,
        each: bool = False,
    ) -> Sequence[Any]:
        """Run one script with many sets of keys; see `run_all`."""
        return await self.run_all([Step(script, *call) for call in calls], some=some, each=each)

    async def run_all(self, steps: Sequence[Step], *, some: bool = False, each: bool = False) -> Sequence[Any]:
        """Run several scripts in one round trip to each primary that has some of their keys, each by itself: one may be
        done and another not.

        each: None stands for what could not be done because of what lies in its keys. some: for that, and for what a
        primary did not answer, unless none of them did.
        """
        if not steps:
            return []
        return await self._run_all("+".join(sorted({step.script.name for step in steps})), steps, some, each)

    @observed
    async def _run_all(self, operation: str, steps: Sequence[Step], some: bool, each: bool) -> Sequence[Any]:
        replies = [reply for (reply,) in await self._run(steps)]
        return await self._heard(operation, replies, [step.keys for step in steps], some, each)

    async def retry_lost(self, ask: Callable[[], Awaitable[T]], *, confirm: bool = False) -> tuple[T, bool]:
        """For what may be asked once more: see storage/retry.py. confirm: replicas have to answer, too, as in `run`."""
        share = _SILENCE_OF_WAIT_SHARE if confirm and self.confirm_replicas else _SILENCE_SHARE
        return await retry_lost(ask, self._seconds, share * self._seconds)

    async def names(self, pattern: str) -> AsyncIterator[str]:
        """Names of keys on all primaries, each at least once; those that come or go meanwhile may be missed."""
        cursors: dict[str, int] = {}
        asked = [0]
        while asked:
            commands = [("SCAN", cursor, "MATCH", pattern, "COUNT", 500) for cursor in asked]
            replies = await self.topology.send_everywhere(commands)
            following = {}
            for address, answered in replies.items():
                await self._raise_faults("SCAN", answered, [[]])
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
        key = _key_of(words)
        ((reply,),) = await self.topology.send([Call(key, [words])])
        await self._raise_faults(str(words[0]), [reply], [[key]])
        return reply

    @observed
    async def command_all(self, word: str, calls: Sequence[Call], *, some: bool = False) -> Sequence[Any]:
        """Run plain commands of this word, one in each call, in one round trip to each primary. some: see `run_all`."""
        replies = [reply for (reply,) in await self.topology.send(calls)]
        return await self._heard(word, replies, [[call.key] for call in calls], some)

    @observed
    async def everywhere(self, *words: Argument, some: bool = False) -> dict[str, Any]:
        """Run one command on every primary, by its address ('' where there is one only). some: see `run_all`."""
        found = await self.topology.send_everywhere([words])
        replies = await self._heard(str(words[0]), [reply for (reply,) in found.values()], [[]] * len(found), some)
        return dict(zip(found, replies, strict=True))

    async def ping(self) -> None:
        """Raises StorageUnavailable if no primary takes writes; with some of a cluster, some phones can be served.

        A script that does nothing, and does not say so, is refused where one that writes would be: memory or disk are
        full, or too few replicas are there. What answers it with anything else is no Redis. An embedded server whose
        files were deleted answers as ever, and would forget everything at its end.
        """
        if self.folder and not await asyncio.to_thread((self.folder / _EMBEDDED_FILES).is_dir):
            self._outage.note_fault("PING", f"the data folder {self.folder} is gone")
            raise StorageUnavailable
        found = [reply for (reply,) in (await self.topology.send_everywhere([("EVAL", _PING, 0)])).values()]
        if b"PONG" not in found:
            faults = [reply if isinstance(reply, Exception) else InvalidResponse("no PONG") for reply in found]
            await self._raise_faults("PING", faults or [MasterDownError("no primary is known")], [])

    async def mend(self, names: Sequence[str]) -> unreadable.Mended:
        """Set aside what makes these keys unreadable."""
        return await unreadable.mend(self.topology, names)

    async def left(self, name: str, why: str) -> Unreadable:
        """To be raised: a record that has to stay where it is, but cannot be read. It is noted."""
        await unreadable.leave(self.topology, name, why)
        return Unreadable(name)

    async def set_aside(self, what: unreadable.What, name: str, why: str, data: Sequence[bytes], part: bytes) -> None:
        """Take a part (an event, a job) out of a key; see storage/unreadable.py."""
        await unreadable.take_out(self.topology, what, name, why, data, part)

    async def _run(self, steps: Sequence[Step], *, waits: bool = False) -> list[list[Reply]]:
        """WAIT speaks of the writes of its own connection only, so both go over one."""
        after = [self._wait] if waits else []
        if self.several_primaries or len(steps) == 1:
            replies = await self._asked(steps, after)
        else:
            batches = list(batched(steps))
            replies = [[] for _ in steps]
            for batch, (reply, *_) in zip(
                batches, await self._asked([one.step for one in batches], after), strict=True
            ):
                for number, own in zip(batch.numbers, batch.spread(reply), strict=True):
                    replies[number] = [own]
        if _has_faults(replies):
            spoilt = [number for number, (reply, *_) in enumerate(replies) if _is_of_the_record(reply)]
            for number in spoilt[:MOST_MENDED]:
                step = steps[number]
                # It failed before it wrote anything; where there is nothing to mend, another caller was faster.
                if len(step.keys) == 1 and not (await self.mend(step.keys)).left:
                    (replies[number],) = await self._asked([step], after)
        for step, answered in zip(steps, replies, strict=True):
            if not isinstance(answered[0], (step.script.answers, Exception)):
                answered[0] = InvalidResponse(f"{type(answered[0]).__name__} from {step.script.name}")
        return replies

    async def _asked(self, steps: Sequence[Step], after: Sequence[Sequence[Argument]]) -> list[list[Reply]]:
        """A call for each step, with what follows it on its connection; a server that lacks a script is told it."""
        replies = await self.topology.send([_call("EVALSHA", step.script.sha, step, after) for step in steps])
        if not _has_faults(replies):
            return replies
        for _ in range(2):  # who was told a script may refuse to run it
            texts = [_instead(reply[0], step.script) for step, reply in zip(steps, replies, strict=True)]
            numbers = [number for number, text in enumerate(texts) if text]
            calls = [_call("EVAL", texts[number], steps[number], after) for number in numbers]
            for number, reply in zip(numbers, await self.topology.send(calls) if calls else [], strict=True):
                replies[number] = reply
        return replies

    async def _heard(
        self, operation: str, replies: list[Reply], keys: Sequence[Sequence[str]], some: bool, each: bool = False
    ) -> Sequence[Reply]:
        """Raises what is a fault. some, each: see `run_all`."""
        faults = [reply for reply in replies if isinstance(reply, Exception)]
        if not faults:
            self._outage.note_answer()
            return replies
        absent = [fault for fault in faults if not _is_of_the_record(fault)]
        if (some and len(absent) < len(replies)) or (each and not absent):
            if absent:
                self._outage.note_fault(operation, _told(absent[0]))
            bad = [names for reply, names in zip(replies, keys, strict=True) if _is_of_the_record(reply)]
            for names in bad[:MOST_MENDED]:
                await self.mend(names)
            return [None if isinstance(reply, Exception) else reply for reply in replies]
        await self._raise_faults(operation, replies, keys)
        return replies

    async def _raise_faults(self, operation: str, replies: Sequence[Reply], keys: Sequence[Sequence[str]]) -> None:
        """Faults of the record are mended where that may be done: who asks again is served."""
        faults = [(number, reply) for number, reply in enumerate(replies) if isinstance(reply, Exception)]
        if not faults:
            self._outage.note_answer()
        for _, fault in faults:
            if not _is_of_the_record(fault):
                self._outage.note_fault(operation, _told(fault))
                raise StorageUnavailable from fault
        for number, fault in faults:
            names = keys[min(number, len(keys) - 1)]
            log.warning("record_not_understood", operation=operation, error=_told(fault))
            mended = await self.mend(names)
            gone = not mended.left and "WRONGTYPE" in str(fault)  # another caller has just set it aside
            if mended.done or gone:
                raise StorageUnavailable from fault
            name = mended.left or (names[0] if names else "")
            raise await self.left(name, "a script does not understand it") from fault


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


def _call(word: str, text: str, step: Step, after: Sequence[Sequence[Argument]]) -> Call:
    keys = step.keys
    return Call(keys[0] if keys else "", [(word, text, len(keys), *keys, *step.args), *after])


def _instead(reply: Reply, script: Script[Any]) -> str:
    """What is sent in place of a call by the script's name that was answered so; '' for nothing."""
    if isinstance(reply, NoScriptError):
        return script.text
    return script.as_reader if _takes_no_writes(reply) else ""


def _has_faults(replies: Sequence[Sequence[Reply]]) -> bool:
    """Nearly none has, so nobody looks closer before this is known."""
    return any(isinstance(reply[0], Exception) for reply in replies)


def _is_of_the_record(reply: Reply) -> bool:
    """Whether it is a fault, and lies in what a key holds."""
    return type(reply) is ResponseError and bool(_OF_THE_RECORD.match(str(reply)))


def _takes_no_writes(reply: Reply) -> bool:
    """A primary whose memory or disk is full, or whose replicas are away."""
    return isinstance(reply, OutOfMemoryError) or (
        isinstance(reply, ResponseError) and str(reply).startswith(("OOM", "MISCONF", "NOREPLICAS"))
    )


def _told(fault: Exception) -> str:
    """For the log: no argument of ours, which Redis repeats for a command that it does not know."""
    text = str(fault).partition("with args")[0] if isinstance(fault, ResponseError) else ""
    return f"{type(fault).__name__} {text}".strip()[:200]


def hash_of(reply: Any) -> dict[bytes, bytes]:
    """Fields and values of a hash: a script answers one after the other, a plain HGETALL a dict (RESP3)."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


@asynccontextmanager
async def open_database(config: settings.Redis) -> AsyncIterator[Database]:
    """Connect as the settings say; starts and supervises the embedded server where they say `embedded:`."""
    if not config.url.startswith("embedded:"):
        where = redis_url.parse(config.url).where
        async with open_topology(config, config.url) as topology:
            yield Database(topology, config.confirm_replicas, config.timeout_seconds, where)
        return
    from otp_service.storage.embedded import embedded_server  # needs a Unix

    folder = Path(config.url.removeprefix("embedded:"))
    async with embedded_server(folder) as url, open_topology(config, url) as topology:
        where = f"the embedded server in {folder}"
        yield Database(topology, config.confirm_replicas, config.timeout_seconds, where, folder)
