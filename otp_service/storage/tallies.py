"""What the pumping guard counts, and the report of what it found. Each key has a slot of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from otp_service.domain.events import EventType
from otp_service.domain.pumping import REMEMBERED_PLACES, Decision, Tally, Word
from otp_service.domain.value import Value
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script, Step

REPORT_DAYS = 30
REPORT_THINGS = 5_000
DAY_MS = 86_400_000
_TALLY, _VISIT, _LEAVE, _NOTE, _ALARM = map(
    Script.load, ("tally", "visit_place", "leave_place", "note_finding", "raise_alarm")
)


class Row(Value):
    """One line of the report. reason: '' for all. value: a number block or a country; '' where there is none."""

    word: str
    reason: str
    value: str
    count: int


class TallyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str, memory_ms: int, unverified: int, approved: int) -> Tally:
        """Returns the tally as it is then."""
        return _read(await self._database.run_all([_adding(name, memory_ms, unverified, approved)]))[0]

    async def visit(
        self, block: str, place: int, names: Sequence[str], memory_ms: int
    ) -> tuple[list[int], list[Tally]]:
        """Note a place, and one more send in each of these tallies; returns the other places asked for lately, and the
        tallies."""
        visiting = Step(_VISIT, [keys.places(block)], [place, REMEMBERED_PLACES, memory_ms])
        others, *counts = await self._database.run_all([visiting, *(_adding(name, memory_ms, 1, 0) for name in names)])
        return [int(one) for one in others], _read(counts)

    async def move(self, one: str, other: str, memory_ms: int) -> Tally:
        """A send that was counted in one tally belongs to the other; returns that one."""
        steps = [_adding(one, memory_ms, -1, 0), _adding(other, memory_ms, 1, 0)]
        return _read(await self._database.run_all(steps))[1]

    async def take_back(self, names: Sequence[str], memory_ms: int) -> None:
        """One send less in each of these tallies."""
        await self._database.run_all([_adding(name, memory_ms, -1, 0) for name in names])

    async def note(self, application: str, word: str, things: Sequence[tuple[str, str]]) -> None:
        """Count for the report: the decision as a whole, and reason and value of each finding."""
        if things:
            await self._database.run_all([noting(application, word, things)])

    async def report(self, application: str, days: int) -> list[Row]:
        """What was found in the last days, today included (UTC), the most frequent first."""
        seconds, _ = await self._database.command("TIME")
        first = int(seconds) * 1000 // DAY_MS - days + 1
        flat = await self._database.command("HGETALL", keys.fraud_report(application))
        pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        counts: Counter[tuple[str, str, str]] = Counter()
        for name, count in pairs:
            day, _, thing = name.decode().partition("|")
            if thing and int(day) >= first:
                word, reason, value = thing.split("|", 2)
                counts[word, reason, value] += int(count)
        return [Row(*thing, count) for thing, count in counts.most_common()]

    async def raise_alarm(self, application: str, seconds: int, wrong: int, budget: int) -> bool:
        """Raise it for a while, '' for all applications together; False if it is raised already."""
        lane, kind = _alarm_of(application)
        names = [keys.alarm(lane), keys.due(lane), keys.outbox(lane)]
        return bool(await self._database.run(_ALARM, names, [seconds, kind, application, wrong, budget]))

    async def is_alarmed(self, application: str) -> bool:
        """Whether the alarm is raised for it, or for all."""
        for each in (application, ""):
            if await self._database.command("EXISTS", keys.alarm(_alarm_of(each)[0])):
                return True
        return False


def converting(block: str, place: int, names: Sequence[str], memory_ms: int, sends: int) -> list[Step]:
    """The right code came from a place: it is forgotten, and its sends in these tallies were answered."""
    tallied = [_adding(name, memory_ms, -sends, 1) for name in names]
    return [Step(_LEAVE, [keys.places(block)], [place]), *tallied]


def _adding(name: str, memory_ms: int, unverified: int, approved: int) -> Step:
    return Step(_TALLY, [keys.tally(name)], [memory_ms, unverified, approved])


def _read(replies: Sequence[Sequence[bytes]]) -> list[Tally]:
    return [Tally(float(one), float(other)) for one, other in replies]


def noting(application: str, word: str, things: Sequence[tuple[str, str]]) -> Step:
    """See TallyStore.note."""
    texts = [f"{word}||", *(f"{word}|{reason}|{value}" for reason, value in things)]
    return Step(_NOTE, [keys.fraud_report(application)], [REPORT_DAYS, REPORT_THINGS, f"{word}|other|", *texts])


def _alarm_of(application: str) -> tuple[str, EventType]:
    """Its lane, and what is told of it. What is in the lane of the gateways is told to every application."""
    if application:
        return keys.application_lane(application), EventType.APPLICATION_WRONG_CODES
    return keys.GATEWAYS, EventType.SERVICE_WRONG_CODES


def things(decision: Decision, block: str, country: str) -> list[tuple[str, str]]:
    """What the report says of a decision, without anybody's address or number."""
    values = {"number_block": block, "adjacent_numbers": block, "country": country}
    if decision.word not in (Word.REFUSED, Word.WOULD_REFUSE):
        return []
    return [(str(one.reason), values.get(one.reason, "")) for one in decision.findings]
