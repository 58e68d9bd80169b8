"""The sends of a verification in Redis: claimed, taken over from a process that died, and what came of them."""

from __future__ import annotations

from otp_service.domain.lifecycle import LEAST_LIFE_SECONDS, LIFE_CAP_SECONDS
from otp_service.settings import Application
from otp_service.storage.connection import Script
from otp_service.storage.ledger import FAILS_THAT_DISABLE
from otp_service.storage.records import Opening, Records, Repeat, Settling, Stored
from otp_service.storage.verifications import pauses

_PROGRESS, _RESEND, _FAIL_OVER, _TAKE_OVER = map(Script.load, ("progress", "resend", "fail_over", "take_over"))


class SendStore:
    def __init__(self, records: Records) -> None:
        self._records = records
        self.keys_of = records.keys_of

    async def progress(
        self,
        verification_id: str,
        *,
        settled: Settling | None = None,
        opened: Opening | None = None,
        then: str = "go on",
        failover_ms: int | None = None,
    ) -> Stored:
        """Write what became of one message, and open the next or end the walk (`done`, `fail`). Words: ok, closed.

        failover_ms: from the end of the walk until the next gateway has its turn.
        """
        place = self._records.place(verification_id)
        return await self._records.run(
            _PROGRESS,
            verification_id,
            [place.verification, place.pause, place.due, place.outbox],
            [
                verification_id,
                settled.number if settled else "",
                settled.status if settled else "",
                ",".join(settled.status.predecessors) if settled else "",
                settled.provider_id if settled else "",
                settled.parts if settled else 0,
                settled.reason if settled else "",
                settled.gateway_hash if settled else "",
                "" if settled is None or settled.look_ms is None else settled.look_ms,
                opened.number if opened else "",
                opened.gateway if opened else "",
                opened.channel if opened else "",
                opened.client_id if opened else "",
                opened.code_source if opened else "",
                opened.local_hash if opened else "",
                then,
                "" if failover_ms is None else failover_ms,
            ],
            confirm=then != "go on",
        )

    async def resend(
        self, verification_id: str, application: str, policy: Application, repeat: Repeat, lease_seconds: float
    ) -> Stored:
        """Claim one more send. Words: see resend.lua."""
        place = self._records.place(verification_id)
        return await self._records.run(
            _RESEND,
            verification_id,
            [place.verification, place.pause, place.fails, place.due],
            [
                verification_id,
                application,
                repeat.op,
                repeat.fingerprint,
                policy.ttl_seconds * 1000,
                LIFE_CAP_SECONDS * 1000,
                LEAST_LIFE_SECONDS * 1000,
                int(lease_seconds * 1000),
                pauses(policy),
                FAILS_THAT_DISABLE,
            ],
            confirm=bool(repeat.op),  # it may be a replay, and then this is the request's last write
        )

    async def fail_over(self, stored: Stored, policy: Application, lease_seconds: float) -> Stored:
        """Claim one more send because the last did not arrive. Words: claimed, off."""
        place = self._records.place(stored.found.id)
        return await self._records.run(
            _FAIL_OVER,
            stored.found.id,
            [place.verification, place.fails, place.due],
            [
                stored.found.id,
                len(stored.found.messages),
                policy.ttl_seconds * 1000,
                LIFE_CAP_SECONDS * 1000,
                LEAST_LIFE_SECONDS * 1000,
                int(lease_seconds * 1000),
                FAILS_THAT_DISABLE,
            ],
        )

    async def take_over(self, verification_id: str, lease_seconds: float, walk: str) -> Stored:
        """Go on with a walk (of the `start`, or `any`) that may have died. Words: done, running, taken_over, absent."""
        place = self._records.place(verification_id)
        return await self._records.run(
            _TAKE_OVER,
            verification_id,
            [place.verification, place.due],
            [verification_id, int(lease_seconds * 1000), walk],
            confirm=True,
        )
