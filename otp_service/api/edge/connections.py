"""Who may hold connections of this process, for how long, and whose requests are begun first.

A stranger is whoever has not shown a valid key: strangers may hold three quarters of all connections, each address a
few, and of their requests one begins, or goes on with its body, in each turn of the event loop, so that callers with a
key always get through.

Who finds no room hears so once it has asked, unless it asks whether the process lives: a crowd is no reason to kill.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Protocol

from litestar.types import Scope

from otp_service.domain.networks import Network, address

STRANGERS_SHARE = 0.75
"""Of `max_connections`."""
KNOWN_SECONDS = 600.0
"""How long after a valid key an address counts as a caller's and not a stranger's."""
KNOWN_ADDRESSES = 4096
MOST_REFUSED = 64
"""Connections at the same time that found no room: each gets a moment to ask and to read why. One more takes the place
of the one that came first, so that whoever asks at once is heard beside any number that are silent."""
A_CROWD = 64
"""Connections whose memory is worth giving back once most of them are gone."""
TICK_SECONDS = 1.0
"""Between two looks at deadlines: nothing is cut off earlier than it should be, and this much later at most."""
READ_BYTES = 16 * 1024
"""Taken from one connection at a time."""
VOUCH = "otp_service.vouch"
"""Extension of a request's scope: called when its key was valid."""


class Connection(Protocol):
    """What the door sees of one connection.

    host: the peer's address. network: as `network_of` has it. deadline: by the clock of the loop. vouched: its last
    request came with a valid key. proxied: the peer is a trusted proxy, which speaks for many.
    """

    host: str
    network: str
    deadline: float
    vouched: bool
    proxied: bool

    def late(self) -> None: ...

    def begin(self) -> None: ...

    def abort(self) -> None: ...


def vouch(scope: Scope) -> None:
    """Mark the connection of this request as one whose caller has a valid key. Other servers ignore it."""
    if said := (scope.get("extensions") or {}).get(VOUCH):
        said()  # type: ignore[operator]  # ASGI has room for extensions, and a dict for each


class Door:
    """Of one process. per_address: 0 for no bound; an IPv6 network of 64 bits counts as one address.

    trusted_proxies: who hold as many as they like, and whose connections are no strangers'.
    """

    def __init__(
        self,
        *,
        max_connections: int,
        per_address: int,
        keep_alive_seconds: float,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self.keep_alive_seconds = keep_alive_seconds
        self.scratch = memoryview(bytearray(READ_BYTES))
        """Where every connection reads into: what was read is copied away before another one reads."""
        self._max = max_connections
        self._per_address = per_address or max_connections
        self._trusted = tuple(trusted_proxies)
        self._open: set[Connection] = set()
        self._taken_in: set[Connection] = set()
        self._refused: dict[Connection, None] = {}
        """In the order in which they came."""
        self._at: Counter[str] = Counter()
        self._known: dict[str, float] = {}
        self._waiting: deque[Connection] = deque()
        self._most = 0
        """Connections at once since memory was last given back."""

    def enter(self, connection: Connection) -> bool:
        """Admit a connection. False: there are too many, and this one may only ask `/health/live`."""
        loop = asyncio.get_running_loop()
        if not self._open:
            loop.call_later(TICK_SECONDS, self._tick, loop)
        self._open.add(connection)
        network = connection.network
        connection.proxied = self._is_proxy(connection.host)
        room = self._max if connection.proxied or self._knows(network) else self._max * STRANGERS_SHARE
        if len(self._taken_in) >= room or (self._at[network] >= self._per_address and not connection.proxied):
            self._refused[connection] = None
            if len(self._refused) > MOST_REFUSED:
                first = next(iter(self._refused))
                del self._refused[first]
                first.abort()
            return False
        self._taken_in.add(connection)
        self._at[network] += 1
        return True

    def leave(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._refused.pop(connection, None)
        if connection in self._taken_in:
            self._taken_in.remove(connection)
            self._at[connection.network] -= 1
            if not self._at[connection.network]:
                del self._at[connection.network]

    def vouch(self, connection: Connection) -> None:
        connection.vouched = True
        self._known.pop(connection.network, None)
        self._known[connection.network] = asyncio.get_running_loop().time() + KNOWN_SECONDS
        if len(self._known) > KNOWN_ADDRESSES:
            del self._known[next(iter(self._known))]

    def begin(self, connection: Connection) -> None:
        """Let a connection's request begin or go on: at once, or when its turn comes."""
        if connection.vouched or (not connection.proxied and self._knows(connection.network)):
            connection.begin()
            return
        self._waiting.append(connection)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._waiting.popleft().begin()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)

    def _knows(self, network: str) -> bool:
        until = self._known.get(network)
        return until is not None and until > asyncio.get_running_loop().time()

    def _is_proxy(self, host: str) -> bool:
        found = address(host) if self._trusted else None
        return found is not None and any(found in network for network in self._trusted)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in [one for one in self._open if one.deadline <= now]:
            connection.late()
        self._most = max(self._most, len(self._open))
        if self._most >= A_CROWD and len(self._open) < self._most / 2:
            self._most = len(self._open)
            _give_back()
        if self._open:
            loop.call_later(TICK_SECONDS, self._tick, loop)


def _give_back() -> None:
    """Have the C library return what it holds freed between things that stay; only glibc knows how."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@lru_cache(1024)
def network_of(host: str) -> str:
    """What is counted for a peer: its address, or of IPv6 the network of 64 bits that is one customer's."""
    found = address(host)
    if found is None or found.version == 4:
        return str(found or host)
    return f"{found.exploded[:19]}::/64"
