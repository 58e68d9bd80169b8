"""One request and its answer, as ASGI has them, on a connection that reads and writes for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from litestar.types import ASGIApp

from otp_service.api import problems
from otp_service.api.edge import http1
from otp_service.api.edge.connections import VOUCH

SLICE = 64 * 1024
"""Of an answer; what is written of it at once, and may wait to be taken."""
MAX_HELD = 64 * 1024
"""Of a body, before the application asks for it."""


class Line(Protocol):
    """What an exchange needs of its connection. lost: the peer is gone."""

    loop: asyncio.AbstractEventLoop
    app_state: dict[str, Any]
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    lost: bool
    vouched: bool

    def write(self, data: bytes | memoryview) -> None: ...

    async def taken(self) -> None: ...

    def read(self, wanted: bool) -> None: ...

    def abort(self) -> None: ...

    def vouch(self) -> None: ...

    def finished(self, *, keep: bool, all_read: bool) -> None: ...


def head_of(status: int, found: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = [b"HTTP/1.1 %d %b" % (status, problems.phrase(status).encode())]
    for name, value in found:
        if b"\r" in value or b"\n" in value or b"\0" in value:
            raise ValueError("a header has a line break in its value")
        lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Exchange:
    """keep: the connection may be used again. overruled: its body broke the grammar, and the connection has said so."""

    def __init__(self, connection: Line, head: http1.Head) -> None:
        self.body = http1.Body(head.length)
        self.keep = head.keep
        self.begun = self.answering = False
        self.overruled = False
        self.path = head.path
        self._connection = connection
        self._head = head
        self._parts: list[bytes] = []
        self._held = 0
        self._all_handed = False
        self._expects_continue = head.expects_continue and not self.body.complete
        self._waiting: asyncio.Future[None] | None = None
        self._start: bytes | None = None
        self._left: int | None = None
        """Bytes of the answer that were announced and not written; None where it goes out in chunks."""
        self._done = False

    async def run(self, app: ASGIApp) -> None:
        connection, head = self._connection, self._head
        connection.vouched = False
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.version,
            "server": connection.server,
            "client": connection.client,
            "scheme": "http",
            "root_path": "",
            "method": head.method,
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "headers": head.headers,
            "state": connection.app_state.copy(),
            "extensions": {VOUCH: connection.vouch},
        }
        try:
            await app(scope, self.receive, self.send)
        except Exception:  # `edge` has answered and logged whatever it could
            self._connection.abort()
        finally:
            if not self._done and not self.overruled:
                self._connection.abort()

    def feed(self, part: bytes) -> None:
        """A further piece of the body, for when it is woken. It is dropped if the application no longer reads."""
        if part and not self._done:
            self._parts.append(part)
            self._held += len(part)
            if self._held > MAX_HELD:
                self._connection.read(False)

    def wake(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    async def receive(self) -> Any:
        if self._expects_continue and not self.answering:
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._expects_continue = False
        while not self._is_over and not self._parts and (not self.body.complete or self._all_handed):
            self._waiting = self._connection.loop.create_future()
            await self._waiting
        if self._is_over:
            return {"type": "http.disconnect"}
        part = b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        self._all_handed = self.body.complete
        if not self.body.complete:
            self._connection.read(True)
        return {"type": "http.request", "body": part, "more_body": not self.body.complete}

    async def send(self, message: Any) -> None:
        if self._is_over:
            return  # as the specification of ASGI has it, up to version 2.3
        if message["type"] == "http.response.start":
            self._start = self._begun(message["status"], list(message["headers"]))
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is None:
            raise RuntimeError("the body of an answer came before its head")
        self.answering = True
        await self._write(body, more)
        if not more:
            self._done = True
            self.wake()
            if self._left:
                raise RuntimeError("an answer is shorter than its content-length")
            self._connection.finished(keep=self.keep, all_read=self.body.complete)

    @property
    def _is_over(self) -> bool:
        return self._done or self.overruled or self._connection.lost

    def _begun(self, status: int, found: list[tuple[bytes, bytes]]) -> bytes:
        known = {name: value for name, value in found if name in (b"content-length", b"connection")}
        self.keep = self.keep and known.get(b"connection", b"").lower() != b"close"
        if self._head.method == "HEAD" or status in (204, 304):
            self._left = 0
        elif b"content-length" in known:
            self._left = int(known[b"content-length"])
        elif self._head.version == "1.1":
            found.append((b"transfer-encoding", b"chunked"))
        else:
            self.keep = False
        if not (self.keep and self.body.complete) and b"connection" not in known:
            found.append((b"connection", b"close"))
        return head_of(status, found)

    async def _write(self, body: bytes, more: bool) -> None:
        """In slices, each when the one before was taken; the head goes out with the first."""
        head, self._start = self._start or b"", b""
        if self._head.method == "HEAD":
            body = b""
        chunked = self._left is None and self._head.version == "1.1"
        if self._left is not None:
            if len(body) > self._left:
                raise RuntimeError("an answer is longer than its content-length")
            self._left -= len(body)
        if chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        if len(body) <= SLICE:
            if head or body:
                self._connection.write(head + body)
        else:
            rest = memoryview(body)
            self._connection.write(head)
            while rest:
                self._connection.write(rest[:SLICE])
                rest = rest[SLICE:]
                if rest:
                    await self._connection.taken()
        if more:
            await self._connection.taken()
