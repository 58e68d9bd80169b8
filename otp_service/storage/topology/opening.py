"""From a URL to a topology that keeps looking where its primaries are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from otp_service import settings
from otp_service.background import running
from otp_service.errors import SettingsError
from otp_service.settings import redis_url
from otp_service.storage.topology.cluster import Cluster
from otp_service.storage.topology.sentinel import Sentinels
from otp_service.storage.topology.server import Server
from otp_service.storage.topology.single import Single

Topology = Single | Sentinels | Cluster


@asynccontextmanager
async def open_topology(config: settings.Redis, text: str) -> AsyncIterator[Topology]:
    """Yield what the URL names. Raises SettingsError where it is surely wrong; servers that are away may come later."""
    try:
        url = redis_url.parse(text)
        if url.kind == "single":
            server = Server.at(config, url.of_server())
        else:
            several = Sentinels(config, url) if url.kind == "sentinel" else Cluster(config, url)
    except ValueError as error:  # an option of the URL that redis-py cannot read
        raise SettingsError(f"redis.url: {error}") from None
    if url.kind == "single":
        try:
            yield Single(server)
        finally:
            await server.aclose()
        return
    try:
        await several.refuse_strangers()
        await several.look()
        async with running(several.watch.loop):
            yield several
    finally:
        await several.aclose()
