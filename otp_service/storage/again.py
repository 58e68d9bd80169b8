"""Asking once more after an answer that was lost. Only for what bears it: reads, and scripts that know their repeat."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from otp_service.errors import StorageUnavailable

TRIES = 3
QUICKLY_SECONDS = 0.15
"""A connection that broke costs nothing, so it is worth another try. Silence has already cost the caller's patience."""

T = TypeVar("T")


async def again(ask: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
    """The answer, and whether an earlier one was lost: then what was asked for may already have been done.

    Raises StorageUnavailable as `ask` does. A primary that has it and a replica that has not is not a lost answer.
    """
    began = time.monotonic()
    for attempt in range(1, TRIES):
        try:
            return await ask(), attempt > 1
        except StorageUnavailable as fault:
            if fault.code != "storage_unavailable" or time.monotonic() - began > QUICKLY_SECONDS:
                raise
    return await ask(), True
