"""The SMS pumping guard: counts what domain/pumping.py judges, and remembers what it found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from otp_service.admission.lists import Lists
from otp_service.admission.safe_list import SafeList
from otp_service.domain import pumping
from otp_service.domain.keyring import Names
from otp_service.domain.phone import Phone
from otp_service.domain.pumping import Decision, Finding, Reason, Tally, Word
from otp_service.domain.recipients import Mailbox, Recipient
from otp_service.domain.value import Hidden, Value
from otp_service.errors import Refused
from otp_service.settings import Settings
from otp_service.storage import keys
from otp_service.storage.connection import Step
from otp_service.storage.pumping import (
    CHALLENGE_PASSED,
    CONVERTED,
    Change,
    Row,
    TallyStore,
    finding_step,
    leave_step,
    tallies,
    tally_steps,
    verified_step,
)
from otp_service.telemetry import metrics

VOUCHING = frozenset({Reason.NUMBER_BLOCK, Reason.CLIENT_IP, Reason.CLIENT_PROVIDER, Reason.CLIENT_DEVICE})
"""Where somebody has answered before, one more is no stranger. (A TLS fingerprint is that of everybody's browser.)"""
ANSWERED = 0.5
"""Right codes, faded, from which a place counts as one that answers."""


class Send(Value):
    """Who wants to be sent to, and from where.

    by: dimension → stand-in of what the caller said of the client. trusted: the caller vouches. challenge: it saw one
    passed.
    """

    application: str
    to: Recipient
    client_ip: Hidden[str] = ""
    by: Mapping[str, str] = msgspec.field(default_factory=dict)
    trusted: bool = False
    challenge: bool = False


class Watch(Value):
    """One tally that a send is counted in, and the budget that it is judged by."""

    reason: Reason
    key: str
    memory_ms: int
    floor: float
    per_approval: float

    def change(self, unverified: int, approved: int = 0) -> Change:
        return Change(self.key, self.memory_ms, unverified, approved)

    def over(self, tally: Tally) -> Finding | None:
        return pumping.over_budget(self.reason, tally, self.floor, self.per_approval)


Watched = Sequence[tuple[Watch, Tally]]


class PumpingGuard:
    def __init__(self, settings: Settings, names: Names, store: TallyStore, safe_list: SafeList, lists: Lists) -> None:
        self._settings = settings
        self._names = names
        self._store = store
        self._safe_list = safe_list
        self._lists = lists
        self._config = settings.guard
        self._memory_ms = settings.guard.memory_hours * 3_600_000
        self._watch = lru_cache(maxsize=1024)(self._watch_of)  # a send asks twice, and many share most of theirs

    def mode(self, application: str) -> str:
        return self._settings.applications[application].guard or self._config.mode

    def is_blocked(self, to: Recipient, client_ip: str) -> bool:
        return self._lists.blocks(to.text, client_ip)

    def proved_seconds(self, decision: Decision | None) -> int:
        """For how long a number passes that the right code came from; 0 where the guard is off."""
        return self._config.verified_days * 86_400 if decision else 0

    async def unjudged(self, send: Send, *, unguarded: bool) -> Decision | None:
        """The decision for a send that the guard does not judge; None in mode `off`. unguarded: whatever its lists
        say."""
        if self.mode(send.application) == "off":
            return None
        if unguarded:
            return Decision(Word.PASSED)
        if self._lists.allows(send.to.text, send.client_ip):
            return Decision(Word.PASSED, (Finding(Reason.ALLOW_LIST),))
        if await self._safe_list.holds(send.application, send.to.text):
            return Decision(Word.PASSED, (Finding(Reason.ALLOW_LIST),))
        return None

    def verified_steps(self, send: Send) -> list[Step]:
        """What is to be asked for `verified`."""
        if self.mode(send.application) == "off" or not self._config.verified_days:
            return []
        return [verified_step(*self._located(send), self._memory_ms)]

    async def verified(self, send: Send, answers: Sequence[Any]) -> Decision | None:
        """The decision for a number that the right code came from; None for any other. It is counted in a budget of its
        own. answers: to `verified_steps`. Raises Refused beyond that budget."""
        found = tallies([answer for answer in answers if answer])
        if not found:
            return None
        (tally,) = found
        (watch,) = self._watches(send, Decision(Word.PASSED, verified=True))
        finding = pumping.judged(watch.reason, tally, watch.floor, watch.per_approval)
        counted = Decision(Word.PASSED, (finding,), verified=True, counted=True, challenge=send.challenge)
        return await self._judged(send, [(watch, tally)], counted) if watch.over(tally) else counted

    async def judge(self, send: Send, first: Decision | None = None) -> Decision | None:
        """Count one more message and say what is to be thought of it; None in mode `off`. Raises Refused.

        first: what was thought of the first message of the same verification; it is counted where that one was.
        """
        if self.mode(send.application) == "off":
            return None
        if first and first.word is Word.PASSED and not first.verified:
            return first
        if first and not first.verified:
            counted = replace(first, by_challenge=False)
            watches = self._watches(send, counted)
            added = await self._store.add([one.change(1) for one in watches])
            return await self._judged(send, list(zip(watches, added, strict=True)), counted)
        watched, counted = await self._visited(send)
        return await self._judged(send, watched, counted)

    async def take_back(self, send: Send, decision: Decision | None) -> None:
        """Take back the count of a message that was not sent."""
        if decision and decision.counted:
            await self._store.add([one.change(-1) for one in self._watches(send, decision)])

    def proved(self, send: Send, decision: Decision | None, messages: int) -> list[Step]:
        """What is to be written when the right code came: what was sent for it was not pumping."""
        if decision is None or not (decision.counted or decision.findings):
            return []
        if decision.word is Word.PASSED and not decision.verified:
            return []
        steps = [] if decision.verified else [leave_step(*self._place(send))]
        if decision.counted:
            changes = [one.change(-messages, 1) for one in self._watches(send, decision)]
            if decision.by_challenge:  # a person, so the place itself has answered
                changes += [one.change(0, 1) for one in self._watches(send, replace(decision, by_challenge=False))]
            steps += tally_steps(changes)
        if decision.word is Word.WOULD_REFUSE:
            steps.append(finding_step(send.application, CONVERTED, _things(send, decision.findings)))
        return steps

    async def report(self, application: str, days: int) -> list[Row]:
        return await self._store.report(application, days)

    async def _visited(self, send: Send) -> tuple[Watched, Decision]:
        """Its tallies with this message, and where it was counted.

        Whether it is in a row, and whether anybody vouches for it, is known once it is counted as if it were an
        ordinary one; that saves ordinary ones a question.
        """
        ordinary = self._watches(send, Decision(Word.ALLOWED))
        block, place = self._place(send)
        others, visited = await self._store.visit(block, place, self._memory_ms, [one.change(1) for one in ordinary])
        watched = list(zip(ordinary, visited, strict=True))
        row = isinstance(send.to, Phone) and pumping.in_row(place, others)
        at_home = isinstance(send.to, Phone) and send.to.region == self._settings.applications[send.application].region
        stranger = at_home and not (send.trusted or any(map(_vouches, watched)))
        counted = Decision(Word.ALLOWED, row=row, stranger=stranger, counted=True, challenge=send.challenge)
        if not row and not stranger:
            return watched, counted
        watches = self._watches(send, counted)
        gone, new = [one for one in ordinary if one not in watches], [one for one in watches if one not in ordinary]
        added = await self._store.add([*(one.change(1) for one in new), *(one.change(-1) for one in gone)])
        known = {one.key: tally for one, tally in [*watched, *zip(new, added, strict=False)]}
        return [(one, known[one.key]) for one in watches], counted

    async def _judged(self, send: Send, watched: Watched, counted: Decision) -> Decision:
        """What comes of a message that is counted in these. Raises Refused, and then it is not."""
        findings = _over(watched)
        decision = replace(counted, word=Word.ALLOWED, findings=findings, counted=True, by_challenge=False)
        if findings:
            word = self._word(send, findings)
            if word is Word.CHALLENGED and send.challenge:
                decision = await self._by_challenge(send, decision)
            else:
                stays = word is Word.WOULD_REFUSE and self.mode(send.application) != "shadow"
                decision = replace(decision, word=word, counted=stays)
            if not decision.counted:
                await self._store.add([one.change(-1) for one, _ in watched])
            told = CHALLENGE_PASSED if decision.by_challenge else str(decision.word)
            await self._store.note(send.application, told, _things(send, findings))
        metrics.GUARDED.labels(send.application, decision.word).inc()
        if decision.word is Word.CHALLENGED:
            raise Refused(
                "challenge_required",
                "Have the person pass a challenge, and ask again with `client.challenge_passed`.",
                extra={"reasons": [str(finding.reason) for finding in findings]},
            )
        if decision.word is Word.REFUSED:
            raise Refused(
                "suspected_pumping",
                "Too many codes that nobody entered went to numbers like this one or were requested from this address.",
                extra={"reasons": [str(finding.reason) for finding in findings]},
            )
        return decision

    def _word(self, send: Send, findings: Sequence[Finding]) -> Word:
        """What is to come of a send that is over these budgets.

        What concerns the whole country is never refused for that alone, since it would be refused to everybody.
        """
        mode, home = self.mode(send.application), self._settings.applications[send.application].region
        wide = {Reason.STRANGERS, Reason.COUNTRY} if send.to.region == home else set()
        if mode == "shadow":
            return Word.WOULD_REFUSE
        if mode == "enforce":
            return Word.CHALLENGED if all(one.reason in wide for one in findings) else Word.REFUSED
        plain = any(one.unverified > self._config.plain_evidence * one.budget for one in findings)
        return Word.CHALLENGED if plain else Word.WOULD_REFUSE

    async def _by_challenge(self, send: Send, decision: Decision) -> Decision:
        """Count it with those that passed a challenge, in place of the others; refused beyond that budget."""
        ordinary, passed = self._watches(send, decision), self._watches(send, replace(decision, by_challenge=True))
        added = await self._store.add([one.change(1) for one in passed])
        if _over(list(zip(passed, added, strict=True))):
            await self._store.add([one.change(-1) for one in passed])
            return replace(decision, word=Word.REFUSED, counted=False)
        await self._store.add([one.change(-1) for one in ordinary])
        return replace(decision, by_challenge=True)

    def _watches(self, send: Send, decision: Decision) -> list[Watch]:
        """All tallies that a message is counted in, by what is known of it.

        The application's own region is everybody's, so it is looked at for a shorter time, and more closely.
        """
        config, application = self._config, send.application
        group = "challenged" if decision.by_challenge else "guard"

        def watch(reason: Reason, value: str, floor: float, *, region: bool = False) -> Watch:
            return self._watch(group, application, reason, value, floor, region=region)

        if decision.verified:
            own = watch(Reason.VERIFIED_NUMBER, send.to.text, config.verified_floor)
            return [own if decision.by_challenge else replace(own, key=keys.verified(*self._located(send)))]
        if isinstance(send.to, Mailbox):
            found = [watch(Reason.ADDRESS_DOMAIN, send.to.domain, config.domain_floor)]
        elif decision.row:
            found = [watch(Reason.ADJACENT_NUMBERS, send.to.block, config.row_floor)]
        else:
            found = [watch(Reason.NUMBER_BLOCK, send.to.block, config.block_floor)]
        floors = {
            Reason.CLIENT_IP: config.ip_floor,
            Reason.CLIENT_PROVIDER: config.provider_floor,
            Reason.CLIENT_DEVICE: config.device_floor,
            Reason.CLIENT_JA4: config.ja4_floor,
        }
        found += [watch(reason, send.by[reason], floor) for reason, floor in floors.items() if send.by.get(reason)]
        if isinstance(send.to, Mailbox):  # of no country
            return found
        if send.to.region != self._settings.applications[application].region:
            return [*found, watch(Reason.COUNTRY, send.to.region, config.country_floor)]
        at_home = watch(Reason.COUNTRY, send.to.region, config.region_floor, region=True)
        found.append(replace(at_home, memory_ms=config.region_memory_minutes * 60_000))
        if decision.stranger:
            found.append(watch(Reason.STRANGERS, send.to.region, config.region_floor, region=True))
        return found

    def _watch_of(
        self, group: str, application: str, reason: Reason, value: str, floor: float, *, region: bool
    ) -> Watch:
        name = self._names.counter(group, application, reason, value)
        per_approval = self._config.region_per_approval if region else self._config.unverified_per_approval
        return Watch(reason, keys.tally(name), self._memory_ms, floor, per_approval)

    def _place(self, send: Send) -> tuple[str, int]:
        """A stand-in of the block, and the place in it, shifted so that nobody reads digits of a phone there."""
        if isinstance(send.to, Mailbox):  # no address is next to another: one place for each, and nobody looks
            name = self._names.counter("places", send.application, send.to.domain)
            return name, int(self._names.counter("place", send.to.counted)[:8], 16) % pumping.BLOCK_SIZE
        name = self._names.counter("places", send.application, send.to.block)
        shift = int(self._names.counter("shift", send.application, send.to.block)[:8], 16)
        return name, (send.to.place_in_block + shift) % pumping.BLOCK_SIZE

    def _located(self, send: Send) -> tuple[int, str]:
        return self._names.partition(send.to.text), self._names.phone_index(send.application, send.to.text)


def _over(watched: Watched) -> tuple[Finding, ...]:
    return tuple(finding for one, tally in watched if (finding := one.over(tally)))


def _vouches(watched: tuple[Watch, Tally]) -> bool:
    watch, tally = watched
    return watch.reason in VOUCHING and tally.approved >= ANSWERED and not watch.over(tally)


def _things(send: Send, findings: Iterable[Finding]) -> Sequence[tuple[str, str]]:
    """What the report says of findings, without anybody's address or number."""
    if isinstance(send.to, Mailbox):
        return [(str(one.reason), "") for one in findings]
    block, country = send.to.block, send.to.region
    values = {
        Reason.NUMBER_BLOCK: block,
        Reason.ADJACENT_NUMBERS: block,
        Reason.VERIFIED_NUMBER: block,
        Reason.COUNTRY: country,
        Reason.STRANGERS: country,
    }
    return [(str(one.reason), values.get(one.reason, "")) for one in findings]
