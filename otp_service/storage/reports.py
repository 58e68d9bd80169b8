"""What became of messages, in Redis: what gateways said when asked, and what they pushed to us."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import NoReason, Reason
from otp_service.domain.value import Value
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Database, Script
from otp_service.storage.records import Answered, Records, Stored

_REPORT: Script[words.Report] = Script.load("verification/report")
_PUSH = Script.load("verification/push")


class Report(Value):
    """What a gateway said of one message. price: of one part, "" if untold. since: ms of Redis time, 0 for now."""

    number: int
    status: MessageStatus
    parts: int = 0
    price: str = ""
    since: int = 0
    reason: Reason | NoReason = ""


class Look(Value):
    """All that one look at a verification came to. next_ms: until the next, None for none.

    off: the next gateway shall not have its turn. put_off_ms: it shall, but only after so long.
    """

    stored: Stored
    reports: Sequence[Report]
    next_ms: int | None
    off: bool = False
    put_off_ms: int | None = None


class ReportStore:
    def __init__(self, records: Records, database: Database) -> None:
        self._records = records
        self._database = database

    async def write(self, looks: Sequence[Look]) -> list[Answered[words.ReadMany]]:
        """Write what looks came to, and plan the next ones."""
        return await self._records.run_many(_REPORT, [self._call(look) for look in looks])

    async def remember(self, account: str, provider_id: str, verification_id: str, seconds: float) -> None:
        """Remember which verification a provider's message id belongs to, for pushes."""
        name = keys.provider_id(_name(account, provider_id))
        await self._database.command("SET", name, verification_id, "EX", int(seconds))

    async def push(self, account: str, provider_id: str, status: MessageStatus) -> bool:
        """Keep a pushed status, so that the gateway is asked at once. False: it is no news, or no message of ours."""
        found = await self._database.command("GET", keys.provider_id(_name(account, provider_id)))
        if found is None:
            return False
        verification_id = found.decode()
        key = self._records.key_names(verification_id)
        args: list[Argument] = [verification_id, provider_id, status]
        return bool(await self._database.run(_PUSH, [key.verification, key.due], args))

    def _call(self, look: Look) -> tuple[str, list[str], list[Argument]]:
        verification_id = look.stored.verification.id
        key = self._records.key_names(verification_id)
        off: words.ReportFailover = "off"
        args: list[Argument] = [
            verification_id,
            look.stored.due_times.look or "",
            "" if look.next_ms is None else look.next_ms,
            look.stored.due_times.failover or "",
            off if look.off else "" if look.put_off_ms is None else look.put_off_ms,
        ]
        for report in look.reports:
            predecessors = ",".join(report.status.predecessors)
            args += [
                report.number,
                report.status,
                predecessors,
                report.parts,
                report.price,
                report.since or "",
                report.reason,
            ]
        return verification_id, [key.verification, key.due, key.outbox], args


def _name(account: str, provider_id: str) -> str:
    return hashlib.sha256(f"{account} {provider_id}".encode()).hexdigest()[:32]
