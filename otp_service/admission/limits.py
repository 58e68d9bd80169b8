"""The limits of the settings, applied to one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from otp_service.domain import limits, recipients
from otp_service.domain.keyring import Names
from otp_service.errors import Refused
from otp_service.settings import Limit, Settings
from otp_service.settings.limits import applying
from otp_service.storage import keys
from otp_service.storage.connection import Step
from otp_service.storage.limits import Counted, Counter, Full, LimitStore, clear_step, uncount_steps
from otp_service.telemetry import metrics

WITH_THE_ATTEMPT = {limits.PHONE, limits.APPLICATION}
"""A limit on wrong codes that counts by these lies beside the verifications of the phone, so that the step which counts
the attempt counts it there, too."""
OF_A_PHONE = ({limits.PHONE}, {limits.PHONE, limits.APPLICATION})
"""What a limit counts by that is the phone's own: the right code clears it, and not only takes its sends back."""

COUNTED_BEFORE_MS = 10_000
"""A message is counted before it is recorded; by more than this only if Redis hardly answers."""
Pseudonyms = Mapping[str, str]
"""Dimension → keyed stand-in of its value."""


class Limits:
    def __init__(self, settings: Settings, names: Names, store: LimitStore) -> None:
        self._names = names
        self._store = store
        self._limits = {
            name: applying(application.limits, settings.limits, f"applications.{name}.limits")
            for name, application in settings.applications.items()
        }
        self._by_themselves = {
            name: [(limit, terms) for limit, terms in own.items() if not _with_the_attempt(terms)]
            for name, own in self._limits.items()
        }
        """Those that are not counted with the attempt."""
        self._words = {
            name: frozenset(word for limit in own.values() for word in limit.per) for name, own in self._limits.items()
        }

    def check_words(self, application: str, words: Mapping[str, str]) -> None:
        """Refuse a caller's own dimension that no limit counts by: a misspelt one would limit nothing."""
        for word in words:
            if word not in self._words[application] or word in limits.DIMENSIONS:
                message = "no limit of this application counts by it"
                raise Refused(
                    "validation_failed",
                    f"`limits.{word}`: {message}.",
                    extra={"errors": [{"field": f"limits.{word}", "message": message}]},
                )

    def words(self, application: str) -> Set[str]:
        """What the application's limits count by."""
        return self._words[application]

    def counters(self, application: str, what: Sequence[str], pseudonyms: Pseudonyms) -> list[Counter]:
        return [
            self._counter(name, limit, pseudonyms)
            for name, limit in self._by_themselves[application]
            if limit.of in what and all(word in pseudonyms for word in limit.per)
        ]

    def counts(self, application: str, what: str) -> bool:
        """Whether there are counters at all, before anybody works out what they count by."""
        return any(limit.of == what for _, limit in self._by_themselves[application])

    def guesses(self, application: str, verification_id: str) -> list[Counter]:
        """What is counted in the same step as an attempt at this verification."""
        located = self._names.locate(verification_id)
        return [
            Counter(name, keys.guesses(*located, name), limit.quota, limit.window_seconds)
            for name, limit in self._limits[application].items()
            if located and _with_the_attempt(limit)
        ]

    async def clear(self, application: str, e164: str) -> dict[str, int]:
        """Begin anew every limit that counts by the phone alone or by the phone in this application; returns how many
        events each had counted."""
        place = self._names.partition(e164), self._names.phone_index(application, e164)
        known = {limits.PHONE: recipients.known(e164).counted, limits.APPLICATION: application}
        pseudonyms = {word: self._names.pseudonym(word, value) for word, value in known.items()}
        return await self._store.clear(
            [
                Counter(name, keys.guesses(*place, name), limit.quota, limit.window_seconds)
                if _with_the_attempt(limit)
                else self._counter(name, limit, pseudonyms)
                for name, limit in self._limits[application].items()
                if set(limit.per) in OF_A_PHONE
            ]
        )

    def guess_refused(self, application: str, guesses: Sequence[Counter], said: str) -> Refused:
        """said: the number of the counter that is full, and the ms until it is not; see take_attempt.lua."""
        number, wait_ms = map(int, said.split(","))
        return self._refusal(application, Full(guesses[number - 1].limit, wait_ms / 1000))

    async def count(self, application: str, counters: Sequence[Counter]) -> list[Counted]:
        """Count one event in each. Raises Refused `limit_exceeded`; then nothing was counted."""
        return self._unless_full(application, await self._store.count(counters))

    async def counted(self, application: str, counters: Sequence[Counter], answers: Sequence[Any]) -> list[Counted]:
        """The same where the steps were asked together with others. answers: to those of `count_steps`."""
        return self._unless_full(application, await self._store.counted(counters, answers))

    async def take_back(self, counted: Sequence[Counted]) -> None:
        await self._store.take_back(counted)

    def proved(self, application: str, pseudonyms: Pseudonyms, sent: Sequence[int], guessed: int) -> list[Step]:
        """What is to be written when the right code came: it was no guess, and its messages were no misuse.

        sent: when each of these left. guessed: when the code was taken. In ms of Redis time. The phone's own limits
        begin anew.
        """
        counters = self.counters(application, [limits.UNVERIFIED_SENDS], pseudonyms)
        of_phone = {name for name, limit in self._limits[application].items() if set(limit.per) in OF_A_PHONE}
        others = [Counted(one, sent, COUNTED_BEFORE_MS) for one in counters if one.limit not in of_phone]
        return [
            *(clear_step(one) for one in counters if one.limit in of_phone),
            *uncount_steps([*others, *self.guessed(application, pseudonyms, guessed)]),
        ]

    def guessed(self, application: str, pseudonyms: Pseudonyms, at: int) -> list[Counted]:
        """A guess as it was counted, right after its attempt was."""
        guesses = self.counters(application, [limits.WRONG_CODES], pseudonyms)
        return [Counted(one, [at + COUNTED_BEFORE_MS], COUNTED_BEFORE_MS) for one in guesses]

    def _unless_full(self, application: str, counted: list[Counted] | Full) -> list[Counted]:
        if isinstance(counted, Full):
            raise self._refusal(application, counted)
        return counted

    def _refusal(self, application: str, full: Full) -> Refused:
        if full.limit not in self._limits[application]:  # made at run time by the caller
            metrics.LIMITED.labels(application, "bucket").inc()
            return Refused("limit_exceeded", "A bucket of this rate limit is full.", retry_after=full.wait_seconds)
        metrics.LIMITED.labels(application, full.limit).inc()
        told = self._limits[application][full.limit].told
        return Refused("limit_exceeded", told, retry_after=full.wait_seconds, extra={"limit": full.limit})

    def _counter(self, name: str, limit: Limit, pseudonyms: Pseudonyms) -> Counter:
        key = keys.limit(self._names.counter(name, *(pseudonyms[word] for word in limit.per)))
        return Counter(name, key, limit.quota, limit.window_seconds)


def _with_the_attempt(limit: Limit) -> bool:
    return limit.of == limits.WRONG_CODES and set(limit.per) == WITH_THE_ATTEMPT
