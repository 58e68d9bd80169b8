"""What the pumping guard counts, and the report of what it found. Each key has a slot of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from otp_service.domain.events import EventType
from otp_service.domain.pumping import REMEMBERED_PLACES, Tally, Word
from otp_service.domain.value import Value
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script, Step, hash_of

REPORT_DAYS = 30
REPORT_THINGS = 5_000
DAY_MS = 86_400_000
CONVERTED = "converted"
CHALLENGE_PASSED = "challenge_passed"
"""What the report counts beside decisions: sends that the right code followed, and those that a challenge let out."""
_TALLY, _VERIFIED = (Script.load(f"pumping/{name}", "pumping/_tally") for name in ("tally", "visit_verified"))
_VISIT, _LEAVE, _NOTE, _ALARM = (
    Script.load(f"pumping/{name}") for name in ("visit_place", "leave_place", "note_finding", "raise_alarm")
)


class Row(Value):
    """One line of the report. reason: '' for all. value: a number block or a country; '' where there is none."""

    word: str
    reason: str
    value: str
    count: int


class Change(Value):
    """Of one tally. key: of storage.keys; unverified, approved: what is added."""

    key: str
    memory_ms: int
    unverified: int
    approved: int = 0


class TallyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, changes: Sequence[Change]) -> list[Tally]:
        """Returns the tallies as they are then."""
        return tallies(await self._database.run_all(tally_steps(changes))) if changes else []

    async def visit(
        self, block: str, place: int, memory_ms: int, changes: Sequence[Change]
    ) -> tuple[list[int], list[Tally]]:
        """Note a place for so long, and change tallies; returns the other places asked for lately, and the tallies."""
        visiting = Step(_VISIT, [keys.places(block)], [place, REMEMBERED_PLACES, memory_ms])
        others, *counts = await self._database.run_all([visiting, *tally_steps(changes)])
        return [int(one) for one in others if one.isdigit()], tallies(counts)

    async def note(self, application: str, word: str, things: Sequence[tuple[str, str]]) -> None:
        """Count for the report: the decision as a whole, and reason and value of each finding."""
        if things:
            await self._database.run_all([finding_step(application, word, things)])

    async def report(self, application: str, days: int) -> list[Row]:
        """What was found in the last days, today included (UTC), the most frequent first.

        A row that cannot be read is set aside and counts nothing.
        """
        seconds, _ = await self._database.command("TIME")
        first = int(seconds) * 1000 // DAY_MS - days + 1
        counts: Counter[tuple[str, str, str]] = Counter()
        for key in (keys.fraud_report(application), keys.challenge_report(application)):
            spoilt = False
            for name, count in hash_of(await self._database.command("HGETALL", key)).items():
                try:
                    day, _, thing = name.decode().partition("|")
                    if thing and int(day) >= first:
                        word, reason, value = thing.split("|", 2)
                        counts[word, reason, value] += int(count)
                except ValueError:
                    spoilt = True
            if spoilt:
                await self._database.mend([key])
        return [Row(*thing, count) for thing, count in counts.most_common()]

    async def raise_alarm(self, application: str, seconds: int, wrong: int, budget: int) -> bool:
        """Raise the alarm for a while, '' for all applications together; False if it is raised already."""
        lane, kind = _alarm_of(application)
        names = [keys.alarm(lane), keys.due(lane), keys.outbox(lane)]
        return bool(await self._database.run(_ALARM, names, [seconds, kind, application, wrong, budget]))

    async def is_alarmed(self, application: str) -> bool:
        """Whether the alarm is raised for it, or for all."""
        for each in (application, ""):
            if await self._database.command("EXISTS", keys.alarm(_alarm_of(each)[0])):
                return True
        return False


def leave_step(block: str, place: int) -> Step:
    """The right code came from a place, so it is forgotten."""
    return Step(_LEAVE, [keys.places(block)], [place])


def tally_steps(changes: Sequence[Change]) -> list[Step]:
    return [Step(_TALLY, [one.key], [one.memory_ms, one.unverified, one.approved]) for one in changes]


def verified_step(partition: int, phone_index: str, memory_ms: int) -> Step:
    """Count one more send to a phone that was proved, in its own tally; nothing is answered if it was not."""
    return Step(_VERIFIED, [keys.proved(partition, phone_index), keys.verified(partition, phone_index)], [memory_ms])


def tallies(replies: Sequence[Sequence[bytes]]) -> list[Tally]:
    """What steps say of their tallies."""
    return [Tally(float(one), float(other)) for one, other in replies]


def finding_step(application: str, word: str, things: Sequence[tuple[str, str]]) -> Step:
    """See TallyStore.note. Earlier versions know fewer words, and read one report only."""
    texts = [f"{word}||", *(f"{word}|{reason}|{value}" for reason, value in things)]
    known = word in (Word.REFUSED, Word.WOULD_REFUSE, CONVERTED)
    key = keys.fraud_report(application) if known else keys.challenge_report(application)
    return Step(_NOTE, [key], [REPORT_DAYS, REPORT_THINGS, f"{word}|other|", *texts])


def _alarm_of(application: str) -> tuple[str, EventType]:
    """Its lane, and what is told of it. What is in the lane of the gateways is told to every application."""
    if application:
        return keys.application_lane(application), EventType.APPLICATION_WRONG_CODES
    return keys.GATEWAYS, EventType.SERVICE_WRONG_CODES
