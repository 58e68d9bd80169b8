"""Events in Redis: from the outboxes of the lanes, where scripts leave them, to the log of each application.

A script cannot write into another slot, so it leaves its events in an outbox of its own. A relay, run by the worker,
passes them on; each arrives in its log exactly once, because a log remembers how far it has read each outbox.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from otp_service.domain.events import Event, EventType
from otp_service.domain.keyring import Keyring
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script, Step
from otp_service.storage.subject_records import open_person

BATCH = 100
_APPEND, _OUTBOX, _CLEAR = map(Script.load, ("append_events", "read_outbox", "clear_outbox"))

Entry = tuple[bytes, Mapping[bytes, bytes]]
"""Of a stream: its id and its fields."""


class EventStore:
    """keep_seconds: how long a log keeps events. jobs: per application, what is to be done after new events came."""

    def __init__(
        self, database: Database, keyring: Keyring, keep_seconds: int, jobs: Mapping[str, Sequence[str]]
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._keep_ms = keep_seconds * 1000
        self._jobs = jobs

    async def relay(self, lanes: Sequence[str]) -> dict[str, bool]:
        """Pass on a batch of what lies in each of the outboxes; returns for each whether more may be left in it.

        One round trip for each step, whatever the number of lanes. Lanes whose primary is away are left as they are and
        not returned. What is passed on twice counts once.
        """
        calls = [([keys.outbox(lane)], [BATCH]) for lane in lanes]
        replies = await self._database.run_many(_OUTBOX, calls, some=True)
        read = {lane: _entries(reply) for lane, reply in zip(lanes, replies, strict=True) if reply is not None}
        appends = [(lane, step) for lane, entries in read.items() for step in self._appends(lane, entries)]
        appended = await self._database.run_all([step for _, step in appends], some=True)
        missed = {lane for (lane, _), reply in zip(appends, appended, strict=True) if reply is None}
        passed = {lane: entries for lane, entries in read.items() if entries and lane not in missed}
        clears = [Step(_CLEAR, [keys.outbox(lane)], [each for each, _ in passed[lane]]) for lane in passed]
        await self._database.run_all(clears, some=True)
        return {lane: len(entries) == BATCH for lane, entries in read.items() if lane not in missed}

    async def after(self, application: str, event_id: str, limit: int) -> list[Event]:
        """The events of an application that follow one, oldest first; "" for the oldest that is kept."""
        start = f"({position(event_id)}" if event_id else "-"
        found: list[Entry] = await self._database.command(
            "XRANGE", keys.events(application), start, "+", "COUNT", limit
        )
        return [self.event(application, entry) for entry in found]

    async def newest(self, application: str) -> str:
        """The id of the newest event, "" where there is none."""
        found: list[Entry] = await self._database.command("XREVRANGE", keys.events(application), "+", "-", "COUNT", 1)
        return _id(application, found[0][0]) if found else ""

    def _appends(self, lane: str, entries: Sequence[Entry]) -> list[Step]:
        """To the log of each application that these events concern; what concerns gateways concerns all."""
        by_application: defaultdict[str, list[Argument]] = defaultdict(list)
        for entry_id, fields in entries:
            named = fields[b"application"].decode()
            for application in self._jobs if lane == keys.GATEWAYS else [named]:
                written = [part for pair in fields.items() for part in pair]
                by_application[application] += [entry_id, len(written), *written]
        return [
            Step(
                _APPEND,
                [keys.events(name), keys.event_state(name), keys.due(keys.application_lane(name))],
                [lane, self._keep_ms, ",".join(self._jobs[name]), *args],
            )
            for name, args in by_application.items()
            if name in self._jobs and self._keep_ms
        ]

    def event(self, application: str, entry: Entry) -> Event:
        """An entry of an application's log."""
        fields = dict(entry[1])
        del fields[b"application"]  # that of the log says more: what concerns gateways is in all
        subject = fields[b"subject"].decode()
        sealed, holder = fields.pop(b"phone", b""), self._keyring.get(fields.pop(b"key_id", b"").decode())
        person, index = fields.pop(b"person", b""), fields.pop(b"index", b"").decode()
        text = {name.decode(): value.decode() for name, value in fields.items()}
        return Event(
            id=_id(application, entry[0]),
            sequence=int(text.pop("sequence")),
            type=EventType(text.pop("type")),
            at=int(text.pop("at")),
            application=application,
            subject=text.pop("subject"),
            phone=holder.open(sealed, subject.encode()).decode() if sealed and holder else "",
            person=open_person(self._keyring, person, application, index) if person else "",
            fields=text,
        )


def _entries(reply: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[Entry]:
    return [(entry_id, dict(zip(flat[::2], flat[1::2], strict=True))) for entry_id, flat in reply]


def _id(application: str, entry_id: bytes) -> str:
    """Unique in an installation. Holds no dot: receivers of webhooks sign `id.timestamp.body`."""
    return f"evt_{application}_{entry_id.decode()}"


def position(event_id: str) -> str:
    """The place of an event in its log."""
    return event_id.rpartition("_")[2]
