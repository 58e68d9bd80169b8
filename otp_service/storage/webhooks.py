"""Webhook endpoints in Redis: how far each was told of its application's log, and how it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from otp_service.domain.events import Event
from otp_service.domain.value import Value
from otp_service.domain.webhooks import PARKED_IN_A_ROW, TRIES_OF_REFUSED, Endpoint
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Database, Script, hash_of
from otp_service.storage.events import EventStore, position

JOB = "hook"
"""The kind of the due job that tells an endpoint."""
LEASE_MS = 30_000
"""Above the 15 s that one attempt may take; each answer that is written down renews it."""
MOST_OPEN = 128
_TAKE: Script[words.WebhookTake] = Script.load("webhook/take")
_SETTLE: Script[words.WebhookSettle] = Script.load("webhook/settle")
_BEGIN, _LEAVE, _REPLAY, _READ = map(Script.load, ("webhook/begin", "webhook/leave", "webhook/replay", "webhook/read"))


class OpenEvent(Value):
    """One that the endpoint was not told yet. wait_ms: it was refused, and is told again after so long."""

    event: Event
    wait_ms: int


class Taken(Value):
    """attempt: 0 for an endpoint that does not fail. events: in the order of the log."""

    word: words.WebhookTake
    wait_ms: int
    attempt: int
    lost: int
    events: Sequence[OpenEvent]


class Settled(Value):
    """word: as webhook/settle.lua says. tries: how often this event was told in vain."""

    word: words.WebhookSettle
    wait_ms: int
    tries: int


class HookRecord(Value):
    """Times are milliseconds of Redis time, 0 for never. backlog: events not told, or not yet looked at.

    attempt: failures in a row, 0 for none. answer: the last status, or why there was none. disabled: why, "" if it is
    not.
    """

    backlog: int = 0
    parked: int = 0
    attempt: int = 0
    answer: str = ""
    told_at: int = 0
    failed_at: int = 0
    failing_since: int = 0
    next_at: int = 0
    disabled: str = ""
    disabled_at: int = 0

    @property
    def state(self) -> str:
        """ok, failing or disabled."""
        return "disabled" if self.disabled else "failing" if self.attempt else "ok"


class WebhookStore:
    def __init__(self, database: Database, events: EventStore) -> None:
        self._database = database
        self._events = events

    async def begin(self, endpoint: Endpoint, *, lost: bool = False) -> bool:
        """Know an endpoint. True if it is new: then it is told of what happens from now on.

        lost: it was known, and its record is gone: it is told of all events that are kept, again of most of them.
        """
        names = [keys.hook(endpoint.application, endpoint.id), keys.events(endpoint.application)]
        place: words.WebhookBegin = "oldest" if lost else "newest"
        return bool(await self._database.run(_BEGIN, names, [place]))

    async def take(self, endpoint: Endpoint, holder: str) -> Taken:
        """What it is to be told next. `holder` alone tells it until `leave`, or until nothing is written for 30 s."""
        args: list[Argument] = [
            holder,
            LEASE_MS,
            MOST_OPEN,
            *endpoint.types,
            *(f"{each}*" for each in endpoint.prefixes),
        ]
        names = [*self._names(endpoint), keys.events(endpoint.application)]
        word, wait, attempt, lost, *found = await self._database.run(_TAKE, names, args)
        entries = [(entry_id, hash_of(flat), wait) for entry_id, wait, flat in found]
        events = [
            OpenEvent(event, int(wait))
            for entry_id, fields, wait in entries
            if (event := await self._events.event(endpoint.application, (entry_id, fields)))
        ]
        events.sort(key=lambda each: each.event.sequence)
        return Taken(_TAKE.word(word), int(wait), int(attempt), int(lost), events)

    async def settle(
        self,
        endpoint: Endpoint,
        event: Event,
        came: words.WebhookCame,
        attempt: int,
        answer: str,
        pauses_ms: Sequence[int],
        least_ms: int = 0,
    ) -> Settled:
        """Write down what came of telling it. attempt: as taken."""
        pauses = ",".join(map(str, pauses_ms))
        args: list[Argument] = [
            position(event.id), came, attempt, answer, LEASE_MS, pauses, least_ms, TRIES_OF_REFUSED, PARKED_IN_A_ROW
        ]  # fmt: skip
        word, wait, tries = await self._database.run(_SETTLE, self._names(endpoint), args)
        return Settled(_SETTLE.word(word), int(wait), int(tries))

    async def leave(self, endpoint: Endpoint, holder: str) -> None:
        await self._database.run(_LEAVE, self._names(endpoint)[:1], [holder])

    async def replay(self, endpoint: Endpoint, start: str = "", *, parked: bool = False) -> int | None:
        """Tell it at once. start: the id of an event, or a place in the log (`ms-n`), from which on all is told again.

        Returns how many parked events are told again; None for an endpoint that no process has begun.
        """
        lane = keys.application_lane(endpoint.application)
        names = [*self._names(endpoint), keys.events(endpoint.application), keys.due(lane)]
        args: list[Argument] = [f"{JOB}:{endpoint.id}", position(start), "1" if parked else ""]
        told = int(await self._database.run(_REPLAY, names, args))
        return None if told < 0 else told

    async def read(self, endpoints: Sequence[Endpoint]) -> list[HookRecord | None]:
        """How it stands with each; None for one that no process has begun, or that cannot be read."""
        calls: list[tuple[list[str], list[Argument]]] = [
            ([*self._names(endpoint), keys.event_state(endpoint.application)], []) for endpoint in endpoints
        ]
        replies = await self._database.run_many(_READ, calls, each=True)
        return [await self._read(*each) for each in zip(endpoints, replies, strict=True)]

    async def _read(self, endpoint: Endpoint, reply: Any) -> HookRecord | None:
        if reply is None:
            return None
        try:
            return _record(reply)
        except ValueError:
            await self._database.mend([*self._names(endpoint), keys.event_state(endpoint.application)])
            return None

    def _names(self, endpoint: Endpoint) -> list[str]:
        return [keys.hook(endpoint.application, endpoint.id), keys.hook_open(endpoint.application, endpoint.id)]


def _record(reply: Any) -> HookRecord | None:
    flat, open_events, parked, last = reply
    found = {name.decode(): value.decode() for name, value in hash_of(flat).items()}
    if not found:
        return None

    def number(name: str) -> int:
        return int(found.get(name) or 0)

    return HookRecord(
        backlog=max(0, int(last or 0) - number("sequence")) + int(open_events),
        parked=int(parked),
        attempt=number("attempt"),
        answer=found.get("answer", ""),
        told_at=number("told_at"),
        failed_at=number("failed_at"),
        failing_since=number("failing_since"),
        next_at=number("next_at"),
        disabled=found.get("disabled", ""),
        disabled_at=number("disabled_at"),
    )
