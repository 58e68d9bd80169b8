"""What happens below ASGI: connections are bounded in number and heads in size and time, and requests that are not even
HTTP are answered in the one shape of errors, too.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from otp_service.api import headers, problems
from otp_service.errors import Refused

MAX_HEAD_BYTES = 32 * 1024
"""Of request line and headers together; the parser itself would collect them without end."""
MAX_HEADERS = 100
HEAD_SECONDS = 10.0
"""From the opening of a connection, or the first byte of a later request, to the end of its headers."""


class HeadTooLargeError(Exception):
    """Ends the parser's work."""


class Joined:
    """A transport that sends together what is written in one turn of the event loop: head and body of an answer are one
    system call, and wake their reader once."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()


class Protocol(HttpToolsProtocol):
    """One connection."""

    max_connections = 1024
    _in_head = False
    _too_large = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Joined(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > self.max_connections:
            self._refuse(Refused("busy", "Too many connections are open.", retry_after=1))
        else:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Also line breaks between two requests, which stop the timer of an idle connection and begin nothing.
        if self._in_head or not self._answering:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._head_count = 0

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_count += 1
        self._count(name + value)
        # What comes after the head is a trailer. A proxy that judges headers has not looked at it, so nobody shall.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            detail = f"A request line and headers may have {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers."
            self._refuse(Refused("head_too_large", detail))
        else:
            self._refuse(Refused("malformed_request", "This is not an HTTP request that can be understood."))

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self, part: bytes) -> None:
        self._head_bytes += len(part)
        if self._head_bytes > MAX_HEAD_BYTES or self._head_count > MAX_HEADERS:
            self._too_large = True
            raise HeadTooLargeError

    def _wait_for_head(self) -> None:
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._timer = None
        if self._answering:
            self._wait_for_head()  # an earlier request of this connection is to be answered first
        else:
            self._refuse(Refused("request_timeout", f"The headers did not come within {HEAD_SECONDS:.0f} s."))

    def _refuse(self, refusal: Refused) -> None:
        """Answer and close."""
        if self.transport.is_closing():
            return
        body = problems.encode(refusal)
        status = problems.STATUSES[refusal.code]
        head = [
            f"HTTP/1.1 {status} {problems.phrase(status)}".encode(),
            f"content-type: {problems.MEDIA_TYPE}".encode(),
            b"content-length: %d" % len(body),
            b"connection: close",
            *(f"{name.lower()}: {value}".encode() for name, value in problems.headers(refusal).items()),
            *(b"%b: %b" % pair for pair in headers.always(b"", frozenset(), headers.new_request_id())),
        ]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        self.transport.close()


def bounded(max_connections: int) -> type[Protocol]:
    """The protocol for a server that keeps so many connections open at the same time."""
    return type("Protocol", (Protocol,), {"max_connections": max_connections})
