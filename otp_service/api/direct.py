"""The way past the framework for what is asked all the time: a start, a check, a status.

Which handler it is, what it takes and what it answers with is found out anew by the framework for each request, which
costs as much as a status itself. Here the same functions are called. Whatever is not quite plain goes the usual
way and is answered there: another path, a query, a body that is not understood, a header that came twice.
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
from otp_service.api.routes.verifications import VerificationController
from otp_service.errors import Erased, Unreadable
from otp_service.runtime import Runtime
from otp_service.schemas.verifications import CheckCode, StartVerification
from otp_service.storage.api_keys import ApiKey

ROOT = "/v1/verifications"
_ONE = re.compile(rf"{ROOT}/([A-Za-z0-9_-]{{20,64}})(/check)?")
"""Of what has the form of an id; other words at its place are other routes."""
_KNOWN = {b"authorization": "authorization", b"idempotency-key": "idempotency_key", b"if-none-match": "if_none_match"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What these handlers want of a request."""

    user: ApiKey


@dataclass(frozen=True, slots=True)
class _Way:
    """handler: of the controller. needs: of the service. header: that is an argument. takes: the type of its body."""

    handler: HTTPRouteHandler
    template: str
    status: int
    needs: str
    header: str
    takes: Any = None

    @property
    def scopes(self) -> tuple[str, ...]:
        scope = self.handler.opt[SCOPE]
        return scope if isinstance(scope, tuple) else (scope,)


_of = VerificationController.__dict__
START = _Way(_of["start"], ROOT, 201, "verifications", "idempotency_key", StartVerification)
CHECK_CODE = _Way(_of["check"], f"{ROOT}/{{verification_id}}/check", 200, "verifications", "idempotency_key", CheckCode)
STATUS = _Way(_of["status"], f"{ROOT}/{{verification_id}}", 200, "lookup", "if_none_match")


class Direct:
    """ASGI between `edge`, which has bounded the request and checked its syntax, and the framework."""

    def __init__(self, app: ASGIApp, service: Runtime) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way, arguments = _found(scope)
        found = _headers(scope) if way else None
        if way is None or found is None:
            await self._app(scope, receive, send)
            return
        scope["path_template"] = way.template  # as the framework calls it
        try:
            caller = await authenticate(self._service, bearer(found.get("authorization", "")), scope, *way.scopes)
            if way.takes:
                message: Any = await receive()  # all of it: `edge` has read it
                try:
                    arguments["data"] = msgspec.json.decode(message["body"], type=way.takes, strict=False)
                except msgspec.MsgspecError:  # the framework says of every field what is wrong with it
                    await self._app(scope, _again(message, receive), send)
                    return
            arguments[way.needs] = getattr(self._service, way.needs)
            if way.header in found:
                arguments[way.header] = found[way.header]
            answer = await way.handler.fn(None, request=Asked(caller), **arguments)
        except (Erased, Unreadable) as error:
            raise problems.refusal_of(error) from None
        await _send(answer, way.status, send)


def _found(scope: Scope) -> tuple[_Way | None, dict[str, Any]]:
    """Whose request it is, and what its path says."""
    if scope["type"] != ScopeType.HTTP or scope["query_string"]:
        return None, {}
    method, path = scope["method"], scope["path"]
    if path == ROOT:
        return (START if method == "POST" else None), {}
    if named := _ONE.fullmatch(path):
        way = {"GET": STATUS, "POST/check": CHECK_CODE}.get(method + (named[2] or ""))
        return way, {"verification_id": named[1]}
    return None, {}


def _headers(scope: Scope) -> dict[str, str] | None:
    """Those that these handlers know, by the names of their arguments; None where one is there twice."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if known := _KNOWN.get(name):
            if known in found:
                return None
            found[known] = value.decode("latin-1")
    return found


def _again(message: Any, receive: Receive) -> Receive:
    told = False

    async def received() -> Any:
        nonlocal told
        if told:
            return await receive()
        told = True
        return message

    return received


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
