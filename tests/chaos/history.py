"""What callers asked and heard, and whether any honest service could have answered so.

Every request is an event with the moments at which it was asked and at which its answer was heard. A request without a
definite answer (a 503, a 409, a broken connection) may have been done or not. Two events are in an order only if one
was heard before the other was asked; all rules below speak of such pairs, so clocks of servers do not matter.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

JUDGED = frozenset({"approved", "wrong_code"})
"""Outcomes that cost an attempt. The last wrong code hears `exhausted`, and so does everybody after it."""
STATUS_AFTER = {
    "approved": "approved",
    "already_approved": "approved",
    "exhausted": "exhausted",
    "canceled": "canceled",
    "expired": "expired",
    "failed": "failed",
}
"""The status that an outcome tells; `wrong_code` leaves it `pending`."""


@dataclass(slots=True)
class Event:
    """kind: check, status, cancel. key: the Idempotency-Key. right: whether the submitted code was the right one.

    http: 0 where the connection broke. outcome: '' where none was told. left: attempts_left, -1 where none was told.
    """

    kind: str
    verification: str
    key: str
    right: bool
    asked: float
    heard: float = 0.0
    http: int = 0
    outcome: str = ""
    status: str = ""
    left: int = -1
    retry_after: float = 0.0

    @property
    def definite(self) -> bool:
        return bool(self.outcome or self.status)

    @property
    def told(self) -> str:
        """The status of the verification that this answer tells."""
        return STATUS_AFTER.get(self.outcome, "pending") if self.outcome else self.status

    def before(self, other: Event) -> bool:
        return self.definite and self.heard < other.asked


@dataclass
class History:
    max_attempts: int = 5
    events: list[Event] = field(default_factory=list)

    def asked(self, kind: str, verification: str, key: str = "", *, right: bool = False) -> Event:
        event = Event(kind, verification, key, right, time.monotonic())
        self.events.append(event)
        return event

    def save(self, path: Path) -> None:
        path.write_text("\n".join(json.dumps(asdict(event)) for event in self.events))

    def violations(self) -> list[str]:
        """One sentence for each rule that is broken; none if an honest service could have answered so."""
        by_verification = defaultdict(list)
        for event in sorted(self.events, key=lambda event: event.asked):
            by_verification[event.verification].append(event)
        return [
            f"{verification}: {sentence}"
            for verification, events in by_verification.items()
            for rule in RULES
            for sentence in rule(events, self.max_attempts)
        ]

    def approved(self) -> set[str]:
        """Verifications whose approval somebody heard."""
        return {event.verification for event in self.events if event.outcome == "approved"}


Rule = Callable[[list[Event], int], Iterable[str]]


def approved_once(events: list[Event], _: int) -> Iterator[str]:
    keys = {event.key for event in events if event.outcome == "approved"}
    if len(keys) > 1:
        yield f"approved twice, for {sorted(keys)}"


def only_right_codes(events: list[Event], _: int) -> Iterator[str]:
    for event in events:
        if event.outcome == "approved" and not event.right:
            yield f"a wrong code was approved, for {event.key}"


def attempts_bounded(events: list[Event], limit: int) -> Iterator[str]:
    keys = {event.key for event in events if event.outcome in JUDGED}
    if len(keys) > limit:
        yield f"{len(keys)} attempts were judged, {limit} are allowed"


def one_verdict_for_a_key(events: list[Event], _: int) -> Iterator[str]:
    verdicts: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.kind == "check" and event.outcome:
            verdicts[event.key].add(event.outcome)
    for key, heard in verdicts.items():
        if len(heard) > 1:
            yield f"{key} heard {sorted(heard)}"


def ends_stay(events: list[Event], _: int) -> Iterator[str]:
    """What was told as final is told ever after: no reported approval is lost, nothing is approved after its end."""
    for event in events:
        ends = {
            other.told
            for other in events
            if other.before(event) and other.told != "pending" and not _replayed(other, event)
        }
        if event.definite and ends - {event.told} and not _replay_of_earlier(event, events):
            yield f"{event.kind} {event.key} told {event.told} after {sorted(ends)}"


def attempts_stay(events: list[Event], limit: int) -> Iterator[str]:
    """Attempts whose verdict was heard are never given back."""
    for event in events:
        if event.left < 0 or not event.definite or _replay_of_earlier(event, events):
            continue
        spent = {other.key for other in events if other.before(event) and other.outcome in JUDGED}
        if event.left > limit - len(spent - {event.key}):
            yield f"{event.kind} {event.key} told {event.left} attempts left after {len(spent)} judged"


def _replayed(other: Event, event: Event) -> bool:
    return bool(event.key) and other.key == event.key


def _replay_of_earlier(event: Event, events: list[Event]) -> bool:
    """A repeat hears its first verdict again (another rule sees to it), and that speaks of the time of the first."""
    same = [other for other in events if event.key and other.key == event.key]
    return any(other.asked < event.asked for other in same)


RULES: tuple[Rule, ...] = (
    approved_once,
    only_right_codes,
    attempts_bounded,
    one_verdict_for_a_key,
    ends_stay,
    attempts_stay,
)


def longest_silence(events: Iterable[Event]) -> float:
    """Seconds between two answers with a verdict, at most."""
    heard = sorted(event.heard for event in events if event.definite)
    return max((after - before for before, after in pairwise(heard)), default=0.0)
