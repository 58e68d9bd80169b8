"""Events in Redis: from the outboxes of the lanes, where scripts leave them, to the log of each application.

A script cannot write into another slot, so it leaves its events in an outbox of its own. A relay, run by the worker,
passes them on; each arrives in its log exactly once, because a log remembers how far it has read each outbox.
"""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import msgspec
import structlog

from otp_service.domain import number_plan
from otp_service.domain.events import Event, type_of
from otp_service.domain.keyring import Keyring
from otp_service.errors import Unreadable
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script, Step
from otp_service.storage.statistics import MOST_GROUPS, StatisticsStore, written
from otp_service.storage.subject_records import open_person
from otp_service.storage.topology import Call

log = structlog.get_logger()

SEARCH_SECONDS = 0.15
SEARCHED_AT_ONCE = 500
MOST_FOUND = 50
BATCH = 64
"""Events of one outbox that are read together, and of one application that are appended in one call. One is some 40
arguments; Redis serves nobody else until a call is done, and a script can spread 8,000 at most (Lua 5.1,
LUAI_MAXCSTACK)."""
MOST_FIELDS = 64
"""Of one event, so that a batch of the longest fits into one call, too. Ours have fewer than 40."""
_CLEAR = Script.load("event/clear_outbox")
_APPEND = Script.load("event/append", "statistics/_rows")

_LAYOUT = dict.fromkeys(
    b"type at application subject key_id phone purpose channel reference status created_at expires_at attempts"
    b" max_attempts sends max_sends kind service tags assurance message message:gateway message:channel message:status"
    b" message:updated_at message:sent_at message:parts message:price message:reason".split(),
    b"",
)
"""What a log keeps of a verification's event. All have these fields, in this order: of those a stream keeps the names
only once."""
_COUNTED_ALONE = (
    b"country operator test withheld message:ended_at message:failover message:counted message:others".split()
)
"""Fields that only its statistics ask for, so no log keeps them."""

Entry = tuple[bytes, Mapping[bytes, bytes]]
"""Of a stream: its id and its fields."""


class EventStore:
    """keep_seconds: how long a log keeps events. jobs: per application, what is to be done after new events came.

    more_jobs: the same, of what callers asked for at run time.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        keep_seconds: int,
        jobs: Mapping[str, Sequence[str]],
        statistics: StatisticsStore,
        more_jobs: Callable[[str], Awaitable[Sequence[str]]] | None = None,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._keep_ms = keep_seconds * 1000
        self._jobs = jobs
        self._statistics = statistics
        self._more_jobs = more_jobs

    async def relay(self, lanes: Sequence[str]) -> dict[str, bool]:
        """Pass on a batch of what lies in each of the outboxes; returns for each whether more may be left in it.

        One round trip for each step, whatever the number of lanes. Lanes whose primary is away, or whose outbox cannot
        be read, are left as they are and not returned. What is passed on twice counts once.
        """
        calls = [Call(name, [("XRANGE", name, "-", "+", "COUNT", BATCH)]) for name in map(keys.outbox, lanes)]
        replies: Sequence[list[Entry] | None] = await self._database.command_all("XRANGE", calls, some=True)
        read = {lane: entries for lane, entries in zip(lanes, replies, strict=True) if entries is not None}
        full = {lane for lane, entries in read.items() if len(entries) == BATCH}
        for lane, entries in read.items():
            for entry in [entry for entry in entries if not _is_sound(entry)]:
                await self._set_aside(keys.outbox(lane), entry, "is no event")
                entries.remove(entry)
        jobs = (
            {name: [*self._jobs[name], *await self._more_of(name)] for name in self._jobs} if any(read.values()) else {}
        )
        appends = self._appends(read, jobs)
        appended = await self._database.run_all([step for _, step in appends], some=True)
        missed = {lane for (lanes, _), reply in zip(appends, appended, strict=True) if reply is None for lane in lanes}
        passed = {lane: entries for lane, entries in read.items() if entries and lane not in missed}
        clears = [Step(_CLEAR, [keys.outbox(lane)], [each for each, _ in passed[lane]]) for lane in passed]
        await self._database.run_all(clears, some=True)
        return {lane: lane in full for lane in read if lane not in missed}

    async def after(self, application: str, event_id: str, limit: int) -> list[Event]:
        """The events of an application that follow one, oldest first; "" for the oldest that is kept."""
        start = f"({position(event_id)}" if event_id else "-"
        found: list[Entry] = await self._database.command(
            "XRANGE", keys.events(application), start, "+", "COUNT", limit
        )
        return [event for event in [await self.event(application, entry) for entry in found] if event]

    async def before(self, application: str, event_id: str, limit: int) -> list[Event]:
        """The events of an application in front of one, newest first; "" for the newest."""
        start = f"({position(event_id)}" if event_id else "+"
        found: list[Entry] = await self._database.command(
            "XREVRANGE", keys.events(application), start, "-", "COUNT", limit
        )
        return [event for event in [await self.event(application, entry) for entry in found] if event]

    async def of_reference(self, application: str, reference: str) -> tuple[list[str], int]:
        """Ids of verifications that carry the caller's reference, whatever blanks are around it, newest first, among
        the newest events; there is no index, so it is looked for `SEARCH_SECONDS` at most. Second: how far back that
        was, milliseconds; 0: all."""
        until, start, wanted = time.monotonic() + SEARCH_SECONDS, "+", reference.strip().encode()
        found: dict[str, None] = {}
        while page := await self._database.command(
            "XREVRANGE", keys.events(application), start, "-", "COUNT", SEARCHED_AT_ONCE
        ):
            for _, fields in page:
                if fields.get(b"reference", b"").strip() == wanted:
                    found.setdefault(fields[b"subject"].decode())
            start = f"({page[-1][0].decode()}"
            if time.monotonic() > until or len(found) >= MOST_FOUND:
                return list(found), int(page[-1][0].partition(b"-")[0])
        return list(found), 0

    async def newest(self, application: str) -> str:
        """The id of the newest event, "" where there is none."""
        found: list[Entry] = await self._database.command("XREVRANGE", keys.events(application), "+", "-", "COUNT", 1)
        return _id(application, found[0][0]) if found else ""

    def _appends(
        self, read: Mapping[str, Sequence[Entry]], jobs: Mapping[str, Sequence[str]]
    ) -> list[tuple[Sequence[str], Step]]:
        """To the log of each application that these events concern, and to its statistics, with the lanes they are
        from; what concerns gateways concerns all. Some lanes together, since what they add to one row is one sum; each
        whole, since a log remembers the last event that it took from it."""
        by_application: defaultdict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
        for lane, entries in read.items():
            for entry in entries:
                for name in self._jobs if lane == keys.GATEWAYS else [entry[1][b"application"].decode()]:
                    by_application[name][lane].append(entry)
        return [
            ([lane for lane, _ in some], self._append(name, some, jobs[name]))
            for name, outboxes in by_application.items()
            if name in self._jobs
            for some in _bounded(outboxes)
        ]

    def _append(self, name: str, outboxes: Sequence[tuple[str, Sequence[Entry]]], jobs: Sequence[str]) -> Step:
        hashes: dict[str, tuple[int, int]] = {}
        args: list[Argument] = []
        for lane, entries in outboxes:
            for entry_id, fields in entries:
                kept = _kept(fields)
                args += (lane, entry_id, b",".join(kept), *kept.values(), *self._rows(name, fields, hashes))
        return Step(
            _APPEND,
            [keys.events(name), keys.event_state(name), keys.due(keys.application_lane(name)), *hashes],
            [self._keep_ms, ",".join(jobs), MOST_GROUPS, *(kept_until for _, kept_until in hashes.values()), *args],
        )

    def _rows(
        self, application: str, fields: Mapping[bytes, bytes], hashes: dict[str, tuple[int, int]]
    ) -> list[Argument]:
        """How many rows of the statistics an event adds to, and of each what append.lua asks for.

        hashes: those of this call by their names, each with its number and with its `kept_until`.
        """
        operator = "" if fields.get(b"operator") else number_plan.given_to(self._phone(fields))
        found = self._statistics.of_event(fields[b"type"].decode(), fields, operator)
        if found is None:
            return [0]
        period_keys = self._statistics.period_keys(application, found.at)
        row = written(found)
        rows: list[Argument] = [len(period_keys)]
        for key in period_keys:
            number, _ = hashes.setdefault(key.name, (len(hashes) + 1, key.kept_until))
            rows += (number, key.period, *row)
        return rows

    def _phone(self, fields: Mapping[bytes, bytes]) -> str:
        """'' where there is none, or it cannot be read: whoever is told of the event sees to that."""
        holder = self._keyring.get(fields.get(b"key_id", b"").decode(errors="replace"))
        if holder is None or b"phone" not in fields:
            return ""
        try:
            return holder.open(fields[b"phone"], fields[b"subject"]).decode()
        except ValueError:
            return ""

    async def _more_of(self, application: str) -> Sequence[str]:
        try:
            return await self._more_jobs(application) if self._more_jobs else ()
        except (Unreadable, LookupError, ValueError, msgspec.MsgspecError) as error:
            log.warning("jobs_of_callers_not_read", application=application, error=type(error).__name__)
            return ()

    async def event(self, application: str, entry: Entry) -> Event | None:
        """An entry of an application's log; None for one that is no event, which is set aside."""
        try:
            return self._event(application, entry)
        except (LookupError, ValueError, msgspec.MsgspecError) as error:
            await self._set_aside(keys.events(application), entry, type(error).__name__)
            return None

    async def _set_aside(self, name: str, entry: Entry, why: str) -> None:
        words = [part for pair in entry[1].items() for part in pair]
        await self._database.set_aside("event", name, why, words, entry[0])

    def _event(self, application: str, entry: Entry) -> Event:
        fields = dict(entry[1])
        del fields[b"application"]  # that of the log says more: what concerns gateways is in all
        subject = fields[b"subject"].decode()
        sealed, holder = fields.pop(b"phone", b""), self._keyring.get(fields.pop(b"key_id", b"").decode())
        person, index = fields.pop(b"person", b""), fields.pop(b"index", b"").decode()
        tags = fields.pop(b"tags", b"")
        text = {name.decode(): value.decode() for name, value in fields.items()}
        return Event(
            id=_id(application, entry[0]),
            sequence=int(text.pop("sequence")),
            type=type_of(text.pop("type")),
            at=_moment(text.pop("at")),
            application=application,
            subject=text.pop("subject"),
            phone=holder.open(sealed, subject.encode()).decode() if sealed and holder else "",
            person=open_person(self._keyring, person, application, index) if person else "",
            fields=text,
            tags=msgspec.json.decode(
                holder.open(base64.b64decode(tags), f"tags {subject}".encode()), type=dict[str, str]
            )
            if tags and holder
            else {},
        )


def _kept(fields: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """Of an event, for a log. What a later version tells besides stays."""
    if b"created_at" not in fields:  # of something else
        return fields
    kept = {**_LAYOUT, **fields}
    for name in _COUNTED_ALONE:
        kept.pop(name, None)
    return kept


def _bounded(outboxes: Mapping[str, Sequence[Entry]]) -> Iterator[Sequence[tuple[str, Sequence[Entry]]]]:
    """Whole outboxes, `BATCH` events together or fewer."""
    some: list[tuple[str, Sequence[Entry]]] = []
    room = BATCH
    for lane, entries in outboxes.items():
        if len(entries) > room:
            yield some
            some, room = [], BATCH
        some.append((lane, entries))
        room -= len(entries)
    yield some


def _is_sound(entry: Entry) -> bool:
    """Whether it says of what it is, in which application and when, in fields that append.lua can be handed. All else
    is for who reads it."""
    if len(entry[1]) > MOST_FIELDS or any(not name or b"," in name for name in entry[1]):
        return False
    try:
        words = [entry[1][name].decode() for name in (b"type", b"application", b"subject")]
        return bool(words[0]) and _moment(entry[1][b"at"].decode()) >= 0
    except (LookupError, ValueError):
        return False


def _moment(text: str) -> int:
    """Milliseconds since the epoch, before the year 2300. Raises ValueError."""
    if not (text.isdigit() and int(text) < 10_413_792_000_000):
        raise ValueError("no time")
    return int(text)


def _id(application: str, entry_id: bytes) -> str:
    """Unique in an installation. Holds no dot: receivers of webhooks sign `id.timestamp.body`."""
    return f"evt_{application}_{entry_id.decode()}"


def position(event_id: str) -> str:
    """The place of an event in its log."""
    return event_id.rpartition("_")[2]
