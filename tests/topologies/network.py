"""A network between servers that can be cut: every server is reached through a proxy that knows who is calling.

Each server listens on a loopback address of its own (127.0.1.N), calls others from it, and is known to all by another
(127.0.2.N), where its proxy listens. The service calls from 127.0.0.1. So a proxy sees both ends of every connection,
and a partition is a set of pairs. What is cut is not closed: bytes wait, as they do on a real wire. Linux only.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

APP = 0
"""Who calls from 127.0.0.1: the service and the test."""


def real(number: int) -> str:
    return f"127.0.1.{number}"


def known(number: int) -> str:
    return f"127.0.2.{number}"


def caller(address: str) -> int:
    return int(address.rpartition(".")[2]) if address.startswith("127.0.1.") else APP


@dataclass(eq=False)
class Wire:
    """One connection through a proxy."""

    ends: frozenset[int]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    dead: bool = False
    used: float = field(default_factory=time.monotonic)

    @property
    def idle(self) -> float:
        """Seconds since anything came through."""
        return time.monotonic() - self.used

    def hold(self, opening: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        if not opening.cancelled() and not opening.exception():
            self.writers.append(opening.result()[1])

    def reset(self) -> None:
        """Both ends see a connection reset, not an end of file."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Network:
    """Proxies in a thread of their own, so that a busy test does not slow them down."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.lost_replies = 0.0
        """Share of chunks from a server to the service that never arrive; the connection is reset, or goes silent."""
        self.lost = 0
        self._closing = False
        self._cut: set[frozenset[int]] = set()
        self._wires: set[Wire] = set()
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._healed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def connect(self, number: int, *ports: int) -> None:
        """Open the proxy of a server for each of its ports."""
        for port in ports:
            self._run(self._listen(number, port))

    def isolate(self, *numbers: int, among: range = range(1, 30)) -> None:
        """Cut these servers off from all others, while the service still reaches everybody."""
        inside = set(numbers)
        self._cut |= {frozenset({a, b}) for a in inside for b in set(among) - inside}

    def isolate_from_service(self, *numbers: int) -> None:
        self._cut |= {frozenset({APP, number}) for number in numbers}

    def heal(self) -> None:
        def healed() -> None:
            self._cut.clear()
            self._healed.set()
            self._healed = asyncio.Event()

        self._loop.call_soon_threadsafe(healed)

    def freeze_wires(self, where: Callable[[Wire], bool] = lambda _: True) -> int:
        """Existing connections go silent for ever; new ones work. How many."""
        found = [wire for wire in list(self._wires) if where(wire)]
        for wire in found:
            wire.dead = True
        return len(found)

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self, number: int, port: int) -> None:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._carry(number, port, reader, writer)

        self._servers.append(await asyncio.start_server(accepted, known(number), port, limit=2**16))

    async def _close(self) -> None:
        # Who was accepted in this very turn becomes a connection in the next, if the server is not closed by then: else
        # asyncio drops it without closing it (`Server._attach` in base_events.py).
        for server in self._servers:
            for listener in server.sockets:
                self._loop.remove_reader(listener.fileno())
        await asyncio.sleep(0.05)
        for server in self._servers:
            server.close()
        # Nothing is canceled: a task that has not begun has a connection already, which nobody else would close.
        self._closing = True
        deadline = self._loop.time() + 5
        while len(tasks := asyncio.all_tasks()) > 1 and self._loop.time() < deadline:
            self._healed.set()
            for wire in list(self._wires):
                wire.reset()
            await asyncio.wait(tasks - {asyncio.current_task()}, timeout=0.1)
        await asyncio.sleep(0.1)  # transports are closed a moment after they were told to

    async def _carry(self, number: int, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = caller(writer.get_extra_info("peername")[0])
        wire = Wire(frozenset({source, number}), [writer])
        self._wires.add(wire)
        try:
            await self._passable(wire)
            # Not given up half-way: a connection that was made and that nobody holds would never be closed.
            opening = asyncio.ensure_future(asyncio.open_connection(real(number), port))
            opening.add_done_callback(wire.hold)
            back, forth = await asyncio.shield(opening)
            await asyncio.gather(
                self._pump(wire, reader, forth, lossy=False), self._pump(wire, back, writer, lossy=source == APP)
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            wire.reset()
            self._wires.discard(wire)

    async def _pump(
        self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, lossy: bool
    ) -> None:
        while chunk := await reader.read(2**16):
            await self._passable(wire)
            if lossy and self.lost_replies and self.rng.random() < self.lost_replies:
                self.lost += 1
                if self.rng.random() < 0.8:
                    raise ConnectionResetError
                wire.dead = True
                await self._passable(wire)
            wire.used = time.monotonic()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    async def _passable(self, wire: Wire) -> None:
        while not self._closing and (wire.dead or wire.ends in self._cut):
            await self._healed.wait()
        if self._closing:
            raise ConnectionResetError


@contextmanager
def network(seed: int = 0) -> Iterator[Network]:
    found = Network(seed)
    try:
        yield found
    finally:
        found.close()
