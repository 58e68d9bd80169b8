"""«Одинаковые запросы можно отправлять не чаще 1 раза в 1 минуту» (G)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta

PAUSE = timedelta(minutes=1)


class Repeats:
    """Requests of the last minute. A refused repeat does not begin the minute anew (ours)."""

    def __init__(self) -> None:
        self._answered_at: OrderedDict[Hashable, datetime] = OrderedDict()

    def is_repeat(self, request: Hashable, now: datetime) -> bool:
        while self._answered_at and next(iter(self._answered_at.values())) <= now - PAUSE:
            self._answered_at.popitem(last=False)
        if request in self._answered_at:
            return True
        self._answered_at[request] = now
        return False
