"""Requests over aiohttp's connection pool: one request, sent once, of which is known how far it got.

Why not httpx: cancelled requests leave slots of its pool taken for good, and its cost grows with the number of requests
waiting. Why not `httpx-aiohttp`: it reports "processed, then reset" as a connect timeout, which everywhere else proves
that nothing was sent. Figures: docs/adr/0006.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

from otp_service.outbound.address_guard import AddressGuard, RefusedAddressError

MAX_INFORMATIONAL = 8
"""Answers of 1xx before the one that counts (RFC 9110 §15.2); they are passed over."""
MAX_HEAD = 64 * 1024
"""Bytes of an answer before its body, those of informational answers included."""
HEAD_PIECE = 4 * 1024
MAX_READ = 32 * 1024
"""What a socket holds of an answer, so also what is parsed of it between two turns of the event loop."""
KEEP_IDLE_SECONDS = 3.0
"""Below the 5 s after which common servers drop an idle connection, so that no request races with that."""

OURS_ALONE = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add by itself; besides `Host` and `Content-Length` only those of the request go out."""


@dataclass(slots=True)
class Progress:
    """How far one request got, to be read after an error, a time-out or a cancellation.

    connected: a connection was handed to the request, so that bytes of it may have left. obstacle: why there was none,
    where that is known: `address` (the guard refused it), `name` (it has no address), `certificate` (TLS failed).
    """

    connected: bool = False
    obstacle: str = ""


_progress: ContextVar[Progress] = ContextVar("progress")
"""Of the request that the running task sends."""


class _TooMuchError(aiohttp.http.HttpProcessingError):
    """The peer sends more before its answer than any answer needs."""


class _Protocol(ResponseHandler):
    """Leaves a peer that never comes to its answer: aiohttp reads informational answers (1xx) as long as they come. And
    one that says more than it was asked: aiohttp keeps that as the answer to the next request."""

    _head_bytes = _informational = 0
    _has_head = False
    _body: StreamReader

    def set_response_params(self, **params: Any) -> None:
        """Called once for each exchange."""
        self._head_bytes = self._informational = 0
        self._has_head = False
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """The head in small pieces, so that no more is parsed of a flood than what shows that it is one."""
        if data and self._has_head and self._body.is_eof():  # without data it is aiohttp that reads on
            if self.transport is not None:
                self.transport.close()
            return
        while data and not self._has_head and self._parser is not None and self._exception is None:
            piece, data = data[:HEAD_PIECE], data[HEAD_PIECE:]
            self._head_bytes += len(piece)
            super().data_received(piece)
            if not self._has_head and self._head_bytes > MAX_HEAD:
                self._leave()
        if data and self._exception is None:
            super().data_received(data)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        if 100 <= data[0].code <= 199:
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                self._leave()
            return
        self._has_head, self._body = True, data[1]
        super().feed_data(data, size)

    def _leave(self) -> None:
        if self._exception is None:
            self.set_exception(_TooMuchError(code=400, message="too much before the answer"))
            if self.transport is not None:
                self.transport.abort()


class _Connector(aiohttp.TCPConnector):
    """Makes connections that bound what they read, and notes that a request got one.

    aiohttp's tracing would tell that too, with six coroutines more per request.
    """

    def __init__(self, **terms: Any) -> None:
        super().__init__(**terms)
        self._factory: Any = partial(_Protocol, loop=self._loop)

    async def connect(self, *request: Any, **terms: Any) -> Connection:
        connection = await super().connect(*request, **terms)
        _progress.get().connected = True
        return connection


class _ConnectionLostError(Exception):
    """The connection broke. aiohttp does not know this class, so it cannot repeat the request because of it."""


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp middleware. Without it aiohttp sends GET, PUT and the like a second time when a connection breaks."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLostError from error


class NoAnswerError(Exception):
    """There was no whole answer. Not sent is proved only where no connection was ever handed out; see `Progress`."""


def _obstacle(error: BaseException) -> str:
    if isinstance(error, _ConnectionLostError) and error.__cause__:
        error = error.__cause__
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, RefusedAddressError):
        return "address"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name"
    return "certificate" if isinstance(error, aiohttp.ClientSSLError) else ""


Arriving = aiohttp.ClientResponse
"""An answer whose head is here. Its body is read by `piece`."""


async def piece(answer: Arriving) -> bytes:
    """The next bytes of its body; none at its end. Raises NoAnswerError."""
    try:
        return await answer.content.readany()
    except Exception:
        raise NoAnswerError from None


def _parsed(url: str) -> URL:
    """As httpx reads and escapes it. Raises ValueError or httpx.InvalidURL."""
    return URL(str(httpx.URL(url)), encoded=True)


_kept = lru_cache(64)(_parsed)


class Transport:
    """One pool for one gateway or receiver.

    Sends each request once, follows no redirects, keeps no cookies, reads no proxy from the environment, verifies TLS,
    does not decompress. connect_seconds: for a connection. max_connections: 0 for no limit. ssl_context: in place of
    the system's certificates. guard: decides which addresses may be connected to, each time anew.
    """

    def __init__(
        self,
        *,
        connect_seconds: float,
        max_connections: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        guard: AddressGuard | None = None,
    ) -> None:
        self._connect_seconds = connect_seconds
        self._max_connections = max_connections
        self._ssl = ssl_context or True
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes, progress: Progress
    ) -> Arriving:
        """To be closed: one whose body was read to its end has already given the connection back, one cut short must
        not be used again. Raises NoAnswerError."""
        _progress.set(progress)
        try:
            return await self._pool().request(
                method,
                # Parsed once where it has no query. One with a query may hold credentials and a code: it is not kept.
                _parsed(url) if "?" in url else _kept(url),
                headers=headers,
                data=content or None,
                allow_redirects=False,
            )
        except Exception as error:
            if not progress.connected:
                progress.obstacle = _obstacle(error)
            raise NoAnswerError from None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """For an address that is about to be connected to. Raises RefusedAddressError."""
        if self._guard:
            self._guard.check(str(info[4][0]))
        opened = socket.socket(*info[:3])
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_READ)
        return opened

    def _pool(self) -> aiohttp.ClientSession:
        """Made at the first request, because aiohttp wants a running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(
                    limit=self._max_connections,
                    keepalive_timeout=KEEP_IDLE_SECONDS,
                    ssl=self._ssl,
                    resolver=self._guard,
                    use_dns_cache=self._guard is None,
                    socket_factory=self._open_socket,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(connect=self._connect_seconds),
                skip_auto_headers=OURS_ALONE,
                auto_decompress=False,
                trust_env=False,
                middlewares=(_send_once,),
            )
        return self._session
