"""Read this first: start, check, resend and cancel a verification, step by step.

Each method puts the steps in order and leaves the deciding to others: scripts decide what races (storage/scripts),
`delivery` decides which gateway is next, `domain` knows how codes are made and hashed. What is refused is raised as
`Refused` with a stable code. One file, so that the whole story can be read in one place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import assert_never

import structlog
from msgspec.structs import replace

from otp_service import refusals
from otp_service.admission import Admission, Admitted
from otp_service.delivery.dispatch import Dispatcher, Walk
from otp_service.delivery.learned_routes import in_order
from otp_service.delivery.plans import SendPlans
from otp_service.delivery.recipients import Recipients
from otp_service.delivery.statistics import note_approval
from otp_service.domain import codes, inbound, limits, reach, recipients
from otp_service.domain.advice import Advice
from otp_service.domain.inbound import Incoming
from otp_service.domain.judgements import Judgement
from otp_service.domain.messages import CodeSource
from otp_service.domain.recipients import AUTO, EMAIL, Recipient, is_address
from otp_service.domain.requests import Bucket, StartRequest
from otp_service.domain.routes import carrier
from otp_service.domain.verifications import LIFE_CAP_SECONDS, Outcome, Status, Verification
from otp_service.errors import Erased, Refused, StorageUnavailable, Unreadable
from otp_service.gateways.base import Gateway
from otp_service.hash_pool import HashPool
from otp_service.settings import Settings, workflows
from otp_service.storage.idempotency import Claim
from otp_service.storage.limits import Counter
from otp_service.storage.records import NewMessage, Repeat, Stored, WalkId
from otp_service.storage.stores import Stores
from otp_service.telemetry import metrics
from otp_service.verifications.lookup import advised

WITHOUT_MESSAGES = frozenset(
    {"challenge_required", "suspected_pumping", "limit_exceeded", "budget_exhausted", "no_gateway_available"}
)
"""Refusals after which the person may still send us the code by SMS: none of them is about who they are."""

log = structlog.get_logger()


class Verifications:
    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        *,
        recipients: Recipients,
        plans: SendPlans,
        dispatcher: Dispatcher,
        hash_pool: HashPool,
        admission: Admission,
    ) -> None:
        self._settings = settings
        self._names = stores.names
        self._store = stores.verifications
        self._sends = stores.sends
        self._reach = stores.reach
        self._idempotency = stores.idempotency
        self._recipients = recipients
        self._plans = plans
        self._dispatcher = dispatcher
        self._hash_pool = hash_pool
        self._subjects = stores.subjects
        self._admission = admission

    async def start(
        self,
        application: str,
        order: StartRequest,
        idempotency_key: str = "",
        *,
        recorded: Callable[[str], object] = lambda _: None,
    ) -> Verification:
        """Make a verification and send its code. With an Idempotency-Key, a repeat finds the first one again.

        recorded: told the id as soon as the record exists, before anything leaves.
        """
        policy = self._settings.applications[application]
        lease = self._plans.lease_seconds(application, order.channel)
        to = recipients.read(order.to, order.channel, policy.region)
        if order.channel == inbound.CHANNEL and order.delivery:
            raise Refused(
                "channel_not_available", "A delivery cannot use the channel `inbound`: there the person sends the code."
            )
        if order.channel == inbound.CHANNEL:  # it costs us nothing, so the pumping guard is not asked
            order = replace(order, unguarded=True)
        verification_id = self._names.new_id(application, to.text)
        with self._admission.remembered(application, verification_id):
            self._plans.refuse_unreachable(application, order.way, to.text)
            allowed = self._admission.allow(application, to, order)
            if not idempotency_key:
                return await self._start_new(application, verification_id, to, order, recorded, allowed=allowed)

            record = self._names.idempotency(application, idempotency_key)
            body = self._names.fingerprint("start", *order.meaning(to.text))
            claim = await self._idempotency.claim(record, body, verification_id, lease, order.key_seconds)
            if claim.word == "mismatch":
                raise refusals.key_reused()
            try:
                if claim.word == "known" and (found := await self._start_again(claim, lease)):
                    return found
                return await self._start_new(
                    application, claim.verification_id, to, order, recorded, record, allowed=allowed
                )
            except StorageUnavailable:
                raise  # nobody knows how far it came, so the key stays with its verification
            except Erased:
                await self._idempotency.release(record, claim.verification_id)
                raise
            except Refused as refusal:
                if refusal.code != "request_in_progress":
                    await self._idempotency.release(record, claim.verification_id)
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
        any_length: bool = False,
    ) -> Judgement:
        """Judge one code: count the attempt, hash, settle. Exactly one call ever hears `approved`."""
        policy = self._settings.applications[application]
        phone_index = self._phone_index(verification_id)
        if to and self._names.phone_index(application, recipients.read_any(to, policy.region).text) != phone_index:
            raise refusals.not_found()
        repeat = self._repeat(application, idempotency_key, "check", code, to, purpose)
        guesses = self._admission.guesses(application, verification_id)
        with self._hash_pool.ticket():
            taken = await self._store.take_attempt(
                verification_id, application, purpose, 0 if any_length else len(code), repeat, guesses
            )
            settled: Stored = taken
            match taken.word:
                case "judge" if taken.verification.status is Status.PENDING:
                    settled = await self._judge(taken, code, repeat, guesses)
                    outcome = Outcome(settled.detail)
                case "judge":  # its root secret is no longer listed, so nobody can judge it any more
                    outcome = Outcome.EXPIRED
                case "closed":
                    outcome = Outcome.of_closed(Status(taken.detail))
                case "replay":
                    outcome = Outcome(taken.detail)
                case "limited":
                    raise self._admission.guess_refused(application, guesses, taken.detail)
                case _:
                    raise refusals.by_word(taken.word, taken)
        metrics.CHECKS.labels(application, outcome).inc()
        await self._list_phone(outcome, settled.verification)
        note_approval(outcome, settled.verification)
        if outcome is Outcome.APPROVED and settled.verification.ended_at == settled.verification.now:
            self._plans.learned.note_end(settled.verification)
        if outcome is Outcome.APPROVED and settled.verification.once_unreached:
            await self._forget_unreached(settled.verification)
        return Judgement(outcome, settled.verification, judged=taken.word != "closed")

    async def check_phone(
        self, application: str, to: str, code: str, *, purpose: str, idempotency_key: str = ""
    ) -> Judgement:
        """Judge a code for the newest pending verification of a phone and purpose, as `check` does.

        With an Idempotency-Key a repeat is about the verification that the first one was about.
        """
        recipient = recipients.read_any(to, self._settings.applications[application].region).text
        newest, _ = await self._store.newest(
            application,
            recipient,
            # A stranger may have begun one by which nothing was sent: what is typed is of none such.
            lambda found: found.purpose == purpose and found.status is Status.PENDING and bool(found.messages),
            LIFE_CAP_SECONDS,
        )
        verification_id = newest.verification.id if newest else ""
        if not idempotency_key:
            return await self.check(application, verification_id, code)
        record = self._names.idempotency(application, idempotency_key)
        body = self._names.fingerprint("check_phone", recipient, code, purpose)
        claim = await self._idempotency.claim(record, body, verification_id, 0)
        if claim.word == "mismatch":
            raise refusals.key_reused()
        try:
            return await self.check(application, claim.verification_id, code, idempotency_key=idempotency_key)
        except StorageUnavailable:
            raise  # it may have been judged, so the key stays with its verification
        except Refused as refusal:
            if refusal.code != "request_in_progress":
                await self._idempotency.release(record, claim.verification_id)
            raise

    async def resend(
        self,
        application: str,
        verification_id: str,
        channel: str = "",
        idempotency_key: str = "",
        buckets: Sequence[Bucket] = (),
    ) -> Verification:
        """Send the code again, beginning with the next gateway of the route. The count of attempts stays."""
        policy = self._settings.applications[application]
        self._phone_index(verification_id)
        with self._admission.remembered(application, verification_id):
            repeat = self._repeat(application, idempotency_key, "resend", verification_id, channel)
            lease = self._plans.lease_seconds(application, channel)
            if channel == inbound.CHANNEL:
                return await self._expect(application, verification_id)
            await self._dispatcher.known(verification_id)
            claimed = await self._sends.resend(verification_id, application, policy, repeat, lease)
            if claimed.word == "replay":
                return claimed.verification
            if claimed.word != "claimed" and claimed.word != "taken_over":
                raise refusals.by_word(claimed.word, claimed)
            channel = channel or claimed.verification.channel
            mistaken = channel != AUTO and is_address(claimed.verification.phone) != (channel == EMAIL)
            if channel == inbound.CHANNEL or mistaken:
                await self._sends.progress(claimed.walk, then="fail")
                raise Refused(
                    "channel_not_available", f"The channel {channel} cannot reach the recipient of this verification."
                )
            if claimed.word == "taken_over":
                plan = self._plans.for_recovery(claimed, channel, first=False)
            else:
                plan = self._plans.for_resend(claimed, channel)
            try:
                async with self._admission.again(claimed, channel, buckets) as admitted:
                    return _delivered(await self._dispatcher.deliver(plan, admitted))
            except Refused as refusal:
                if self._is_of_messages(refusal) and self._plans.takes_inbound(application, claimed.verification.phone):
                    refusal.extra["advice"] = Advice.INBOUND
                raise

    async def _expect(self, application: str, verification_id: str) -> Verification:
        """From now on the person may also send the code by SMS. Costs nothing and starts no pause; safe to repeat."""
        found = (await self._store.read(verification_id, application)).present
        if found is None:
            raise refusals.not_found()
        self._plans.refuse_inbound(application, found.phone)
        stored = await self._sends.expect(verification_id, application, self._settings.inbound)
        match stored.word:
            case "expected":
                return stored.verification
            case "closed":
                raise refusals.by_word("final", stored)
            case "not_found":
                raise refusals.not_found()
            case never:
                assert_never(never)

    async def approve(self, application: str, verification_id: str, *, others_code: bool) -> Judgement | None:
        """Approve a verification that the caller judged itself. None: not allowed, because we made the code.
        others_code: allow that, too. Raises Refused `not_found`."""
        self._phone_index(verification_id)
        proved = self._admission.proved_always(application)
        stored = await self._store.approve(verification_id, application, others_code=others_code, proved_seconds=proved)
        match stored.word:
            case "not_found":
                raise refusals.not_found()
            case "not_allowed":
                return None
            case "closed":
                return Judgement(Outcome.of_closed(stored.verification.status), stored.verification)
            case "approved":
                pass
            case never:
                assert_never(never)
        metrics.CHECKS.labels(application, Outcome.APPROVED).inc()
        await self._list_phone(Outcome.APPROVED, stored.verification)
        await self._admission.converted(stored)
        return Judgement(Outcome.APPROVED, stored.verification)

    def advice(self, found: Verification) -> str:
        """What to do where no code came."""
        return advised(self._settings, found, self._plans.patience_ms)

    async def claim(self, received: Incoming) -> list[Verification]:
        """Approve the verifications of the sender that wait for this SMS, in applications that accept the assurance
        `claimed`."""
        approved: list[Verification] = []
        for name, policy in self._settings.applications.items():
            if policy.assurance != "claimed":
                continue
            for each in await self._store.pending(name, received.phone):
                if each.withheld or not each.expected or not inbound.holds(received.text, each.expected.code):
                    continue
                found = await self._store.approve(
                    each.id, name, others_code=True, proved_seconds=0, assurance=inbound.Assurance.CLAIMED
                )
                if found.word == "approved":
                    metrics.CHECKS.labels(name, Outcome.APPROVED).inc()
                    approved.append(found.verification)
        return approved

    async def cancel(self, application: str, verification_id: str) -> Verification:
        """Cancel a pending verification; a final one stays what it is."""
        self._phone_index(verification_id)
        stored = await self._store.cancel(verification_id, application)
        if stored.word == "not_found":
            raise refusals.not_found()
        return stored.verification

    async def _start_new(
        self,
        application: str,
        verification_id: str,
        to: Recipient,
        order: StartRequest,
        recorded: Callable[[str], object],
        claimed: str = "",
        *,
        allowed: bool,
    ) -> Verification:
        """claimed: name of the record of the Idempotency-Key."""
        try:
            async with self._admission.start(application, to, order, allowed=allowed) as admitted:
                return await self._send_first(application, verification_id, to.text, order, admitted, recorded, claimed)
        except Refused as refusal:
            sends = not order.delivery and order.channel != inbound.CHANNEL
            way_out = sends and self._plans.takes_inbound(application, to.text)
            if not self._is_of_messages(refusal) or not way_out:
                raise
            if "verification_id" in refusal.extra or not self._plans.ends_inbound(application, order):
                refusal.extra["advice"] = Advice.INBOUND
                raise
        free = replace(order, channel=inbound.CHANNEL, unguarded=True)
        async with self._admission.start(application, to, free, allowed=allowed) as admitted:
            return await self._send_first(
                application, verification_id, to.text, order, admitted, recorded, claimed, waits=True
            )

    def _is_of_messages(self, refusal: Refused) -> bool:
        """Whether it leaves the person to send us the code: not where too many were to do that already."""
        limit = self._settings.limits.get(refusal.extra.get("limit", ""))
        return refusal.code in WITHOUT_MESSAGES and not (limit and limit.of == limits.INBOUND_STARTS)

    async def _send_first(
        self,
        application: str,
        verification_id: str,
        to: str,
        order: StartRequest,
        admitted: Admitted,
        recorded: Callable[[str], object],
        claimed: str,
        *,
        waits: bool = False,
    ) -> Verification:
        """waits: nothing is sent, the person will."""
        policy, waits, wanted = admitted.policy, waits or order.channel == inbound.CHANNEL, self._settings.inbound
        if waits:  # a stranger who begins one must not hold back what is sent to the phone
            policy = replace(policy, resend_pause_seconds=())
        candidates: Sequence[Gateway] = []
        if not waits:
            passed = self._passed_over(application, order, admitted)
            candidates = self._plans.route(
                application, order.way, order.platform, to, order.content, passed_over=passed
            )
            if passed and not candidates and self._plans.ends_inbound(application, order):
                raise Refused("no_gateway_available", "Nothing that is sent reaches this phone.")
        number = await self._recipients.number(application, to)
        country = admitted.send.to.region
        choice = self._plans.learned.choose(candidates, to, number, country)
        candidates = in_order(candidates, choice)
        counted = metrics.DELIVERIES if order.delivery else metrics.VERIFICATIONS
        opened = None
        if candidates and candidates[0].makes_code and not admitted.test:
            # Nothing to hash beforehand, so its message is recorded together with the verification.
            head = candidates[0]
            client_id = await self._dispatcher.draw_client_id(head)
            opened = NewMessage(1, head.name, head.channel, CodeSource.GATEWAY, client_id)
        lease = self._plans.lease_seconds(application, order.channel)
        try:
            stored = await self._store.start(
                verification_id,
                application,
                policy,
                to,
                order,
                number=number,
                country=country,
                cost=self._hash_pool.cost,
                lease_seconds=lease,
                first=opened,
                idempotency=claimed,
                # Where to send it, as the settings are now: the page shows it.
                remembered={
                    **admitted.record,
                    "route": choice.encode() if choice else "",
                    "per_message": "1" if policy.codes == "per_message" and not order.delivery else "",
                    **({"inbound_number": wanted.number, "inbound_prefix": wanted.prefix} if waits else {}),
                },
                seen=order.seen,
            )
        except StorageUnavailable:  # it may have been made all the same
            self._dispatcher.leave(WalkId(verification_id, 1, 0), opened, lease)
            raise
        if stored.word != "created":
            counted.labels(application, stored.word).inc()
            raise refusals.by_word(stored.word, stored)
        recorded(verification_id)
        if choice:
            self._plans.learned.note_choice(stored.verification, choice, country)
        if waits:
            walk = await self._dispatcher.expect(stored)
            admitted.messages = None
        else:
            walk = await self._dispatcher.deliver(self._plans.first(stored, candidates, opened), admitted)
        counted.labels(application, _result(walk)).inc()
        return _delivered(walk)

    def _passed_over(self, application: str, order: StartRequest, admitted: Admitted) -> Collection[str]:
        """Channels that are skipped because nothing sent by them arrived lately. Raises Refused where the caller names
        such a channel and the application offers another one."""
        passed = reach.passed_over(admitted.unreached, admitted.now, asked_for=order.channel)
        if order.channel == AUTO:
            return passed
        if order.channel in passed and not admitted.withheld and not admitted.policy.enumeration_safe:
            ways = workflows.offered(self._settings, application, order.way)
            other = next(each for each in ways if each != order.channel)
            raise refusals.unreached(Advice.INBOUND if other == inbound.CHANNEL else f"{Advice.TRY_CHANNEL}:{other}")
        return ()

    async def _forget_unreached(self, found: Verification) -> None:
        """The code arrived, so its channel reaches the person. If Redis fails here, it is skipped once more."""
        with contextlib.suppress(StorageUnavailable, Unreadable):
            if owed := carrier(found):
                await self._reach.forget(found.id, owed.channel)

    async def _start_again(self, claim: Claim, lease: float) -> Verification | None:
        """A repeat of a start, by its Idempotency-Key. None: the first one died before it made its record."""
        await self._dispatcher.known(claim.verification_id)
        stored = await self._sends.take_over(claim.verification_id, lease, "start")
        match stored.word:
            case "done":
                return _as_it_is(stored)
            case "absent" if claim.lease_seconds <= 0:
                return None
            case "absent":
                raise refusals.in_progress(claim.lease_seconds, claim.verification_id)
            case "running":
                raise refusals.in_progress(stored.wait_seconds, claim.verification_id)
            case "taken_over":
                pass
            case never:
                assert_never(never)
        if stored.verification.expected and not stored.verification.messages:
            return (await self._dispatcher.expect(stored)).stored.verification
        plan = self._plans.for_recovery(stored, stored.verification.channel, first=True)
        async with self._admission.again(stored) as admitted:
            return _delivered(await self._dispatcher.deliver(plan, admitted))

    async def _judge(self, taken: Stored, code: str, repeat: Repeat, guesses: Sequence[Counter]) -> Stored:
        await self._admission.guess(taken, repeat, guesses)
        pepper = self._sends.keys_of(taken).pepper
        candidate = await self._hash_pool.digest(pepper, taken.scope, code, taken.salt, taken.cost)
        matched = codes.matches_any(candidate, taken.hashes)
        proved, entered = self._admission.proved_seconds(taken), codes.matched_by(candidate, taken.hashes_by_message())
        settled = await self._store.settle(taken, matched, repeat, proved, guesses, entered=entered)
        if settled is None:
            raise refusals.not_found()
        await self._admission.judged(taken, settled, matched=matched)
        return settled

    async def _list_phone(self, outcome: Outcome, found: Verification) -> None:
        """Write the phone of an approval into the subject's slot, after the verdict was written into the phone's.

        Two slots cannot change in one script, and the verdict must not wait for the list. A process that dies between
        them leaves an approval that the list does not show; a repeat of the check with its Idempotency-Key writes it,
        since a replayed approval comes by here too. So the verdict is the proof, the list is for showing.
        """
        if outcome is not Outcome.APPROVED or not found.subject or not found.phone:
            return
        try:
            await self._subjects.remember_phone(found.application, found.subject, found.phone)
            if await self._store.revisions([found.id]) == [-1]:  # erased between the two
                await self._subjects.drop_phone(found.application, found.subject, found.phone)
        except StorageUnavailable:
            log.warning("verified_phone_not_listed", verification=found.id)

    def _phone_index(self, verification_id: str) -> str:
        located = self._names.locate(verification_id)
        if located is None:
            raise refusals.not_found()
        return located[1]

    def _repeat(self, application: str, idempotency_key: str, *body: str) -> Repeat:
        if not idempotency_key:
            return Repeat()
        return Repeat(self._names.idempotency(application, idempotency_key), self._names.fingerprint(*body))


def _as_it_is(stored: Stored) -> Verification:
    if stored.verification.status is Status.FAILED:
        raise refusals.no_gateway(stored.verification)
    return stored.verification


def _result(walk: Walk) -> str:
    """The walk's end as a label of the metrics. Only `failed` is the gateways' fault: the others have a cause of their
    own, such as a number that cannot exist."""
    if walk.sent:
        return "withheld" if walk.stored.verification.withheld else "sent"
    if walk.lost:
        return "lost"
    return "rejected" if walk.rejected else "refused" if walk.refusal else "failed"


def _delivered(walk: Walk) -> Verification:
    if walk.lost:
        if walk.stored.due_times.lease > walk.stored.verification.now:
            raise refusals.taken_over(walk.stored)
        return _as_it_is(walk.stored)
    if walk.sent:
        return walk.stored.verification
    if walk.rejected:
        raise refusals.phone_rejected(walk.rejected, walk.stored.verification)
    if walk.refusal:
        raise refusals.stopped(walk.refusal, walk.stored.verification)
    raise refusals.no_gateway(walk.stored.verification)
