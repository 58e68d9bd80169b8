"""Weekly reports: as an event, and by mail to operators. Due jobs, so none is lost, and a week is told once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from msgspec.structs import replace

from otp_service.domain import weekly
from otp_service.domain.mails import of_text
from otp_service.domain.statistics import Row
from otp_service.errors import Refused
from otp_service.gateways.base import Gateway, GatewayError, Outgoing, Then
from otp_service.settings import Settings
from otp_service.storage import keys
from otp_service.storage.schedule import Job
from otp_service.storage.stores import Stores

AGAIN_SECONDS = 300.0
"""Pause before a mail that was not accepted is tried again."""
SEND_SECONDS = 20.0
BRAND = "otp-service"

log = structlog.get_logger()


class WeeklyReports:
    def __init__(self, settings: Settings, stores: Stores, gateways: Mapping[str, Gateway]) -> None:
        self._settings = settings
        self._to = settings.reports.to
        self._gateway = gateways.get(settings.reports.gateway) if self._to else None
        self._store = stores.weekly
        self._statistics = stores.statistics
        self._schedule = stores.schedule
        self._names = stores.names

    async def plan(self) -> None:
        """Put the jobs of the next reports. One that is planned already, or is late, stays."""
        seconds = weekly.next_report(await self._store.now())
        for application in self._settings.applications:
            await self._schedule.put(keys.application_lane(application), "report", application, seconds)

    async def report(self, jobs: Sequence[Job]) -> None:
        await asyncio.gather(*(self._report(job) for job in jobs))

    async def _report(self, job: Job) -> None:
        """Report the newest week that is over. Earlier weeks, in which no worker ran, are only in the statistics."""
        if job.subject not in self._settings.applications:
            await self._schedule.done(job)
            return
        now = await self._store.now()
        monday = weekly.last_week(now)
        found = weekly.weekly(
            monday, await self._rows(job.subject, monday), await self._rows(job.subject, monday - weekly.WEEK)
        )
        if found and await self._store.tell(job.subject, found, f"report_mail:{job.subject}" if self._gateway else ""):
            log.info("week_reported", application=job.subject, week=found.week)
        await self._schedule.later(job, weekly.next_report(now))

    async def mail(self, jobs: Sequence[Job]) -> None:
        await asyncio.gather(*(self._mail(job) for job in jobs))

    async def _mail(self, job: Job) -> None:
        """Mail the report to each address once. Where a mail may have left, it is not sent again."""
        found, sent = await self._store.to_mail(job.subject)
        missing = False
        for address in self._to if found and self._gateway else ():
            who = hashlib.sha256(address.encode()).hexdigest()[:16]
            if found is None or self._gateway is None or who in sent:
                continue
            subject, text = weekly.written(found, job.subject, self._settings.reports.locale)
            now = await self._store.now()
            mail = replace(of_text(text, BRAND), subject=subject)
            outgoing = Outgoing(phone=address, text=text, client_id="", expires_at=now, mail=mail)
            try:
                await self._gateway.send(outgoing, SEND_SECONDS)
            except GatewayError as error:
                log.warning("report_not_mailed", application=job.subject, reason=error.reason)
                if error.then is Then.NEXT:
                    missing = True
                    continue
            await self._store.mailed(job.subject, who)
        if missing:
            await self._schedule.later(job, AGAIN_SECONDS)
        else:
            await self._schedule.done(job)

    async def _rows(self, application: str, monday: datetime) -> Sequence[Row]:
        try:
            return await self._statistics.read(
                application, monday, monday + weekly.WEEK, "day", ("gateway", "operator")
            )
        except Refused:
            return []
