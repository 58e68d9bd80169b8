"""What applications have spent, by day."""

from __future__ import annotations

from otp_service.domain.value import Value
from otp_service.storage import keys, words
from otp_service.storage.connection import Database, Script

KEPT_DAYS = 62
_SPEND: Script[words.SpendTold] = Script.load("limit/spend")


class Spent(Value):
    """today: micro-roubles. wait_seconds: until the next day, where the sum was refused, else 0.

    told: warning or exhausted, where that was told just now. day: which one today is.
    """

    today: int
    wait_seconds: float
    told: words.SpendTold
    day: str


class SpendingStore:
    """offset_ms: of the day's time zone from UTC. warning_percent: of a budget."""

    def __init__(self, database: Database, warning_percent: int) -> None:
        self._database = database
        self._warning_percent = warning_percent

    async def add(
        self, application: str, amount: int, budget: int, offset_ms: int, *, must_fit: bool = False, day: str = ""
    ) -> Spent:
        """Add micro-roubles, negative ones too; those that must fit into the budget of the day, only if they do.

        day: that the sum belongs to; '' for today.
        """
        lane = keys.application_lane(application)
        wait, today, told, now = await self._database.run(
            _SPEND,
            [keys.spending(application), keys.due(lane), keys.outbox(lane)],
            [amount, budget, "1" if must_fit else "", self._warning_percent, offset_ms, KEPT_DAYS, application, day],
        )
        return Spent(int(today), wait / 1000, _SPEND.word(told), now.decode())
