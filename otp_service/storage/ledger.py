"""What is remembered of a phone: its wrong codes in a row, counted by scripts, and whether it was ever proved."""

from __future__ import annotations

from otp_service.domain.keyring import Names
from otp_service.storage import keys
from otp_service.storage.connection import Database


class Ledger:
    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names

    async def unlock(self, application: str, e164: str) -> tuple[int, int]:
        """Forget a phone's wrong codes and its pause; returns how many there were in a row, and the ms it had left."""
        fails, pause = (name(*self._place(application, e164)) for name in (keys.fails, keys.pause))
        count = await self._database.command("HGET", fails, "count")
        until = await self._database.command("HGET", pause, "until")
        now = await self.now_ms()
        await self._database.command("DEL", fails, pause, keys.verified(*self._place(application, e164)))
        return int(count or 0), max(0, int(until or 0) - now)

    async def now_ms(self) -> int:
        """Redis time."""
        seconds, micros = await self._database.command("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def _place(self, application: str, e164: str) -> tuple[int, str]:
        return self._names.partition(e164), self._names.phone_index(application, e164)
