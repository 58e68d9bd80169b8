"""Which verification an Idempotency-Key named first. Holds no body, only a keyed fingerprint of it."""

from __future__ import annotations

from otp_service.domain.value import Value
from otp_service.storage import keys, words
from otp_service.storage.connection import Database, Script

LIFE_SECONDS = 86_400
_CLAIM: Script[words.ClaimIdempotency] = Script.load("verification/claim_idempotency")
_RELEASE = Script.load("verification/release_idempotency")


class Claim(Value):
    """lease_seconds: how long the first request may still be at work."""

    word: words.ClaimIdempotency
    verification_id: str
    lease_seconds: float


class IdempotencyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, name: str, fingerprint: str, verification_id: str, lease_seconds: float, life_seconds: int = LIFE_SECONDS
    ) -> Claim:
        word, found, left_ms = await self._database.run(
            _CLAIM,
            [keys.idempotency(name)],
            [fingerprint, verification_id, int(lease_seconds * 1000), life_seconds * 1000],
            # Elsewhere the WAIT behind the verification speaks of this write, too.
            confirm=self._database.several_primaries,
        )
        return Claim(_CLAIM.word(word), found.decode(), int(left_ms) / 1000)

    async def release(self, name: str, verification_id: str) -> None:
        """The request for this verification was refused, so its key may be used again."""
        await self._database.run(_RELEASE, [keys.idempotency(name)], [verification_id])
