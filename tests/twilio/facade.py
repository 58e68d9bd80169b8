"""Speaking to the facade as an SDK does, without one: forms, Basic authentication, answers as they came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

import httpx

KEYS = {"code", "message", "more_info", "status"}


class Twilio:
    """user: whatever; it is not judged unless it names an account."""

    def __init__(self, url: str, key: str, service: str, user: str = "tests") -> None:
        self.http = httpx.AsyncClient(
            base_url=f"{url}/twilio/v2", auth=(user, key), trust_env=False, verify=False, timeout=60,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )  # fmt: skip
        self.service = service

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def create(self, to: str, channel: str = "sms", **fields: str) -> httpx.Response:
        return await self.post("Verifications", To=to, Channel=channel, **fields)

    async def created(self, to: str, **fields: str) -> dict[str, Any]:
        answer = await self.create(to, **fields)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def check(self, code: str, **fields: str) -> httpx.Response:
        return await self.post("VerificationCheck", Code=code, **fields)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        return await self.http.post(f"/Services/{self.service}/{path}", data=fields)

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(f"/Services/{self.service}/{path}")


def error(answer: httpx.Response, status: int, code: int, reason: str = "") -> str:
    """The answer is this error, in the one shape that they have; returns its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    found = json.loads(answer.content)
    assert set(found) == KEYS
    assert found["code"] == code, found
    assert found["status"] == status
    assert found["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert answer.headers["x-otp-reason"]
    if reason:
        assert answer.headers["x-otp-reason"] == reason
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    message: str = found["message"]
    return message


def times(found: Mapping[str, Any]) -> list[str]:
    return [value for name, value in found.items() if name.startswith("date_")]
