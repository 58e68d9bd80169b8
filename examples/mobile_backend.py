"""Back end of a mobile app: the app reads the SMS by itself (SMS Retriever: `applications.NAME.android_hash`).

Run: OTP_URL=… OTP_KEY=… uvicorn mobile_backend:app
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import FastAPI, Header, HTTPException, Request
from otp_service_client import AsyncClient, Refused
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient(os.environ["OTP_URL"], os.environ["OTP_KEY"]) as app.state.otp:
        yield


app = FastAPI(lifespan=lifespan)
sessions: dict[str, tuple[str, str]] = {}
"""What the app holds → verification and phone."""
tokens: dict[str, str] = {}
KEY = Header(alias="Idempotency-Key", description="Drawn by the app for each tap; a retry on a bad network is one SMS.")


class Start(BaseModel):
    phone: str
    platform: Literal["android", "ios"]


class Code(BaseModel):
    session: str
    code: str


@app.post("/v1/sessions", status_code=201)
async def start(body: Start, request: Request, key: Annotated[str, KEY]) -> dict[str, str]:
    try:
        started = await request.app.state.otp.start(
            body.phone, purpose="app-login", platform=body.platform, idempotency_key=key
        )
    except Refused as refusal:
        raise HTTPException(429 if refusal.status == 429 else 400, {"code": refusal.code}) from None
    known = next((name for name, (found, _) in sessions.items() if found == started.id), None)
    session = known or secrets.token_urlsafe()
    sessions[session] = (started.id, started.to)
    return {"session": session, "expires_at": started.expires_at.isoformat()}


@app.post("/v1/tokens", status_code=201)
async def token(body: Code, request: Request, key: Annotated[str, KEY]) -> dict[str, str]:
    """A repeat with its key hears the same verdict, so an answer that was lost on the way costs no attempt."""
    if body.session not in sessions:
        raise HTTPException(404, {"code": "unknown_session"})
    verification, phone = sessions[body.session]
    try:
        result = await request.app.state.otp.check(
            verification, body.code, to=phone, purpose="app-login", idempotency_key=key
        )
    except Refused as refusal:
        raise HTTPException(400, {"code": refusal.code}) from None
    if not result.approved:
        raise HTTPException(401, {"code": result.outcome, "attempts_left": result.attempts_left})
    made = secrets.token_urlsafe()
    tokens[made] = phone
    return {"token": made}


@app.get("/v1/me")
async def me(authorization: Annotated[str, Header()]) -> dict[str, str]:
    phone = tokens.get(authorization.removeprefix("Bearer "))
    if phone is None:
        raise HTTPException(401, {"code": "unauthorized"})
    return {"phone": phone}
