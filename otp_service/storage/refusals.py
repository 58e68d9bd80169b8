"""Why a phone got no code: a start that is refused leaves no verification behind that could tell.

Of a phone each reason is kept once, with its last time, so that it takes no more room by asking again; of an
application the newest, for a day, however many strangers are refused. Names of phones are keyed, as everywhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

from otp_service.domain.value import Value
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

KEPT_MS = 86_400_000
MOST = 20_000
"""Of an application: 3 MB at most."""
_NOTE = Script.load("refusal/note")


class Refusal(Value):
    """at: the last time, ms of Redis time. detail: the limit's name, or why a phone is rejected; else ''."""

    at: int
    code: str
    detail: str


class RefusalStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, application: str, refusals: Collection[tuple[str, str, str]]) -> None:
        """refusals: phone index, code, detail."""
        told = ["|".join(each) for each in refusals]
        await self._database.run(_NOTE, [keys.refusals(application)], [KEPT_MS, MOST, *told])

    async def of_phone(self, application: str, index: str) -> Sequence[Refusal]:
        """The last one first."""
        found = []
        async for member, at in self._scan(application, index):
            code, _, detail = member.decode(errors="replace").partition("|")[2].partition("|")
            found.append(Refusal(int(at), code, detail))
        return sorted(found, key=lambda each: -each.at)

    async def forget(self, application: str, index: str) -> None:
        own = [member async for member, _ in self._scan(application, index)]
        if own:
            await self._database.command("ZREM", keys.refusals(application), *own)

    async def _scan(self, application: str, index: str) -> AsyncIterator[tuple[bytes, float]]:
        """Those of a phone with their times. All that there may be are looked through in two or three steps."""
        key, cursor, begun = keys.refusals(application), 0, False
        while cursor or not begun:
            asked = ("ZSCAN", key, cursor, "MATCH", f"{index}|*", "COUNT", MOST)
            (cursor, found), begun = await self._database.command(*asked), True
            for pair in found:
                yield pair
