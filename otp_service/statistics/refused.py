"""What was refused before there was a verification, and so has no event: counted and remembered of its phone here, and
written once a second."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Literal

from otp_service.domain import statistics
from otp_service.errors import Refused
from otp_service.storage.connection import Database
from otp_service.storage.refusals import RefusalStore
from otp_service.storage.statistics import StatisticsStore

WRITTEN_SECONDS = 1.0
"""How long a process keeps to itself what it refused. One that is killed forgets so much."""
MOST = 1_000
"""Groups, and refusals of phones, that wait to be written; strangers choose country and phone."""

Kind = Literal["limit", "guard", "budget"]
_KINDS: dict[str, Kind] = {
    "limit_exceeded": "limit",
    "on_block_list": "guard",
    "suspected_pumping": "guard",
    "challenge_required": "guard",
    "budget_exhausted": "budget",
}


_OF_THE_PHONE = frozenset({
    *_KINDS, "country_not_allowed", "number_type_not_allowed", "phone_rejected", "too_soon", "no_sends_left",
    "too_many_failures", "phone_disabled",
})  # fmt: skip
"""Refusals that tell why no code came; all others are of the request, and its caller's to mend."""


class RefusalCounter:
    def __init__(self, database: Database, store: StatisticsStore, of_phones: RefusalStore) -> None:
        self._database = database
        self._store = store
        self._of_phones = of_phones
        self._waiting: Counter[tuple[str, str, str, str]] = Counter()
        self._remembered: defaultdict[str, set[tuple[str, str, str]]] = defaultdict(set)

    def note(self, application: str, channel: str, country: str, code: str) -> None:
        """code: of the refusal; those that are no limit, guard or budget are not counted."""
        kind = _KINDS.get(code)
        group = (application, channel, country, kind or "")
        if kind and (group in self._waiting or len(self._waiting) < MOST):
            self._waiting[group] += 1

    def remember(self, application: str, index: str, refusal: Refused) -> None:
        """index: of the phone. What has a verification is told there."""
        if refusal.code in _OF_THE_PHONE and "verification_id" not in refusal.extra:
            waiting, extra = self._remembered[application], refusal.extra
            if len(waiting) < MOST:
                waiting.add((index, refusal.code, str(extra.get("limit") or extra.get("reason") or "")))

    async def write(self) -> float:
        """Write what was counted; what Redis did not answer for is forgotten: rather once less than twice."""
        while self._remembered:
            await self._of_phones.note(*self._remembered.popitem())
        if self._waiting:
            seconds, micros = next(iter((await self._database.everywhere("TIME", some=True)).values()))
            waiting, self._waiting = self._waiting, Counter()
            at = int(seconds) * 1000 + int(micros) // 1000
            for application in {key[0] for key in waiting}:
                additions = [
                    statistics.refusal(at, kind, channel, country, times)
                    for (named, channel, country, kind), times in waiting.items()
                    if named == application
                ]
                await self._store.add(application, additions)
        return WRITTEN_SECONDS
