"""The alarm on wrong codes: guessing at many phones, a few tries each, which no limit per phone can see."""

from __future__ import annotations

from collections import Counter

import structlog

from otp_service.domain.keyring import Names
from otp_service.settings import Settings
from otp_service.storage import keys
from otp_service.storage.pumping import Change, TallyStore
from otp_service.telemetry import metrics

EVERYWHERE = ""
"""All applications together."""
TOLD_SECONDS = 0.25
"""How often a process adds its judged codes to the common count. One that dies loses those of that time."""

log = structlog.get_logger()


class WrongCodeAlarm:
    def __init__(self, settings: Settings, names: Names, store: TallyStore) -> None:
        self._config = settings.guard
        self._names = names
        self._store = store
        self._right: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()

    def judged(self, application: str, *, right: bool) -> None:
        """Count a judged code; it is added to the common count a moment later."""
        (self._right if right else self._wrong).update((application, EVERYWHERE))

    async def tell(self) -> float:
        """Tell the others what was judged here. What cannot be told is kept for the next time.

        The alarm is raised where wrong > floor + per approval x right, both fading.
        """
        seconds = self._config.wrong_codes_memory_seconds
        for scope in {*self._right, *self._wrong}:
            right, wrong = self._right.pop(scope, 0), self._wrong.pop(scope, 0)
            try:
                name = keys.tally(self._names.counter("spray", scope))
                (tally,) = await self._store.add([Change(name, seconds * 1000, wrong, right)])
                budget = self._config.wrong_codes_floor + self._config.wrong_codes_per_approval * tally.approved
                counted = round(tally.unverified)
                over = wrong and tally.unverified > budget
                if over and await self._store.raise_alarm(scope, seconds, counted, round(budget)):
                    metrics.ALARMS.labels(scope or "all").inc()
                    log.warning("too_many_wrong_codes", scope=scope or "all", wrong=counted, budget=round(budget))
            except Exception:
                self._right[scope] += right
                self._wrong[scope] += wrong
                raise
        return TOLD_SECONDS

    async def is_alarmed(self, application: str) -> bool:
        return await self._store.is_alarmed(application)
