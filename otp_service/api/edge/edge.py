"""The outermost layer of the service: every answer passes here, also 404, 405 and crashes.

The framework's own middleware does not see answers that its router makes by itself, so request ids, security headers,
the request log and the limits on bodies live here. A body is read, bounded and checked for its syntax before the
framework decodes it: what is not UTF-8, not JSON, nested too deep or names a field twice never gets further.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from otp_service.api import problems
from otp_service.api.edge import headers
from otp_service.api.edge.client_address import find_client_address
from otp_service.api.edge.json_syntax import parse_json
from otp_service.domain.networks import Network
from otp_service.errors import Refused
from otp_service.load import Load, Visit, visit
from otp_service.telemetry import metrics, tracing

MAX_BODY_BYTES = 64 * 1024
MAX_PUSH_BYTES = 128 * 1024
"""What a gateway may push at once: 1,000 states."""
MAX_PATH = 255
BODY_SECONDS = 5.0
OWN_FORMATS = ("/callbacks/", "/v1/hooks/", "/twilio/", "/console")
"""Where others speak to us in their own formats, and hear of errors in them."""
_OF_CALLERS = ("/v1/", "/twilio/")
_ASKED_ALL_THE_TIME = frozenset({"/health/live", "/health/ready", "/metrics"})
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")

log = structlog.get_logger()


_BUSY_STATUS = 503


class Edge:
    """ASGI around the application.

    trusted_proxies: who may name the address of a caller. leaving: whether the process is about to end; then
    connections are not kept. answer: status, headers and body of what is refused here, by the path.
    """

    def __init__(
        self,
        app: ASGIApp,
        trusted_proxies: Sequence[Network] = (),
        leaving: Callable[[], bool] = lambda: False,
        load: Load | None = None,
        answer: Callable[[Refused, str], tuple[int, Mapping[str, str], bytes]] = problems.answer,
    ) -> None:
        self._app = app
        self._load = load or Load()
        self._trusted_proxies = trusted_proxies
        self._leaving = leaving
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            with tracing.request_span(scope["path"], scope["headers"]):
                await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began, method = time.perf_counter(), scope["method"]
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
                own = media.startswith(problems.MEDIA_TYPE.encode()) or scope["path"].startswith(OWN_FORMATS)
                if status >= 400 and not own:
                    foreign = problems.of_status(status)
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
                await self._refuse(refusal, scope["path"], send_marked)

        visiting: Visit | None = None
        try:
            head = _checked_head(scope)
            body = await _body(scope, head, receive)  # who only dribbles one in takes nobody's place
            body_read = True
            if _costs(method, scope["path"]):
                visiting = Visit(self._load)
                visit.set(visiting)
                if self._load.is_too_much():  # before anything was counted, and before a key was looked up
                    raise _busy()  # noqa: TRY301  refused as whatever is wrong with the request
            body = _checked_body(scope, head, body)
            if method == "HEAD":  # as GET; the server, which has its own scope, leaves the body out (RFC 9110 §9.3.2)
                scope = cast("HTTPScope", {**scope, "method": "GET"})
            await self._app(scope, replay(body, receive), send_marked)
        except Refused as refusal:
            # What was not read must not be taken for the next request.
            await self._refuse(refusal, scope["path"], send_marked, close=not body_read)
        except Exception:
            log.exception("request_failed")
            if status:
                raise  # half an answer is out: the server has to break the connection
            await self._refuse(problems.of_status(500), scope["path"], send_marked)
        finally:
            if visiting:
                visiting.end(taken=status != _BUSY_STATUS)
            seconds = time.perf_counter() - began
            route = scope.get("path_template") or "unmatched"
            requests, times = _meters(route, status)
            requests.inc()
            times.observe(seconds)
            tracing.note_request(scope["method"], route, status, request_id)
            told = log.debug if route in _ASKED_ALL_THE_TIME and status < 400 else log.info
            told("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))

    async def _refuse(self, refusal: Refused, path: str, send: Send, *, close: bool = False) -> None:
        status, found, body = self._answer(refusal, path)
        head = [
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in found.items()),
            *([(b"connection", b"close")] if close else []),
        ]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _costs(method: str, path: str) -> bool:
    """All that callers ask for. Not a report of a gateway, which it does not tell twice, nor what operators look at."""
    return path.startswith(_OF_CALLERS) or (method == "POST" and not path.startswith("/callbacks/"))


@lru_cache(1024)
def _meters(route: str, status: int) -> tuple[Counter, Histogram]:
    """Looked up once for each route and status: finding them by their labels costs more than counting."""
    return metrics.REQUESTS.labels(route, str(status)), metrics.SECONDS.labels(route)


def _request_id(scope: HTTPScope) -> str:
    """The caller's own, if it is harmless; the log must not be written by strangers."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(given):
                return given
    return headers.new_request_id()


async def _body(scope: HTTPScope, head: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The whole body, bounded in size and time. Raises Refused."""
    most = MAX_PUSH_BYTES if scope["path"].startswith("/callbacks/") else MAX_BODY_BYTES
    if int(head.get(b"content-length", b"0")) > most:
        raise _too_large(most)
    announced = head.keys() & _THAT_ANNOUNCE_A_BODY  # else there is nothing to wait for
    return await (_read_in_time(receive, most) if announced else _read(receive, most))


def _checked_body(scope: HTTPScope, head: Mapping[bytes, bytes], body: bytes) -> bytes:
    """Sound JSON in UTF-8, sent as such and as it is, except where others have formats of their own. Raises Refused."""
    if head.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
        raise Refused("unsupported_media_type", "Send the body as it is, without a Content-Encoding.")
    if body and not scope["path"].startswith(OWN_FORMATS):
        body = body.removeprefix(_BYTE_ORDER_MARK)  # several editors and exporters put it in front (RFC 8259 §8.1)
        media, *parameters = head.get(b"content-type", b"application/json").lower().split(b";")
        charsets = [one.partition(b"=")[2].strip(b' "') for one in parameters if one.strip().startswith(b"charset")]
        if media.strip() != b"application/json" or any(one not in (b"utf-8", b"utf8") for one in charsets):
            raise Refused("unsupported_media_type", "Send the body as application/json, in UTF-8.")
        parse_json(body)
    return body


def _checked_head(scope: HTTPScope) -> Mapping[bytes, bytes]:
    """The headers that must not come twice. Raises Refused for what two parsers could read in two ways."""
    path = scope["path"]
    if not path.startswith("/") or not path.isprintable() or len(path) > MAX_PATH or _has_another_spelling(scope):
        sentence = "There is nothing at this address; docs/api.md lists what there is, without a slash at the end."
        raise Refused("not_found", sentence)
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _ONCE and found.setdefault(name, value) is not value:
            if name == b"content-encoding":
                raise Refused("unsupported_media_type", "Send the body as it is, without a Content-Encoding.")
            raise Refused("malformed_request", f"The header {name.decode()} was sent twice.")
    if b"content-length" in found and (b"transfer-encoding" in found or not found[b"content-length"].isdigit()):
        raise Refused("malformed_request", "The length of the body is given in two ways, or not at all.")
    return found


def _has_another_spelling(scope: HTTPScope) -> bool:
    """Whether a proxy's rule for the same path could have missed this one: the router would find it nevertheless."""
    path = scope["path"]
    ends = path.endswith("/") and path not in _MAY_END_WITH_A_SLASH
    return ends or "//" in path or bool(_NEEDLESS_ESCAPE.search(scope["raw_path"]))


_MAY_END_WITH_A_SLASH = ("/", "/schema/")
_NEEDLESS_ESCAPE = re.compile(rb"%(?:2[dDeEfF]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF])")
"""Of a letter, a digit, `-`, `.`, `_` or a slash: no client writes them so, and routes consist of them."""
_THAT_ANNOUNCE_A_BODY = frozenset({b"content-length", b"transfer-encoding"})
_ONCE = frozenset(
    {
        b"authorization", b"content-encoding", b"content-length", b"content-type", b"idempotency-key",
        b"transfer-encoding",
    }
)  # fmt: skip


def _busy() -> Refused:
    """Made for each request: one that is raised again and again keeps the frames, and bodies, of all of them."""
    return Refused("busy", "The service is overloaded; try again.", retry_after=1)


def _too_large(most: int) -> Refused:
    return Refused("body_too_large", f"A body may have at most {most} bytes.")


async def _read_in_time(receive: Receive, most: int) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, most)
    except TimeoutError:
        raise Refused("request_timeout", f"The body did not arrive within {BODY_SECONDS:.0f} s.") from None


async def _read(receive: Receive, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("malformed_request", "The connection was closed before the body was complete.")
        chunk = cast("bytes", message.get("body", b""))
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands on a body which was read already, as one piece; then only the disconnect is left."""
    handed = False

    async def replayed() -> Any:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
