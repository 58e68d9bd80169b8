"""Runs due jobs. What matters is never a background task of the web framework: it is a due job in Redis first.

Any number of workers may run, each in a process of its own or beside the HTTP server: a job is claimed by one of them,
for a while, and comes back if that one dies.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from otp_service.background import Loop
from otp_service.errors import StorageUnavailable, Unreadable
from otp_service.storage.schedule import Job, Schedule
from otp_service.telemetry import metrics, tracing

SLEEP_SECONDS = 0.1
"""The shortest pause between two rounds: what falls due meanwhile is claimed together."""
SWEEP_SECONDS = 0.5
"""How often all lanes are looked at: other processes put jobs there without telling us."""
MANY_LANES, SPARING_SECONDS = 64, 1.0
"""Where a sweep finds so many lanes with something due, the next is after so long, and nothing is claimed until then: a
lane costs as much for one event as for several, and a look at a message takes the events of its lane along."""
LATE_SECONDS = 5.0
UNKNOWN_SECONDS = 30.0
"""How long a job of an unknown kind is left to other processes."""
MOST_BATCHES = 64
"""Batches of jobs that are at work at the same time; more are not claimed."""
LAST_SECONDS = 10.0
"""How long jobs under way may take after the signal to stop."""

Handler = Callable[[Sequence[Job]], Awaitable[None]]
"""Runs jobs of one kind, and says of each whether it is done. What it raises gives the jobs back after their lease."""

log = structlog.get_logger()


class Worker:
    """stopping: set when the process is told to stop; from then on others claim. patience_seconds: for so long a due
    job is left to them."""

    def __init__(
        self,
        schedule: Schedule,
        handlers: Mapping[str, Handler],
        stopping: asyncio.Event,
        patience_seconds: float = 0,
    ) -> None:
        self._schedule = schedule
        self._handlers = handlers
        self._stopping = stopping
        self._patience_seconds = patience_seconds
        self.last_round = time.monotonic()
        self._storage_away = False
        self._sweep_at = 0.0
        self._sparing = False
        self._due_at: dict[str, float] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.loop = Loop("worker", self._step)

    @property
    def seconds_since_round(self) -> float:
        return time.monotonic() - self.last_round

    @property
    def state(self) -> str:
        """For readiness: `ok`, or `late` when no round came to its end for 5 s and that is not the storage's fault."""
        return "ok" if self._storage_away or self.seconds_since_round < LATE_SECONDS else "late"

    async def run(self) -> None:
        """Until the process is to stop, or until it is canceled. Jobs under way may end; those that do not are given
        back."""
        try:
            await self.loop.run(self._stopping)
        finally:
            if self._running:
                _, late = await asyncio.wait(self._running, timeout=LAST_SECONDS)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    async def _step(self) -> float:
        try:
            pause = await self._round()
        except StorageUnavailable:
            self._storage_away = True
            raise
        self._storage_away = False
        return pause

    async def _round(self) -> float:
        """Claim what is due and set it going; returns how long to sleep.

        A sweep peeks at all lanes together, which is cheap; claimed from are those whose first job is due, as far as is
        known here. What is known lasts until the next sweep, since other workers claim too, and clocks may be set.
        """
        while len(self._running) >= MOST_BATCHES:
            self.last_round = time.monotonic()
            await asyncio.wait(self._running, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        now = time.monotonic()
        if self._sweep_at <= now:
            waits = await self._schedule.peek()
            now = time.monotonic()
            self._due_at = {lane: now + wait + self._patience_seconds for lane, wait in waits.items()}
            self._sparing = sum(at <= now for at in self._due_at.values()) >= MANY_LANES
            self._sweep_at = now + (SPARING_SECONDS if self._sparing else SWEEP_SECONDS)
        due = [lane for lane, at in self._due_at.items() if at <= now]
        jobs, waits = await self._schedule.claim(due)
        by_kind: defaultdict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            by_kind[job.kind].append(job)
        for kind, batch in by_kind.items():
            metrics.JOBS.labels(kind if kind in self._handlers else "unknown").inc(len(batch))
            task = asyncio.create_task(self._run(kind, batch), name=f"jobs {kind}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        metrics.JOB_LATENESS.set(max((job.late_seconds for job in jobs), default=0))
        self.last_round = now = time.monotonic()
        for lane in due:
            del self._due_at[lane]
        self._due_at |= {lane: now + wait + self._patience_seconds for lane, wait in waits.items()}
        waited_for = [at for at in self._due_at.values() if at <= now or not self._sparing]  # due: more than a batch
        return max(SLEEP_SECONDS, min([self._sweep_at, *waited_for]) - now)

    async def _run(self, kind: str, jobs: Sequence[Job]) -> None:
        handler = self._handlers.get(kind)
        try:
            if handler:
                with tracing.job_span(kind):
                    await handler(jobs)
            else:  # another process may be of a newer version
                log.warning("unknown_job", kind=kind, jobs=len(jobs))
                for job in jobs:
                    await self._schedule.later(job, UNKNOWN_SECONDS)
        except (StorageUnavailable, Unreadable) as error:
            log.info("jobs_given_back", kind=kind, jobs=len(jobs), error=error.code)
        except asyncio.CancelledError:  # at the end of this process: others need not wait for the lease
            for job in jobs:
                await self._schedule.later(job, 0)
            log.info("jobs_given_back", kind=kind, jobs=len(jobs))
        except Exception:
            log.exception("jobs_failed", kind=kind, jobs=len(jobs))
