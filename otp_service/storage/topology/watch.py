"""Looking again where the primaries are: now and then, and soon after an answer that makes one doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from otp_service.background import LATE_SECONDS, Loop

SHORTEST_PAUSE = 0.1
"""Seconds between two looks, however many calls fail."""


class Watch:
    """Calls `look` each `seconds`, and at once after `doubt`. Calls never wait for it: they fail until it has found.

    loop: what does it.
    """

    def __init__(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._doubted = asyncio.Event()
        self.loop = Loop("topology", self._watch, late_seconds=seconds + LATE_SECONDS)

    def doubt(self) -> None:
        self._doubted.set()

    async def _watch(self) -> float:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._doubted.wait()
        self._doubted.clear()
        await self._look()
        return SHORTEST_PAUSE
