"""Verifications in Redis: one method for each script, in the order of a verification's life."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from otp_service.domain import workflows
from otp_service.domain.codes import SALT_BYTES, Cost
from otp_service.domain.keyring import Names
from otp_service.domain.ledger import (
    FAILS_THAT_DISABLE,
    FAILS_THAT_WAIT,
    FIRST_WAIT_MS,
    LONGEST_WAIT_MS,
    UNSETTLED_MS,
)
from otp_service.domain.locales import stored_as
from otp_service.domain.phone import Number
from otp_service.domain.requests import OWN_WORDS, StartRequest
from otp_service.domain.verifications import LIFE_CAP_SECONDS, Status, Verification
from otp_service.settings import Application
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Script
from otp_service.storage.limits import Counter
from otp_service.storage.records import Answered, NewMessage, Records, Repeat, Stored, seal_content
from otp_service.storage.subject_records import seal_subject

REMEMBERED = 200
"""Of one phone: its newest verifications can be listed. Those that may be pending are remembered however many."""
PAGE = 20
"""So many are read at once where the newest of some kind are looked for."""

_START: Script[words.Start] = Script.load("verification/start")
_READ: Script[words.Read] = Script.load("verification/read")
_REVISION = Script.load("verification/revision")
_TAKE_ATTEMPT: Script[words.TakeAttempt] = Script.load("verification/take_attempt", "limit/_window")
_GIVE_BACK: Script[words.GiveBackAttempt] = Script.load("verification/give_back_attempt", "limit/_window")
_SETTLE: Script[words.Settle] = Script.load("verification/settle", "limit/_window")
_CANCEL: Script[words.Cancel] = Script.load("verification/cancel")
_APPROVE: Script[words.Approve] = Script.load("verification/approve")
_CONVERT: Script[words.Convert] = Script.load("verification/convert")


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
        order: StartRequest,
        *,
        number: Number,
        country: str,
        cost: Cost,
        lease_seconds: float,
        first: NewMessage | None,
        remembered: Mapping[str, str],
        idempotency: str = "",
        seen: str | None = None,
    ) -> Answered[words.Start]:
        """Make a verification and count its first send.

        seen: what `latest` said of the phone; if others began one since, none is made.
        """
        sealed_under = self._records.keyring.current
        has_content = order.content != OWN_WORDS
        locale = order.locale or policy.locale
        # As text, since events carry them as they carry everything else.
        tags = msgspec.json.encode(order.tags) if order.tags else b""
        sealed_tags = base64.b64encode(sealed_under.seal(tags, f"tags {verification_id}".encode())) if tags else ""
        record: dict[str, Argument] = {
            "application": application,
            "phone": sealed_under.seal(phone.encode(), verification_id.encode()),
            "key_id": sealed_under.id,
            "salt": secrets.token_bytes(SALT_BYTES),
            "cost": str(cost),
            "code_length": policy.code_length,
            "purpose": order.purpose,
            "channel": order.channel,
            "steps": workflows.encode(order.steps),
            # A version that knows no contents must find no text to say them in, or it would send a code of its own.
            "language" if has_content else "locale": stored_as(locale),
            "locale_tag": locale if stored_as(locale) != locale else "",
            "platform": order.platform,
            "reference": order.reference,
            "subject": seal_subject(sealed_under, order.subject, verification_id),
            "operator": number.operator,
            "operator_region": number.region,
            "country": country,
            "max_attempts": policy.max_attempts,
            "max_sends": policy.max_sends,
            "service": order.service,
            "own_code": "1" if order.content.code and not order.delivery else "",
            "tags": sealed_tags,
            **remembered,
        }
        if has_content:
            record["content"] = seal_content(sealed_under, order.content, verification_id)
        if order.delivery:  # nothing of it is ever judged
            record["kind"] = "delivery"
            for name in ("salt", "cost", "code_length", "max_attempts"):
                del record[name]
        if idempotency:  # so that erasure finds that record, too
            record["idempotency"] = idempotency
        key = self._records.key_names(verification_id)
        return await self._records.run(
            _START,
            verification_id,
            [key.verification, key.pause, key.fails, key.due, key.outbox, key.phone, key.unreached],
            [
                verification_id,
                (order.ttl_seconds or policy.ttl_seconds) * 1000,
                self._retention_ms,
                int(lease_seconds * 1000),
                "" if order.delivery else pauses(policy),
                FAILS_THAT_DISABLE,
                REMEMBERED,
                first.gateway if first else "",
                first.channel if first else "",
                first.client_id if first else "",
                "" if seen is None else seen,
                LIFE_CAP_SECONDS * 1000,
                *(part for pair in record.items() if pair[1] not in ("", b"") for part in pair),
            ],
            confirm=first is not None,  # its gateway is asked next
        )

    async def take_attempt(
        self,
        verification_id: str,
        application: str,
        purpose: str,
        digits: int,
        repeat: Repeat,
        guesses: Sequence[Counter] = (),
    ) -> Answered[words.TakeAttempt]:
        """Count one attempt, also in these counters of the phone's slot.

        digits: how many the submitted code has.
        """
        key = self._records.key_names(verification_id)
        names = [key.verification, key.fails, key.due, key.outbox, *(counter.key for counter in guesses)]
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
            digits,
            *(number for counter in guesses for number in (counter.quota, counter.window_seconds * 1000)),
        ]
        if not repeat.op:
            return await self._records.run(_TAKE_ATTEMPT, verification_id, names, args)
        # It may be a replay, and then this is the request's last write.
        taken, lost = await self._records.database.retry_lost(
            lambda: self._records.run(_TAKE_ATTEMPT, verification_id, names, args, confirm=True), confirm=True
        )
        if not lost or taken.word != "running":
            return taken
        # The attempt that is under way is ours, or a twin's: settling finds one verdict for both.
        status = taken.verification.status
        word: words.TakeAttempt = "judge" if status is Status.PENDING else "closed"
        return replace(taken, word=word, detail="" if status is Status.PENDING else status)

    async def give_back_attempt(self, verification_id: str, repeat: Repeat, guesses: Sequence[Counter]) -> None:
        """An attempt that was counted, also in these counters, and is not going to be judged."""
        key = self._records.key_names(verification_id)
        names = [key.verification, key.fails, *(counter.key for counter in guesses)]
        await self._records.run(_GIVE_BACK, verification_id, names, [repeat.op])

    async def settle(
        self,
        taken: Stored,
        matched: bool,
        repeat: Repeat,
        proved_seconds: int,
        guesses: Sequence[Counter] = (),
        *,
        entered: int = 0,
    ) -> Stored | None:
        """Turn a judged attempt into its outcome, in `detail`. None: the verification was erased meanwhile.

        proved_seconds: for how long it is remembered that the right code came from the phone, 0 for not at all.
        guesses: the counters that the attempt was counted in. entered: the message that carries this code alone, 0
        where it is not known.
        """
        key = self._records.key_names(taken.verification.id)
        names = [key.verification, key.fails, key.pause, key.due, key.outbox, key.proved]
        names += [counter.key for counter in guesses]
        args = [taken.verification.id, "1" if matched else "0", repeat.op, repeat.fingerprint, proved_seconds, entered]

        def ask() -> Awaitable[Any]:
            return self._records.database.run(_SETTLE, names, args, confirm=True)

        word, *said = (await self._records.database.retry_lost(ask, confirm=True))[0] if repeat.op else await ask()
        match _SETTLE.word(word):
            case "not_found":
                return None
            case "settled":
                pass
            case never:
                assert_never(never)
        outcome, now, status, *numbers = said
        ended_at, attempts, sends, revision = (int(number or 0) for number in numbers)
        found = replace(
            taken.verification,
            status=Status(status.decode()),
            ended_at=ended_at,
            attempts=attempts,
            sends=sends,
            revision=revision,
            entered=entered,
            now=now,
        )
        return replace(taken, detail=outcome.decode(), present=found)

    async def cancel(self, verification_id: str, application: str) -> Answered[words.Cancel]:
        key = self._records.key_names(verification_id)
        names = [key.verification, key.due, key.outbox]
        return await self._records.run(_CANCEL, verification_id, names, [verification_id, application], confirm=True)

    async def approve(
        self, verification_id: str, application: str, *, others_code: bool, proved_seconds: int, assurance: str = ""
    ) -> Answered[words.Approve]:
        """others_code: the code need not be the caller's own. assurance: '' for `held`."""
        key = self._records.key_names(verification_id)
        return await self._records.run(
            _APPROVE,
            verification_id,
            [key.verification, key.fails, key.pause, key.due, key.outbox, key.proved],
            [verification_id, application, "1" if others_code else "", proved_seconds, assurance, FAILS_THAT_DISABLE],
            confirm=True,
        )

    async def convert(self, delivery_id: str, application: str) -> Answered[words.Convert]:
        """The code of a delivery was entered."""
        key = self._records.key_names(delivery_id)
        names = [key.verification, key.due, key.outbox]
        return await self._records.run(_CONVERT, delivery_id, names, [delivery_id, application], confirm=True)

    async def read(self, verification_id: str, application: str, *, delivery: bool = False) -> Answered[words.Read]:
        names = [self._records.key_names(verification_id).verification]
        kind: words.Kind = "delivery" if delivery else ""
        stored, _ = await self._records.database.retry_lost(
            lambda: self._records.run(_READ, verification_id, names, [application, kind])
        )
        return stored

    async def read_any(self, verification_id: str) -> Answered[words.Read]:
        """A verification or a delivery, of whichever application: an id does not say."""
        names = [self._records.key_names(verification_id).verification]
        return await self._records.run(_READ, verification_id, names, ["", ""])

    async def read_many(self, verification_ids: Sequence[str]) -> list[Answered[words.ReadMany]]:
        """Whatever application they are of; the word of those that are gone is not_found."""
        return await self._records.run_many(
            _READ, [(each, [self._records.key_names(each).verification], ["", ""]) for each in verification_ids]
        )

    async def of_phone(self, application: str, e164: str, *, deliveries: bool = False) -> list[Stored]:
        """The newest verifications of a phone, newest first, while they are kept; with its deliveries, if asked."""
        name = keys.phone(self._names.partition(e164), self._names.phone_index(application, e164))
        found = await self._records.database.command("ZREVRANGE", name, 0, REMEMBERED - 1)
        stored = await self.read_many(self._ids(found))
        return [each for each in stored if each.word == "ok" and (deliveries or not each.verification.delivery)]

    async def pending(self, application: str, e164: str) -> list[Verification]:
        """Those of a phone that are pending, newest first, however many."""
        pending: list[Verification] = []
        async for found in self._pages(application, e164):
            for stored in await self.read_many(self._ids(found)):
                if stored.word != "ok":
                    continue
                if _made_before(stored, LIFE_CAP_SECONDS):
                    return pending
                if stored.verification.status is Status.PENDING and not stored.verification.delivery:
                    pending.append(stored.verification)
        return pending

    async def ids_at(self, partition: int, phone_index: str) -> list[str]:
        """Of the verifications of a phone, newest first."""
        found = await self._records.database.command("ZREVRANGE", keys.phone(partition, phone_index), 0, -1)
        return self._ids(found)

    def _ids(self, found: Sequence[bytes]) -> list[str]:
        """Those that are ids: whatever else another program put there is nobody's."""
        return [each for each in (raw.decode(errors="replace") for raw in found) if self._names.locate(each)]

    async def newest(
        self, application: str, e164: str, wanted: Callable[[Verification], bool], life_seconds: float
    ) -> tuple[Stored | None, str]:
        """The newest verification of a phone that is `wanted` and was made less than `life_seconds` ago.

        Also what `start` is to be told so that it is still true then.
        """
        seen = ""
        async for found in self._pages(application, e164):
            seen = seen or found[0].decode(errors="replace")
            for stored in await self.read_many(self._ids(found)):
                if stored.word != "ok":
                    continue
                if _made_before(stored, life_seconds):
                    return None, seen  # what follows is older still
                if wanted(stored.verification) and not stored.verification.delivery:
                    return stored, seen
        return None, seen or "-"

    async def _pages(self, application: str, e164: str) -> AsyncIterator[Sequence[bytes]]:
        """What is remembered of a phone, newest first."""
        name, start = keys.phone(self._names.partition(e164), self._names.phone_index(application, e164)), 0
        while found := await self._records.database.command("ZREVRANGE", name, start, start + PAGE - 1):
            yield found
            if len(found) < PAGE:
                return
            start += PAGE

    async def revisions(self, verification_ids: Sequence[str]) -> list[int]:
        """How often each has changed, -1 for one that is gone; one round trip."""
        calls: list[tuple[list[str], list[Argument]]] = [
            ([self._records.key_names(each).verification], []) for each in verification_ids
        ]
        replies = await self._records.database.run_many(_REVISION, calls, each=True)
        return [int(reply) if reply and reply.isdigit() else -1 for reply in replies]


def _made_before(stored: Stored, seconds: float) -> bool:
    return stored.verification.now - stored.verification.created_at >= seconds * 1000


def pauses(policy: Application) -> str:
    """As scripts take them; '' for an application that has none."""
    return ",".join(str(seconds * 1000) for seconds in policy.resend_pause_seconds)
