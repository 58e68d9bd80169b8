"""The alarm on wrong codes: guessing at many phones, a few tries each, which no limit per phone can see."""

from __future__ import annotations

import structlog

from otp_service import metrics
from otp_service.domain.keyring import Names
from otp_service.settings import Settings
from otp_service.storage.tallies import TallyStore

EVERYWHERE = ""
"""All applications together."""

log = structlog.get_logger()


class Spray:
    def __init__(self, settings: Settings, names: Names, store: TallyStore) -> None:
        self._config = settings.guard
        self._names = names
        self._store = store

    async def judged(self, application: str, *, right: bool) -> None:
        """Count a judged code. The alarm is raised where wrong > floor + per approval x right, both fading."""
        scopes = (application, EVERYWHERE)
        names = [self._names.counter("spray", scope) for scope in scopes]
        memory_ms = self._config.wrong_codes_memory_seconds * 1000
        tallies = await self._store.add(names, memory_ms, int(not right), int(right))
        for scope, tally in zip(scopes, tallies, strict=True):
            budget = self._config.wrong_codes_floor + self._config.wrong_codes_per_approval * tally.approved
            if not right and tally.unverified > budget:
                await self._raise(scope, tally.unverified, budget)

    async def is_alarmed(self, application: str) -> bool:
        return await self._store.is_alarmed(application)

    async def _raise(self, scope: str, wrong: float, budget: float) -> None:
        seconds = self._config.wrong_codes_memory_seconds
        if await self._store.raise_alarm(scope, seconds, round(wrong), round(budget)):
            metrics.ALARMS.labels(scope or "all").inc()
            log.warning("too_many_wrong_codes", scope=scope or "all", wrong=round(wrong), budget=round(budget))
