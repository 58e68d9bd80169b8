"""Runs due jobs. What matters is never a background task of the web framework: it is a due job in Redis first."""

from __future__ import annotations

import asyncio
import time

import structlog

from otp_service.errors import StorageUnavailable
from otp_service.storage.schedule import Job, Schedule
from otp_service.verifications import Verifications

LONGEST_SLEEP_SECONDS = 1.0
AFTER_FAULT_SECONDS = 0.5
LATE_SECONDS = 5.0

log = structlog.get_logger()


class Worker:
    def __init__(self, schedule: Schedule, verifications: Verifications) -> None:
        self._schedule = schedule
        self._verifications = verifications
        self._last_round = time.monotonic()

    @property
    def seconds_since_round(self) -> float:
        return time.monotonic() - self._last_round

    @property
    def state(self) -> str:
        """For readiness: `ok`, or `late` when no round came to its end for 5 s."""
        return "ok" if self.seconds_since_round < LATE_SECONDS else "late"

    async def run(self) -> None:
        """Until canceled."""
        while True:
            try:
                await asyncio.sleep(await self._round())
            except StorageUnavailable:
                await asyncio.sleep(AFTER_FAULT_SECONDS)
            except Exception:
                log.exception("worker_round_failed")
                await asyncio.sleep(AFTER_FAULT_SECONDS)

    async def _round(self) -> float:
        """Claim and run what is due; returns how long to sleep."""
        jobs, next_in = await self._schedule.claim()
        for job in jobs:
            await self._run(job)
        self._last_round = time.monotonic()
        return min(LONGEST_SLEEP_SECONDS, next_in if next_in is not None else LONGEST_SLEEP_SECONDS)

    async def _run(self, job: Job) -> None:
        match job.kind:
            case "recover":
                finished = await self._verifications.finish_interrupted(job.subject)
                log.info("interrupted_walk_finished", verification=job.subject, finished=finished)
            case _:
                finished = True
                log.warning("unknown_job", kind=job.kind)
        if finished:
            await self._schedule.done(job)
