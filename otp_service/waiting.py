"""Waiting for a verification to change, for callers who would else ask again and again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from otp_service.storage.verifications import VerificationStore

LOOK_SECONDS = 0.25
"""One question to Redis for all who wait in this process."""
MOST_WAITING = 1000


class Waiting:
    """stopping: whether the process is about to end; then nobody is kept waiting."""

    def __init__(self, store: VerificationStore, stopping: Callable[[], bool]) -> None:
        self._store = store
        self._stopping = stopping
        self._waiting: defaultdict[str, dict[asyncio.Future[None], int]] = defaultdict(dict)
        self._looking: asyncio.Task[None] | None = None

    async def change(self, verification_id: str, revision: int, seconds: float) -> None:
        """Return when the verification has another revision, or after `seconds`. At once where too many wait.

        Raises StorageUnavailable.
        """
        if sum(map(len, self._waiting.values())) >= MOST_WAITING:
            return
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[verification_id][changed] = revision
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="waiting")
        try:
            async with asyncio.timeout(seconds):
                await changed
        except TimeoutError:
            pass
        finally:
            del self._waiting[verification_id][changed]
            if not self._waiting[verification_id]:
                del self._waiting[verification_id]

    async def _look(self) -> None:
        while self._waiting:
            ids = list(self._waiting)
            try:
                revisions = await self._store.revisions(ids)
            except Exception as error:  # theirs to answer
                self._tell_all(error)
                return
            for verification_id, now in zip(ids, revisions, strict=True):
                for changed, revision in self._waiting.get(verification_id, {}).items():
                    if (now != revision or self._stopping()) and not changed.done():
                        changed.set_result(None)
            await asyncio.sleep(LOOK_SECONDS)

    def _tell_all(self, error: Exception) -> None:
        for waiting in self._waiting.values():
            for changed in waiting:
                if not changed.done():
                    changed.set_exception(error)
