"""How far behind the event loop is, and when to take no more: who is refused at once can ask again or elsewhere, who
waits in a queue that only grows cannot.

Everything that a request does passes the loop many times, so with N of them under way each step waits for a step of
all others. A loop that is late for a moment has met a burst, which it works off. One that is late or at work all the
time is asked for more than it can do; then it takes only as many as it ends in IN_TIME_SECONDS, by the rate that it
ends them (Little's law). Who waits for somebody else, a gateway or a change, is not counted meanwhile, and who has no
key not at all.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from otp_service.telemetry import metrics

TICK_SECONDS = 0.025
TICKS = 12
"""How many of the newest ticks are looked at."""
STRAINED_TICKS = 8
"""How many of them have to be strained before anybody is refused."""
LATE_SECONDS = 0.01
BUSY_SHARE = 0.75
"""A tick is strained when it came this late, or the loop's thread used this much of a core."""
IN_TIME_SECONDS = 0.12
"""Well below what an answer may take: who is taken passes queues of others as well, and times spread."""
LEAST_UNDER_WAY = 32
"""How many requests are always taken: with fewer the loop would idle while one waits for Redis or a thread."""
ENOUGH_UNDER_WAY = 16
"""With so many a loop that is behind does what it can."""
USUAL_RATE = 400.0
"""Requests a second, until it has been seen what this machine ends."""
_SHARE = 0.1
"""Of the newest strained tick in the rate: it follows within a quarter of a second."""


class Visit:
    """One request that costs something. It is under way from `begin` to `end`, but for the time `away`.

    What comes without a key is never under way: any number of strangers takes no place of those who have one.
    """

    __slots__ = ("_begun", "_here", "_load")

    def __init__(self, load: Load) -> None:
        self._load = load
        self._begun = self._here = False

    def begin(self) -> None:
        """It is known who asks. A second time changes nothing."""
        if not self._begun:
            self._begun = True
            self.come_back()

    def end(self, *, taken: bool) -> None:
        """taken: it was done; else it was refused, which says nothing of how much is done."""
        self.leave()
        self._load.ended += taken and self._begun
        self._load = _ELSEWHERE  # what it left running is no part of it any more

    def leave(self) -> None:
        if self._here:
            self._here = False
            self._load.under_way -= 1

    def come_back(self) -> None:
        if self._begun and not self._here:
            self._here = True
            self._load.under_way += 1


visit: ContextVar[Visit | None] = ContextVar("visit", default=None)
"""Of the request that is being answered."""


def begin() -> None:
    """This request's key is known, or its signature."""
    if found := visit.get():
        found.begin()


@contextmanager
def away() -> Iterator[None]:
    """While this request waits for somebody else."""
    found = visit.get()
    if found is None:
        yield
        return
    found.leave()
    try:
        yield
    finally:
        found.come_back()


class Load:
    """Of one process. `follow` begins to look at the loop; until then nobody is refused.

    under_way: requests that are being worked at. ended: those that were done since the last tick.
    """

    def __init__(self) -> None:
        self._strained: deque[bool] = deque(maxlen=TICKS)
        self._rate = USUAL_RATE
        self._noted_at = self._worked = 0.0
        self.under_way = 0
        self.ended = 0

    def follow(self) -> None:
        loop = asyncio.get_running_loop()
        self._noted_at, self._worked = loop.time(), time.thread_time()
        self._look_at(loop, loop.time() + TICK_SECONDS)

    def is_too_much(self) -> bool:
        """Whether what has just come would only wait. So it is of none while the loop keeps up."""
        return self.under_way > LEAST_UNDER_WAY and self._is_behind() and self.under_way > IN_TIME_SECONDS * self._rate

    def note(self, lag: float, now: float, worked: float) -> None:
        """A tick. lag: seconds that it came late. now: by the loop's clock. worked: seconds of processor that the
        loop's thread has had in all."""
        metrics.LOOP_LAG_SECONDS.observe(lag)
        seconds = max(now - self._noted_at, TICK_SECONDS)
        strained = lag > LATE_SECONDS or worked - self._worked > BUSY_SHARE * seconds
        # Else what it ends is what it was asked for, and says nothing of what it could; also where others, such as
        # strangers, kept it at work.
        if strained and self.under_way >= ENOUGH_UNDER_WAY:
            self._rate += _SHARE * (self.ended / seconds - self._rate)
        self._strained.append(strained)
        self._noted_at, self._worked, self.ended = now, worked, 0

    def _is_behind(self) -> bool:
        return sum(self._strained) >= STRAINED_TICKS

    def _look_at(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self.note(max(0.0, now - due), now, time.thread_time())
        self._look_at(loop, now + TICK_SECONDS)


_ELSEWHERE = Load()
