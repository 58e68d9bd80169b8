"""What became of messages, and what follows from it: looks at gateways, fail-over, walks that died, lives that ran out.

A verification is looked at when its record says so (`plan` in _shared.lua). Many are looked at together, so that a
gateway is asked once about many messages. Every step may be repeated: a worker that dies in the middle of a look leaves
it to another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from otp_service import metrics
from otp_service.delivery import asking
from otp_service.delivery.asking import Answers, Questions
from otp_service.delivery.circuits import Circuits
from otp_service.delivery.dispatch import Dispatcher
from otp_service.delivery.errands import Errands, left_open
from otp_service.delivery.scores import Scores
from otp_service.delivery.spending import Spending
from otp_service.domain import failover, looks
from otp_service.domain.failover import Asked, Turn
from otp_service.domain.lifecycle import Status
from otp_service.domain.messages import MessageStatus
from otp_service.errors import Refused
from otp_service.gateways.base import Gateway
from otp_service.settings import Settings
from otp_service.storage.gateways import GatewayStore
from otp_service.storage.records import Stored
from otp_service.storage.reports import Look, Report, ReportStore
from otp_service.storage.sends import SendStore
from otp_service.storage.verifications import VerificationStore

NO_TURN_MS = 1000
REPEAT_LIFE_MS = 60_000
"""An unclear message is not repeated with less life than this: it must not arrive dead."""

log = structlog.get_logger()


class Tracking:
    def __init__(
        self,
        settings: Settings,
        gateways: Mapping[str, Gateway],
        store: VerificationStore,
        sends: SendStore,
        reports: ReportStore,
        gateway_store: GatewayStore,
        circuits: Circuits,
        errands: Errands,
        dispatcher: Dispatcher,
        spending: Spending,
    ) -> None:
        self._settings = settings
        self._gateways = gateways
        self._store = store
        self._sends = sends
        self._reports = reports
        self._questions = Questions(gateways, gateway_store)
        self._scores = Scores(settings, gateway_store)
        self._circuits = circuits
        self._errands = errands
        self._dispatcher = dispatcher
        self._spending = spending

    async def attend(self, verification_ids: Sequence[str]) -> list[str]:
        """Look at verifications whose time has come. Returns those that are gone."""
        read = await self._store.read_many(verification_ids)
        found = [stored for stored in read if stored.word == "ok"]
        await asyncio.gather(*(self._end_interrupted(stored) for stored in found if _interrupted(stored)))
        due = [stored for stored in found if _asks(stored)]
        await asyncio.gather(*(self._ask_again(stored) for stored in due))
        answers, unasked = await self._questions.ask(due)
        written = await self._reports.write([self._look(stored, answers, unasked) for stored in found])
        await self._scores.observe(found, written, unasked)
        await self._correct(found, written)
        await asyncio.gather(*(self._replace(stored, unasked) for stored in written if stored.word == "ok"))
        return [each for each, stored in zip(verification_ids, read, strict=True) if stored.word != "ok"]

    async def _end_interrupted(self, stored: Stored) -> None:
        """End a walk whose process died and whose caller did not come back. Sends nothing."""
        stored = await self._sends.take_over(stored.found.id, self._errands.lease_seconds(), "any")
        if stored.word != "taken_over":
            return
        interrupted = left_open(stored.found.messages[-1]) if stored.found.messages else None
        if interrupted:
            stored = await self._sends.progress(stored.found.id, settled=interrupted)
        out = any(message.may_be_out for message in stored.found.messages)
        wait = failover.ON_FAILURE_ONLY_MS
        await self._sends.progress(stored.found.id, then="done" if out else "fail", failover_ms=wait)
        log.info("interrupted_walk_ended", verification=stored.found.id, sent=out)

    async def _ask_again(self, stored: Stored) -> None:
        """Clear up what is unclear, where a repeat under the same client id sends nothing twice."""
        if stored.found.status is not Status.PENDING or stored.found.expires_at - stored.found.now < REPEAT_LIFE_MS:
            return
        for message in stored.found.messages:
            gateway = self._gateways.get(message.gateway)
            if message.status is MessageStatus.UNCLEAR and message.client_id and gateway and gateway.repeatable:
                await self._dispatcher.ask_again(self._errands.repeat(stored), message, gateway)

    def _look(self, stored: Stored, answers: Answers, unasked: Mapping[str, Asked]) -> Look:
        """What is written down about one verification, and when it is looked at next."""
        found = stored.found
        reports: list[Report] = []
        waits: list[int] = []
        over = found.now >= looks.given_up_at(found)
        for message in looks.open_messages(found):
            gateway = self._gateways.get(message.gateway)
            told = answers.get((message.gateway, message.provider_id))
            report = asking.report(message, told, found.now, gateway.zone if gateway else None) if told else None
            if over and (report is None or not report.status.final):
                report = asking.given_up(message)
            if report:
                reports.append(report)
            if report is None or not report.status.final:
                pause = gateway.ask_pause_seconds if gateway else 0
                how = unasked.get(message.gateway)
                asked = bool(message.provider_id)
                wait = looks.next_look_ms(found, message, pause, answered=not (asked and how is Asked.SILENT))
                waits.append(NO_TURN_MS if how is Asked.BUSY else wait)
        if stored.agenda.look > found.now and not reports:  # it was due for another reason
            return Look(stored, [], stored.agenda.look - found.now)
        return Look(stored, reports, min(waits, default=None))

    async def _replace(self, stored: Stored, unasked: Mapping[str, Asked]) -> None:
        """Give the next gateway its turn, if the last message did not arrive."""
        found = stored.found
        if found.status is not Status.PENDING or not stored.agenda.failover or stored.agenda.lease:
            return
        due = stored.failover_due
        turn = failover.turn(
            found.messages,
            due=due,
            reports_come=self._circuits.reports_come,
            asked=lambda name: unasked.get(name, Asked.ANSWERED),
            failovers=stored.agenda.failovers,
        )
        if turn is Turn.NOT_YET:
            return
        if turn is not Turn.NOW:
            put_off_ms = failover.PUT_OFF_MS.get(turn)
            await self._reports.write([Look(stored, [], _left_ms(stored), turn is Turn.NEVER, put_off_ms)])
            return
        policy = self._settings.applications[found.application]
        claimed = await self._sends.fail_over(stored, policy, self._errands.lease_seconds(found.channel))
        if claimed.word == "claimed":
            why = "not delivered" if not due else "no report"
            metrics.FAILOVERS.labels(found.channel, why).inc()
            log.info("failed_over", verification=found.id, gateway=found.messages[-1].gateway, why=why)
            await self._pay_for(claimed)

    async def _pay_for(self, claimed: Stored) -> None:
        """A send that nobody asked for costs money like any other; where that is spent, it is not made."""
        found = claimed.found
        try:
            bill = await self._spending.again(found)
        except Refused as refusal:
            log.warning("failover_not_paid", verification=found.id, reason=refusal.code)
            await self._sends.progress(found.id, then="done")
            return
        walk = await self._dispatcher.deliver(self._errands.instead(claimed))
        await self._spending.settle(bill, walk.stored.found.messages[len(found.messages) :])

    async def _correct(self, before: Sequence[Stored], after: Sequence[Stored]) -> None:
        """Prices that were told for the first time."""
        for old, new in zip(before, after, strict=True):
            if new.word == "ok":
                known = {message.number for message in old.found.messages if message.price}
                for message in new.found.messages:
                    if message.price and message.number not in known:
                        await self._spending.reported(new.found, message)


def _interrupted(stored: Stored) -> bool:
    return 0 < stored.agenda.lease <= stored.found.now


def _asks(stored: Stored) -> bool:
    """A look is due, or is wanted because the next gateway's turn is: nobody is replaced on old news."""
    return 0 < stored.agenda.look <= stored.found.now or stored.failover_due


def _left_ms(stored: Stored) -> int | None:
    return max(0, stored.agenda.look - stored.found.now) if stored.agenda.look else None
