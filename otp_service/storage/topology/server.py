"""One server of Redis. Short calls of everybody share one connection; long ones get one for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from otp_service import settings
from otp_service.storage.topology.pool import Pool, open_pool

SHORT = 16
"""Calls that go out together at most; a longer list would keep everybody else waiting."""
SECONDS = 0.8

Command = Sequence[str | bytes | int]
Reply = Any
"""What the server answered, or an exception: its error, or the fault that kept us from hearing an answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """Commands for the connection of one primary: the one that owns `key` ('' for any)."""

    key: str
    commands: Sequence[Command]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one caller asks for, packed where it asks: what cannot be packed is its fault alone."""

    commands: Sequence[Command]
    packet: bytes
    answered: asyncio.Future[list[Reply]]


class Server:
    """What is asked for while the shared connection is busy goes out together as its next packet: the more callers,
    the fewer packets, system calls and wake-ups for each of them.

    seconds: for an answer. Nobody waits for two: where the server does not answer in time, those who wait for the
    connection hear that as well.
    """

    def __init__(self, redis: Redis, seconds: float = SECONDS) -> None:
        self.redis = redis
        self._seconds = seconds
        self._line: Connection | None = None
        self._waiting: list[_Asked] = []
        self._carrier: asyncio.Task[None] | None = None

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
        rest = iter(await self._said(commands, packet, self._line_alone))
        return [[next(rest) for _ in call.commands] for call in calls]

    async def aclose(self) -> None:
        await self.redis.aclose()
        await self.redis.connection_pool.disconnect()

    async def _shared(self, commands: Sequence[Command], packet: bytes) -> list[Reply]:
        """A caller that is canceled leaves; what it asked for is done all the same."""
        loop = asyncio.get_running_loop()
        asked = _Asked(commands, packet, loop.create_future())
        self._waiting.append(asked)
        if self._carrier is None or self._carrier.done():
            self._carrier = loop.create_task(self._carry(), name="redis")
        return await asked.answered

    async def _carry(self) -> None:
        """Until nobody waits. Whatever happens, everybody hears of it."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            commands = [command for asked in batch for command in asked.commands]
            try:
                replies = await self._said(commands, b"".join(asked.packet for asked in batch), self._shared_line)
            except BaseException as bug:
                for asked in [*batch, *self._waiting]:
                    if not asked.answered.done():
                        asked.answered.set_exception(bug if isinstance(bug, Exception) else RedisConnectionError())
                self._waiting = []
                raise
            if isinstance(replies[-1], TimeoutError | RedisTimeoutError):
                batch, self._waiting = batch + self._waiting, []
                replies += [replies[-1]] * (sum(len(asked.commands) for asked in batch) - len(replies))
            begin = 0
            for asked in batch:
                end = begin + len(asked.commands)
                if not asked.answered.done():
                    asked.answered.set_result(replies[begin:end])
                begin = end

    @asynccontextmanager
    async def _shared_line(self) -> AsyncIterator[Connection]:
        """Taken from the pool once; made anew where it is not trusted any more."""
        pool = self.redis.connection_pool
        if self._line is None:
            self._line = await pool.get_connection()  # type: ignore[no-untyped-call]
        else:
            await pool.ensure_connection(self._line)
        yield self._line
        if isinstance(pool, Pool):
            pool.note_use(self._line)

    @asynccontextmanager
    async def _line_alone(self) -> AsyncIterator[Connection]:
        pool = self.redis.connection_pool
        connection: Connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            yield connection
        finally:
            await pool.release(connection)

    async def _said(
        self, commands: Sequence[Command], packet: bytes, line: Callable[[], AbstractAsyncContextManager[Connection]]
    ) -> list[Reply]:
        """All at once over one connection. A fault stands for each answer that was not heard."""
        replies: list[Reply] = []
        pool = self.redis.connection_pool
        try:
            async with line() as connection:
                try:
                    async with asyncio.timeout(self._seconds):
                        await connection.send_packed_command(packet)
                        for command in commands:
                            try:
                                replies.append(await self.redis.parse_response(connection, str(command[0])))
                            except ResponseError as error:
                                replies.append(error)
                except BaseException:
                    await connection.disconnect(nowait=True)
                    raise
        except (RedisError, OSError, TimeoutError, RuntimeError) as fault:
            if isinstance(fault, RuntimeError) and "handler is closed" not in str(fault):
                raise  # that is how uvloop calls a connection which was reset a moment ago; any other is a bug
            replies += [fault] * (len(commands) - len(replies))
        if isinstance(pool, Pool):
            _learn(pool, replies)
        return replies


def _packed(command: Command) -> bytes:
    packed: bytes = pack_command(tuple(command))  # type: ignore[arg-type]  # its stub says a tuple of one
    return packed


def _learn(pool: Pool, replies: Sequence[Reply]) -> None:
    """A demoted server is as good as a dead one: behind the same address there may be another by now."""
    last = replies[-1]
    demoted = any(isinstance(reply, ReadOnlyError) for reply in replies)
    if demoted or (isinstance(last, Exception) and not isinstance(last, ResponseError) and not _busy(last)):
        pool.distrust()
    elif not isinstance(last, Exception):
        pool.trust()


def _busy(fault: Exception) -> bool:
    """All connections are in use; that says nothing about the server."""
    return isinstance(fault, RedisConnectionError) and isinstance(fault.__cause__, TimeoutError)
