"""A Redis that is away, in the log: one line when it goes, one a minute, one when it is back.

Callers hear of each call that failed; the log would say the same thing hundreds of times a second.
"""

from __future__ import annotations

import time

import structlog

TELL_EACH_SECONDS = 60.0
BACK_AFTER_SECONDS = 2.0
"""How long no call may have failed before Redis counts as back: of several servers one may still be away."""

log = structlog.get_logger()


class Outage:
    def __init__(self) -> None:
        self._since = self._last = self._told = 0.0
        self._calls = 0

    def note_fault(self, operation: str, fault: str) -> None:
        """fault: the kind of the error."""
        self._last = now = time.monotonic()
        self._calls += 1
        if not self._since:
            self._since = self._told = now
            log.warning("storage_unavailable", operation=operation, error=fault)
        elif now - self._told >= TELL_EACH_SECONDS:
            self._told = now
            log.warning("storage_still_unavailable", error=fault, seconds=round(now - self._since), calls=self._calls)

    def note_answer(self) -> None:
        if self._since and time.monotonic() - self._last >= BACK_AFTER_SECONDS:
            log.info("storage_back", seconds=round(self._last - self._since, 1), calls=self._calls)
            self._since, self._calls = 0.0, 0
