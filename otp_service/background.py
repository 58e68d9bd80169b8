"""Loops that a process runs beside its requests: each outlives every error, and readiness names one that does not work.

What must not be lost is never left to such a loop alone: it is a due job in Redis (worker).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from otp_service.errors import OtpError
from otp_service.telemetry import metrics

PAUSE_SECONDS = (0.5, 2.0)
"""After a step that failed; doubled from the first to the last while it goes on failing."""
LATE_SECONDS = 10.0
CANCEL_AGAIN_SECONDS = 0.5

Step = Callable[[], Awaitable[float | None]]
"""Does the work once, and returns the seconds until it is to be done again; None for never."""

log = structlog.get_logger()
_running: set[Loop] = set()


class Loop:
    """Calls `step` again and again. What it raises is logged and counted, and after a pause it is called again.

    late_seconds: what a step may take.
    """

    def __init__(self, name: str, step: Step, *, late_seconds: float = LATE_SECONDS) -> None:
        self.name = name
        self._step = step
        self._late_seconds = late_seconds
        self._failures = 0
        self._late_at = time.monotonic() + late_seconds
        self._alive = True
        self._errors = metrics.BACKGROUND_ERRORS.labels(name)

    @property
    def state(self) -> str:
        """`ok`; `failing`, when its last step ended in an error; `late`, when a step does not end; `dead`."""
        if not self._alive:
            return "dead"
        if time.monotonic() >= self._late_at:
            return "late"
        return "failing" if self._failures else "ok"

    async def run(self, stopping: asyncio.Event | None = None) -> None:
        """Until a step says that it was the last, until `stopping` is set, or until canceled."""
        done = False
        try:
            while not (stopping and stopping.is_set()):
                pause = await self._once()
                if pause is None:
                    break
                self._late_at = time.monotonic() + pause + self._late_seconds
                if stopping is None:
                    await asyncio.sleep(pause)
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await stopping.wait()
            self._late_at, done = float("inf"), True
        finally:
            self._alive = done

    async def _once(self) -> float | None:
        try:
            pause = await self._step()
        except Exception as error:
            self._failures += 1
            self._errors.inc()
            if isinstance(error, OtpError):  # whoever raised it has said why
                log.warning("background_failed", loop=self.name, error=error.code)
            else:
                log.exception("background_failed", loop=self.name)
            return min(PAUSE_SECONDS[0] * (1 << min(self._failures - 1, 10)), PAUSE_SECONDS[1])
        else:
            self._failures = 0
            return pause


@asynccontextmanager
async def running(loop: Loop, run: Callable[[], Coroutine[Any, Any, None]] | None = None) -> AsyncIterator[None]:
    """Run a loop beside what is done within; afterwards it has ended, whatever it was at. run: what runs it, if not it
    itself."""
    task = asyncio.create_task((run or loop.run)(), name=loop.name)
    _running.add(loop)
    try:
        yield
    finally:
        _running.discard(loop)
        # Until it has ended: a cancel that comes while a connection is made can get lost in the client.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
        if not task.cancelled() and (error := task.exception()):
            log.error("background_died", loop=loop.name, exc_info=error)


def states() -> dict[str, str]:
    """The loops of this process that have a problem, by name; of loops with the same name the worst state."""
    order = ("failing", "late", "dead")
    found: dict[str, str] = {}
    for loop in _running:
        state = loop.state
        if state in order and order.index(state) >= order.index(found.get(loop.name, "failing")):
            found[loop.name] = state
    return found
