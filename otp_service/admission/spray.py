"""The alarm on wrong codes: guessing at many phones, a few tries each, which no limit per phone can see."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from otp_service import metrics
from otp_service.domain.keyring import Names
from otp_service.errors import StorageUnavailable
from otp_service.settings import Settings
from otp_service.storage.tallies import TallyStore

EVERYWHERE = ""
"""All applications together."""
TOLD_SECONDS = 0.25
"""How long a process keeps to itself what was judged. One that dies forgets so much."""

log = structlog.get_logger()


class Spray:
    def __init__(self, settings: Settings, names: Names, store: TallyStore) -> None:
        self._config = settings.guard
        self._names = names
        self._store = store
        self._right: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()

    def judged(self, application: str, *, right: bool) -> None:
        """Count a judged code; it is told to the others a moment later."""
        (self._right if right else self._wrong).update((application, EVERYWHERE))

    async def keep_told(self) -> None:
        """Until canceled."""
        while True:
            await asyncio.sleep(TOLD_SECONDS)
            right, wrong = self._right, self._wrong
            self._right, self._wrong = Counter(), Counter()
            try:
                for scope in {*right, *wrong}:
                    await self._tell(scope, wrong[scope], right[scope])
            except StorageUnavailable:
                log.debug("judged_codes_not_told")

    async def is_alarmed(self, application: str) -> bool:
        return await self._store.is_alarmed(application)

    async def _tell(self, scope: str, wrong: int, right: int) -> None:
        """The alarm is raised where wrong > floor + per approval x right, both fading."""
        memory_ms = self._config.wrong_codes_memory_seconds * 1000
        tally = await self._store.add(self._names.counter("spray", scope), memory_ms, wrong, right)
        budget = self._config.wrong_codes_floor + self._config.wrong_codes_per_approval * tally.approved
        if wrong and tally.unverified > budget:
            await self._raise(scope, tally.unverified, budget)

    async def _raise(self, scope: str, wrong: float, budget: float) -> None:
        seconds = self._config.wrong_codes_memory_seconds
        if await self._store.raise_alarm(scope, seconds, round(wrong), round(budget)):
            metrics.ALARMS.labels(scope or "all").inc()
            log.warning("too_many_wrong_codes", scope=scope or "all", wrong=round(wrong), budget=round(budget))
