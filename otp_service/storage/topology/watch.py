"""Looking again where the primaries are: now and then, and soon after an answer that makes one doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

SHORTEST_PAUSE = 0.1
"""Seconds between two looks, however many calls fail."""

log = structlog.get_logger()


class Watch:
    """Calls `look` each `seconds`, and at once after `doubt`. Calls never wait for it: they fail until it has found."""

    def __init__(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._doubted = asyncio.Event()

    def doubt(self) -> None:
        self._doubted.set()

    async def run(self) -> None:
        """Until canceled."""
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._doubted.wait()
            except TimeoutError:
                pass
            self._doubted.clear()
            try:
                await self._look()
            except Exception:
                log.exception("topology_watch_failed")
            await asyncio.sleep(SHORTEST_PAUSE)
