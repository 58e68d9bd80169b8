"""API keys: only their SHA-256 is stored, which is enough for 160 random bits (OWASP ASVS 5.0 6.5.2)."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass

from otp_service.domain.secret import Secret
from otp_service.storage import keys
from otp_service.storage.again import again
from otp_service.storage.connection import Database

CACHE_SECONDS = 5.0
CACHE_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """id: for people and logs. created_at: seconds since the epoch."""

    id: str
    application: str
    name: str
    created_at: int


class ApiKeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[str, tuple[float, ApiKey | None]] = {}

    async def create(self, application: str, name: str = "") -> tuple[ApiKey, Secret]:
        """Make a key. The secret is shown once and cannot be had again."""
        key_id = secrets.token_hex(4)
        random = base64.b32encode(secrets.token_bytes(20)).decode().lower()
        secret = Secret(f"otp_{key_id}_{random}")
        return await self._store(key_id, secret, application, name), secret

    async def ensure(self, secret: Secret, application: str) -> ApiKey:
        """Make sure that a key chosen by the operator exists (OTP_BOOTSTRAP_API_KEY)."""
        found = await self._read(_digest(secret.reveal()))
        if found is not None and found.application == application:
            return found
        return await self._store(f"env-{_digest(secret.reveal())[:8]}", secret, application, "OTP_BOOTSTRAP_API_KEY")

    async def find(self, presented: str) -> ApiKey | None:
        """Whose key this is. Answers may be 5 s old, also for keys that do not exist.

        Looked up by the hash of what was presented, so there is nothing to compare and nothing to time.
        """
        digest = _digest(presented)
        now = time.monotonic()
        known = self._cache.get(digest)
        if known and known[0] > now:
            return known[1]
        found = await self._read(digest)
        if len(self._cache) >= CACHE_ENTRIES:
            self._cache.clear()
        self._cache[digest] = (now + CACHE_SECONDS, found)
        return found

    async def list(self) -> list[ApiKey]:
        digests = await self._database.command("HVALS", keys.API_KEYS)
        found = [await self._read(digest.decode()) for digest in digests]
        return sorted((key for key in found if key), key=lambda key: (key.application, key.created_at))

    async def revoke(self, key_id: str) -> bool:
        """False if there is no such key. Processes may honour it for up to 5 s more."""
        digest = await self._database.command("HGET", keys.API_KEYS, key_id)
        if digest is None:
            return False
        await self._database.command("DEL", keys.api_key(digest.decode()))
        await self._database.command("HDEL", keys.API_KEYS, key_id)
        return True

    async def _store(self, key_id: str, secret: Secret, application: str, name: str) -> ApiKey:
        digest = _digest(secret.reveal())
        key = ApiKey(key_id, application, name, int(time.time()))
        # The list first: a key that works and cannot be seen or revoked would be worse than the other way round.
        await self._database.command("HSET", keys.API_KEYS, key_id, digest)
        await self._database.command(
            "HSET", keys.api_key(digest), "id", key_id, "application", application, "name", name,
            "created_at", key.created_at,
        )  # fmt: skip
        return key

    async def _read(self, digest: str) -> ApiKey | None:
        name, fields = keys.api_key(digest), ("id", "application", "name", "created_at")
        flat, _ = await again(lambda: self._database.command("HMGET", name, *fields))
        if flat[0] is None:
            return None
        key_id, application, note, created_at = (value.decode() for value in flat)
        return ApiKey(key_id, application, note, int(created_at))


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode()).hexdigest()
