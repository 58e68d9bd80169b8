"""A person's authenticator app, by pyotp: it knows what the QR code says, and nothing of our own code."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pyotp

from tests.api import Api

PERIOD = 30


async def step_with_room(seconds: float = 3) -> int:
    """The step of now; waits for the next one where less than so much of this one is left."""
    left = PERIOD - time.time() % PERIOD
    if left < seconds:
        await asyncio.sleep(left + 0.05)
    return int(time.time()) // PERIOD


def refused_by_now(step: int) -> set[str]:
    """What a spent code of a step hears: a busy machine takes so long for what came since that it is of another time,
    which the last release calls wrong."""
    in_its_window = int(time.time()) // PERIOD <= step + 1
    return {"already_used"} if in_its_window else {"already_used", "clock_off", "wrong_code"}


class App:
    """One account in the app, read from its otpauth URI."""

    def __init__(self, uri: str) -> None:
        found = pyotp.parse_uri(uri)
        assert isinstance(found, pyotp.TOTP)
        self.totp = found

    def at(self, step: int) -> str:
        return self.totp.at(step * PERIOD)

    def wrong(self, step: int, number: int = 0) -> str:
        """No code of these minutes."""
        near = {self.at(step + off) for off in range(-7, 8)}
        codes = (f"{n:0{self.totp.digits}}" for n in range(10**6))
        return [code for code, _ in zip((c for c in codes if c not in near), range(number + 1), strict=False)][-1]


async def enrolled(api: Api, subject: str, **body: Any) -> tuple[dict[str, Any], App]:
    answer = await api.post("/v1/factors/totp", {"subject": subject, **body})
    assert answer.status_code == 201, answer.text
    return answer.json(), App(answer.json()["uri"])


async def confirmed(api: Api, subject: str, **body: Any) -> tuple[str, App, int]:
    """Id, app and the step of now; the step before it is spent on the confirmation."""
    step = await step_with_room()
    factor, app = await enrolled(api, subject, **body)
    assert await outcome(api, factor["id"], app.at(step - 1), "confirm") == "approved"
    return factor["id"], app, step


async def outcome(api: Api, factor_id: str, code: str, act: str = "check", key: str = "") -> str:
    answer = await api.post(f"/v1/factors/totp/{factor_id}/{act}", {"code": code}, key)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["approved"] == (found["outcome"] == "approved")
    return str(found["outcome"])


async def asked(api: Api, subject: str, code: str, key: str = "") -> dict[str, Any]:
    """The answer to the one question of a login page."""
    answer = await api.post(f"/v1/subjects/{subject}/check", {"code": code}, key)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
