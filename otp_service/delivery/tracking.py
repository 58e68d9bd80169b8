"""Tracking: asks what became of messages, replaces those that did not arrive, ends walks whose process died and
verifications whose time is over.

A verification is looked at when its record says so (`plan` in verification/_rules.lua). Many are looked at together, so
that a gateway is asked once about many messages. Every step may be repeated: a worker that dies in the middle of a look
leaves it to another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import structlog
from msgspec.structs import replace

from otp_service.delivery import attempt
from otp_service.delivery.allowance import Allowance
from otp_service.delivery.callbacks import believed
from otp_service.delivery.circuit_breakers import Circuits
from otp_service.delivery.dispatch import Dispatcher
from otp_service.delivery.plans import SendPlans, interrupted
from otp_service.delivery.polling import Answers, Poller, Unasked, given_up, report_of
from otp_service.delivery.spending import Spending
from otp_service.delivery.statistics import GatewayStatistics
from otp_service.domain import failover, reach
from otp_service.domain.failover import Asked, Turn
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.polling import given_up_at, next_look_ms, open_messages
from otp_service.domain.verifications import Status, Verification
from otp_service.errors import Erased, Refused, StorageUnavailable
from otp_service.gateways.base import Delivery, Gateway
from otp_service.settings import Settings
from otp_service.storage.records import Answered, Stored
from otp_service.storage.reports import Look, Report
from otp_service.storage.stores import Stores
from otp_service.storage.words import FailOver, TakeOver
from otp_service.telemetry import metrics

NO_TURN_MS = 1000
REPEAT_LIFE_MS = 60_000
"""An unclear message is not repeated when its code would live shorter than this."""

Admit = Callable[[Answered[FailOver | TakeOver]], AbstractAsyncContextManager[Allowance]]
"""Around one more send that is claimed. Raises Refused, and gives the claim back."""

log = structlog.get_logger()


class Tracking:
    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        gateways: Mapping[str, Gateway],
        *,
        circuits: Circuits,
        plans: SendPlans,
        dispatcher: Dispatcher,
        spending: Spending,
        admit: Admit,
    ) -> None:
        self._settings = settings
        self._gateways = gateways
        self._store = stores.verifications
        self._sends = stores.sends
        self._reports = stores.reports
        self._reach = stores.reach
        self._poller = Poller(gateways, stores.gateways)
        self._statistics = GatewayStatistics(settings, stores.gateways)
        self._circuits = circuits
        self._plans = plans
        self._dispatcher = dispatcher
        self._spending = spending
        self._admit = admit

    async def attend(self, verification_ids: Sequence[str]) -> list[str]:
        """Look at verifications whose time has come. Returns those that are gone."""
        read = await self._store.read_many(verification_ids)
        found = [stored for stored in read if stored.word == "ok"]
        dead = [stored for stored in found if 0 < stored.due_times.lease <= stored.verification.now]
        await _each(self._end_interrupted(stored) for stored in dead)
        # A look is due, or is wanted because the next gateway's turn is: nobody is replaced on old news.
        due = [each for each in found if 0 < each.due_times.look <= each.verification.now or each.failover_due]
        await _each(self._ask_again(stored) for stored in due)
        await _each(self._take_back(stored) for stored in due)
        answers, unasked = await self._poller.ask(due)
        written = await self._reports.write([self._look(stored, answers, unasked) for stored in found])
        await self._statistics.observe(found, written, unasked)
        for old, new in zip(found, written, strict=True):
            if new.word == "ok" and new.verification.ended_at > old.verification.ended_at == 0:
                self._plans.learned.note_end(new.verification)
        changed = []
        for old, new in zip(found, written, strict=True):
            if new.word == "ok":
                for was, now_is in zip(old.verification.messages, new.verification.messages, strict=False):
                    arrived = was.status is not now_is.status and now_is.status is MessageStatus.DELIVERED
                    if arrived and new.verification.once_unreached:
                        await self._reach.forget(new.verification.id, now_is.channel)
                    if (was.status, was.price, was.parts) != (now_is.status, now_is.price, now_is.parts):
                        changed.append((new.verification, was, now_is))
        await self._spending.reported(changed)
        await _each(self._replace(stored, unasked) for stored in written if stored.word == "ok")
        return [each for each, stored in zip(verification_ids, read, strict=True) if stored.word != "ok"]

    async def _end_interrupted(self, stored: Stored) -> None:
        """End a walk whose process died and whose caller did not come back. Sends nothing."""
        taken = await self._sends.take_over(stored.verification.id, self._plans.lease_seconds(), "any")
        if taken.word != "taken_over":
            return
        if taken.verification.delivery and taken.content.is_whole:
            # A hook may have been told that it goes out, and does not ask again.
            log.info("interrupted_delivery_resumed", verification=taken.verification.id)
            plan = self._plans.for_recovery(taken, taken.verification.channel, first=True)
            try:
                async with self._admit(taken) as allowance:
                    await self._dispatcher.deliver(plan, allowance)
            except StorageUnavailable:
                raise
            except Refused as refusal:
                log.warning("delivery_refused", verification=taken.verification.id, reason=refusal.code)
            return
        walk, messages = taken.walk, taken.verification.messages
        left = interrupted(messages[-1]) if messages else None
        out = any(message.may_be_out for message in messages)
        spent = any(message.may_have_left for message in messages)
        if left:
            out, spent = out or messages[-1].code_source is CodeSource.LOCAL, True
        await self._sends.progress(
            walk,
            settled=left,
            then="done" if out or taken.verification.expected else "spent" if spent else "fail",
            failover_ms=failover.ON_FAILURE_ONLY_MS,
        )
        log.info("interrupted_walk_ended", verification=taken.verification.id, sent=out)

    async def _take_back(self, stored: Stored) -> None:
        """Take back messages on their way that nobody needs any more, where their gateway can: the person is approved,
        or the caller has canceled."""
        if stored.verification.status not in (Status.APPROVED, Status.CANCELED):
            return
        for message in open_messages(stored.verification):
            gateway = self._gateways.get(message.gateway)
            if gateway and message.provider_id and attempt.revocable(gateway):
                await attempt.withdraw(gateway, message.provider_id)

    async def _ask_again(self, stored: Stored) -> None:
        """Clear up what is unclear, where a repeat under the same client id sends nothing twice."""
        for number, gateway in self._repeatable(stored):
            # Read anew: much may have happened since, and a message must not go out for what has ended.
            fresh = await self._store.read(stored.verification.id, "")
            if fresh.word == "ok" and (number, gateway) in self._repeatable(fresh):
                message = fresh.verification.messages[number - 1]
                await self._dispatcher.ask_again(self._plans.for_repeat(fresh), message, gateway)

    def _repeatable(self, stored: Stored) -> list[tuple[int, Gateway]]:
        """Unclear messages that may be repeated now, by their numbers."""
        found = stored.verification
        if (
            found.status is not Status.PENDING
            or found.expires_at - found.now < REPEAT_LIFE_MS
            or stored.due_times.lease
        ):
            return []
        return [
            (message.number, gateway)
            for message in found.messages
            if message.status is MessageStatus.UNCLEAR and message.client_id
            # Who has another SMS by now shall not get this one, too, if it had never arrived.
            if not any(other.number > message.number and other.may_be_out for other in found.messages)
            if (gateway := self._gateways.get(message.gateway)) and gateway.repeatable
        ]

    def _look(self, stored: Stored, answers: Answers, unasked: Unasked) -> Look:
        """What is written down about one verification, and when it is looked at next."""
        found = stored.verification
        reports: list[Report] = []
        waits: list[int] = []
        over = found.now >= given_up_at(found)
        for message in open_messages(found):
            gateway = self._gateways.get(message.gateway)
            told = answers.get((message.gateway, message.provider_id))
            if told is None and message.pushed and believed(gateway):
                told = Delivery(message.provider_id, MessageStatus(message.pushed))
            report = report_of(message, told, found.now, gateway.zone if gateway else None) if told else None
            if over and (report is None or not report.status.final):
                report = given_up(message)
            if report:
                reports.append(report)
            if report is None or not report.status.final:
                pause = gateway.ask_pause_seconds if gateway else 0
                how = unasked.get((message.gateway, message.provider_id))
                wait = next_look_ms(found, message, pause, answered=how is not Asked.SILENT)
                waits.append(NO_TURN_MS if how is Asked.BUSY else wait)
        if stored.due_times.look > found.now and not reports:  # it was due for another reason
            return Look(stored, [], stored.due_times.look - found.now)
        return Look(stored, reports, min(waits, default=None))

    async def _replace(self, stored: Stored, unasked: Unasked) -> None:
        """Give the next gateway its turn, if the last message did not arrive."""
        found = stored.verification
        if (
            found.withheld
            or found.status is not Status.PENDING
            or not stored.due_times.failover
            or stored.due_times.lease
        ):
            return
        due = stored.failover_due
        last = failover.waited_for(found.messages)
        turn = failover.turn(
            found.messages,
            due=due,
            reports_come=self._circuits.reports_come,
            asked=_asked(last, unasked),
            late_ms=self._late_ms(stored, last) if due and last else 0,
            failovers=stored.due_times.failovers,
        )
        if turn is Turn.NOT_YET:
            return
        if self._plans.at_last_step(stored):
            await self._ask_person(stored)
        if turn is Turn.NOW and not self._plans.has_others(stored):
            turn = Turn.NEVER
        if turn is not Turn.NOW:
            put_off_ms = failover.PUT_OFF_MS.get(turn)
            await self._reports.write([Look(stored, [], _left_ms(stored), turn is Turn.NEVER, put_off_ms)])
            return
        if rest_ms := self._plans.rest_ms(stored):
            await self._reports.write([Look(stored, [], _left_ms(stored), put_off_ms=rest_ms)])
            return
        stored = await self._pass_over(stored, unasked)
        if not stored.due_times.failover:
            return
        policy = self._settings.applications[found.application]
        claimed = await self._sends.fail_over(
            stored, policy, self._plans.lease_seconds(found.application, found.way.channel)
        )
        if claimed.word == "claimed":
            why = "not delivered" if not due else "no report"
            metrics.FAILOVERS.labels(found.channel, why).inc()
            log.info("failed_over", verification=found.id, gateway=found.messages[-1].gateway, why=why)
            try:  # it counts and costs like any other, and is not made where that is refused
                async with self._admit(claimed) as allowance:
                    await self._dispatcher.deliver(self._plans.for_failover(claimed), allowance)
            except StorageUnavailable:
                raise
            except Refused as refusal:
                log.warning("failover_refused", verification=found.id, reason=refusal.code)
                await self._ask_person(claimed)  # no step before that one may send anything now
        elif claimed.word == "spent":
            await self._ask_person(claimed)

    async def _ask_person(self, stored: Stored) -> None:
        """Take the step `inbound`, where the workflow ends so: from now on the person may send the code."""
        found, wanted = stored.verification, self._plans.last_resort(stored)
        if wanted and not found.expected and not _arrived(found):
            await self._sends.expect(found.id, "", wanted)
            log.info("person_asked", verification=found.id)

    def _late_ms(self, stored: Stored, last: Message) -> int:
        """How long the next gateway's turn has been due, counted from the first time, in milliseconds."""
        wait_ms = self._dispatcher.failover_ms(self._plans.for_repeat(stored), self._gateways.get(last.gateway)) or 0
        return stored.verification.now - (last.sent_at or last.queued_at) - wait_ms

    async def _pass_over(self, stored: Stored, unasked: Unasked) -> Stored:
        """Note what it tells of the person that the last message did not arrive. Afterwards nobody has a turn, if all
        that is left are of channels that do not reach them."""
        found, last = stored.verification, stored.verification.messages[-1]
        records = self._circuits.records
        ends = records[last.gateway].ends if last.gateway in records else ()
        other_way, gateways = self._plans.ways_left(stored, last.channel)
        channel = ""
        if reach.in_vain(found.messages, last.channel, gateways, other_way=other_way) and reach.tells(
            last, _asked(last, unasked), ends
        ):
            channel = last.channel
        marked = replace(stored, present=replace(found, unreached=(*found.unreached, channel))) if channel else stored
        none_left = self._plans.has_none_left(marked)
        if not channel and not none_left:
            return stored
        if channel and channel not in found.unreached:
            log.info("unreached", verification=found.id, channel=channel)
            metrics.UNREACHED.labels(found.application, channel).inc()
        return await self._reach.pass_over(stored, channel, last=none_left)


async def _each(steps: Iterable[Awaitable[None]]) -> None:
    """All together. One whose verification is erased meanwhile has nothing left to do, and one that fails leaves the
    others alone: it is looked at again when its job's lease is over. Raises StorageUnavailable, which befell all."""
    for ended in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(ended, (StorageUnavailable, asyncio.CancelledError)):
            raise ended
        if isinstance(ended, Refused):
            log.info("look_given_back", error=ended.code)
        elif isinstance(ended, Exception) and not isinstance(ended, Erased):
            log.error("look_failed", exc_info=ended)


def _asked(message: Message | None, unasked: Unasked) -> Asked:
    """Whether its gateway answered just now."""
    return unasked.get((message.gateway, message.provider_id), Asked.ANSWERED) if message else Asked.ANSWERED


def _arrived(found: Verification) -> bool:
    return any(message.status is MessageStatus.DELIVERED for message in found.messages)


def _left_ms(stored: Stored) -> int | None:
    return max(0, stored.due_times.look - stored.verification.now) if stored.due_times.look else None
