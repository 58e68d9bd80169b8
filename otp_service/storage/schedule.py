"""Due jobs: what has to be looked at later, kept beside the verification it concerns. Run at least once each."""

from __future__ import annotations

from dataclasses import dataclass

from otp_service.domain.keyring import Names
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

LEASE_SECONDS = 15.0
BATCH = 100
_CLAIM = Script.load("claim_due")


@dataclass(frozen=True, slots=True)
class Job:
    """kind: what to do; subject: with which verification."""

    partition: int
    kind: str
    subject: str


class Schedule:
    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._partitions = range(names.partitions)

    async def claim(self) -> tuple[list[Job], float | None]:
        """Jobs that are due in any partition, and the seconds until the next one, None when none waits.

        A claimed job comes back after 15 s unless it is done by then.
        """
        args = [int(LEASE_SECONDS * 1000), BATCH]
        replies = await self._database.run_many(_CLAIM, [([keys.due(p)], args) for p in self._partitions])
        jobs = []
        waits = []
        for partition, (wait, *members) in zip(self._partitions, replies, strict=True):
            if wait:
                waits.append(float(wait) / 1000)
            for member in members:
                kind, _, subject = member.decode().partition(":")
                jobs.append(Job(partition, kind, subject))
        return jobs, min(waits, default=None)

    async def done(self, job: Job) -> None:
        await self._database.command("ZREM", keys.due(job.partition), f"{job.kind}:{job.subject}")
