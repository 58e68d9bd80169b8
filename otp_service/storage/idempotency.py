"""Which verification an Idempotency-Key named first. Holds no body, only a keyed fingerprint of it."""

from __future__ import annotations

from otp_service.domain.value import Value
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

LIFE_SECONDS = 86_400
_CLAIM = Script.load("claim_idempotency")


class Claim(Value):
    """word: new, known or mismatch. lease_seconds: how long the first request may still be at work."""

    word: str
    verification_id: str
    lease_seconds: float


class IdempotencyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, name: str, fingerprint: str, verification_id: str, lease_seconds: float) -> Claim:
        word, found, left_ms = await self._database.run(
            _CLAIM,
            [keys.idempotency(name)],
            [fingerprint, verification_id, int(lease_seconds * 1000), LIFE_SECONDS * 1000],
        )
        return Claim(word.decode(), found.decode(), int(left_ms) / 1000)

    async def release(self, name: str) -> None:
        """The request was refused, so its key may be used again."""
        await self._database.command("DEL", keys.idempotency(name))
