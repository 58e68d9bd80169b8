"""One server of Redis. Short calls of everybody share one connection; long ones get one for themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ReadOnlyError, RedisError, ResponseError

from otp_service import settings
from otp_service.domain.value import Value
from otp_service.storage.topology.parser import BoundedParser
from otp_service.storage.topology.pool import Pool, open_pool

SHORT = 16
"""Calls that go out together at most; a longer list would keep everybody else waiting."""
SECONDS = 0.8
SHARE_OF_SILENCE = 0.25
"""Of the time for an answer: a shared connection that owes one for so long is left to those who wait for it, and
others get a new one."""

Command = Sequence[str | bytes | int]
Reply = Any
"""What the server answered, or an exception: its error, or the fault that kept us from hearing an answer."""


class Call(Value):
    """Commands for the connection of one primary: the one that owns `key` ('' for any)."""

    key: str
    commands: Sequence[Command]


class _Asked(Value):
    """What one caller asks for, packed where it asks: what cannot be packed is its fault alone."""

    commands: Sequence[Command]
    packet: bytes
    came: float
    answered: asyncio.Future[list[Reply]]


class Server:
    """What is asked for while the shared connection is busy goes out together as its next packet: the more callers,
    the fewer packets, system calls and wake-ups for each of them.

    seconds: for an answer, from the moment of asking.
    """

    def __init__(self, redis: Redis, seconds: float = SECONDS) -> None:
        self.redis = redis
        self._readers = cast("Mapping[str, Callable[[Any], Reply]]", dict(redis.response_callbacks))
        self._seconds = seconds
        self._line: Connection | None = None
        self._waiting: list[_Asked] = []
        self._carrier: asyncio.Task[None] | None = None
        self._left: set[asyncio.Task[None]] = set()

    @classmethod
    def at(cls, config: settings.Redis, url: str, *, connections: int = 0) -> Server:
        """Raises ValueError for options of the URL that redis-py cannot read."""
        return cls(Redis.from_pool(open_pool(config, url, connections=connections)), config.timeout_seconds)

    async def exchange(self, calls: Sequence[Call]) -> list[list[Reply]]:
        """The replies to each call's commands.

        A call of several commands means them of its own connection: WAIT speaks of what that one wrote, ASKING is for
        what comes next.
        """
        commands = [command for call in calls for command in call.commands]
        packet = b"".join(map(_packed, commands))
        if len(commands) == len(calls) <= SHORT:
            return [[reply] for reply in await self._shared(commands, packet)]
        rest = iter(await self._said(commands, packet, self._seconds, shared=False))
        return [[next(rest) for _ in call.commands] for call in calls]

    async def aclose(self) -> None:
        for carrier in (*self._left, *filter(None, [self._carrier])):
            carrier.cancel()
            await asyncio.wait([carrier])
        for asked in self._waiting:
            _fail(asked, RedisConnectionError())
        await self.redis.aclose()
        await self.redis.connection_pool.disconnect()

    async def _shared(self, commands: Sequence[Command], packet: bytes) -> list[Reply]:
        """A caller that is canceled leaves; what it asked for is done all the same, if it is on its way."""
        loop = asyncio.get_running_loop()
        asked = _Asked(commands, packet, loop.time(), loop.create_future())
        self._waiting.append(asked)
        if self._carrier is None:
            self._carrier = loop.create_task(self._carry(), name="redis")
        try:
            return await asked.answered
        except RedisConnectionError as fault:  # the line was closed before its answer came: at the end of this process
            return [fault] * len(commands)

    async def _carry(self) -> None:
        """Until nobody waits, or the connection is left."""
        loop, this = asyncio.get_running_loop(), asyncio.current_task()
        try:
            while self._waiting and self._carrier is this:
                batch = [asked for asked in self._waiting if not asked.answered.done()]
                self._waiting = []
                if batch:
                    silence = loop.call_later(SHARE_OF_SILENCE * self._seconds, self._leave)
                    try:
                        await self._carry_one(batch, self._seconds - (loop.time() - batch[0].came))
                    finally:
                        silence.cancel()
        finally:
            if self._carrier is this:
                self._carrier = None

    def _leave(self) -> None:
        """The carrier waits for its last answer and ends; who waits for it no more than for a turn gets another."""
        if self._carrier:
            self._left.add(self._carrier)
            self._carrier.add_done_callback(self._left.discard)
            self._carrier = asyncio.get_running_loop().create_task(self._carry(), name="redis")

    async def _carry_one(self, batch: Sequence[_Asked], seconds: float) -> None:
        """Whatever happens, everybody hears of it."""
        commands = [command for asked in batch for command in asked.commands]
        try:
            replies = await self._said(commands, b"".join(asked.packet for asked in batch), seconds, shared=True)
        except asyncio.CancelledError:
            for asked in batch:
                _fail(asked, RedisConnectionError())
            raise
        except Exception as bug:  # it is theirs to tell
            for asked in batch:
                _fail(asked, bug)
            return
        begin = 0
        for asked in batch:
            end = begin + len(asked.commands)
            if not asked.answered.done():
                asked.answered.set_result(replies[begin:end])
            begin = end

    async def _take(self, *, shared: bool) -> Connection:
        """The shared one is kept from packet to packet, and made anew where it is not trusted any more."""
        pool = self.redis.connection_pool
        kept = self._line if shared else None
        if kept is None:
            found: Connection = await pool.get_connection()  # type: ignore[no-untyped-call]
            return found
        self._line = None
        try:
            await pool.ensure_connection(kept)
        except BaseException:
            await self._give(kept, shared=True)
            raise
        return kept

    async def _give(self, connection: Connection, *, shared: bool) -> None:
        """The shared one is for the next packet, unless somebody else has brought one back by now."""
        if shared and self._line is None:
            self._line = connection
        else:
            await self.redis.connection_pool.release(connection)

    async def _said(self, commands: Sequence[Command], packet: bytes, seconds: float, *, shared: bool) -> list[Reply]:
        """All at once over one connection. A fault stands for each answer that was not heard."""
        replies: list[Reply] = []
        pool = self.redis.connection_pool
        began = time.monotonic()
        try:
            connection = await self._take(shared=shared)
            try:
                async with asyncio.timeout(seconds):
                    await connection.send_packed_command(packet)
                    parser = cast("BoundedParser", connection._parser)  # what redis-py puts around it is done here
                    try:
                        for command in commands:  # those that were heard before a fault count
                            said = await parser.read_response()
                            replies.append(_read(said, str(command[0]), self._readers))
                    except _SENSELESS as error:
                        raise InvalidResponse(type(error).__name__) from None
                if isinstance(pool, Pool):
                    pool.note_use(connection)
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            finally:
                await self._give(connection, shared=shared)
        except (RedisError, OSError, TimeoutError, RuntimeError) as fault:
            if isinstance(fault, RuntimeError) and "handler is closed" not in str(fault):
                raise  # that is how uvloop calls a connection which was reset a moment ago; any other is a bug
            replies += [fault] * (len(commands) - len(replies))
        if isinstance(pool, Pool):
            _learn(pool, replies, began)
        return replies


_SENSELESS = (ValueError, TypeError, LookupError, AttributeError, MemoryError, RecursionError)
"""What a parser raises over bytes that are no answer."""
_ANSWERS: Mapping[type | tuple[type, ...], frozenset[str]] = {
    list: frozenset(
        {"CONFIG", "HGETALL", "HMGET", "LRANGE", "SCAN", "TIME", "XRANGE", "XREVRANGE", "ZRANGE", "ZREVRANGE", "ZSCAN"}
    ),
    int: frozenset({"DEL", "EXISTS", "HDEL", "HLEN", "HSET", "STRLEN", "WAIT", "XDEL", "XLEN", "ZCARD", "ZREM"}),
    bytes: frozenset({"INFO", "PING", "TYPE", "XADD"}),
    (bytes, type(None)): frozenset({"GET", "HGET"}),
}
_ANSWER_OF = {word: kind for kind, words in _ANSWERS.items() for word in words}


def _read(raw: Any, word: str, readers: Mapping[str, Callable[[Any], Reply]]) -> Reply:
    """An answer as redis-py makes it for this command. Raises InvalidResponse for one that the command cannot have:
    whoever says that is no Redis, or speaks of another question. What scripts answer is looked at where they are known.
    """
    if isinstance(raw, ResponseError):
        return raw
    expected = _ANSWER_OF.get(word)
    if expected and not isinstance(raw, expected):
        raise InvalidResponse(f"{type(raw).__name__} for {word}")
    read = readers.get(word)
    return read(raw) if read else raw


def _fail(asked: _Asked, fault: Exception) -> None:
    if not asked.answered.done():
        asked.answered.set_exception(fault)


def _packed(command: Command) -> bytes:
    packed: bytes = pack_command(tuple(command))  # type: ignore[arg-type]  # its stub says a tuple of one
    return packed


def _learn(pool: Pool, replies: Sequence[Reply], began: float) -> None:
    """A demoted server is as good as a dead one: behind the same address there may be another by now."""
    last = replies[-1]
    demoted = any(isinstance(reply, ReadOnlyError) for reply in replies)
    if demoted or (isinstance(last, Exception) and not isinstance(last, ResponseError) and not _busy(last)):
        pool.distrust(began)
    elif not isinstance(last, Exception):
        pool.trust()


def _busy(fault: Exception) -> bool:
    """All connections are in use; that says nothing about the server."""
    return isinstance(fault, RedisConnectionError) and isinstance(fault.__cause__, TimeoutError)
