"""The sends of a verification in Redis: claimed, taken over from a process that died, and what came of them."""

from __future__ import annotations

from otp_service.domain.ledger import FAILS_THAT_DISABLE
from otp_service.domain.verifications import LEAST_DELIVERY_SECONDS, LEAST_LIFE_SECONDS, LIFE_CAP_SECONDS
from otp_service.errors import Erased
from otp_service.settings import Application
from otp_service.settings.applications import Inbound
from otp_service.storage import words
from otp_service.storage.connection import Script
from otp_service.storage.records import Answered, MessageResult, NewMessage, Records, Repeat, Stored, WalkId
from otp_service.storage.retry import until_done
from otp_service.storage.verifications import pauses

_PROGRESS: Script[words.Progress] = Script.load("verification/progress")
_RESEND: Script[words.Resend] = Script.load("verification/resend")
_FAIL_OVER: Script[words.FailOver] = Script.load("verification/fail_over")
_EXPECT: Script[words.Expect] = Script.load("verification/expect")
_TAKE_OVER: Script[words.TakeOver] = Script.load("verification/take_over")


class SendStore:
    def __init__(self, records: Records) -> None:
        self._records = records
        self.keys_of = records.keys_of

    async def progress(
        self,
        walk: WalkId,
        *,
        settled: MessageResult | None = None,
        opened: NewMessage | None = None,
        then: words.ProgressStep = "go on",
        failover_ms: int | None = None,
        until: float = 0,
    ) -> Answered[words.Progress]:
        """Write what became of one message, and open the next or end the walk.

        failover_ms: from the end of the walk until the next gateway has its turn. until: so long it is tried where
        Redis is away, by the event loop's clock. Raises Erased.
        """
        return await until_done(
            lambda: self._progress(walk.verification_id, walk, settled, opened, then, failover_ms), until
        )

    async def settle_message(
        self, verification_id: str, settled: MessageResult, failover_ms: int | None = None
    ) -> Answered[words.Progress]:
        """Write what became of a message, whichever walk sent it. Raises Erased."""
        return await self._progress(verification_id, None, settled, None, "go on", failover_ms)

    async def _progress(
        self,
        verification_id: str,
        walk: WalkId | None,
        settled: MessageResult | None,
        opened: NewMessage | None,
        then: words.ProgressStep,
        failover_ms: int | None,
    ) -> Answered[words.Progress]:
        key = self._records.key_names(verification_id)
        stored = await self._records.run(
            _PROGRESS,
            verification_id,
            [key.verification, key.pause, key.due, key.outbox],
            [
                verification_id,
                walk.number if walk else "",
                walk.lease if walk else "",
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
                settled.words if settled else "",
                settled.price if settled else "",
            ],
            confirm=then != "go on" or opened is not None,  # before its gateway is asked, and before we answer
        )
        if stored.word == "not_found":
            raise Erased
        return stored

    async def resend(
        self, verification_id: str, application: str, policy: Application, repeat: Repeat, lease_seconds: float
    ) -> Answered[words.Resend]:
        """Claim one more send."""
        key = self._records.key_names(verification_id)
        return await self._records.run(
            _RESEND,
            verification_id,
            [key.verification, key.pause, key.fails, key.due],
            [
                verification_id,
                application,
                repeat.op,
                repeat.fingerprint,
                policy.ttl_seconds * 1000,
                LIFE_CAP_SECONDS * 1000,
                min(LEAST_LIFE_SECONDS, policy.ttl_seconds) * 1000,
                int(lease_seconds * 1000),
                pauses(policy),
                FAILS_THAT_DISABLE,
            ],
            confirm=bool(repeat.op),  # it may be a replay, and then this is the request's last write
        )

    async def fail_over(self, stored: Stored, policy: Application, lease_seconds: float) -> Answered[words.FailOver]:
        """Claim one more send because the last did not arrive."""
        found = stored.verification
        ttl_ms, cap_ms = policy.ttl_seconds * 1000, LIFE_CAP_SECONDS * 1000
        least_ms = min(LEAST_LIFE_SECONDS * 1000, ttl_ms)
        if found.delivery:  # whoever made the code says how long it is good, and nobody prolongs it
            ttl_ms = cap_ms = found.expires_at - found.created_at
            least_ms = LEAST_DELIVERY_SECONDS * 1000
        key = self._records.key_names(found.id)
        return await self._records.run(
            _FAIL_OVER,
            found.id,
            [key.verification, key.fails, key.due],
            [
                found.id,
                len(found.messages),
                ttl_ms,
                cap_ms,
                least_ms,
                int(lease_seconds * 1000),
                FAILS_THAT_DISABLE,
            ],
        )

    async def expect(self, verification_id: str, application: str, wanted: Inbound) -> Answered[words.Expect]:
        """From now on the person may send the code. application: '' for any."""
        key = self._records.key_names(verification_id)
        return await self._records.run(
            _EXPECT,
            verification_id,
            [key.verification, key.due],
            [verification_id, application, wanted.number, wanted.prefix],
            confirm=True,
        )

    async def take_over(
        self, verification_id: str, lease_seconds: float, walk: words.Walks
    ) -> Answered[words.TakeOver]:
        """Go on with a walk (of the `start`, or `any`) that may have died."""
        key = self._records.key_names(verification_id)
        return await self._records.run(
            _TAKE_OVER,
            verification_id,
            [key.verification, key.due],
            [verification_id, int(lease_seconds * 1000), walk],
            confirm=True,
        )
