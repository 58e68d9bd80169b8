"""Admission: may this send go out, may this code be looked at?

A start asks before anything is recorded, a resend after its claim, a check before the code is hashed. What was counted
for something that did not happen in the end is taken back. Where Redis does not answer, nothing is sent and nothing is
judged; after the verdict its bookkeeping is no reason to withhold it. One file, because what is counted and what is
given back have to be read together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import structlog
from msgspec.structs import replace

from otp_service import refusals
from otp_service.admission.admitted import Admitted, Report, Taken
from otp_service.admission.limits import Limits
from otp_service.admission.lists import Lists
from otp_service.admission.pumping import PumpingGuard, Send
from otp_service.admission.unlocking import Unlocked, unlock
from otp_service.admission.wrong_code_alarm import WrongCodeAlarm
from otp_service.delivery.fixed_codes import FixedCodes
from otp_service.delivery.recipients import Recipients
from otp_service.delivery.spending import Spending
from otp_service.domain import inbound, limits, recipients
from otp_service.domain.pumping import Decision, Word
from otp_service.domain.reasons import Reason
from otp_service.domain.recipients import Mailbox, Recipient
from otp_service.domain.requests import Bucket, StartRequest
from otp_service.domain.verifications import Verification
from otp_service.domain.workflows import Way
from otp_service.errors import Refused, StorageUnavailable
from otp_service.settings import Settings, workflows
from otp_service.statistics.refused import RefusalCounter
from otp_service.storage import keys
from otp_service.storage.limits import Counter, count_steps
from otp_service.storage.records import Answered, Repeat, Stored, counted_by_fields
from otp_service.storage.stores import Stores
from otp_service.storage.words import FailOver, Resend, TakeOver

SENDS = (limits.SENDS, limits.UNVERIFIED_SENDS)
TRUSTED = "true"
NO_PAUSE = (0,)
UNTOLD = frozenset({"phone_rejected", "on_block_list", "suspected_pumping", "challenge_required"})
"""Refusals that say something about the person behind a phone: not told by an application with `enumeration_safe`. What
depends on what was asked before (pauses, limits, the ledger, money) is told as ever, and so is what the number itself
shows (its country)."""

log = structlog.get_logger()

T = TypeVar("T")


class Admission:
    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        *,
        recipients: Recipients,
        fixed_codes: FixedCodes,
        limits: Limits,
        guard: PumpingGuard,
        lists: Lists,
        wrong_code_alarm: WrongCodeAlarm,
        spending: Spending,
        refused: RefusalCounter,
    ) -> None:
        self._settings = settings
        self._database = stores.database
        self._names = stores.names
        self._recipients = recipients
        self._fixed_codes = fixed_codes
        self._store = stores.verifications
        self._reach = stores.reach
        self._sends = stores.sends
        self._ledger = stores.ledger
        self._limits = limits
        self._guard = guard
        self._wrong_code_alarm = wrong_code_alarm
        self._spending = spending
        self.lists = lists
        self._refused = refused
        self.tell_judged, self.write_refused = wrong_code_alarm.tell, refused.write
        self.guesses, self.guess_refused = limits.guesses, limits.guess_refused

    def allow(self, application: str, to: Recipient, order: StartRequest) -> bool:
        """Checks that need no counters: country, type of number, lists, the caller's own limits. Raises Refused; False
        where the application hides this refusal: then the send is withheld."""
        policy = self._settings.applications[application]
        of_country = not isinstance(to, Mailbox)
        if of_country and to.region not in policy.countries:
            raise Refused("country_not_allowed", f"Codes are not sent to {to.region}.", extra={"country": to.region})
        if of_country and to.number_type in policy.refuse_number_types:
            raise Refused(
                "number_type_not_allowed",
                f"Codes are not sent to numbers of the type {to.number_type}.",
                extra={"number_type": to.number_type},
            )
        self._limits.check_words(application, order.limits)
        if self._guard.is_blocked(to, order.client_ip):
            listed = Refused("on_block_list", "This phone or this client address is on the block list.")
            self._keep_quiet(application, listed, order.channel, to.region)
            return False
        if self._recipients.is_stopped(application, to.text, order.way):
            self._keep_quiet(application, refusals.phone_rejected(Reason.STOP_LIST), order.channel, to.region)
            return False
        return True

    @contextmanager
    def remembered(self, application: str, verification_id: str) -> Iterator[None]:
        """Around a start or a resend: why its phone got no code, for who asks support. The id leads to the phone."""
        try:
            yield
        except StorageUnavailable:
            raise
        except Refused as refusal:
            if located := self._names.locate(verification_id):
                self._refused.remember(application, located[1], refusal)
            raise

    @asynccontextmanager
    async def start(
        self, application: str, to: Recipient, order: StartRequest, *, allowed: bool
    ) -> AsyncIterator[Admitted]:
        """A context around the first send of a verification: counts it, and afterwards gives back what was counted for
        messages that did not leave. Raises Refused. allowed: the answer of `allow`."""
        policy = self._settings.applications[application]
        pseudonyms = self._pseudonyms(application, to, order)
        send = Send(
            application,
            to,
            order.client_ip,
            pseudonyms,
            trusted=order.client_trusted == TRUSTED,
            challenge=order.challenge_passed,
        )
        admitted = self._admitted(
            send,
            pseudonyms,
            order.way,
            order.locale,
            order.platform,
            delivery=order.delivery,
            unguarded=order.unguarded,
            buckets=order.buckets,
            text=order.content.text,
        )
        if order.code_length:
            admitted.policy = replace(policy, code_length=order.code_length)
        admitted.withheld = not allowed
        admitted.record = counted_by_fields(pseudonyms, (*limits.OF_CLIENT, *order.limits))
        if to.text in self._fixed_codes and self._fixed_codes.is_live(to.text, await self._ledger.now_ms()):
            admitted.test = True
            admitted.record = {"test": "1"}
            digits = len(self._fixed_codes.code(to.text))
            admitted.policy = replace(policy, resend_pause_seconds=NO_PAUSE, code_length=digits)
            yield admitted
            return
        async with self._put_right(admitted):
            if isinstance(to, Mailbox) or not workflows.has_other_way(self._settings, application, order.way):
                await self._take(admitted)
            else:  # asked together, in one round trip
                (admitted.unreached, admitted.now), _ = await asyncio.gather(
                    self._reach.read(application, to.text), self._take(admitted)
                )
            decision = admitted.taken[0].decision
            if admitted.withheld:
                admitted.record["withheld"] = "1"
                if decision is None and self._guard.mode(application) != "off":
                    decision = Decision(Word.ALLOWED)
            # Of a start that sends nothing there is nothing to remember: a message that it is asked for later is judged
            # as any first one, or whoever is refused would only have to ask twice.
            if decision and order.channel != inbound.CHANNEL:
                admitted.first = decision
                admitted.record |= decision.encode()
            if policy.alarm_code_length and await self._wrong_code_alarm.is_alarmed(application):
                longer = max(admitted.policy.code_length, policy.alarm_code_length)
                admitted.policy = replace(policy, code_length=longer)
            yield admitted

    @asynccontextmanager
    async def again(
        self, claimed: Answered[Resend | FailOver | TakeOver], channel: str = "", buckets: Sequence[Bucket] = ()
    ) -> AsyncIterator[Admitted]:
        """The same around one more send, which the record has already; a refusal takes it out again. channel: '' for
        the verification's own. A walk that was taken over continues with what the dead process had been allowed."""
        found = claimed.verification
        send = self._send_of(found)
        admitted = self._admitted(
            send,
            send.by,
            Way(channel, found.steps) if channel else found.way,
            found.locale,
            found.platform,
            delivery=found.delivery,
            buckets=buckets,
            text=claimed.content.text,
        )
        admitted.earlier = len(found.messages)
        admitted.first = found.guard
        admitted.test = found.test
        if found.test:
            yield admitted
            return
        async with self._put_right(admitted):
            if claimed.word == "claimed":
                try:
                    await self._take(admitted)
                except StorageUnavailable:
                    raise
                except Refused:
                    await self._sends.progress(claimed.walk, then="fail")
                    raise
            yield admitted

    async def guess(self, taken: Stored, repeat: Repeat, guesses: Sequence[Counter]) -> None:
        """Count a guess that is about to be judged, unless it was counted with its attempt. Raises Refused, and then
        gives the attempt back."""
        found = taken.verification
        if found.test:
            return
        known = self._pseudonyms_of(found) if self._limits.counts(found.application, limits.WRONG_CODES) else {}
        counters = self._limits.counters(found.application, [limits.WRONG_CODES], known)
        if not counters:
            return
        try:  # a guess that is counted twice after a lost answer makes its limit stricter, and no more
            await self._database.retry_lost(lambda: self._limits.count(found.application, counters))
        except Refused:
            await self._store.give_back_attempt(found.id, repeat, guesses)
            raise

    def proved_seconds(self, taken: Stored) -> int:
        """How long it is remembered of a phone that the right code came from it."""
        return self._guard.proved_seconds(taken.verification.guard)

    async def judged(self, taken: Stored, settled: Stored, *, matched: bool) -> None:
        """After a right code, take back what was counted as a guess and as misuse. A fault here only leaves limits
        stricter."""
        found, approved = taken.verification, settled.detail == "approved"
        if found.test:
            return
        try:
            if approved or not matched:
                self._wrong_code_alarm.judged(found.application, right=approved)
            if approved:
                sent = [message.queued_at for message in found.messages if message.may_have_left]
                send = self._send_of(found)
                steps = self._limits.proved(found.application, send.by, sent, found.now)
                await self._database.run_all(steps + self._guard.proved(send, found.guard, len(sent)))
            elif matched and self._limits.counts(found.application, limits.WRONG_CODES):
                guessed = self._limits.guessed(found.application, self._pseudonyms_of(found), found.now)
                await self._limits.take_back(guessed)
        except Refused:
            log.warning("verdict_not_counted", verification=taken.verification.id)

    async def converted(self, stored: Stored) -> None:
        """The code of a delivery was entered, so take back what its sends counted as misuse."""
        found = stored.verification
        if limits.UNVERIFIED_SENDS in self._counted(found.application, found.channel, delivery=found.delivery):
            await self.judged(stored, replace(stored, detail="approved"), matched=True)

    def proved_always(self, application: str) -> int:
        """As `proved_seconds`, where only the application is known."""
        return 0 if self._guard.mode(application) == "off" else self._settings.guard.verified_days * 86_400

    def words(self, application: str) -> Set[str]:
        """What the application's limits count by."""
        return self._limits.words(application)

    def named(self, application: str, written: str) -> tuple[str, str]:
        """A phone or an address as it is stored, and its index in the application. Raises Refused."""
        to = recipients.read_any(written, self._settings.applications[application].region).text
        return to, self._names.phone_index(application, to)

    async def unlock(self, application: str, e164: str) -> Unlocked:
        """Clear every count that holds the phone back. Safe to repeat."""
        return await unlock(self._ledger, self._limits, application, e164)

    async def report(self, application: str, days: int) -> Report:
        """What was found in the last days, the alarms that are raised, and today's money."""
        spent, budget = await self._spending.today(application)
        alarm = await self._wrong_code_alarm.is_alarmed(application)
        rows = await self._guard.report(application, days)
        return Report(self._guard.mode(application), rows, alarm, spent, budget)

    def _admitted(
        self,
        send: Send,
        pseudonyms: Mapping[str, str],
        way: Way,
        locale: str,
        platform: str,
        *,
        delivery: bool = False,
        unguarded: bool = False,
        buckets: Sequence[Bucket] = (),
        text: str = "",
    ) -> Admitted:
        """delivery: nobody judges its code here. unguarded: whatever the guard would think of it."""
        kinds = self._counted(send.application, way.channel, delivery=delivery)

        async def another() -> None:
            await self._take(admitted)

        async def wait() -> None:
            counters = self._limits.counters(send.application, [limits.INBOUND_STARTS], pseudonyms)
            await self._limits.count(send.application, counters)

        admitted = Admitted(
            another=another,
            wait=wait,
            send=send,
            policy=self._settings.applications[send.application],
            counters=[
                *self._limits.counters(send.application, kinds, pseudonyms),
                *(
                    Counter(
                        each.name,
                        keys.limit(self._names.counter("bucket", send.application, *each.key)),
                        each.quota,
                        each.window_seconds,
                    )
                    for each in buckets
                ),
            ],
            unguarded=unguarded or limits.UNVERIFIED_SENDS not in kinds,
            text=text,
            way=way,
            locale=locale,
            platform=platform,
        )
        return admitted

    async def _take(self, admitted: Admitted) -> None:
        """Limits, guard and money for one message: all of it, or nothing where one of them refuses. Raises Refused."""
        send = admitted.send
        unjudged = await self._guard.unjudged(send, unguarded=admitted.unguarded)
        counting = count_steps(admitted.counters)
        verifying = [] if unjudged or admitted.unguarded else self._guard.verified_steps(send)
        answers = await self._database.run_all(counting + verifying)  # one round trip for both
        counted = await _outcome(self._limits.counted(send.application, admitted.counters, answers[: len(counting)]))
        passed = unjudged or await _outcome(self._guard.verified(send, answers[len(counting) :]))
        taken = Taken([] if isinstance(counted, Refused) else counted, None if isinstance(passed, Refused) else passed)
        try:
            if isinstance(counted, Refused):
                raise counted
            try:
                if isinstance(passed, Refused):
                    raise passed
                if taken.decision is None and not admitted.unguarded:
                    taken = Taken(taken.counted, await self._guard.judge(send, admitted.first))
            except StorageUnavailable:
                raise
            except Refused as refusal:
                self._keep_quiet(send.application, refusal, admitted.way.channel, send.to.region)
                admitted.withheld = True
            admitted.bill = await self._spending.reserve(
                send.application,
                send.to.region,
                admitted.way,
                admitted.locale,
                admitted.platform,
                admitted.bill,
                admitted.text,
            )
        except StorageUnavailable:
            raise  # nobody knows what was counted
        except Refused as refusal:
            if refusal.code not in UNTOLD:  # those were counted by `_keep_quiet`
                self._refused.note(send.application, admitted.way.channel, send.to.region, refusal.code)
            await self._give_back(send, taken)
            raise
        admitted.taken.append(taken)
        admitted.granted = True

    async def _give_back(self, send: Send, taken: Taken) -> None:
        await self._limits.take_back(taken.counted)
        await self._guard.take_back(send, taken.decision)

    def _keep_quiet(self, application: str, refusal: Refused, channel: str, country: str) -> None:
        """Raises the refusal, unless the application does not tell it; then the send is withheld instead."""
        self._refused.note(application, channel, country, refusal.code)
        if refusal.code not in UNTOLD or not self._settings.applications[application].enumeration_safe:
            raise refusal
        reason = str(refusal.extra.get("reason", ""))
        log.info("start_withheld", application=application, code=refusal.code, reason=reason)

    @asynccontextmanager
    async def _put_right(self, admitted: Admitted) -> AsyncIterator[None]:
        """Give back what was taken for messages that did not leave. Those that may have left keep it, whatever is
        answered; where it is not known how a walk ended, all is kept."""
        try:
            yield
        except StorageUnavailable:
            raise
        except Refused:
            await self._settle(admitted)
            raise
        try:
            await self._settle(admitted)
        except StorageUnavailable:
            log.warning("cost_not_settled", application=admitted.send.application)

    async def _settle(self, admitted: Admitted) -> None:
        if admitted.messages is None:
            return
        left = [message for message in admitted.messages if message.may_have_left]
        withheld = sum(message.withheld for message in admitted.messages)  # count as if they had left
        for taken in admitted.taken[len(left) + withheld :]:
            await self._give_back(admitted.send, taken)
        if admitted.bill:
            await self._spending.settle(admitted.bill, left)

    def _counted(self, application: str, channel: str, *, delivery: bool) -> Sequence[str]:
        """Unverified sends say nothing of a delivery, unless its caller promises to report which codes were entered."""
        if channel == inbound.CHANNEL:
            return (limits.INBOUND_STARTS,)
        if not delivery:
            return SENDS
        judged = self._settings.applications[application].deliveries.conversions
        return (*(SENDS if judged else (limits.SENDS,)), limits.DELIVERIES)

    def _pseudonyms_of(self, found: Verification) -> dict[str, str]:
        """As its start knew them: those of the phone anew, the others from memory."""
        known = self._pseudonyms(found.application, recipients.known(found.phone), StartRequest(found.phone))
        return {**found.counted_by, **known}

    def _pseudonyms(self, application: str, to: Recipient, order: StartRequest) -> dict[str, str]:
        known = limits.dimensions(application, to, order)
        counted = self._limits.words(application)
        return {
            word: self._names.pseudonym(word, value)
            for word, value in known.items()
            if word in counted or word in limits.OF_CLIENT
        }

    def _send_of(self, found: Verification) -> Send:
        by = self._pseudonyms_of(found)
        return Send(
            found.application,
            recipients.known(found.phone),
            by=by,
            trusted=by.get(limits.CLIENT_TRUSTED) == self._names.pseudonym(limits.CLIENT_TRUSTED, TRUSTED),
            challenge=bool(found.guard and found.guard.challenge),
        )


async def _outcome(asked: Awaitable[T]) -> T | Refused:
    """What it says, a refusal included: it waits until the other has said it, too."""
    try:
        return await asked
    except Refused as refusal:
        return refusal
