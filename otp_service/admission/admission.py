"""Admission: may this send go out, may this code be looked at?

A start asks before anything is recorded, a resend after its claim, a check before the code is hashed. What was counted
for something that did not happen in the end is taken back. Where Redis does not answer, nothing is sent and nothing is
judged; after the verdict its bookkeeping is no reason to withhold it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import structlog

from otp_service import refusals
from otp_service.admission.admitted import Admitted, Report
from otp_service.admission.guard import Guard, Send
from otp_service.admission.limits import Limits
from otp_service.admission.spray import Spray
from otp_service.delivery.recipients import Recipients
from otp_service.delivery.spending import Spending
from otp_service.delivery.test_numbers import TestNumbers
from otp_service.domain import limits, phone
from otp_service.domain.keyring import Names
from otp_service.domain.lifecycle import Verification
from otp_service.domain.orders import Order
from otp_service.domain.phone import Phone
from otp_service.domain.pumping import Decision, Word
from otp_service.errors import Refused, StorageUnavailable
from otp_service.gateways.base import Reason
from otp_service.settings import Settings
from otp_service.storage.connection import Database
from otp_service.storage.ledger import Ledger
from otp_service.storage.limits import Counter
from otp_service.storage.records import Repeat, Stored
from otp_service.storage.remembered import to_remember
from otp_service.storage.sends import SendStore
from otp_service.storage.verifications import VerificationStore

SENDS = (limits.SENDS, limits.UNVERIFIED_SENDS)
FROM_START = (limits.CLIENT_IP, limits.CLIENT_NETWORK)
"""Known at the start only, so its verification remembers them; so it does a caller's own words."""
NO_PAUSE = (0,)

log = structlog.get_logger()


class Admission:
    def __init__(
        self,
        settings: Settings,
        database: Database,
        names: Names,
        recipients: Recipients,
        test_numbers: TestNumbers,
        store: VerificationStore,
        sends: SendStore,
        ledger: Ledger,
        limits: Limits,
        guard: Guard,
        spray: Spray,
        spending: Spending,
    ) -> None:
        self._settings = settings
        self._database = database
        self._names = names
        self._recipients = recipients
        self._test_numbers = test_numbers
        self._store = store
        self._sends = sends
        self._ledger = ledger
        self._limits = limits
        self._guard = guard
        self._spray = spray
        self._spending = spending
        self.keep_told = spray.keep_told
        self.guesses, self.guess_refused = limits.guesses, limits.guess_refused

    def allow(self, application: str, to: Phone, order: Order) -> None:
        """What needs no memory: country, type of number, lists, the caller's own words. Raises Refused."""
        policy = self._settings.applications[application]
        if to.region not in policy.countries:
            raise Refused("country_not_allowed", f"Codes are not sent to {to.region}.", extra={"country": to.region})
        if to.number_type in policy.refuse_number_types:
            raise Refused(
                "number_type_not_allowed",
                f"Codes are not sent to numbers of the type {to.number_type}.",
                extra={"number_type": to.number_type},
            )
        self._limits.check_words(application, order.limits)
        if self._guard.is_blocked(to, order.client_ip):
            raise Refused("on_block_list", "This phone or this address is on the block list.")
        if self._recipients.is_stopped(to.e164, order.channel):
            raise refusals.phone_rejected(Reason.STOP_LIST)

    @asynccontextmanager
    async def start(self, application: str, to: Phone, order: Order) -> AsyncIterator[Admitted]:
        """Around the first send of a verification. Raises Refused; one from within takes back what was counted."""
        policy = self._settings.applications[application]
        stand_ins = self._stand_ins(application, to, order)
        send = Send(application, to, order.client_ip, stand_ins.get(limits.CLIENT_IP, ""))
        admitted = Admitted(send, policy, to_remember(stand_ins, (*FROM_START, *order.limits)))
        if to.e164 in self._test_numbers and self._test_numbers.is_live(to.e164, await self._ledger.now_ms()):
            admitted.test = True
            admitted.record = {"test": "1"}
            admitted.policy = msgspec.structs.replace(policy, resend_pause_seconds=NO_PAUSE)
            yield admitted
            return
        async with self._put_right(admitted):
            await self._ask(admitted, stand_ins, order.channel, order.locale, order.platform, None)
            if admitted.decision:
                admitted.record["guard"] = admitted.decision.encode()
            if policy.alarm_code_length and await self._spray.is_alarmed(application):
                longer = max(policy.code_length, policy.alarm_code_length)
                admitted.policy = msgspec.structs.replace(policy, code_length=longer)
            yield admitted

    async def decoy(self, application: str, to: Phone, order: Order) -> dict[str, str]:
        """Count a start that only looks like one, so that limits tell nothing; returns what it is to remember."""
        stand_ins = self._stand_ins(application, to, order)
        await self._limits.count(application, self._limits.counters(application, SENDS, stand_ins))
        remembered = to_remember(stand_ins, (*FROM_START, *order.limits))
        return remembered if self._guard.mode(application) == "off" else remembered | {"guard": Word.ALLOWED}

    @asynccontextmanager
    async def resend(self, claimed: Stored, channel: str) -> AsyncIterator[Admitted]:
        """Around one more send, which is claimed already; a refusal gives the claim back."""
        found = claimed.found
        admitted = Admitted(self._send_of(found), self._settings.applications[found.application])
        admitted.earlier = len(found.messages)
        if found.test or claimed.word != "claimed":  # else it was counted by the process that died
            yield admitted
            return
        passed = found.guard if found.guard and found.guard.word is Word.PASSED else None
        async with self._put_right(admitted):
            try:
                await self._ask(admitted, self._stand_ins_of(found), channel, found.locale, found.platform, passed)
            except Refused:
                await self._sends.progress(found.id, then="fail")
                raise
            yield admitted

    async def guess(self, taken: Stored, repeat: Repeat, guesses: Sequence[Counter]) -> None:
        """Count a guess that is about to be judged, where its attempt was not. Raises Refused, and gives that back."""
        if taken.found.test or not (counters := self._guesses(taken.found)):
            return
        try:  # a guess that is counted twice after a lost answer makes its limit stricter, and no more
            await self._database.again(lambda: self._limits.count(taken.found.application, counters))
        except Refused:
            await self._store.give_back_attempt(taken.found.id, repeat, guesses)
            raise

    def proved_seconds(self, taken: Stored) -> int:
        """For how long it is remembered that the right code came from the phone."""
        return self._guard.proved_seconds(taken.found.guard)

    async def judged(self, taken: Stored, settled: Stored, *, matched: bool) -> None:
        """A right code was no guess, its sends no misuse. What fails here makes limits stricter, and no more."""
        try:
            if not taken.found.test:
                await self._after(taken, approved=settled.extra == "approved", matched=matched)
        except Refused:
            log.warning("verdict_not_counted", verification=taken.found.id)

    def named(self, application: str, written: str) -> tuple[str, str]:
        """A phone as E.164, and its index in the application. Raises Refused."""
        e164 = phone.normalise(written, self._settings.applications[application].region).e164
        return e164, self._names.phone_index(application, e164)

    async def unlock(self, application: str, e164: str) -> int:
        """Forget a phone's wrong codes in a row; returns how many there were."""
        return await self._ledger.unlock(application, e164)

    async def report(self, application: str, days: int) -> Report:
        """What was found in the last days, the alarms that are raised, and today's money."""
        spent, budget = await self._spending.today(application)
        alarm = await self._spray.is_alarmed(application)
        rows = await self._guard.report(application, days)
        return Report(self._guard.mode(application), rows, alarm, spent, budget)

    async def _ask(
        self,
        admitted: Admitted,
        stand_ins: dict[str, str],
        channel: str,
        locale: str,
        platform: str,
        passed: Decision | None,
    ) -> None:
        """Limits, guard, money. What was counted is noted one by one, so that it can be taken back.

        passed: why the guard let the first send of the same verification pass.
        """
        send = admitted.send
        counters = self._limits.counters(send.application, SENDS, stand_ins)
        count = self._limits.count(send.application, counters)
        if passed:
            await count
        else:
            passed, _ = await asyncio.gather(self._guard.passes(send), count)  # one round trip for both
        admitted.counted = counters
        admitted.decision = passed or await self._guard.judge(send)
        admitted.bill = await self._spending.reserve(send.application, send.to.region, channel, locale, platform)

    @asynccontextmanager
    async def _put_right(self, admitted: Admitted) -> AsyncIterator[None]:
        try:
            yield
        except StorageUnavailable:
            raise  # nobody knows whether something went out
        except Refused:
            await self._limits.take_back(admitted.counted)
            await self._guard.take_back(admitted.send, admitted.decision)
            if admitted.bill:
                await self._spending.settle(admitted.bill, admitted.messages)
            raise
        if admitted.bill:
            try:
                await self._spending.settle(admitted.bill, admitted.messages)
            except StorageUnavailable:
                log.warning("cost_not_settled", application=admitted.send.application)

    async def _after(self, taken: Stored, *, approved: bool, matched: bool) -> None:
        found = taken.found
        sends = found.sends - taken.agenda.failovers  # nobody asked for those, so nobody counted them
        if approved or not matched:
            self._spray.judged(found.application, right=approved)
        if approved:
            steps = self._limits.proved(found.application, self._stand_ins_of(found), sends)
            await self._database.run_all(steps + self._guard.proved(self._send_of(found), found.guard, sends))
        elif matched:
            await self._limits.take_back(self._guesses(found))

    def _guesses(self, found: Verification) -> list[Counter]:
        known = self._stand_ins_of(found) if self._limits.counts(found.application, limits.WRONG_CODES) else {}
        return self._limits.counters(found.application, [limits.WRONG_CODES], known)

    def _stand_ins_of(self, found: Verification) -> dict[str, str]:
        """As its start knew them: those of the phone anew, the others from memory."""
        known = self._stand_ins(found.application, phone.known(found.phone), Order(found.phone))
        return {**found.counted_by, **known}

    def _stand_ins(self, application: str, to: Phone, order: Order) -> dict[str, str]:
        known = limits.dimensions(application, to, order)
        return {word: self._names.stand_in(word, value) for word, value in known.items()}

    def _send_of(self, found: Verification) -> Send:
        return Send(found.application, phone.known(found.phone), address=found.counted_by.get(limits.CLIENT_IP, ""))
