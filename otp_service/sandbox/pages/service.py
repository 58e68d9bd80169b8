"""The demo's way to otp-service: eight calls, with the API key that never leaves the server."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar
from uuid import uuid4

import httpx
import msgspec
from msgspec import Struct

PURPOSE = "signup"
TIMEOUT_SECONDS = 20.0
"""More than the 12 s that the service allows itself for a send."""


class Inbound(Struct, frozen=True):
    """What the person sends."""

    number: str
    text: str
    uri: str
    qr_svg: str


class Verification(Struct, frozen=True):
    """What the demo reads of a verification; the service says more."""

    id: str
    status: str
    to: str
    attempts_left: int
    resend_at: datetime | None = None
    channel: str = "sms"
    inbound: Inbound | None = None
    advice: str | None = None


class Check(Struct, frozen=True):
    id: str
    outcome: str
    approved: bool
    to: str
    purpose: str
    attempts_left: int


class Factor(Struct, frozen=True):
    """An authenticator; the last three are told until it is confirmed."""

    id: str
    label: str | None = None
    secret: str | None = None
    uri: str | None = None
    qr_svg: str | None = None


class FactorCheck(Struct, frozen=True):
    subject: str
    outcome: str
    approved: bool


class BackupCodes(Struct, frozen=True):
    codes: list[str]


class Login(Struct, frozen=True):
    subject: str
    outcome: str
    approved: bool
    factor: str
    backup_codes_left: int | None = None


class Problem(Struct, frozen=True):
    """RFC 9457, as far as the demo needs it."""

    detail: str = ""
    title: str = ""
    code: str = ""


class ServiceError(Exception):
    """word: a key of `words.py`, or `refused` when `detail` is the service's own sentence about the problem `code`."""

    def __init__(self, word: str, detail: str = "", code: str = "") -> None:
        super().__init__(word)
        self.word = word
        self.detail = detail
        self.code = code


T = TypeVar("T")


class Service:
    def __init__(self, url: str, api_key: str) -> None:
        self.url = url
        self._api_key = api_key
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def start(self, to: str, locale: str, account: str, channel: str) -> Verification:
        body = {"to": to, "channel": channel, "purpose": PURPOSE, "locale": locale, "subject": account}
        return await self._post("/v1/verifications", body, Verification)

    async def check(self, verification: Verification, code: str) -> Check:
        body = {"code": code, "to": verification.to, "purpose": PURPOSE}
        return await self._post(f"/v1/verifications/{verification.id}/check", body, Check)

    async def resend(self, verification: Verification, channel: str = "") -> Verification:
        body = {"channel": channel} if channel else {}
        return await self._post(f"/v1/verifications/{verification.id}/resend", body, Verification)

    async def read(self, verification: Verification, wait: int) -> Verification:
        """wait: up to so many seconds for a change."""
        return await self._ask("GET", f"/v1/verifications/{verification.id}?wait={wait}", None, Verification)

    async def enrol(self, account: str, label: str) -> Factor:
        return await self._post("/v1/factors/totp", {"subject": account, "label": label}, Factor)

    async def confirm(self, factor: Factor, account: str, code: str) -> FactorCheck:
        body = {"code": code, "subject": account}
        return await self._post(f"/v1/factors/totp/{factor.id}/confirm", body, FactorCheck)

    async def issue_backup_codes(self, account: str) -> BackupCodes:
        return await self._post("/v1/factors/backup-codes", {"subject": account}, BackupCodes)

    async def check_subject(self, account: str, code: str) -> Login:
        return await self._post(f"/v1/subjects/{account}/check", {"code": code}, Login)

    async def _post(self, path: str, body: dict[str, str], expected: type[T]) -> T:
        """Raises ServiceError."""
        return await self._ask("POST", path, body, expected)

    async def _ask(self, method: str, path: str, body: dict[str, str] | None, expected: type[T]) -> T:
        if not self._api_key:
            raise ServiceError("no_api_key")
        headers = {"Authorization": f"Bearer {self._api_key}"}
        if body is not None:
            headers["Idempotency-Key"] = str(uuid4())
        try:
            response = await self._client.request(method, path, json=body, headers=headers)
            if response.is_success:
                return msgspec.json.decode(response.content, type=expected)
            problem = msgspec.json.decode(response.content, type=Problem)
        except httpx.HTTPError as error:
            raise ServiceError("unreachable", self.url) from error
        except msgspec.DecodeError as error:
            raise ServiceError("strange_answer", f"HTTP {response.status_code}") from error
        raise ServiceError("refused", problem.detail or problem.title, problem.code)
