"""Answers that do not tell whether a phone is refused, for applications that set `enumeration_safe`.

Instead of the refusal a verification is made for which nothing was sent: a *decoy*. It takes guesses, resends and time
as any other does, and no code is right. Its messages are recorded as what they are, with the reason `withheld`; only
callers are shown them as accepted. What depends on what was asked before (pauses, limits, the ledger) is told as ever,
and so is what the number itself shows (its country).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict, deque

import structlog
from msgspec.structs import replace

from otp_service import refusals
from otp_service.admission import Admission
from otp_service.delivery.errands import Errands
from otp_service.delivery.recipients import Recipients
from otp_service.domain import phone
from otp_service.domain.keyring import Names
from otp_service.domain.lifecycle import Verification
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.orders import Order
from otp_service.domain.segments import measure
from otp_service.errors import Refused
from otp_service.gateways.base import Reason
from otp_service.hashing import HashPool
from otp_service.settings import Settings, texts_of
from otp_service.storage.idempotency import IdempotencyStore
from otp_service.storage.records import Opening, Repeat, Settling, Stored
from otp_service.storage.sends import SendStore
from otp_service.storage.verifications import VerificationStore
from otp_service.verifications import Verifications

HIDDEN = frozenset({"phone_rejected", "on_block_list", "suspected_pumping"})
"""Refusals that say something about the person behind a phone."""
REMEMBERED = 100
"""Starts of an application whose time a decoy takes; they are its last ones in this process."""

log = structlog.get_logger()


class Discretion:
    """Start and resend, as `Verifications` does them, and with decoys where the application wants them."""

    def __init__(
        self,
        settings: Settings,
        names: Names,
        store: VerificationStore,
        sends: SendStore,
        idempotency: IdempotencyStore,
        recipients: Recipients,
        errands: Errands,
        hash_pool: HashPool,
        verifications: Verifications,
        admission: Admission,
    ) -> None:
        self._settings = settings
        self._names = names
        self._store = store
        self._sends = sends
        self._idempotency = idempotency
        self._recipients = recipients
        self._errands = errands
        self._hash_pool = hash_pool
        self._verifications = verifications
        self._admission = admission
        self._took: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    async def start(self, application: str, order: Order, idempotency_key: str = "") -> Verification:
        """As Verifications.start, but a phone that is refused looks like one that is not. Raises Refused."""
        if not self._settings.applications[application].enumeration_safe:
            return await self._verifications.start(application, order, idempotency_key)
        began = time.monotonic()
        try:
            found = await self._verifications.start(application, order, idempotency_key)
        except Refused as refusal:
            if refusal.code not in HIDDEN:
                raise
            reason = str(refusal.extra.get("reason", ""))
            log.info("start_withheld", application=application, code=refusal.code, reason=reason)
            found = await self._decoy(application, order, idempotency_key)
            await self._wait_like_others(application, began)
            return found
        took = time.monotonic() - began
        if found.now - found.created_at <= took * 1000:  # not an old one, asked for again
            self._took[application].append(took)
        return found

    async def resend(
        self, application: str, verification_id: str, channel: str = "", idempotency_key: str = ""
    ) -> Verification:
        """As Verifications.resend; of a decoy nothing is sent. Raises Refused."""
        safe = self._settings.applications[application].enumeration_safe
        if safe and self._names.locate(verification_id) is not None:
            stored = await self._store.read(verification_id, application)
            if stored.word == "ok" and any(map(_is_withheld, stored.found.messages)):
                began = time.monotonic()
                found = await self._again(application, stored.found, channel, idempotency_key)
                await self._wait_like_others(application, began)
                return found
        return await self._verifications.resend(application, verification_id, channel, idempotency_key)

    async def _decoy(self, application: str, order: Order, idempotency_key: str) -> Verification:
        policy = self._settings.applications[application]
        number = phone.normalise(order.to, policy.region)
        to = number.e164
        verification_id, record = self._names.new_id(application, to), ""
        lease = self._errands.lease_seconds(order.channel)
        if idempotency_key:
            record = self._names.idempotency(application, idempotency_key)
            body = self._names.fingerprint("start", *order.meaning(to))
            claim = await self._idempotency.claim(record, body, verification_id, lease)
            if claim.word == "mismatch":
                raise refusals.key_reused()
            verification_id = claim.verification_id
        try:
            remembered = await self._admission.decoy(application, number, order)
        except Refused:
            if record:
                await self._idempotency.release(record)
            raise
        head = self._errands.front(application, order.channel, order.platform)
        stored = await self._store.start(
            verification_id,
            application,
            policy,
            to,
            order,
            number=await self._recipients.number(application, to),
            cost=self._hash_pool.cost,
            lease_seconds=lease,
            first=Opening(1, head.name, head.channel, CodeSource.GATEWAY, ""),
            idempotency=record,
            remembered=remembered,
        )
        if stored.word == "exists":
            return stored.found
        if stored.word != "created":
            if record:
                await self._idempotency.release(record)
            raise refusals.by_word(stored)
        return await self._withhold(stored, 1, head.channel)

    async def _again(self, application: str, found: Verification, channel: str, idempotency_key: str) -> Verification:
        policy, repeat = self._settings.applications[application], Repeat()
        if idempotency_key:
            body = self._names.fingerprint("resend", found.id, channel)
            repeat = Repeat(self._names.idempotency(application, idempotency_key), body)
        claimed = await self._sends.resend(
            found.id, application, policy, repeat, self._errands.lease_seconds(channel or found.channel)
        )
        if claimed.word == "replay":
            return claimed.found
        if claimed.word not in ("claimed", "taken_over"):
            raise refusals.by_word(claimed)
        number = len(claimed.found.messages) + 1
        head = self._errands.later(claimed, channel or claimed.found.channel).candidates[0]
        opened = Opening(number, head.name, head.channel, CodeSource.LOCAL, "")
        return await self._withhold(await self._sends.progress(found.id, opened=opened), number, head.channel)

    async def _withhold(self, stored: Stored, number: int, channel: str) -> Verification:
        """Write that a message was not sent, with the parts that it would have had."""
        found = stored.found
        parts = 0
        if channel == "sms":
            texts = texts_of(self._settings.applications[found.application])
            code = "0" * self._settings.applications[found.application].code_length
            parts = measure(texts.render(found.locale, code, found.life_seconds, found.platform)).parts
        settled = Settling(number, MessageStatus.REJECTED, parts=parts, reason=Reason.WITHHELD)
        return (await self._sends.progress(found.id, settled=settled, then="done")).found

    async def _wait_like_others(self, application: str, began: float) -> None:
        """As long as a send that was made: one of the last ones, drawn by lot."""
        took = self._took[application]
        if took:
            drawn = random.choice(took)  # noqa: S311  nobody gains by guessing it
            await asyncio.sleep(max(0.0, drawn - (time.monotonic() - began)))


def disguised(found: Verification) -> Verification:
    """A decoy as callers see it; any other verification as it is."""
    if not any(map(_is_withheld, found.messages)):
        return found
    return replace(found, messages=[_as_sent(message) for message in found.messages])


def _is_withheld(message: Message) -> bool:
    return message.reason == Reason.WITHHELD


def _as_sent(message: Message) -> Message:
    if not _is_withheld(message):
        return message
    return replace(message, status=MessageStatus.ACCEPTED, reason="", sent_at=message.updated_at, ended_at=0)
