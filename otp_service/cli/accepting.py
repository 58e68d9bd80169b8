"""New connections: accepted some at a time, and shared out among the processes of one machine.

All processes wait at one socket, and whoever is awake takes what comes: of sixteen connections that a caller opens at
once one process got all, and a core idled. So each tells the others how many it has, and one that has more leaves them
a moment before it takes the next.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ACCEPTED_AT_ONCE = 2
"""Connections that are accepted in one turn of the event loop, so that under load the others do not wait for seconds in
the kernel's queue, uncounted. With sixteen, strangers made callers wait 250 ms in place of 150 (p99)."""
MOMENT_SECONDS = 0.001
"""What a process that has more leaves to the others. It takes one afterwards in any case: they may hang."""
FULL_SECONDS = 0.1
"""Until the next try where no more files may be opened."""
_COUNT = struct.Struct("<I")


class Shares:
    """How many connections each of so many processes has, in a file of a folder that all of them know."""

    def __init__(self, folder: Path, seat: int, seats: int) -> None:
        self._others = [_COUNT.size * other for other in range(seats) if other != seat]
        self._own = _COUNT.size * seat
        with (folder / "connections").open("a+b") as file:
            file.truncate(_COUNT.size * seats)
            self._counts = mmap.mmap(file.fileno(), _COUNT.size * seats)
        self.tell(0)

    def tell(self, connections: int) -> None:
        _COUNT.pack_into(self._counts, self._own, connections)

    def has_more(self, connections: int) -> bool:
        """Than the one that has least, by two or more."""
        least: int = min(_COUNT.unpack_from(self._counts, at)[0] for at in self._others)
        return connections > 1 + least


class Acceptor:
    """Accepts for one process, in place of the event loop's own server, which takes one connection in a turn and resets
    at its end who waits. Made in the loop, where it begins at once."""

    def __init__(
        self,
        listener: socket.socket,
        backlog: int,
        protocol: Callable[[], asyncio.BaseProtocol],
        connections: Callable[[], int],
        shares: Shares | None = None,
    ) -> None:
        """listener: listens. backlog: connections that may wait there. connections: how many there are. shares: with
        others."""
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._backlog = backlog
        self._protocol = protocol
        self._shares = shares
        self._connections = connections
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        listener.setblocking(False)
        self._listen()

    @property
    def count(self) -> int:
        return self._connections() + len(self._opening)

    def tell(self) -> None:
        """The others, from time to time: connections end, too."""
        if self._shares:
            self._shares.tell(self.count)

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                self._take()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another has taken it, or it is gone
                return
            except OSError:
                self._rest(FULL_SECONDS)
                return
            self.tell()
            if self._shares and self._shares.has_more(self.count):
                self._rest(MOMENT_SECONDS)
                return

    def _take(self) -> None:
        """The first that waits. Raises OSError."""
        accepted, _ = self._listener.accept()
        task = self._loop.create_task(self._open(accepted))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._loop.call_later(seconds, self._listen)

    async def _open(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        with suppress(OSError):  # the peer has left
            await self._loop.connect_accepted_socket(self._protocol, accepted)

    async def close(self) -> None:
        """Whoever waits is taken first: a socket that is closed resets those in its queue, and they may have asked.
        Connections are the protocol's to end."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listener.fileno())
            with suppress(OSError):
                for _ in range(self._backlog):
                    self._take()
            self._listener.close()
            await asyncio.gather(*self._opening, return_exceptions=True)
