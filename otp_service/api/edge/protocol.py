"""One connection: HTTP/1.1 below ASGI, one request at a time (docs/adr/0018).

The next request is not even read before the answer to the last one is out, so a connection holds one request, some kB
that were sent ahead of their turn, and a slice of one answer. There is a deadline for whatever the peer has to do: a
head, a body (in `edge`), the next request, taking what it asked for, hearing that it was refused.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any

from litestar.types import ASGIApp
from uvicorn import Config
from uvicorn.server import ServerState

from otp_service.api import problems
from otp_service.api.edge import headers, http1
from otp_service.api.edge.connections import Door, network_of
from otp_service.api.edge.exchange import Exchange, head_of
from otp_service.errors import Refused

LIVE = "/health/live"
"""Answered even where there is no room for a connection."""
NO_ROOM_SECONDS = 1.0
"""How long a connection without room may take to send its request."""
HEAD_SECONDS = 10.0
"""From the opening of a connection, or the first byte of a later request, to the end of its headers."""
WRITE_SECONDS = 10.0
"""For a peer to take a slice of an answer."""
LINGER_SECONDS = 2.0
"""In which a refused peer may stop sending and read why: closing on unread bytes would take the answer from it."""
MAX_AHEAD = 16 * 1024
"""Bytes that may wait for their turn on a connection; beyond it nothing more is read."""
MAX_IGNORED = 2 * 1024 * 1024
"""How many bytes of a refused peer are read and dropped."""
LONGEST_BEGINNING = 300
"""Of a request line, for who wants to know what was asked for by a head that cannot be read."""
NEVER = float("inf")


class Connection(asyncio.BufferedProtocol):
    """What uvicorn's server makes for each connection: it calls `shutdown`, and waits for `tasks` and `connections`."""

    def __init__(
        self,
        door: Door,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.app: ASGIApp = config.loaded_app
        self.app_state = app_state
        self.door = door
        self.loop = _loop or asyncio.get_running_loop()
        self.host = self.network = ""
        self.client: tuple[str, int] | None = None
        self.server: tuple[str, int | None] | None = None
        self.deadline = NEVER
        self.vouched = self.proxied = False
        self.lost = False
        self._server_state = server_state
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._seen = 0
        self._exchange: Exchange | None = None
        self._no_room = False
        self._queued = False
        """Its turn is to come (`Door.begin`)."""
        self._is_stranger = False
        """So its request had to wait for one."""
        self._answered = False
        """At least one request: silence after it is no fault."""
        self._in_head = True
        self._ignored: int | None = None
        """Bytes thrown away since the peer was refused; None before that."""
        self._reading = True
        self._ended = False
        """The peer says no more; it may listen."""
        self._unsent = False
        self._taken: asyncio.Future[None] | None = None

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if isinstance(peer, tuple):
            self.client, self.server = (peer[0], peer[1]), (own[0], own[1])
            self.host, self.network = peer[0], network_of(peer[0])
        elif getattr(transport.get_extra_info("socket"), "family", None) == socket.AF_UNIX:
            self.server = (str(own), None)
        transport.set_write_buffer_limits(high=0)  # `_unsent` is then whether anything at all waits to be taken
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        self._no_room = not self.door.enter(self)
        self.deadline = self.loop.time() + (NO_ROOM_SECONDS if self._no_room else HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.deadline = NEVER
        self._buffer.clear()
        self.door.leave(self)
        self._server_state.connections.discard(self)
        self._wake()
        if self._exchange:
            self._exchange.wake()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.door.scratch

    def buffer_updated(self, nbytes: int) -> None:
        if self._ignored is not None:
            self._ignored += nbytes
            if self._ignored > MAX_IGNORED:
                self.read(False)
            return
        self._buffer += self.door.scratch[:nbytes]
        self._advance()

    def eof_received(self) -> bool:
        """Whoever ends its half behind a whole request is answered: what it asked for is done in any case."""
        self._ended = True
        return self._is_owed

    def pause_writing(self) -> None:
        self._unsent = True
        if self._ignored is None:
            self.deadline = self.loop.time() + WRITE_SECONDS

    def resume_writing(self) -> None:
        self._unsent = False
        self._wake()
        if self._ignored is None:
            self.deadline = NEVER
            if self._exchange is None:
                self._next()

    # What the door and the server call

    def late(self) -> None:
        """The deadline has passed."""
        if self._unsent or self._ignored is not None:
            self._transport.abort()
        elif self._no_room:
            self._refuse(_no_room())
        elif self._in_head:
            self._refuse(Refused("request_timeout", f"The headers did not arrive within {HEAD_SECONDS:.0f} s."))
        else:
            self._transport.close()

    def begin(self) -> None:
        """The turn of its request, or of a piece of its body, has come."""
        self._queued = False
        if self.lost or self._exchange is None:
            return
        if self._exchange.begun:
            self._exchange.wake()
            return
        self._exchange.begun = True
        task = self.loop.create_task(self._exchange.run(self.app))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    def shutdown(self) -> None:
        """The process ends: answer what is under way, and nothing more."""
        if self._exchange is None:
            self._transport.close()
        else:
            self._exchange.keep = False

    # What the exchange calls

    def vouch(self) -> None:
        """Its request came with a valid key."""
        self.door.vouch(self)

    def write(self, data: bytes | memoryview) -> None:
        if not self.lost and not self._transport.is_closing():
            self._transport.write(data)

    async def taken(self) -> None:
        """Return when what was written is out, or nobody is there to take it."""
        while self._unsent and not self.lost:
            self._taken = self.loop.create_future()
            await self._taken

    def abort(self) -> None:
        self._transport.abort()

    def finished(self, *, keep: bool, all_read: bool) -> None:
        """The answer is written."""
        self._exchange = None
        self._answered = True
        if not all_read:
            self._leave()
        elif not keep:
            self._transport.close()  # after what is unsent; `late` if it is not taken
            self._in_head = False
        elif not self._unsent:
            self._next()

    def read(self, wanted: bool) -> None:
        """Resume or pause reading; what arrives while paused stays in the kernel."""
        if wanted != self._reading and not self.lost and not self._transport.is_closing():
            self._reading = wanted
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    # Inside

    def _next(self) -> None:
        """Ready for another request, of which something may be here already."""
        if self.lost or self._transport.is_closing():
            return
        self._seen = 0
        self._in_head = False
        self.deadline = self.loop.time() + self.door.keep_alive_seconds
        self.read(not self._ended)
        if self._buffer:
            self._advance()
        if self._ended and not self._is_owed:
            self._transport.close()

    @property
    def _is_owed(self) -> bool:
        """An answer, to a request that is here whole."""
        return self._exchange is not None and self._exchange.body.complete

    def _advance(self) -> None:
        """Make of the bytes that are here what can be made of them."""
        try:
            if self._exchange is None and not self._unsent:
                self._look_for_head()
            if self._exchange and not self._exchange.body.complete:
                self._exchange.feed(self._exchange.body.take(self._buffer))
                if self._is_stranger:  # or many would begin together, by ending their bodies together
                    self._wait_for_turn()
                else:
                    self._exchange.wake()
        except Refused as refusal:
            self._refuse(refusal)
            return
        is_ahead = self._exchange.body.complete if self._exchange else self._unsent
        if is_ahead and len(self._buffer) > MAX_AHEAD:
            self.read(False)

    def _look_for_head(self) -> None:
        if not self._in_head:
            self._in_head = True
            self.deadline = self.loop.time() + HEAD_SECONDS
        head = http1.head_in(self._buffer, self._seen)
        if head is None:
            self._seen = len(self._buffer)
            return
        self._in_head = False
        self.deadline = NEVER
        self._exchange = Exchange(self, head)
        if self._no_room:
            if head.path != LIVE or head.length != 0:
                raise _no_room()
            self._exchange.keep = False
        self._wait_for_turn()
        self._is_stranger = self._queued

    def _wait_for_turn(self) -> None:
        if not self._queued:
            self._queued = True
            self.door.begin(self)

    def _wake(self) -> None:
        if self._taken and not self._taken.done():
            self._taken.set_result(None)

    def _refuse(self, refusal: Refused) -> None:
        """Answer and close, whatever the peer is about to send; where an answer is under way, only close."""
        if self._transport.is_closing():
            return
        asked = self._asked()
        if self._exchange:
            if self._exchange.answering:
                self.abort()
                return
            self._exchange.keep = False
            self._exchange.overruled = True
            self._exchange.wake()
            self._exchange = None
        self.write(_answer(refusal, asked))
        self._leave()

    def _asked(self) -> str:
        """The path that is being asked for, as far as it is here, for whoever hears of errors in words of its own."""
        if self._exchange:
            return self._exchange.path
        words = bytes(self._buffer[:LONGEST_BEGINNING]).split(b" ")
        return words[1].decode("latin-1") if len(words) > 1 else ""

    def _leave(self) -> None:
        """Stop writing, and give the peer a moment to read the answer before the connection closes."""
        self._ignored = 0
        self._buffer.clear()
        self.deadline = self.loop.time() + (WRITE_SECONDS if self._unsent else LINGER_SECONDS)
        if not self._transport.is_closing():
            self._transport.write_eof()
            self.read(True)


def _no_room() -> Refused:
    return Refused("busy", "Too many connections are open.", retry_after=1)


def _answer(refusal: Refused, path: str) -> bytes:
    """Of what never became a request."""
    status, told, body = problems.answer(refusal, path)
    found = [
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *((name.lower().encode(), value.encode()) for name, value in told.items()),
        *headers.always(b"", frozenset(), headers.new_request_id()),
    ]
    return head_of(status, found) + body


def served_by(door: Door) -> Any:
    """What uvicorn takes for its `http`."""
    return partial(Connection, door)
