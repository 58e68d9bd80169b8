"""Verifications in Redis: one method for each script, in the order of a verification's life."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from otp_service.domain.codes import SALT_BYTES, Cost
from otp_service.domain.keyring import Names
from otp_service.domain.lifecycle import Status
from otp_service.domain.orders import Order
from otp_service.domain.phone import Number
from otp_service.settings import Application
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Script
from otp_service.storage.ledger import (
    FAILS_THAT_DISABLE,
    FAILS_THAT_WAIT,
    FIRST_WAIT_MS,
    LONGEST_WAIT_MS,
)
from otp_service.storage.limits import Counter
from otp_service.storage.records import Opening, Records, Repeat, Stored
from otp_service.storage.subject_records import seal_subject

UNSETTLED_MS = 5_000
"""An attempt that has no verdict after so long belongs to a process that died."""
REMEMBERED = 200
"""Of one phone: its newest verifications can be listed."""

_START, _CANCEL, _READ, _REVISION = map(Script.load, ("start", "cancel", "read", "revision"))
_TAKE_ATTEMPT, _GIVE_BACK, _SETTLE = (
    Script.load(name, "_window") for name in ("take_attempt", "give_back_attempt", "settle")
)


class VerificationStore:
    def __init__(self, records: Records, names: Names, retention_seconds: int) -> None:
        self._records = records
        self._names = names
        self._retention_ms = retention_seconds * 1000

    async def start(
        self,
        verification_id: str,
        application: str,
        policy: Application,
        phone: str,
        order: Order,
        *,
        number: Number,
        cost: Cost,
        lease_seconds: float,
        first: Opening | None,
        remembered: Mapping[str, str],
        idempotency: str = "",
    ) -> Stored:
        """Make a verification and count its first send. Words: created, exists, too_soon, disabled."""
        sealed_under = self._records.keyring.current
        record: dict[str, Argument] = {
            "application": application,
            "phone": sealed_under.seal(phone.encode(), verification_id.encode()),
            "key_id": sealed_under.id,
            "salt": secrets.token_bytes(SALT_BYTES),
            "cost": str(cost),
            "code_length": policy.code_length,
            "purpose": order.purpose,
            "channel": order.channel,
            "locale": order.locale or policy.locale,
            "platform": order.platform,
            "reference": order.reference,
            "subject": seal_subject(sealed_under, order.subject, verification_id),
            "operator": number.operator,
            "operator_region": number.region,
            "max_attempts": policy.max_attempts,
            "max_sends": policy.max_sends,
            **remembered,
        }
        if idempotency:  # so that erasure finds that record, too
            record["idempotency"] = idempotency
        place = self._records.place(verification_id)
        return await self._records.run(
            _START,
            verification_id,
            [place.verification, place.pause, place.fails, place.due, place.outbox, place.phone],
            [
                verification_id,
                policy.ttl_seconds * 1000,
                self._retention_ms,
                int(lease_seconds * 1000),
                pauses(policy),
                FAILS_THAT_DISABLE,
                REMEMBERED,
                first.gateway if first else "",
                first.channel if first else "",
                first.client_id if first else "",
                *(part for pair in record.items() if pair[1] not in ("", b"") for part in pair),
            ],
        )

    async def take_attempt(
        self, verification_id: str, application: str, purpose: str, repeat: Repeat, guesses: Sequence[Counter] = ()
    ) -> Stored:
        """Count one attempt, also in these counters of the phone's slot. Words: see take_attempt.lua."""
        place = self._records.place(verification_id)
        names = [place.verification, place.fails, place.due, place.outbox, *(counter.key for counter in guesses)]
        args: list[Argument] = [
            application,
            purpose,
            repeat.op,
            repeat.fingerprint,
            UNSETTLED_MS,
            FAILS_THAT_WAIT,
            FIRST_WAIT_MS,
            LONGEST_WAIT_MS,
            FAILS_THAT_DISABLE,
            verification_id,
            *(number for counter in guesses for number in (counter.quota, counter.window_seconds * 1000)),
        ]
        if not repeat.op:
            return await self._records.run(_TAKE_ATTEMPT, verification_id, names, args)
        # It may be a replay, and then this is the request's last write.
        taken, lost = await self._records.database.again(
            lambda: self._records.run(_TAKE_ATTEMPT, verification_id, names, args, confirm=True), confirm=True
        )
        if not lost or taken.word != "running":
            return taken
        # The attempt that is under way is ours, or a twin's: settling finds one verdict for both.
        status = taken.found.status
        return replace(taken, word="judge") if status is Status.PENDING else replace(taken, word="closed", extra=status)

    async def give_back_attempt(self, verification_id: str, repeat: Repeat, guesses: Sequence[Counter]) -> None:
        """An attempt that was counted, also in these counters, and is not going to be judged."""
        place = self._records.place(verification_id)
        names = [place.verification, place.fails, *(counter.key for counter in guesses)]
        await self._records.run(_GIVE_BACK, verification_id, names, [repeat.op])

    async def settle(
        self, taken: Stored, matched: bool, repeat: Repeat, proved_seconds: int, guesses: Sequence[Counter] = ()
    ) -> Stored:
        """Turn a judged attempt into its outcome, in `extra`. Words: settled, not_found.

        proved_seconds: for how long it is remembered that the right code came from the phone, 0 for not at all.
        guesses: the counters that the attempt was counted in.
        """
        place = self._records.place(taken.found.id)
        names = [place.verification, place.fails, place.pause, place.due, place.outbox, place.proved]
        names += [counter.key for counter in guesses]
        args = [taken.found.id, "1" if matched else "0", repeat.op, repeat.fingerprint, proved_seconds]

        def ask() -> Awaitable[Any]:
            return self._records.database.run(_SETTLE, names, args, confirm=True)

        word, *said = (await self._records.database.again(ask, confirm=True))[0] if repeat.op else await ask()
        if word != b"settled":
            return replace(taken, word=word.decode())
        outcome, now, status, *numbers = said
        ended_at, attempts, sends, revision = (int(number or 0) for number in numbers)
        found = replace(
            taken.found,
            status=Status(status.decode()),
            ended_at=ended_at,
            attempts=attempts,
            sends=sends,
            revision=revision,
            now=now,
        )
        return replace(taken, word="settled", extra=outcome.decode(), verification=found)

    async def cancel(self, verification_id: str, application: str) -> Stored:
        place = self._records.place(verification_id)
        names = [place.verification, place.due, place.outbox]
        return await self._records.run(_CANCEL, verification_id, names, [verification_id, application], confirm=True)

    async def read(self, verification_id: str, application: str) -> Stored:
        names = [self._records.place(verification_id).verification]
        stored, _ = await self._records.database.again(
            lambda: self._records.run(_READ, verification_id, names, [application])
        )
        return stored

    async def read_many(self, verification_ids: Sequence[str]) -> list[Stored]:
        """Whatever application they are of; the word of those that are gone is not_found."""
        return await self._records.run_many(
            _READ, [(each, [self._records.place(each).verification], [""]) for each in verification_ids]
        )

    async def of_phone(self, application: str, e164: str) -> list[Stored]:
        """The newest verifications of a phone, newest first, as long as they are kept."""
        name = keys.phone(self._names.partition(e164), self._names.phone_index(application, e164))
        found = await self._records.database.command("ZREVRANGE", name, 0, -1)
        stored = await self.read_many([each.decode() for each in found])
        return [each for each in stored if each.word == "ok"]

    async def revisions(self, verification_ids: Sequence[str]) -> list[int]:
        """How often each has changed, -1 for one that is gone; one round trip."""
        calls: list[tuple[list[str], list[Argument]]] = [
            ([self._records.place(each).verification], []) for each in verification_ids
        ]
        replies = await self._records.database.run_many(_REVISION, calls)
        return [int(reply) if reply else -1 for reply in replies]


def pauses(policy: Application) -> str:
    return ",".join(str(seconds * 1000) for seconds in policy.resend_pause_seconds)
