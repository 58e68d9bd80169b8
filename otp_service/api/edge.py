"""The outermost layer of the service: every answer passes here, also 404, 405 and crashes.

The framework's own middleware does not see answers that its router makes by itself, so request ids, security headers,
the request log and the limits on bodies live here. A body is read, bounded and checked for its syntax before the
framework decodes it: what is not UTF-8, not JSON, nested too deep or names a field twice never gets further.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from otp_service import metrics, tracing
from otp_service.api import headers, problems
from otp_service.api.addresses import find_client_address
from otp_service.api.json_syntax import check_json
from otp_service.domain.networks import Network
from otp_service.errors import Refused

MAX_BODY_BYTES = 64 * 1024
MAX_PATH = 255
BODY_SECONDS = 5.0
NOT_JSON_PREFIX = "/callbacks/"
"""Where gateways speak to us in their own formats."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")

log = structlog.get_logger()


class Edge:
    """ASGI around the application.

    trusted_proxies: who may name the address of a caller. leaving: whether the process is about to end; then
    connections are not kept.
    """

    def __init__(
        self, app: ASGIApp, trusted_proxies: Sequence[Network] = (), leaving: Callable[[], bool] = lambda: False
    ) -> None:
        self._app = app
        self._trusted_proxies = trusted_proxies
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            with tracing.request_span(scope["path"], scope["headers"]):
                await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        find_client_address(scope, self._trusted_proxies)
        if trace_id := tracing.trace_id():
            structlog.contextvars.bind_contextvars(trace_id=trace_id)
        status = 0
        body_read = False
        foreign: Refused | None = None

        async def send_marked(message: Message) -> None:
            nonlocal status
            nonlocal foreign
            if message["type"] == "http.response.start":
                status = message["status"]
                media = dict(message["headers"]).get(b"content-type", b"")
                if status >= 400 and not media.startswith(problems.MEDIA_TYPE.encode()):
                    foreign = _in_our_words(status)
                    return
                named = frozenset(name for name, _ in message["headers"])
                message["headers"] = [
                    *message["headers"],
                    *headers.always(media, named, request_id),
                    *([(b"connection", b"close")] if self._leaving() and b"connection" not in named else []),
                ]
            if foreign is None:
                await send(message)
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                refusal, foreign = foreign, None
                await _refuse(refusal, send_marked)

        try:
            body = await _body(scope, receive)
            body_read = True
            await self._app(scope, _replay(body, receive), send_marked)
        except Refused as refusal:
            # What was not read must not be taken for the next request.
            await _refuse(refusal, send_marked, close=not body_read)
        except Exception:
            log.exception("request_failed")
            if status:
                raise  # half an answer is out: the server has to break the connection
            await _refuse(Refused("internal_error", "Something went wrong here; the log knows more."), send_marked)
        finally:
            seconds = time.perf_counter() - began
            route = scope.get("path_template") or "unmatched"
            requests, times = _meters(route, status)
            requests.inc()
            times.observe(seconds)
            tracing.note_request(scope["method"], route, status, request_id)
            log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))


@lru_cache(1024)
def _meters(route: str, status: int) -> tuple[Counter, Histogram]:
    """Looked up once for each route and status: finding them by their labels costs more than counting."""
    return metrics.REQUESTS.labels(route, str(status)), metrics.SECONDS.labels(route)


def _in_our_words(status: int) -> Refused:
    """For what the framework or a file server answers by itself, in a shape of its own."""
    if status >= 500:
        return Refused("internal_error", "Something went wrong here; the log knows more.")
    return Refused("not_found" if status == 404 else "malformed_request", "Nothing is there.")


def _request_id(scope: HTTPScope) -> str:
    """The caller's own, if it is harmless; the log must not be written by strangers."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(given):
                return given
    return headers.new_request_id()


async def _body(scope: HTTPScope, receive: Receive) -> bytes:
    """The whole body, bounded in size and time, and sound JSON where JSON is expected. Raises Refused."""
    head = _checked_head(scope)
    if int(head.get(b"content-length", b"0")) > MAX_BODY_BYTES:
        raise _too_large()
    announced = head.keys() & _THAT_ANNOUNCE_A_BODY  # else there is nothing to wait for
    body = await (_read_in_time(receive) if announced else _read(receive))
    if body and not scope["path"].startswith(NOT_JSON_PREFIX):
        media = head.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
        if media != b"application/json":
            raise Refused("unsupported_media_type", "Send the body as application/json.")
        check_json(body)
    return body


def _checked_head(scope: HTTPScope) -> dict[bytes, bytes]:
    """The headers that must not come twice. Raises Refused for what two parsers could read in two ways."""
    path = scope["path"]
    if not path.startswith("/") or "//" in path or not path.isprintable() or len(path) > MAX_PATH:
        raise Refused("not_found", "Nothing is there.")
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _ONCE and found.setdefault(name, value) is not value:
            raise Refused("malformed_request", f"The header {name.decode()} is there twice.")
    if b"content-length" in found and (b"transfer-encoding" in found or not found[b"content-length"].isdigit()):
        raise Refused("malformed_request", "The request says its length in two ways, or in none.")
    return found


_THAT_ANNOUNCE_A_BODY = frozenset({b"content-length", b"transfer-encoding"})
_ONCE = frozenset({b"authorization", b"content-length", b"content-type", b"idempotency-key", b"transfer-encoding"})


def _too_large() -> Refused:
    return Refused("body_too_large", f"A body may have {MAX_BODY_BYTES} bytes.")


async def _read_in_time(receive: Receive) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive)
    except TimeoutError:
        raise Refused("request_timeout", f"The body did not come within {BODY_SECONDS:.0f} s.") from None


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("malformed_request", "The connection was closed before the body was complete.")
        chunk = cast("bytes", message.get("body", b""))
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body on as one piece; afterwards only the disconnect is left to hear."""
    handed = False

    async def replayed() -> Any:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _refuse(refusal: Refused, send: Send, *, close: bool = False) -> None:
    body = problems.encode(refusal)
    head = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in problems.headers(refusal).items()),
        *([(b"connection", b"close")] if close else []),
    ]
    await send({"type": "http.response.start", "status": problems.STATUSES[refusal.code], "headers": head})
    await send({"type": "http.response.body", "body": body, "more_body": False})
