"""One round trip with one server: commands go out on one connection, and as many replies come back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from otp_service import settings

IDLE_SECONDS = 15.0
"""A connection that was not used for so long may be dead without anybody having told us, so it is opened anew."""
SHARE_OF_WAITING = 0.25
"""Of the timeout, for a free connection of a server that has just failed: who comes now need not wait for two."""

Reply = Any
"""What the server answered, or an exception: its error, or the fault that kept us from hearing an answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """Commands for the connection of one primary: the one that owns `key` ('' for any)."""

    key: str
    commands: Sequence[Sequence[str | bytes | int]]


class Pool(BlockingConnectionPool):
    """A bounded pool that trusts no connection which was idle for long, or is older than a fault."""

    _distrusted_at = 0.0
    _patience = 0.0

    def distrust(self) -> None:
        """Whatever is idle now is opened anew before its next use."""
        self._distrusted_at = time.monotonic()
        if not self._patience and self.timeout:
            self._patience, self.timeout = self.timeout, self.timeout * SHARE_OF_WAITING

    def trust(self) -> None:
        """The server answers."""
        if self._patience:
            self.timeout, self._patience = self._patience, 0.0

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        used = getattr(connection, "used_at", 0.0)
        if connection.is_connected and used < max(self._distrusted_at, time.monotonic() - IDLE_SECONDS):
            await connection.disconnect(nowait=True)
        await super().ensure_connection(connection)

    async def release(self, connection: AbstractConnection) -> None:
        connection.used_at = time.monotonic()  # type: ignore[attr-defined]
        await super().release(connection)


def client(config: settings.Redis, url: str, *, connections: int = 0) -> Redis:
    """A client of one server that never repeats a call. Raises ValueError for options that redis-py cannot read."""
    pool = Pool.from_url(
        url,
        max_connections=connections or config.max_connections,
        timeout=config.timeout_seconds,
        socket_timeout=config.timeout_seconds,
        socket_connect_timeout=config.timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,  # two questions less for each new connection
        # With notifications on, redis-py skips the check that tells a dead idle connection from a live one.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)


async def exchange(server: Redis, calls: Sequence[Call]) -> list[list[Reply]]:
    """The replies to each call's commands. All go over one connection, which is what WAIT and ASKING need."""
    commands = [command for call in calls for command in call.commands]
    replies: list[Reply] = []
    pool = server.connection_pool
    try:
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            for command in commands:
                try:
                    replies.append(await server.parse_response(connection, str(command[0])))
                except ResponseError as error:
                    replies.append(error)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
    except (RedisError, OSError, TimeoutError, RuntimeError) as fault:
        if isinstance(fault, RuntimeError) and "handler is closed" not in str(fault):
            raise  # that is how uvloop calls a connection which was reset a moment ago; any other is a bug
        replies += [fault] * (len(commands) - len(replies))
    if isinstance(pool, Pool):
        _learn(pool, replies)
    rest = iter(replies)
    return [[next(rest) for _ in call.commands] for call in calls]


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
