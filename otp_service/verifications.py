"""Read this first: start, check, resend and cancel a verification, step by step.

Each method puts the steps in order and leaves the deciding to others: scripts decide what races (storage/scripts),
`delivery` decides which gateway is next, `domain` knows how codes are made and hashed. What is refused is raised as
`Refused` with a stable code.
"""

from __future__ import annotations

from collections.abc import Sequence

from otp_service import metrics, refusals
from otp_service.admission import Admission, Admitted
from otp_service.delivery.dispatch import Dispatcher, Walk
from otp_service.delivery.errands import Errands
from otp_service.delivery.recipients import Recipients
from otp_service.delivery.scores import note_approval
from otp_service.domain import codes, phone
from otp_service.domain.keyring import Names
from otp_service.domain.lifecycle import Outcome, Status, Verification
from otp_service.domain.messages import CodeSource
from otp_service.domain.orders import Order
from otp_service.domain.phone import Phone
from otp_service.domain.value import Value
from otp_service.errors import Refused, StorageUnavailable
from otp_service.hashing import HashPool
from otp_service.proofs import Proofs
from otp_service.settings import Settings
from otp_service.storage.idempotency import Claim, IdempotencyStore
from otp_service.storage.limits import Counter
from otp_service.storage.records import Opening, Repeat, Stored
from otp_service.storage.sends import SendStore
from otp_service.storage.verifications import VerificationStore


class Judgement(Value):
    outcome: Outcome
    verification: Verification


class Verifications:
    def __init__(
        self,
        settings: Settings,
        names: Names,
        store: VerificationStore,
        sends: SendStore,
        idempotency: IdempotencyStore,
        recipients: Recipients,
        errands: Errands,
        dispatcher: Dispatcher,
        hash_pool: HashPool,
        proofs: Proofs,
        admission: Admission,
    ) -> None:
        self._settings = settings
        self._names = names
        self._store = store
        self._sends = sends
        self._idempotency = idempotency
        self._recipients = recipients
        self._errands = errands
        self._dispatcher = dispatcher
        self._hash_pool = hash_pool
        self._proofs = proofs
        self._admission = admission

    async def start(self, application: str, order: Order, idempotency_key: str = "") -> Verification:
        """Make a verification and send its code. With an Idempotency-Key, a repeat finds the first one again."""
        policy = self._settings.applications[application]
        lease = self._errands.lease_seconds(order.channel)
        to = phone.normalise(order.to, policy.region)
        self._admission.allow(application, to, order)
        verification_id = self._names.new_id(application, to.e164)
        if not idempotency_key:
            return await self._start_new(application, verification_id, to, order)

        record = self._names.idempotency(application, idempotency_key)
        body = self._names.fingerprint("start", *order.meaning(to.e164))
        claim = await self._idempotency.claim(record, body, verification_id, lease)
        if claim.word == "mismatch":
            raise refusals.key_reused()
        try:
            if claim.word == "known" and (found := await self._start_again(claim, lease)):
                return found
            return await self._start_new(application, claim.verification_id, to, order, record)
        except StorageUnavailable:
            raise  # nobody knows how far it came, so the key stays with its verification
        except Refused as refusal:
            if refusal.code != "request_in_progress":
                await self._idempotency.release(record)
            raise

    async def check(
        self,
        application: str,
        verification_id: str,
        code: str,
        *,
        to: str = "",
        purpose: str = "",
        idempotency_key: str = "",
    ) -> Judgement:
        """Judge one code: count the attempt, hash, settle. Exactly one call ever hears `approved`."""
        policy = self._settings.applications[application]
        phone_index = self._phone_index(verification_id)
        if to and self._names.phone_index(application, phone.normalise(to, policy.region).e164) != phone_index:
            raise refusals.not_found()
        repeat = self._repeat(application, idempotency_key, "check", code, to, purpose)
        guesses = self._admission.guesses(application, verification_id)
        with self._hash_pool.place():
            taken = await self._store.take_attempt(verification_id, application, purpose, repeat, guesses)
            match taken.word:
                case "judge" if taken.found.status is Status.PENDING:
                    settled = await self._judge(taken, code, repeat, guesses)
                    outcome = Outcome(settled.extra)
                case "judge":  # its root secret is no longer listed, so nobody can judge it any more
                    settled, outcome = taken, Outcome.EXPIRED
                case "closed":
                    settled, outcome = taken, Outcome.of_closed(Status(taken.extra))
                case "replay":
                    settled, outcome = taken, Outcome(taken.extra)
                case "limited":
                    raise self._admission.guess_refused(application, guesses, taken.extra)
                case _:
                    raise refusals.by_word(taken)
        metrics.CHECKS.labels(application, outcome).inc()
        await self._proofs.remember(outcome, settled.found)
        note_approval(outcome, settled.found)
        return Judgement(outcome, settled.found)

    async def resend(
        self, application: str, verification_id: str, channel: str = "", idempotency_key: str = ""
    ) -> Verification:
        """Send the code once more, on along the route. Attempts and their count stay as they are."""
        policy = self._settings.applications[application]
        self._phone_index(verification_id)
        repeat = self._repeat(application, idempotency_key, "resend", verification_id, channel)
        lease = self._errands.lease_seconds(channel)
        claimed = await self._sends.resend(verification_id, application, policy, repeat, lease)
        if claimed.word == "replay":
            return claimed.found
        if claimed.word not in ("claimed", "taken_over"):
            raise refusals.by_word(claimed)
        channel = channel or claimed.found.channel
        if claimed.word == "taken_over":
            errand = self._errands.resumed(claimed, channel, first=False)
        else:
            errand = self._errands.later(claimed, channel)
        async with self._admission.resend(claimed, channel) as admitted:
            return _delivered(admitted.paid(await self._dispatcher.deliver(errand)))

    async def cancel(self, application: str, verification_id: str) -> Verification:
        """Cancel a pending verification; a final one stays what it is."""
        self._phone_index(verification_id)
        stored = await self._store.cancel(verification_id, application)
        if stored.word == "not_found":
            raise refusals.not_found()
        return stored.found

    async def _start_new(
        self, application: str, verification_id: str, to: Phone, order: Order, claimed: str = ""
    ) -> Verification:
        """claimed: name of the record of the Idempotency-Key."""
        async with self._admission.start(application, to, order) as admitted:
            return await self._send_first(application, verification_id, to.e164, order, admitted, claimed)

    async def _send_first(
        self, application: str, verification_id: str, to: str, order: Order, admitted: Admitted, claimed: str
    ) -> Verification:
        policy = admitted.policy
        candidates = self._errands.route(application, order.channel, order.platform)
        opened = None
        if candidates and candidates[0].makes_code and not admitted.test:
            # Nothing to hash beforehand, so its message is recorded together with the verification.
            head = candidates[0]
            client_id = await self._dispatcher.draw_client_id(head)
            opened = Opening(1, head.name, head.channel, CodeSource.GATEWAY, client_id)
        stored = await self._store.start(
            verification_id,
            application,
            policy,
            to,
            order,
            number=await self._recipients.number(application, to),
            cost=self._hash_pool.cost,
            lease_seconds=self._errands.lease_seconds(order.channel),
            first=opened,
            idempotency=claimed,
            remembered=admitted.record,
        )
        if stored.word != "created":
            metrics.VERIFICATIONS.labels(application, stored.word).inc()
            raise refusals.by_word(stored)
        walk = admitted.paid(await self._dispatcher.deliver(self._errands.first(stored, candidates, opened)))
        metrics.VERIFICATIONS.labels(application, "sent" if walk.sent else "failed").inc()
        return _delivered(walk)

    async def _start_again(self, claim: Claim, lease: float) -> Verification | None:
        """The same start asked for once more. None: the first one died before it made its record."""
        stored = await self._sends.take_over(claim.verification_id, lease, "start")
        match stored.word:
            case "done" if stored.found.status is Status.FAILED:
                raise refusals.no_gateway(stored.found)
            case "done":
                return stored.found
            case "absent" if claim.lease_seconds <= 0:
                return None
            case "absent":
                raise refusals.in_progress(claim.lease_seconds)
            case "running":
                raise refusals.in_progress(stored.wait_seconds)
        errand = self._errands.resumed(stored, stored.found.channel, first=True)
        return _delivered(await self._dispatcher.deliver(errand))

    async def _judge(self, taken: Stored, code: str, repeat: Repeat, guesses: Sequence[Counter]) -> Stored:
        await self._admission.guess(taken, repeat, guesses)
        pepper = self._sends.keys_of(taken).pepper
        candidate = await self._hash_pool.digest(pepper, taken.scope, code, taken.salt, taken.cost)
        matched = codes.matches_any(candidate, taken.hashes)
        settled = await self._store.settle(taken, matched, repeat, self._admission.proved_seconds(taken), guesses)
        if settled.word == "not_found":
            raise refusals.not_found()
        await self._admission.judged(taken, settled, matched=matched)
        return settled

    def _phone_index(self, verification_id: str) -> str:
        located = self._names.locate(verification_id)
        if located is None:
            raise refusals.not_found()
        return located[1]

    def _repeat(self, application: str, idempotency_key: str, *body: str) -> Repeat:
        if not idempotency_key:
            return Repeat()
        return Repeat(self._names.idempotency(application, idempotency_key), self._names.fingerprint(*body))


def _delivered(walk: Walk) -> Verification:
    if walk.sent:
        return walk.stored.found
    if walk.rejected:
        raise refusals.phone_rejected(walk.rejected, walk.stored.found)
    raise refusals.no_gateway(walk.stored.found)
