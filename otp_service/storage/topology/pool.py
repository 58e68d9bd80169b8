"""The connections to one server: bounded in number, and none is trusted that may be dead."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from otp_service import settings
from otp_service.storage.topology.parser import BoundedParser

IDLE_SECONDS = 15.0
"""A connection that was not used for so long may be dead without anybody having told us, so it is opened anew."""
SHARE_OF_WAITING = 0.25
"""Of the timeout, for a free connection of a server that has just failed: who comes now need not wait for two."""


class Pool(BlockingConnectionPool):
    """A bounded pool that trusts no connection which was idle for long, or is older than a fault.

    timeout: seconds for a free connection. seconds: for an answer, and for all that a new connection needs.
    """

    seconds = 0.0
    _distrusted_at = 0.0
    _patience = 0.0

    def distrust(self, began: float) -> None:
        """A call that began then has failed: what has not worked since is opened anew before its next use."""
        self._distrusted_at = max(self._distrusted_at, began)
        if not self._patience and self.timeout:
            self._patience, self.timeout = self.timeout, self.timeout * SHARE_OF_WAITING

    def trust(self) -> None:
        """The server answers."""
        if self._patience:
            self.timeout, self._patience = self._patience, 0.0

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        if connection.is_connected:
            used = getattr(connection, "used_at", 0.0)
            if used < max(self._distrusted_at, time.monotonic() - IDLE_SECONDS):
                await connection.disconnect(nowait=True)
            elif await _is_quiet(connection):
                return
        async with asyncio.timeout(self.seconds):
            await super().ensure_connection(connection)

    async def release(self, connection: AbstractConnection) -> None:
        self.note_use(connection)
        await super().release(connection)

    def note_use(self, connection: AbstractConnection) -> None:
        """It was alive just now."""
        connection.used_at = time.monotonic()  # type: ignore[attr-defined]


async def _is_quiet(connection: AbstractConnection) -> bool:
    """It is open, and nothing waits to be read, as it should be between two questions."""
    with suppress(RedisError, OSError):
        return not await connection.can_read()
    return False


def open_pool(config: settings.Redis, url: str, *, connections: int = 0) -> Pool:
    """Connects when it is first used, and never repeats a call. Raises ValueError for options that redis-py cannot
    read."""
    pool = Pool.from_url(
        url,
        max_connections=connections or config.max_connections,
        timeout=config.timeout_seconds,
        socket_timeout=None,  # costs a task for each packet; who asks sets a time for all of it
        socket_connect_timeout=config.timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,  # two questions less for each new connection
        # With notifications on, redis-py skips the check that tells a dead idle connection from a live one.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        parser_class=BoundedParser,
    )
    pool.seconds = config.timeout_seconds
    return pool
