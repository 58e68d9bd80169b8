"""Asking once more after a lost answer. Only for calls that are safe to repeat: reads, and scripts that recognise a
repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from otp_service.errors import StorageUnavailable

TRIES = 5
PAUSE_SECONDS = 0.02
"""Before the second try; before each further one twice as long, so that a server's restart may be bridged."""

LONGEST_PAUSE_SECONDS = 0.25
"""Between two tries of what is asked until it is done."""

T = TypeVar("T")


async def retry_lost(ask: Callable[[], Awaitable[T]], seconds: float, silence: float) -> tuple[T, bool]:
    """The answer, and whether an earlier one was lost: then what was asked for may already have been done.

    seconds: within which faults are worth another try. silence: seconds after which an answer counts as lost; then it
    is asked for once more, and that is waited for as long as `ask` does, which may have to follow a slot that moves.
    Raises StorageUnavailable as `ask` does. A primary that has it and a replica that has not is not a lost answer.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    for attempt in range(1, TRIES):
        try:
            async with asyncio.timeout(silence):
                return await ask(), attempt > 1
        except TimeoutError:
            break
        except StorageUnavailable as fault:
            if fault.code != "storage_unavailable" or loop.time() >= ends:
                raise
            await asyncio.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    return await ask(), True


async def until_done(ask: Callable[[], Awaitable[T]], deadline: float) -> T:
    """The answer of the first try that has one. deadline: no try begins after it, by the event loop's clock.

    For what has to be written, however long Redis is away. Raises StorageUnavailable as the last try did.
    """
    loop = asyncio.get_running_loop()
    pause = PAUSE_SECONDS
    while True:
        try:
            return await ask()
        except StorageUnavailable:
            if loop.time() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
