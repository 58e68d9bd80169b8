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
from otp_service.storage.connection import Argument, Database, Script
from otp_service.storage.subject_records import open_person

BATCH = 100
_APPEND = Script.load("append_events")

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

    async def relay(self, lane: str) -> bool:
        """Pass on what lies in an outbox. True: there was more than one batch, so there may be more."""
        entries: list[Entry] = await self._database.command("XRANGE", keys.outbox(lane), "-", "+", "COUNT", BATCH)
        if not entries:
            return False
        by_application: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            named = entry[1][b"application"].decode()
            # What concerns gateways concerns every application.
            for application in self._jobs if lane == keys.GATEWAYS else [named]:
                by_application[application].append(entry)
        for application, own in by_application.items():
            if application in self._jobs and self._keep_ms:
                await self._append(application, lane, own)
        await self._database.command("XDEL", keys.outbox(lane), *(entry_id for entry_id, _ in entries))
        return len(entries) == BATCH

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

    async def _append(self, application: str, lane: str, entries: Sequence[Entry]) -> None:
        args: list[Argument] = [lane, self._keep_ms, ",".join(self._jobs[application])]
        for entry_id, fields in entries:
            args += [entry_id, 2 * len(fields), *(part for pair in fields.items() for part in pair)]
        names = [keys.events(application), keys.event_state(application), keys.due(keys.application_lane(application))]
        await self._database.run(_APPEND, names, args)

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


def _id(application: str, entry_id: bytes) -> str:
    """Unique in an installation. Holds no dot: receivers of webhooks sign `id.timestamp.body`."""
    return f"evt_{application}_{entry_id.decode()}"


def position(event_id: str) -> str:
    """The place of an event in its log."""
    return event_id.rpartition("_")[2]
