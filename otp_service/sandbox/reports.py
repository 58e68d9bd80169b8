"""Reports to the clients of the platform (X5): which are due, and what became of those that `callbacks.py` posted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count

from msgspec import Struct

from otp_service.sandbox.messages import EARLY_ENDING, TWICE_ENDING, Message

GAPS = tuple(timedelta(seconds=seconds) for seconds in (0, 30, 60, 300, 900))
"""Before each of the 5 attempts, of the sandbox's clock. X5 gives their number only."""

KEPT_REPORTS = 50_000


@dataclass(slots=True)
class Report:
    """The final state of an SMS. attempts: how often it was posted. again: to be told once more after it was taken."""

    message: Message
    attempts: int = 0
    again: bool = False


class ReportedState(Struct):
    """attempt: 1 to 5."""

    id_sms: str
    state: str
    time: str
    attempt: int


class Post(Struct):
    """One POST to a client, for `GET /_sim/callbacks`. outcome: `HTTP 200`, or why there was none."""

    at: datetime
    login: str
    url: str
    states: list[ReportedState]
    outcome: str = ""
    acknowledged: list[str] = []


class ReportQueue:
    """What is still to be posted. A full queue takes nothing more."""

    def __init__(self) -> None:
        self.early: list[Report] = []
        """To be posted before the gateway answers the request that it is busy with."""
        self._later: list[tuple[datetime, int, Report]] = []
        self._order = count()

    def plan(self, message: Message, at: datetime) -> None:
        """Only changes to a final state are reported (ours: X5 lists `send` too, with an empty time)."""
        report = Report(message, again=message.phone.endswith(TWICE_ENDING))
        if message.phone.endswith(EARLY_ENDING):
            self.early.append(report)
        else:
            self.add(report, at)

    def add(self, report: Report, at: datetime) -> None:
        if len(self._later) < KEPT_REPORTS:
            heappush(self._later, (at, next(self._order), report))

    def take_due(self, now: datetime) -> list[Report]:
        due = self.take_early()
        while self._later and self._later[0][0] <= now:
            due.append(heappop(self._later)[2])
        return due

    def take_early(self) -> list[Report]:
        taken, self.early = self.early, []
        return taken
