"""Due jobs: what has to be looked at later, kept beside what it concerns. Each is run at least once.

A lane is one slot of Redis: the partitions of the phones, the gateways, and each application. A job is a kind and a
subject; putting it again moves it, so there is never more than one of the same name.
"""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.domain.keyring import Names
from otp_service.domain.value import Value
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

LEASE_SECONDS = 15.0
BATCH = 20
"""Jobs of one lane that are claimed at a time."""
_CLAIM, _END, _PUT = map(Script.load, ("claim_due", "end_job", "put_job"))


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

    async def claim(
        self, lanes: Sequence[str], lease_seconds: float = LEASE_SECONDS
    ) -> tuple[list[Job], dict[str, float | None]]:
        """Jobs of these lanes that are due, and for each lane the seconds until its next one, None when none waits.

        A claimed job comes back after its lease unless `done` or `later` is said by then. Lanes whose primary is away
        are left out of both, so that one shard of a cluster does not hold up the others.
        """
        args = [int(lease_seconds * 1000), BATCH]
        replies = await self._database.run_many(_CLAIM, [([keys.due(lane)], args) for lane in lanes], some=True)
        jobs = []
        waits: dict[str, float | None] = {}
        answered = [(lane, reply) for lane, reply in zip(lanes, replies, strict=True) if reply is not None]
        for lane, (wait, claim, *found) in answered:
            waits[lane] = float(wait) / 1000 if wait else None
            for member, late_ms in zip(found[::2], found[1::2], strict=True):
                kind, _, subject = member.decode().partition(":")
                jobs.append(Job(lane, kind, subject, float(late_ms) / 1000, claim.decode()))
        return jobs, waits

    async def put(self, lane: str, kind: str, subject: str, seconds: float = 0) -> None:
        """Have it done after so long; where it is planned for earlier, that stands."""
        await self._database.run(_PUT, [keys.due(lane)], [Job(lane, kind, subject).name, int(seconds * 1000)])

    async def done(self, *jobs: Job) -> None:
        """They need not be done again, unless they were put anew since they were claimed."""
        await self._database.run_many(_END, [([keys.due(job.lane)], [job.name, job.claim, ""]) for job in jobs])

    async def later(self, job: Job, seconds: float) -> None:
        """It is to be done again after so long, unless it was put anew since it was claimed."""
        await self._database.run(_END, [keys.due(job.lane)], [job.name, job.claim, int(seconds * 1000)])
