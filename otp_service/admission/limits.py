"""The limits of the settings, applied to one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otp_service import metrics
from otp_service.domain import limits
from otp_service.domain.keyring import Names
from otp_service.errors import Refused
from otp_service.settings import Limit, Settings
from otp_service.settings.limits import applying
from otp_service.storage import keys
from otp_service.storage.connection import Step
from otp_service.storage.limits import Counter, Full, LimitStore, taking_back

WITH_THE_ATTEMPT = {limits.PHONE, limits.APPLICATION}
"""A limit on wrong codes that counts by these lies beside the verifications of the phone, so that the step which counts
the attempt counts it there, too."""
OF_A_PHONE = ({limits.PHONE}, {limits.PHONE, limits.APPLICATION})
"""What a limit counts by that is the phone's own: the right code clears it, and not only takes its sends back."""

StandIns = Mapping[str, str]
"""Dimension → keyed stand-in of its value."""


class Limits:
    def __init__(self, settings: Settings, names: Names, store: LimitStore) -> None:
        self._names = names
        self._store = store
        self._limits = {
            name: applying(application.limits, settings.limits, f"applications.{name}.limits")
            for name, application in settings.applications.items()
        }

    def check_words(self, application: str, words: Mapping[str, str]) -> None:
        """Refuse a caller's own dimension that no limit counts by: a misspelt one would limit nothing."""
        known = {word for limit in self._limits[application].values() for word in limit.per}
        for word in words:
            if word not in known or word in limits.DIMENSIONS:
                message = "no limit of this application counts by it"
                raise Refused(
                    "validation_failed",
                    f"Not understood: limits.{word}.",
                    extra={"errors": [{"field": f"limits.{word}", "message": message}]},
                )

    def counters(self, application: str, what: Sequence[str], stand_ins: StandIns) -> list[Counter]:
        return [
            self._counter(name, limit, stand_ins)
            for name, limit in self._by_themselves(application, what)
            if all(word in stand_ins for word in limit.per)
        ]

    def counts(self, application: str, what: str) -> bool:
        """Whether there are counters at all, before anybody works out what they count by."""
        return bool(self._by_themselves(application, [what]))

    def guesses(self, application: str, verification_id: str) -> list[Counter]:
        """What is counted in the same step as an attempt at this verification."""
        located = self._names.locate(verification_id)
        return [
            Counter(name, keys.guesses(*located, name), limit.quota, limit.window_seconds)
            for name, limit in self._limits[application].items()
            if located and _with_the_attempt(limit)
        ]

    def guess_refused(self, application: str, guesses: Sequence[Counter], said: str) -> Refused:
        """said: the number of the counter that is full, and the ms until it is not; see take_attempt.lua."""
        number, wait_ms = map(int, said.split(","))
        return self._refusal(application, Full(guesses[number - 1].limit, wait_ms / 1000))

    async def count(self, application: str, counters: Sequence[Counter]) -> None:
        """Raises Refused `limit_exceeded`; then nothing was counted."""
        full = await self._store.count(counters)
        if full:
            raise self._refusal(application, full)

    async def take_back(self, counters: Sequence[Counter]) -> None:
        await self._store.take_back([(counter, 1) for counter in counters])

    def proved(self, application: str, stand_ins: StandIns, sends: int) -> list[Step]:
        """What is to be written when the right code came: it was no guess, and its sends were no misuse.

        The phone's own limits begin anew.
        """
        guesses = self.counters(application, [limits.WRONG_CODES], stand_ins)
        counters = self.counters(application, [limits.UNVERIFIED_SENDS], stand_ins)
        of_phone = {name for name, limit in self._limits[application].items() if set(limit.per) in OF_A_PHONE}
        forgiven = [(one, one.quota if one.limit in of_phone else sends) for one in counters]
        return taking_back([*((one, 1) for one in guesses), *forgiven])

    def _by_themselves(self, application: str, what: Sequence[str]) -> list[tuple[str, Limit]]:
        """Limits of these, without those that are counted with the attempt."""
        listed = self._limits[application].items()
        return [(name, limit) for name, limit in listed if limit.of in what and not _with_the_attempt(limit)]

    def _refusal(self, application: str, full: Full) -> Refused:
        metrics.LIMITED.labels(application, full.limit).inc()
        told = self._limits[application][full.limit].told
        return Refused("limit_exceeded", told, retry_after=full.wait_seconds, extra={"limit": full.limit})

    def _counter(self, name: str, limit: Limit, stand_ins: StandIns) -> Counter:
        key = keys.limit(self._names.counter(name, *(stand_ins[word] for word in limit.per)))
        return Counter(name, key, limit.quota, limit.window_seconds)


def _with_the_attempt(limit: Limit) -> bool:
    return limit.of == limits.WRONG_CODES and set(limit.per) == WITH_THE_ATTEMPT
