"""The servers of a topology that changes: a client for each address, closed some time after it has left the map."""

from __future__ import annotations

import time
from collections.abc import Iterable

from redis.asyncio import Redis

from otp_service import settings
from otp_service.settings.redis_url import Address, RedisUrl
from otp_service.storage.topology.exchange import client

RETIRED_SECONDS = 5.0
"""What is under way on a server that has left the map may end; a call takes less than this."""


class Servers:
    def __init__(self, config: settings.Redis, url: RedisUrl) -> None:
        self._config = config
        self._url = url
        self._clients: dict[Address, Redis] = {}
        self._retired: list[tuple[float, Redis]] = []

    def at(self, address: Address) -> Redis:
        found = self._clients.get(address)
        if found is None:
            found = self._clients[address] = client(self._config, self._url.of_server(address))
        return found

    async def keep(self, addresses: Iterable[Address]) -> None:
        """Let go of all others: at once for new calls, later for those under way."""
        for address in self._clients.keys() - set(addresses):
            self._retired.append((time.monotonic() + RETIRED_SECONDS, self._clients.pop(address)))
        due = [server for end, server in self._retired if end <= time.monotonic()]
        self._retired = [(end, server) for end, server in self._retired if end > time.monotonic()]
        for server in due:
            await close(server)

    async def aclose(self) -> None:
        for server in [*self._clients.values(), *(server for _, server in self._retired)]:
            await close(server)


async def close(server: Redis) -> None:
    await server.aclose()
    await server.connection_pool.disconnect()
