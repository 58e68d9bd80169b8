"""The servers of a topology that changes: a client for each address, closed some time after it has left the map."""

from __future__ import annotations

import time
from collections.abc import Iterable

from otp_service import settings
from otp_service.settings.redis_url import Address, RedisUrl
from otp_service.storage.topology.server import Server

RETIRED_SECONDS = 5.0
"""What is under way on a server that has left the map may end; a call takes less than this."""


class Servers:
    def __init__(self, config: settings.Redis, url: RedisUrl) -> None:
        self._config = config
        self._url = url
        self._clients: dict[Address, Server] = {}
        self._retired: list[tuple[float, Server]] = []

    def at(self, address: Address) -> Server:
        found = self._clients.get(address)
        if found is None:
            found = self._clients[address] = Server.at(self._config, self._url.of_server(address))
        return found

    async def keep(self, addresses: Iterable[Address]) -> None:
        """Let go of all others: at once for new calls, later for those under way."""
        for address in self._clients.keys() - set(addresses):
            self._retired.append((time.monotonic() + RETIRED_SECONDS, self._clients.pop(address)))
        due = [server for end, server in self._retired if end <= time.monotonic()]
        self._retired = [(end, server) for end, server in self._retired if end > time.monotonic()]
        for server in due:
            await server.aclose()

    async def aclose(self) -> None:
        for server in [*self._clients.values(), *(server for _, server in self._retired)]:
            await server.aclose()
