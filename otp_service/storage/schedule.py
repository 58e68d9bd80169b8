"""Due jobs: what has to be looked at later, kept beside what it concerns. Each is run at least once.

A lane is one slot of Redis: the partitions of the phones, the gateways, and each application. A job is a kind and a
subject; putting it again moves it, so there is never more than one of the same name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from otp_service.domain.keyring import Names
from otp_service.domain.value import Value
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script
from otp_service.storage.topology import Call

LEASE_SECONDS = 15.0
BATCH = 20
"""Jobs of one lane that are claimed at a time."""
_JOB = re.compile(rb"[a-z][a-z_]{0,31}:[!-~]{0,200}")
"""A kind and a subject."""
_CLAIM, _END, _PUT = map(Script.load, ("schedule/claim", "schedule/end", "schedule/put"))


class Job(Value):
    """A claimed job. kind: what to do; subject: with what. late_seconds: since it was due. claim: names this claim."""

    lane: str
    kind: str
    subject: str
    late_seconds: float = 0
    claim: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.subject}"


class Schedule:
    def __init__(self, database: Database, names: Names, applications: Sequence[str]) -> None:
        self._database = database
        self.lanes = (
            *(str(partition) for partition in range(names.partitions)),
            keys.GATEWAYS,
            *(keys.application_lane(application) for application in applications),
        )
        self._first_jobs = [Call(due, [("ZRANGE", due, 0, 0, "WITHSCORES")]) for due in map(keys.due, self.lanes)]

    async def peek(self) -> dict[str, float]:
        """Seconds until the first job of each lane is due, negative for one that is late. Left out are lanes without a
        job, and those whose primary is away, so that one shard of a cluster does not hold up the others.

        It costs far less than `claim`, and is a hint that may be too early, but not too late: jobs are due by the clock
        of their own primary, and here all are compared with the one that is ahead.
        """
        firsts, clocks = await asyncio.gather(
            self._database.command_all("ZRANGE", self._first_jobs, some=True),
            self._database.everywhere("TIME", some=True),
        )
        now = max(seconds + micros / 1e6 for seconds, micros in filter(None, clocks.values()))
        found = [(lane, first[1]) for lane, first in zip(self.lanes, firsts, strict=True) if first]
        return {lane: float(due) / 1000 - now for lane, due in found}

    async def claim(
        self, lanes: Sequence[str], lease_seconds: float = LEASE_SECONDS
    ) -> tuple[list[Job], dict[str, float]]:
        """Jobs of these lanes that are due, and afterwards the seconds until the next one of each lane, as in `peek`.

        A claimed job comes back after its lease unless `done` or `later` is said by then.
        """
        args = [int(lease_seconds * 1000), BATCH]
        replies = await self._database.run_many(_CLAIM, [([keys.due(lane)], args) for lane in lanes], some=True)
        jobs = []
        waits = {}
        answered = [(lane, reply) for lane, reply in zip(lanes, replies, strict=True) if reply is not None]
        for lane, (wait, claim, *found) in answered:
            if wait:
                waits[lane] = float(wait) / 1000
            for member, late_ms in zip(found[::2], found[1::2], strict=True):
                if not _JOB.fullmatch(member):
                    await self._database.set_aside("job", keys.due(lane), "is no job", [member], member)
                    continue
                kind, _, subject = member.decode().partition(":")
                jobs.append(Job(lane, kind, subject, float(late_ms) / 1000, claim.decode()))
        return jobs, waits

    async def put(self, lane: str, kind: str, subject: str, seconds: float = 0) -> None:
        """Plan a job; where it is planned for an earlier time, that stands."""
        await self._database.run(_PUT, [keys.due(lane)], [Job(lane, kind, subject).name, int(seconds * 1000)])

    async def done(self, *jobs: Job) -> None:
        """The jobs are finished, unless they were put again since they were claimed."""
        await self._database.run_many(_END, [([keys.due(job.lane)], [job.name, job.claim, ""]) for job in jobs])

    async def later(self, job: Job, seconds: float) -> None:
        """Repeat a claimed job after so many seconds, unless it was put again since it was claimed."""
        await self._database.run(_END, [keys.due(job.lane)], [job.name, job.claim, int(seconds * 1000)])
