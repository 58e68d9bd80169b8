"""The outermost layer of the service: every answer passes here, also 404, 405 and crashes.

The framework's own middleware does not see answers that its router makes by itself, so request ids, security headers,
the request log and the limits on bodies live here. A body is read, bounded and checked for its syntax before the
framework decodes it: what is not UTF-8, not JSON, nested too deep or names a field twice never gets further.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import string
import time
from typing import Any, cast

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from otp_service import metrics
from otp_service.api import problems
from otp_service.errors import Refused

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 16
BODY_SECONDS = 5.0
JSON_PREFIX = "/v1/"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
_ALWAYS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]

log = structlog.get_logger()


class Edge:
    """ASGI around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in _ALWAYS if header[0] not in named),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            body = await _body(scope, receive)
            await self._app(scope, _replay(body, receive), send_marked)
        except Refused as refusal:
            await _refuse(refusal, send_marked)
        except Exception:
            log.exception("request_failed")
            if status:
                raise  # half an answer is out: the server has to break the connection
            await _refuse(Refused("internal_error", "Something went wrong here; the log knows more."), send_marked)
        finally:
            seconds = time.perf_counter() - began
            route = scope.get("path_template") or "unmatched"
            metrics.REQUESTS.labels(route, str(status)).inc()
            metrics.SECONDS.labels(route).observe(seconds)
            log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))


def _request_id(scope: HTTPScope) -> str:
    """The caller's own, if it is harmless; the log must not be written by strangers."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(given):
                return given
    return "".join(random.choices(string.ascii_lowercase, k=16))  # noqa: S311  it tells requests apart, no more


async def _body(scope: HTTPScope, receive: Receive) -> bytes:
    """The whole body, bounded in size and time, and sound JSON where JSON is expected. Raises Refused."""
    headers = [(name, value) for name, value in scope["headers"] if name in _FRAMING]
    named = [name for name, _ in headers]
    if named.count(b"content-length") > 1 or (b"content-length" in named and b"transfer-encoding" in named):
        raise Refused("malformed_request", "The request says its length in two ways.")
    length = dict(headers).get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        raise Refused("body_too_large", f"A body may have {MAX_BODY_BYTES} bytes.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read(receive)
    except TimeoutError:
        raise Refused("request_timeout", f"The body did not come within {BODY_SECONDS:.0f} s.") from None
    if body and scope["path"].startswith(JSON_PREFIX):
        media = dict(headers).get(b"content-type", b"application/json").split(b";")[0].strip().lower()
        if media != b"application/json":
            raise Refused("unsupported_media_type", "Send the body as application/json.")
        check_json(body)
    return body


_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"content-type"})


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
            raise Refused("body_too_large", f"A body may have {MAX_BODY_BYTES} bytes.")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def check_json(body: bytes) -> None:
    """Refuse what parsers disagree about: other encodings, deep nesting, fields named twice, NaN, half surrogates."""
    try:
        text = body.decode("utf-8", "strict")
        if _depth(text) > MAX_DEPTH:
            raise Refused("malformed_request", f"The body is nested deeper than {MAX_DEPTH} levels.")
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode("utf-8", "strict")
    except (ValueError, RecursionError):
        raise Refused("malformed_request", "The body is not valid JSON in UTF-8.") from None


def _depth(text: str) -> int:
    """Upper bound of the nesting, without parsing: brackets inside strings count too, which only makes it stricter."""
    deepest = level = 0
    for character in re.findall(r"[\[{\]}]", text):
        level += 1 if character in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("malformed_request", "A field of the body is named twice.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


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


async def _refuse(refusal: Refused, send: Send) -> None:
    body = problems.encode(refusal)
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in problems.headers(refusal).items()),
    ]
    await send({"type": "http.response.start", "status": problems.STATUSES[refusal.code], "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
