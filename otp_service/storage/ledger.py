"""What is remembered of a phone: its wrong codes in a row, counted by scripts, and whether it was ever proved."""

from __future__ import annotations

from otp_service.domain.keyring import Names
from otp_service.storage import keys
from otp_service.storage.connection import Database

# NIST SP 800-63B-4 §3.2.2: from 20 consecutive wrong codes on a phone waits, at 100 it is disabled.
FAILS_THAT_WAIT = 20
FAILS_THAT_DISABLE = 100
FIRST_WAIT_MS = 30_000
LONGEST_WAIT_MS = 3_600_000


class Ledger:
    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names

    async def unlock(self, application: str, e164: str) -> int:
        """Forget a phone's wrong codes; returns how many there were in a row."""
        name = keys.fails(*self._place(application, e164))
        count = await self._database.command("HGET", name, "count")
        await self._database.command("DEL", name)
        return int(count or 0)

    async def now_ms(self) -> int:
        """Redis time."""
        seconds, micros = await self._database.command("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def is_proved(self, application: str, e164: str) -> bool:
        """Whether the right code came from it in the time that is remembered."""
        return bool(await self._database.command("EXISTS", keys.proved(*self._place(application, e164))))

    def _place(self, application: str, e164: str) -> tuple[int, str]:
        return self._names.partition(e164), self._names.phone_index(application, e164)
