"""Tells receivers what happened, by Standard Webhooks: at least once, in order for each subject, one id for each event.

An endpoint is told by one worker at a time, of up to eight subjects at once and of one event after another within a
subject. What was told is written down event by event, so a worker that dies repeats only what was under way. While an
endpoint fails, the oldest event alone is tried, on the schedule of `domain/webhooks.py`; then the rest flows.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, assert_never

import structlog

from otp_service.domain.events import Event
from otp_service.domain.webhooks import (
    TRIES_OF_REFUSED,
    Endpoint,
    Verdict,
    may_be_the_event,
    pauses_ms,
    verdict,
)
from otp_service.outbound.receiver import Answer, Receiver
from otp_service.schemas.events import webhook_body
from otp_service.settings import Settings, webhook_endpoints
from otp_service.storage import keys
from otp_service.storage.schedule import Job, Schedule
from otp_service.storage.webhooks import JOB, OpenEvent, Settled, Taken, WebhookStore
from otp_service.telemetry import metrics
from otp_service.webhooks.of_callers import CallersWebhooks
from otp_service.webhooks.receivers import open_receivers, receivers_by_url, tell

SUBJECTS = 8
SUBJECTS_PER = 16
"""One endpoint is told of so many at the same time, and one for each 16 events that wait: what is under way when a
worker dies is told again."""
RUN_SECONDS = 5.0
"""Then a worker lets go of an endpoint, so that it may end, or another may go on."""
BUSY_SECONDS = 1.0
COUNT_SECONDS = 5.0
IDLE_SECONDS = 30.0
"""New events wake an endpoint at once, unless a process passed them on whose settings do not know it yet."""
FOREIGN_SECONDS = 300.0
"""For an endpoint that our settings do not have: another process may, whose settings are newer."""

log = structlog.get_logger()


def jobs_of(found: Settings) -> dict[str, list[str]]:
    """Of each application, the due jobs that tell its receivers what is new."""
    jobs: dict[str, list[str]] = {application: [] for application in found.applications}
    for endpoint in webhook_endpoints(found).values():
        jobs[endpoint.application].append(f"{JOB}:{endpoint.id}")
    return jobs


@dataclass(slots=True)
class Run:
    """One worker's time with an endpoint. stopped: it fails, or is disabled; no more is told now."""

    endpoint: Endpoint
    attempt: int
    until: float
    stopped: bool = False

    @property
    def over(self) -> bool:
        return self.stopped or time.monotonic() >= self.until


class Webhooks:
    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        receivers: Mapping[str, Receiver],
        store: WebhookStore,
        schedule: Schedule,
        callers: CallersWebhooks,
        receivers_of: Callable[[str], Receiver],
    ) -> None:
        """receivers_of: a receiver for a URL that a caller named."""
        self._callers = callers
        self._receivers_of = receivers_of
        self._endpoints = endpoints
        self._receivers = receivers
        self._store = store
        self._schedule = schedule

    async def plan(self) -> None:
        """At each start: endpoints that are new begin now, and what was left to tell is looked for."""
        for endpoint in self._endpoints.values():
            await self._store.begin(endpoint)
            await self._schedule.put(keys.application_lane(endpoint.application), JOB, endpoint.id)

    async def count(self) -> float | None:
        """Bring the gauges up to date: what receivers have not been told of yet. Returns the seconds until the next
        time."""
        endpoints = list(self._endpoints.values())
        if not endpoints:
            return None
        totals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for endpoint, record in zip(endpoints, await self._store.read(endpoints), strict=True):
            if record:
                told = (record.backlog, record.parked, int(bool(record.disabled)))
                totals[endpoint.application] = [a + b for a, b in zip(totals[endpoint.application], told, strict=True)]
        for application, (backlog, parked, disabled) in totals.items():
            metrics.WEBHOOK_BACKLOG.labels(application).set(backlog)
            metrics.WEBHOOK_PARKED.labels(application).set(parked)
            metrics.WEBHOOK_DISABLED.labels(application).set(disabled)
        return COUNT_SECONDS

    async def attend(self, jobs: Sequence[Job]) -> None:
        results = await asyncio.gather(*(self._attend(job) for job in jobs), return_exceptions=True)
        for error in results:
            if error is not None:
                raise error

    async def _attend(self, job: Job) -> None:
        endpoint = self._endpoints.get(job.subject)
        if endpoint is None and job.subject.startswith("YW"):
            endpoint = await self._callers.endpoint(job.lane.partition(":")[2], job.subject)
            if endpoint is None:  # removed, or disabled
                await self._schedule.done(job)
                return
        if endpoint is None:
            await self._schedule.later(job, FOREIGN_SECONDS)
            return
        holder = secrets.token_hex(8)
        try:
            wait = await self._tell_all(endpoint, holder)
        finally:
            await self._store.leave(endpoint, holder)
        if wait is None:
            await self._schedule.done(job)
        else:
            await self._schedule.later(job, wait)

    async def _tell_all(self, endpoint: Endpoint, holder: str) -> float | None:
        """Seconds until it is to be told more, None for when something happens."""
        until = time.monotonic() + RUN_SECONDS
        while time.monotonic() < until:
            taken = await self._store.take(endpoint, holder)
            if taken.lost:
                log.warning(
                    "webhook_events_lost",
                    endpoint=endpoint.id,
                    application=endpoint.application,
                    events=taken.lost,
                )
            match taken.word:
                case "idle":
                    return IDLE_SECONDS
                case "disabled":
                    return None
                case "unknown":  # it was known when this process began, see `plan`
                    await self._store.begin(endpoint, lost=True)
                    log.warning("webhook_begun_anew", endpoint=endpoint.id, application=endpoint.application)
                    return 0
                case "busy":
                    return BUSY_SECONDS
                case "wait":
                    return taken.wait_ms / 1000
                case "ok":
                    pass
                case never:
                    assert_never(never)
            wait = await self._tell_some(Run(endpoint, taken.attempt, until), taken)
            if wait is not None:
                return wait
        return 0

    async def _tell_some(self, run: Run, taken: Taken) -> float | None:
        """Seconds, if all that is left has to wait so long."""
        subjects: defaultdict[str, list[OpenEvent]] = defaultdict(list)
        for each in taken.events:
            subjects[each.event.subject].append(each)
        heads = [queue[0] for queue in subjects.values()]
        ready = [head.event for head in heads if not head.wait_ms]
        if heads and not ready:
            return min(head.wait_ms for head in heads) / 1000
        if taken.attempt and ready:
            await self._probe(run, ready)
            return None
        places = asyncio.Semaphore(min(SUBJECTS, 1 + len(taken.events) // SUBJECTS_PER))
        told = (self._tell_subject(run, queue, places) for queue in subjects.values())
        for error in await asyncio.gather(*told, return_exceptions=True):
            if error is not None:
                raise error
        return None

    async def _tell_subject(self, run: Run, queue: Sequence[OpenEvent], places: asyncio.Semaphore) -> None:
        """One after another; what follows an event that has to wait, waits too."""
        async with places:
            for each in queue:
                if each.wait_ms or run.over:
                    return
                _, settled = await self._tell(run, each.event)
                if settled.word != "told" and settled.word != "parked":
                    return

    async def _probe(self, run: Run, heads: Sequence[Event]) -> None:
        """Try the oldest event. If it was answered badly thrice, and another is taken now, the fault is its own."""
        answer, settled = await self._tell(run, heads[0])
        suspect = settled.word == "failing" and settled.tries >= TRIES_OF_REFUSED and may_be_the_event(answer.status)
        if not suspect or len(heads) < 2:
            return
        other = await self._post(run.endpoint, heads[1])
        if verdict(other.status) is Verdict.TOLD:
            run.attempt += 1
            await self._settle(run, heads[1], other)
            await self._store.settle(run.endpoint, heads[0], "parked", run.attempt, str(answer), pauses_ms())
            log.warning("webhook_parked", **_fields(run.endpoint, heads[0], answer))

    async def _tell(self, run: Run, event: Event) -> tuple[Answer, Settled]:
        answer = await self._post(run.endpoint, event)
        settled = await self._settle(run, event, answer)
        match settled.word:
            case "failing" | "disabled" | "unknown":
                run.stopped = True
            case "told" | "held" | "parked":
                pass
            case never:
                assert_never(never)
        return answer, settled

    async def _post(self, endpoint: Endpoint, event: Event) -> Answer:
        if endpoint.twilio:
            told = self._callers.told(endpoint, event)
            if told is None:
                return Answer(204)
            answer = await self._receivers_of(endpoint.url).post(*told)
        else:
            answer = await tell(self._receivers[endpoint.id], endpoint, event.id, webhook_body(event))
        metrics.WEBHOOKS.labels(endpoint.application, verdict(answer.status)).inc()
        return answer

    async def _settle(self, run: Run, event: Event, answer: Answer) -> Settled:
        endpoint, came = run.endpoint, verdict(answer.status)
        least_ms = int(answer.retry_after * 1000)
        settled = await self._store.settle(endpoint, event, came.value, run.attempt, str(answer), pauses_ms(), least_ms)
        fields = _fields(endpoint, event, answer)
        match settled.word:
            case "told" if run.attempt:
                log.info("webhook_recovered", **fields)
            case "held":
                log.info("webhook_refused", **fields, tries=settled.tries)
            case "parked":
                log.warning("webhook_parked", **fields)
            case "failing" if not run.stopped:
                log.warning("webhook_failing", **fields, seconds=settled.wait_ms // 1000)
            case "disabled" if not run.stopped:
                log.error("webhook_disabled", **fields)
            case "told" | "failing" | "disabled" | "unknown":
                pass
            case never:
                assert_never(never)
        return settled


@asynccontextmanager
async def open_webhooks(
    found: Settings, store: WebhookStore, schedule: Schedule, callers: CallersWebhooks
) -> AsyncIterator[Webhooks]:
    """Webhooks of the settings and of callers, with connections that are closed afterwards."""
    async with open_receivers(found) as receivers, receivers_by_url(found) as receivers_of:
        yield Webhooks(webhook_endpoints(found), receivers, store, schedule, callers, receivers_of)


def _fields(endpoint: Endpoint, event: Event, answer: Answer) -> dict[str, Any]:
    """For the log. An event is named by its number: an id has as many digits as a phone."""
    return {
        "endpoint": endpoint.id,
        "application": endpoint.application,
        "sequence": event.sequence,
        "subject": event.subject,
        "answer": str(answer),
    }
