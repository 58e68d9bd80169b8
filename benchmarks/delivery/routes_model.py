"""Routes that learn beside a fixed order, in a model: `python -m benchmarks.delivery.routes_model`.

The rules are those of the product, called as it calls them: `routes.choose`, `routes.told`, `failover.wait_ms`. What is
modelled is around them: people, gateways, reports, and the counts that fade. No process, no clock: ten seeds of 6,000
people are a minute, which is what regret and recovery need. What a run of real processes shows is in docs/delivery.md.
"""

from __future__ import annotations

import argparse
import heapq
import math
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from statistics import median
from typing import Any

from otp_service.domain import failover, routes
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.route_choice import RouteOrder
from otp_service.domain.routes import OF_ALL, Cell, Known, Offer
from otp_service.domain.verifications import Status, Verification
from otp_service.storage.gateways import ENDS

GATEWAYS = ("one", "two", "three")
OPERATORS = ("МТС", "Мегафон", "Beeline", "Теле2")
PRICES = {"one": 4_500_000, "two": 4_500_000, "three": 4_000_000}
READING_MS, AGAIN_MS, LIFE_MS = 3000, 40_000, 300_000


@dataclass
class World:
    """good: the share of messages that arrive at all, by gateway and operator. factor: of the median of 5 s. lies: says
    of everything that it was delivered after 3 s. broken: from which start to which a gateway delivers nothing."""

    good: Mapping[tuple[str, str], float]
    factor: Mapping[tuple[str, str], float]
    lies: str = ""
    liars_share: float = 0.3
    broken: tuple[str, int, int] = ("", 0, 0)


def drawn(seed: int) -> World:
    """The best gateway differs by operator: each has one that is bad with it."""
    rng = Random(f"world {seed}")
    good, factor = {}, {}
    for operator in OPERATORS:
        bad = rng.choice(GATEWAYS)
        for gateway in GATEWAYS:
            good[gateway, operator] = rng.uniform(0.45, 0.75) if gateway == bad else rng.uniform(0.88, 0.96)
            factor[gateway, operator] = math.exp(rng.uniform(math.log(0.6), math.log(2.5)))
    return World(good, factor)


@dataclass
class Person:
    number: int
    operator: str
    began: int
    messages: list[dict[str, Any]] = field(default_factory=list)
    order: Sequence[str] = ()
    first: str = ""
    held_ms: int | None = None
    failovers: int = 0
    over: bool = False


@dataclass
class Found:
    """held_30: of all. sms, micros: for one approval. regret: of each person, by how much the share of the best gateway
    was above that of the one that was asked first. firsts: who that was."""

    held_30: float
    sms: float
    micros: float
    regret: Sequence[float]
    firsts: Sequence[str]


def run(world: World, seed: int, people: int, order: RouteOrder | None, per_second: float = 0.5) -> Found:
    """order: None for the fixed one."""
    luck, rng = Random(f"luck {seed}"), Random(f"choice {seed}")
    cells: dict[tuple[str, str], Cell] = {}
    messages: dict[str, int] = {}
    known = Known(cells, messages)
    ends: defaultdict[str, deque[int | None]] = defaultdict(lambda: deque(maxlen=ENDS))
    delays: defaultdict[tuple[str, str], deque[int]] = defaultdict(lambda: deque(maxlen=ENDS))
    queue: list[tuple[int, int, Callable[[int], None]]] = []
    turn = count()
    at = 0
    everybody: list[Person] = []

    def later(when: float, what: Callable[[int], None]) -> None:
        heapq.heappush(queue, (int(when), next(turn), what))

    def start(person: Person, now: int) -> None:
        offers = [Offer(name, PRICES[name]) for name in GATEWAYS]
        person.order = GATEWAYS
        if order:
            person.order = routes.choose(order, offers, known, person.operator, now, 0, rng).gateways
        person.first = person.order[0]
        send(person, person.order[0], now)
        later(now + AGAIN_MS, lambda then: again(person, then))
        later(now + LIFE_MS, lambda then: end(person, then, Status.EXPIRED))

    def send(person: Person, gateway: str, now: int) -> None:
        cell = (gateway, person.operator)
        own = Random(f"{seed} {person.number} {len(person.messages)} {gateway}")
        name, begins, stops = world.broken
        lied = gateway == world.lies and own.random() < world.liars_share
        arrives = own.random() < world.good[cell] and not lied
        arrives = arrives and not (gateway == name and begins <= person.number < stops)
        after = int(5000 * world.factor[cell] * math.exp(own.gauss(0, 0.6)))
        message: dict[str, Any] = {
            "gateway": gateway,
            "operator": person.operator,
            "sent": now,
            "ended": 0,
            "status": MessageStatus.ACCEPTED,
        }
        person.messages.append(message)
        if arrives:
            later(now + after, lambda then: report(message, then))
            later(now + after + READING_MS, lambda then: entered(person, message, then))
        elif lied:
            later(now + 3000, lambda then: report(message, then))
        usual = failover.of_group(list(delays[cell]), list(ends[gateway]))
        wait = failover.wait_ms(30, person.failovers, usual)
        sent = len(person.messages)
        later(now + wait, lambda then: due(person, sent, then))

    def report(message: dict[str, Any], now: int) -> None:
        message["ended"], message["status"] = now, MessageStatus.DELIVERED
        ends[message["gateway"]].appendleft(now - message["sent"])
        delays[message["gateway"], message["operator"]].appendleft(now - message["sent"])

    def due(person: Person, sent: int, now: int) -> None:
        """The next gateway's turn, as tracking asks for it."""
        if person.over or len(person.messages) != sent or sent >= 5:
            return
        if any(message["status"] is MessageStatus.DELIVERED for message in person.messages):
            return
        person.failovers += 1
        send(person, following(person), now)

    def following(person: Person) -> str:
        place = person.order.index(person.messages[-1]["gateway"]) + 1
        return person.order[place % len(person.order)]

    def again(person: Person, now: int) -> None:
        if not person.over and person.held_ms is None and len(person.messages) < 5:
            send(person, following(person), now)

    def entered(person: Person, message: dict[str, Any], now: int) -> None:
        if not person.over:
            person.held_ms = now - READING_MS - person.began
            end(person, now, Status.APPROVED)

    def end(person: Person, now: int, status: Status) -> None:
        if person.over:
            return
        person.over = True
        for gateway, good in routes.told(verification(person, now, status)):
            for group in (person.operator, OF_ALL):
                messages[group] = messages.get(group, 0) + 1
                cells[gateway, group] = counted(cells.get((gateway, group), Cell()), now, messages[group], good=good)

    for number in range(people):
        at += int(1000 * luck.expovariate(per_second))
        person = Person(number, luck.choice(OPERATORS), at)
        everybody.append(person)
        later(at, lambda now, person=person: start(person, now))  # type: ignore[misc]
    while queue:
        now, _, what = heapq.heappop(queue)
        what(now)
    waits = [person.held_ms for person in everybody if person.held_ms is not None]
    sms = [message["gateway"] for person in everybody for message in person.messages]
    best = {operator: max(_share(world, gateway, operator) for gateway in GATEWAYS) for operator in OPERATORS}
    return Found(
        sum(wait <= 30_000 for wait in waits) / people,
        len(sms) / max(1, len(waits)),
        sum(PRICES[gateway] for gateway in sms) / max(1, len(waits)),
        [best[each.operator] - _share(world, each.first, each.operator) for each in everybody],
        [person.first for person in everybody],
    )


def _share(world: World, gateway: str, operator: str) -> float:
    """Of its messages, within 30 s."""
    within = 0.5 * (1 + math.erf(math.log(6 / world.factor[gateway, operator]) / 0.6 / math.sqrt(2)))
    lies = world.liars_share if gateway == world.lies else 0
    return world.good[gateway, operator] * within * (1 - lies)


def counted(cell: Cell, now: int, messages: int, *, good: bool) -> Cell:
    """As route/observe.lua does."""
    left = routes.faded(cell, now, messages)
    return Cell(left.good + good, left.bad + (not good), max(now, cell.at), messages)


def verification(person: Person, now: int, status: Status) -> Verification:
    messages = [
        Message(
            number, each["gateway"], "sms", CodeSource.LOCAL, each["status"], now, sent_at=max(1, each["sent"]),
            ended_at=each["ended"],
        )
        for number, each in enumerate(person.messages, 1)
    ]  # fmt: skip
    return Verification(
        id="", application="", phone="", purpose="", channel="sms", locale="", platform="", reference="", subject="",
        number=Number(person.operator, ""), status=status, created_at=person.began, expires_at=person.began + LIFE_MS,
        resend_at=0, attempts=0, max_attempts=5, sends=len(messages), max_sends=5, ended_at=now, attempted_at=(),
        revision=0, messages=messages, now=now,
    )  # fmt: skip


def recovery(world: World, seed: int, people: int) -> int:
    """A gateway that was the best for all breaks for the middle third: after how many choices from when it heals it is
    asked first by half of those who come, of 50 at a time; `people` for never."""
    name = GATEWAYS[0]
    good = {key: 0.96 if key[0] == name else min(share, 0.75) for key, share in world.good.items()}
    factor = dict.fromkeys(world.factor, 1.0)
    heals = 2 * people // 3
    firsts = run(World(good, factor, broken=(name, people // 3, heals)), seed, people, RouteOrder.LEARNED).firsts[
        heals:
    ]
    return next((n for n in range(len(firsts) - 50) if firsts[n : n + 50].count(name) >= 25), people)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--people", type=int, default=6000)
    told = parser.parse_args()
    seeds = range(1, told.seeds + 1)
    rows: defaultdict[str, list[float]] = defaultdict(list)
    for seed in seeds:
        world = drawn(seed)
        liar = World(world.good, world.factor, lies=GATEWAYS[0], liars_share=0.5)
        for title, where in (("operators differ", world), ("and the first one lies of half", liar)):
            for how, order in (("fixed", None), ("learned", RouteOrder.LEARNED)):
                found = run(where, seed, told.people, order)
                begins, tail = found.regret[: told.people // 10], found.regret[-told.people // 3 :]
                rows[f"{title}: {how}, within 30 s, %"].append(100 * found.held_30)
                rows[f"{title}: {how}, SMS for one approval"].append(found.sms)
                rows[f"{title}: {how}, roubles for one approval"].append(found.micros / 1e6)
                rows[f"{title}: {how}, regret at the first tenth, %"].append(100 * sum(begins) / len(begins))
                rows[f"{title}: {how}, regret at the last third, %"].append(100 * sum(tail) / len(tail))
                if where.lies:
                    share = 100 * found.firsts[-len(tail) :].count(where.lies) / len(tail)
                    rows[f"{title}: {how}, asked first at the last third, %"].append(share)
        rows["choices until a gateway that healed is first again"].append(recovery(world, seed, told.people // 2))
    print(f"{told.seeds} seeds of {told.people} people; median (least–most)\n")
    for name, values in rows.items():
        print(f"| {name} | {median(values):.2f} ({min(values):.2f}–{max(values):.2f}) |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
