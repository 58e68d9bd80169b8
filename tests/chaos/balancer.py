"""A small TCP balancer that follows /health/ready, as those in front of real services do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx

PROBE_SECONDS = 0.5


class Balancer:
    def __init__(self, backends: list[str]) -> None:
        self.backends = backends
        self.ready: list[str] = []
        self._turn = 0

    async def probe(self) -> None:
        """For ever: who says that it is ready gets connections."""
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=1) as http:
            while True:
                answers = await asyncio.gather(*(self._ask(http, backend) for backend in self.backends))
                self.ready = [backend for backend, ok in zip(self.backends, answers, strict=True) if ok]
                await asyncio.sleep(PROBE_SECONDS)

    @staticmethod
    async def _ask(http: httpx.AsyncClient, backend: str) -> bool:
        try:
            return (await http.get(f"{backend}/health/ready", headers={"Connection": "close"})).status_code == 200
        except httpx.HTTPError:
            return False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        try:
            backend = urlsplit(self.ready[self._turn % len(self.ready)])
            back, forth = await asyncio.open_connection(backend.hostname, backend.port)
            try:
                await asyncio.gather(_pump(reader, forth), _pump(back, writer))
            finally:
                forth.close()
        except (OSError, ZeroDivisionError):
            pass
        finally:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(2**16):
        writer.write(chunk)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


@asynccontextmanager
async def balanced(backends: list[str]) -> AsyncIterator[str]:
    """The URL of a balancer before these services; the list may change meanwhile."""
    balancer = Balancer(backends)
    probing = asyncio.create_task(balancer.probe())
    carrying: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(balancer.carry(reader, writer))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    while len(balancer.ready) < len(backends):
        await asyncio.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in [probing, *carrying]:
            task.cancel()
        await asyncio.gather(probing, *carrying, return_exceptions=True)
