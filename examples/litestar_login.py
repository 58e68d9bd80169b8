"""Login by SMS with Litestar. Run: OTP_URL=… OTP_KEY=… litestar --app litestar_login:app run"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import Cookie, State
from litestar.exceptions import ClientException, NotAuthorizedException, TooManyRequestsException
from litestar.params import Parameter
from msgspec import Struct
from otp_service_client import AsyncClient, Refused

Visitor = Annotated[str, Parameter(cookie="visitor")]


class Phone(Struct):
    phone: str


class Code(Struct):
    code: str


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with AsyncClient(os.environ["OTP_URL"], os.environ["OTP_KEY"], max_wait_seconds=2) as app.state.otp:
        app.state.pending, app.state.signed_in = {}, {}
        yield


@post("/login", status_code=202)
async def login(data: Phone, request: Request, state: State) -> Response[dict[str, str]]:
    try:
        started = await state.otp.start(data.phone, purpose="login", client_ip=request.client.host)
    except Refused as refusal:
        raise (TooManyRequestsException if refusal.status == 429 else ClientException)(refusal.detail) from None
    visitor = secrets.token_urlsafe()
    state.pending[visitor] = (started.id, started.to)  # on the server, or somebody could prove another's phone
    cookie = Cookie("visitor", value=visitor, httponly=True, samesite="strict")
    return Response({"resend_at": started.resend_at.isoformat()}, cookies=[cookie])


@post("/login/code", status_code=200)
async def code(data: Code, visitor: Visitor, state: State) -> dict[str, str]:
    if visitor not in state.pending:
        raise ClientException("Ask for a code first.")
    verification, phone = state.pending[visitor]
    try:
        result = await state.otp.check(verification, data.code, to=phone, purpose="login")
    except Refused as refusal:
        raise ClientException(refusal.detail) from None
    if not result.approved:
        raise NotAuthorizedException(f"{result.outcome}; {result.attempts_left} attempts left")
    del state.pending[visitor]
    state.signed_in[visitor] = phone
    return {"phone": phone}


@get("/me")
async def me(visitor: Visitor, state: State) -> dict[str, str]:
    if visitor not in state.signed_in:
        raise NotAuthorizedException("Sign in.")
    return {"phone": state.signed_in[visitor]}


app = Litestar([login, code, me], lifespan=[lifespan])
