"""A shortcut past the framework for the three requests that come all the time: a start, a check, a status.

For each request the framework works out anew which handler it goes to, which arguments that one takes and how its
answer is encoded; this costs as much as all the rest of a status. Here the same handlers are called directly, so there
is one copy of what they do, and tests/edge/test_direct.py compares both ways byte by byte. Whatever is not quite
ordinary goes to the framework: another path, a query, a body that does not fit its type, a header that was sent twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.serialization import encode_json
from litestar.types import ASGIApp, Receive, Scope, Send

from otp_service.api import problems
from otp_service.api.auth import SCOPE, authenticate, bearer
from otp_service.api.edge.edge import replay
from otp_service.api.routes.verifications import VerificationController
from otp_service.errors import Erased, Unreadable
from otp_service.runtime import Runtime
from otp_service.schemas.verifications import CheckCode, StartVerification
from otp_service.storage.api_keys import ApiKey

ROOT = "/v1/verifications"
_ONE = re.compile(rf"{ROOT}/([A-Za-z0-9_-]{{20,64}})(/check)?")
"""An id is at least 20 characters long, so `/search` and `/check` do not match."""
_ARGUMENTS = {
    b"authorization": "authorization",
    b"idempotency-key": "idempotency_key",
    b"if-none-match": "if_none_match",
}
"""Headers that these handlers take, and the arguments that they are."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """All that these handlers read of a request: the key that it came with."""

    user: ApiKey


@dataclass(frozen=True, slots=True)
class _Shortcut:
    """handler: of the controller. template: of its path, for logs and metrics. needs: the part of the service that it
    is given. header: the one that it takes. body: the type of its body."""

    handler: HTTPRouteHandler
    template: str
    needs: str
    header: str
    body: Any = None

    @property
    def scopes(self) -> tuple[str, ...]:
        scope = self.handler.opt[SCOPE]
        return scope if isinstance(scope, tuple) else (scope,)


_of = VerificationController.__dict__
START = _Shortcut(_of["start"], ROOT, "verifications", "idempotency_key", StartVerification)
CHECK = _Shortcut(_of["check"], f"{ROOT}/{{verification_id}}/check", "verifications", "idempotency_key", CheckCode)
STATUS = _Shortcut(_of["status"], f"{ROOT}/{{verification_id}}", "lookup", "if_none_match")


class Direct:
    """ASGI between `edge`, which has bounded the request and checked its syntax, and the framework."""

    def __init__(self, app: ASGIApp, service: Runtime) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shortcut, arguments = _shortcut(scope)
        headers = _headers(scope) if shortcut else None
        if shortcut is None or headers is None:
            await self._app(scope, receive, send)
            return
        scope["path_template"] = shortcut.template  # as the framework sets it
        try:
            presented = bearer(headers.get("authorization", ""))
            caller = await authenticate(self._service, presented, scope, *shortcut.scopes)
            if shortcut.body:
                message: Any = await receive()  # the whole body: `edge` has read it
                try:
                    arguments["data"] = msgspec.json.decode(message["body"], type=shortcut.body)
                except msgspec.MsgspecError:  # the framework's way forgives 3.0, and says what is wrong with each field
                    await self._app(scope, replay(message["body"], receive), send)
                    return
            arguments[shortcut.needs] = getattr(self._service, shortcut.needs)
            if shortcut.header in headers:
                arguments[shortcut.header] = headers[shortcut.header]
            answer = await shortcut.handler.fn(None, request=Authenticated(caller), **arguments)
        except (Erased, Unreadable) as error:
            raise problems.refusal_of(error) from None
        await _send(answer, shortcut.handler.status_code, send)


def _shortcut(scope: Scope) -> tuple[_Shortcut | None, dict[str, Any]]:
    """The shortcut for a request, if there is one, and the arguments that are in its path."""
    if scope["type"] != ScopeType.HTTP or scope["query_string"]:
        return None, {}
    method, path = scope["method"], scope["path"]
    if path == ROOT:
        return (START if method == "POST" else None), {}
    if found := _ONE.fullmatch(path):
        shortcut = {"GET": STATUS, "POST/check": CHECK}.get(method + (found[2] or ""))
        return shortcut, {"verification_id": found[1]}
    return None, {}


def _headers(scope: Scope) -> dict[str, str] | None:
    """Those that these handlers take, by the names of their arguments; None where one was sent twice."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if argument := _ARGUMENTS.get(name):
            if argument in found:
                return None
            found[argument] = value.decode("latin-1")
    return found


async def _send(answer: Any, status: int, send: Send) -> None:
    content, more = (answer.content, answer.headers) if isinstance(answer, Response) else (answer, {})
    body = encode_json(content)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *((name.lower().encode(), value.encode()) for name, value in more.items()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
