"""The kinds of due jobs, and what each of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from otp_service.delivery.circuits import Circuits
from otp_service.delivery.tracking import Tracking
from otp_service.gateways.base import Gateway, GatewayError
from otp_service.storage import keys
from otp_service.storage.events import EventStore
from otp_service.storage.gateways import GatewayStore
from otp_service.storage.schedule import Job, Schedule
from otp_service.webhooks.delivery import Webhooks
from otp_service.worker import Handler

BALANCE_SECONDS = 300.0
"""How often the balance of an account is asked."""

log = structlog.get_logger()


class Jobs:
    """`look` at a verification, `relay` a lane's events, `probe` a gateway that was left alone, ask its `balance`,
    tell a `hook` of events."""

    def __init__(
        self,
        schedule: Schedule,
        tracking: Tracking,
        events: EventStore,
        webhooks: Webhooks,
        circuits: Circuits,
        gateway_store: GatewayStore,
        gateways: Mapping[str, Gateway],
    ) -> None:
        self._schedule = schedule
        self._tracking = tracking
        self._events = events
        self._webhooks = webhooks
        self._circuits = circuits
        self._gateway_store = gateway_store
        self._gateways = gateways

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {
            "look": self._look,
            "relay": self._relay,
            "probe": self._probe,
            "balance": self._balance,
            "hook": self._webhooks.attend,
        }

    async def plan(self) -> None:
        """What is to be done for ever, put once more at each start."""
        for name in self._gateways:
            await self._schedule.put(keys.GATEWAYS, "balance", name)
        await self._webhooks.plan()

    async def _look(self, jobs: Sequence[Job]) -> None:
        """Whatever is found plans its next look itself."""
        gone = set(await self._tracking.attend([job.subject for job in jobs]))
        await self._schedule.done(*(job for job in jobs if job.subject in gone))

    async def _relay(self, jobs: Sequence[Job]) -> None:
        left = {job.lane: job for job in jobs}
        while left:
            passed = await self._events.relay(list(left))
            await self._schedule.done(*(left.pop(lane) for lane, more in passed.items() if not more))
            if not any(passed.values()):
                return  # the primaries of the rest are away; their jobs come back

    async def _probe(self, jobs: Sequence[Job]) -> None:
        await asyncio.gather(*(self._circuits.probe(job.subject) for job in jobs))

    async def _balance(self, jobs: Sequence[Job]) -> None:
        await asyncio.gather(*(self._ask_balance(job) for job in jobs))

    async def _ask_balance(self, job: Job) -> None:
        gateway = self._gateways.get(job.subject)
        if gateway is None:
            await self._schedule.done(job)
            return
        try:
            left = await gateway.balance(gateway.attempt_seconds)
        except GatewayError as error:
            log.info("balance_not_told", gateway=gateway.name, reason=error.reason)
        else:
            if left is None:
                await self._schedule.done(job)
                return
            if await self._gateway_store.note_balance(gateway.name, f"{left:f}", f"{gateway.balance_low:g}"):
                log.warning("balance_low", gateway=gateway.name)
        await self._schedule.later(job, BALANCE_SECONDS)
