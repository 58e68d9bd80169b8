"""Weekly reports in Redis: which week was told last, and to whom its report was mailed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import msgspec

from otp_service.domain.weekly import Weekly
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

_TELL = Script.load("report/tell")
SENT = "sent:"


class WeeklyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """By the clock of Redis, of which processes have one together."""
        seconds, _ = next(iter((await self._database.everywhere("TIME", some=True)).values()))
        return datetime.fromtimestamp(int(seconds), UTC)

    async def tell(self, application: str, found: Weekly, mail_job: str) -> bool:
        """False: another process was faster. mail_job: '' where nobody gets a mail."""
        lane = keys.application_lane(application)
        names = [keys.weekly(application), keys.due(lane), keys.outbox(lane)]
        report = msgspec.json.encode(found)
        return bool(await self._database.run(_TELL, names, [application, found.week, report, mail_job]))

    async def to_mail(self, application: str) -> tuple[Weekly | None, Collection[str]]:
        """The report that is to be mailed, and who has it already."""
        found = await self._database.command("HGETALL", keys.weekly(application))
        try:
            report = msgspec.json.decode(found[b"report"], type=Weekly) if b"report" in found else None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            report = None
        return report, {name.decode().removeprefix(SENT) for name in found if name.startswith(SENT.encode())}

    async def mailed(self, application: str, who: str) -> None:
        await self._database.command("HSET", keys.weekly(application), f"{SENT}{who}", "1")
