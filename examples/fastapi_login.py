"""Login by SMS with FastAPI. Run: OTP_URL=… OTP_KEY=… uvicorn fastapi_login:app"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, HTTPException, Request, Response
from otp_service_client import AsyncClient, Refused
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient(os.environ["OTP_URL"], os.environ["OTP_KEY"], max_wait_seconds=2) as app.state.otp:
        yield


app = FastAPI(lifespan=lifespan)
pending: dict[str, tuple[str, str]] = {}
"""Visitor → verification and phone. On the server: a browser that chooses the id could prove another's phone."""
signed_in: dict[str, str] = {}
Visitor = Annotated[str, Cookie()]


def otp(request: Request) -> AsyncClient:
    return request.app.state.otp


Otp = Annotated[AsyncClient, Depends(otp)]


class Phone(BaseModel):
    phone: str


class Code(BaseModel):
    code: str


@app.post("/login", status_code=202)
async def login(body: Phone, request: Request, response: Response, otp: Otp) -> dict[str, str]:
    try:
        started = await otp.start(
            body.phone, purpose="login", client_ip=request.client.host if request.client else None
        )
    except Refused as refusal:
        headers = {"Retry-After": str(int(refusal.retry_after))} if refusal.retry_after else None
        raise HTTPException(429 if refusal.status == 429 else 400, refusal.detail, headers) from None
    visitor = secrets.token_urlsafe()
    pending[visitor] = (started.id, started.to)
    response.set_cookie("visitor", visitor, httponly=True, samesite="strict")
    return {"resend_at": started.resend_at.isoformat()}


@app.post("/login/code")
async def code(body: Code, visitor: Visitor, otp: Otp) -> dict[str, str]:
    if visitor not in pending:
        raise HTTPException(400, "Ask for a code first.")
    verification, phone = pending[visitor]
    try:
        result = await otp.check(verification, body.code, to=phone, purpose="login")
    except Refused as refusal:
        raise HTTPException(400, refusal.detail) from None
    if not result.approved:
        raise HTTPException(401, f"{result.outcome}; {result.attempts_left} attempts left")
    del pending[visitor]
    signed_in[visitor] = phone
    return {"phone": phone}


@app.get("/me")
async def me(visitor: Visitor) -> dict[str, str]:
    if visitor not in signed_in:
        raise HTTPException(401, "Sign in.")
    return {"phone": signed_in[visitor]}
