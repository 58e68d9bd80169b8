"""One HTTP exchange with a gateway: one request, one deadline, one answer or one `GatewayError`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Protocol

from otp_service.domain.reasons import Reason
from otp_service.domain.value import Hidden, Value
from otp_service.gateways.base import GatewayError, Then
from otp_service.outbound.transport import Arriving, NoAnswerError, Progress, Transport, piece

MAX_BODY = 256 * 1024
"""Bytes. Answers are a few hundred; a longer one is not an answer."""
MAX_LIST = 64 * 1024 * 1024
"""Bytes of an answer that is read piece by piece and not kept: a list, of a million phones or 150,000 SMS."""

MOST_PUSHED = 1000
"""States of one push."""

REFUSALS = {
    401: Reason.CREDENTIALS,
    403: Reason.CREDENTIALS,
    404: Reason.BAD_REQUEST,
    405: Reason.BAD_REQUEST,
    429: Reason.THROTTLED,
}
"""HTTP statuses that say that nothing was sent. No vendor document mentions statuses, so the others are unclear."""


def broken_answer() -> GatewayError:
    """The answer is not what the document describes, so whether an SMS left is unknown."""
    return GatewayError(Reason.BROKEN_ANSWER, Then.UNCLEAR)


class Observer(Protocol):
    """Is shown what passes, for `otp-service gateways try`. If `request` raises, nothing is sent."""

    def request(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> None: ...

    def reply(self, status: int, body: bytes) -> None: ...

    def note(self, text: str) -> None:
        """How something was read."""
        ...


observer: ContextVar[Observer | None] = ContextVar("observer", default=None)
"""Of the running task; nobody else's exchanges are shown."""


def tell(text: str) -> None:
    """Tell the observer, if there is one, how an answer is read. text: nothing that the operator who asked must not
    see."""
    if watching := observer.get():
        watching.note(text)


class Reply(Value):
    """What came back over HTTP. The body may hold a code: it is never shown."""

    status: int
    body: Hidden[bytes]

    def text(self) -> str:
        """The body of a good answer, decoded, without surrounding blanks. Raises `GatewayError` for anything else."""
        if self.status in REFUSALS:
            raise GatewayError(REFUSALS[self.status], Then.NEXT)
        text = decode(self.body)
        if not 200 <= self.status < 300 or not text or text[:9].lower().startswith(("<!doctype", "<html")):
            raise broken_answer()
        return text


def decode(body: bytes) -> str:
    """UTF-8 with or without a byte order mark, else windows-1251; blanks and NULs around it are dropped."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("windows-1251", errors="replace")
    return text.strip(" \t\r\n\0")


class HttpClient:
    """Speaks HTTP to one address. Raises nothing but `GatewayError`, which carries no trace of the request.

    base_url: as `address.checked_address` returns it. ssl_context: in place of the system's certificates.
    """

    base_url = ""

    def __init__(
        self,
        base_url: str,
        *,
        max_parallel: int = 50,
        connect_seconds: float = 2.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.base_url = base_url
        self._slots = asyncio.Semaphore(max_parallel)
        self._transport = Transport(
            connect_seconds=connect_seconds, max_connections=max_parallel, ssl_context=ssl_context
        )

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        seconds: float,
        sink: Callable[[bytes], None] | None = None,
    ) -> Reply:
        """Send one request and read its answer, all within `seconds`, waiting for a free slot included.

        sink: is given the body of a 2xx answer, up to `MAX_LIST`, piece by piece; then the reply has none.

        Raises: THROTTLED/next (no slot became free), UNREACHABLE/next (never connected), TIMEOUT/unclear,
        BROKEN_ANSWER/unclear (cut, reset, not HTTP, over `MAX_BODY`, compressed).
        """
        url = self.base_url + path
        if watching := observer.get():
            watching.request(method, url, headers or {}, content)
        # Nothing is decompressed, so nothing may come compressed: no small body becomes a large one.
        headers = {"Accept-Encoding": "identity", **(headers or {})}
        progress = Progress()
        has_slot = False
        try:
            async with asyncio.timeout(seconds), self._slots:
                has_slot = True
                answer = await self._transport.request(method, url, headers=headers, content=content, progress=progress)
                try:
                    reply = Reply(answer.status, await _body(answer, sink))
                finally:
                    answer.close()
                if watching:
                    watching.reply(reply.status, reply.body)
                return reply
        except TimeoutError:
            if progress.connected:
                failure = GatewayError(Reason.TIMEOUT, Then.UNCLEAR)
            else:
                failure = GatewayError(Reason.UNREACHABLE if has_slot else Reason.THROTTLED, Then.NEXT)
        except NoAnswerError:
            failure = broken_answer() if progress.connected else GatewayError(Reason.UNREACHABLE, Then.NEXT)
        # Raised outside of `except`: the error may show the request, and the context of an exception is logged.
        raise failure

    async def close(self) -> None:
        await self._transport.aclose()


async def _body(answer: Arriving, sink: Callable[[bytes], None] | None) -> bytes:
    """Raises GatewayError, NoAnswerError."""
    if any(coding != "identity" for coding in answer.headers.getall("Content-Encoding", ())):
        raise broken_answer()
    if not 200 <= answer.status < 300:
        sink = None
    most = MAX_LIST if sink else MAX_BODY
    body = bytearray()
    given = 0
    while chunk := await piece(answer):
        given += len(chunk)
        if given > most:
            raise broken_answer()
        if sink:
            sink(chunk)
        else:
            body += chunk
    return bytes(body)
