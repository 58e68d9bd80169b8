"""The kinds of due jobs, and what each of them does."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from otp_service.delivery.circuit_breakers import Circuits
from otp_service.delivery.tracking import Tracking
from otp_service.domain.inbound import Incoming
from otp_service.domain.verifications import LIFE_CAP_SECONDS, Verification
from otp_service.gateways.base import Gateway, GatewayError, TakesIncoming
from otp_service.settings import Settings
from otp_service.storage import keys
from otp_service.storage.schedule import Job
from otp_service.storage.stores import Stores
from otp_service.webhooks.delivery import Webhooks
from otp_service.worker.weekly_reports import WeeklyReports
from otp_service.worker.worker import Handler

RELAY_AGAIN_SECONDS = 1.0
LANES_AT_ONCE = 32
"""Outboxes whose events are passed on together."""
BALANCE_SECONDS = 300.0
"""How often the balance of an account is asked."""
PLAN_SECONDS = 60.0
INCOMING_SECONDS = 10.0
INCOMING_MARGIN_SECONDS = 120
"""The provider's clock may be so far behind."""
REMEMBERED_INCOMING = 10_000
"""SMS whose verification was looked for already."""

log = structlog.get_logger()


def _takes_incoming(gateway: object) -> TakesIncoming | None:
    return gateway if isinstance(gateway, TakesIncoming) and gateway.incoming_seconds else None


class Jobs:
    """`look` at a verification, `relay` a lane's events, `probe` a gateway that was left alone, ask its `balance`,
    tell a `hook` of events, make the weekly `report` and `report_mail` it."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        gateways: Mapping[str, Gateway],
        *,
        tracking: Tracking,
        webhooks: Webhooks,
        circuits: Circuits,
        claim: Callable[[Incoming], Awaitable[Sequence[Verification]]],
    ) -> None:
        self._schedule = stores.schedule
        self._reports = WeeklyReports(settings, stores, gateways)
        self._tracking = tracking
        self._events = stores.events
        self._webhooks = webhooks
        self._circuits = circuits
        self._gateway_store = stores.gateways
        self._gateways = gateways
        self._claim = claim
        self._received: OrderedDict[tuple[str, str], None] = OrderedDict()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {
            "look": self._look,
            "relay": self._relay,
            "probe": self._probe,
            "balance": self._balance,
            "incoming": self._incoming,
            "hook": self._webhooks.attend,
            "report": self._reports.report,
            "report_mail": self._reports.mail,
        }

    async def plan(self) -> None:
        """What each start asks for at once: balances, and what endpoints of webhooks have not been told."""
        for name in self._gateways:
            await self._schedule.put(keys.GATEWAYS, "balance", name)
        await self._webhooks.plan()

    async def plan_repeated(self) -> float:
        """The jobs that are repeated for ever; one that is planned for earlier stands. Returns the seconds until the
        next time.

        They are put again and again, because a worker of an earlier version, or with settings that lack this gateway,
        ends a job that it does not know. During an upgrade it runs beside us, and the job would be lost for good.
        """
        for name, gateway in self._gateways.items():
            await self._schedule.put(keys.GATEWAYS, "balance", name, BALANCE_SECONDS)
            if takes := _takes_incoming(gateway):
                await self._schedule.put(keys.GATEWAYS, "incoming", name, takes.incoming_seconds)
        await self._reports.plan()
        return PLAN_SECONDS

    async def _look(self, jobs: Sequence[Job]) -> None:
        """A verification that exists plans its next look itself; the jobs of others end."""
        gone = set(await self._tracking.attend([job.subject for job in jobs]))
        await self._schedule.done(*(job for job in jobs if job.subject in gone))

    async def _relay(self, jobs: Sequence[Job]) -> None:
        """Some lanes at a time: after a while without a worker all outboxes are full, and one question about all of
        them would take Redis longer than an answer is waited for."""
        for first in range(0, len(jobs), LANES_AT_ONCE):
            left = {job.lane: job for job in jobs[first : first + LANES_AT_ONCE]}
            while left:
                passed = await self._events.relay(list(left))
                await self._schedule.done(*(left.pop(lane) for lane, more in passed.items() if not more))
                if not any(passed.values()):
                    break
            for job in left.values():  # their primary is away, or something of them was set aside just now
                await self._schedule.later(job, RELAY_AGAIN_SECONDS)

    async def _probe(self, jobs: Sequence[Job]) -> None:
        await asyncio.gather(*(self._circuits.probe(job.subject) for job in jobs))

    async def _incoming(self, jobs: Sequence[Job]) -> None:
        await asyncio.gather(*(self._read_incoming(job) for job in jobs))

    async def _read_incoming(self, job: Job) -> None:
        """Read all SMS that an open verification may still wait for. To read one twice is harmless: it approves only
        once."""
        gateway = _takes_incoming(self._gateways.get(job.subject))
        if gateway is None:
            await self._schedule.done(job)
            return
        try:
            since = datetime.now(UTC) - timedelta(seconds=LIFE_CAP_SECONDS + INCOMING_MARGIN_SECONDS)
            received = await gateway.incoming(since, INCOMING_SECONDS)
        except GatewayError as error:
            log.warning("incoming_not_read", gateway=gateway.name, reason=error.reason)
        else:
            for each in received:
                seen = bool(each.id) and (gateway.name, each.id) in self._received
                if seen or not each.phone.startswith("+"):
                    continue
                for found in await self._claim(each):
                    log.info("inbound_approved", verification=found.id)
                self._received[gateway.name, each.id] = None
                while len(self._received) > REMEMBERED_INCOMING:
                    self._received.popitem(last=False)
        await self._schedule.later(job, gateway.incoming_seconds)

    async def _balance(self, jobs: Sequence[Job]) -> None:
        await asyncio.gather(*(self._ask_balance(job) for job in jobs))

    async def _ask_balance(self, job: Job) -> None:
        gateway = self._gateways.get(job.subject)
        if gateway is None:
            await self._schedule.done(job)
            return
        try:
            left = await gateway.balance(gateway.traits.attempt_seconds)
        except GatewayError as error:
            log.info("balance_not_told", gateway=gateway.name, reason=error.reason)
        else:
            if left is None:
                await self._schedule.done(job)
                return
            if await self._gateway_store.note_balance(gateway.name, f"{left:f}", f"{gateway.traits.balance_low:g}"):
                log.warning("balance_low", gateway=gateway.name)
        await self._schedule.later(job, BALANCE_SECONDS)
