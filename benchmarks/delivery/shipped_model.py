"""The two worlds of the delivery benchmark in a model: `python -m benchmarks.delivery.shipped_model`.

The luck is that of the sandbox's scenarios, drawn by the same code, and so are the rules of the product: when the next
message goes out (`failover`), what tells that a channel does not reach a person, and for how long that is remembered
(`reach`). What is modelled is between them: one gateway's turn after the other, reports, people. No process and no
clock, so a busy machine changes nothing; what real processes do is in docs/delivery.md beside it.
"""

from __future__ import annotations

import argparse
import heapq
import math
import sys
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from statistics import median
from types import SimpleNamespace
from typing import Any

from benchmarks.delivery.__main__ import TELEGRAM, WORLDS
from benchmarks.delivery.people import CODES
from otp_service.domain import failover, number_plan, reach
from otp_service.domain.failover import Asked
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.polling import LOOKS_SECONDS
from otp_service.domain.reach import Unreached
from otp_service.sandbox.messages import Status
from otp_service.sandbox.scenario import GatewayName, Scenario, UnderWay, is_on_telegram, person_of
from otp_service.storage.gateways import ENDS

GATEWAYS: tuple[GatewayName, ...] = ("password", "xml", "smska")
READING_MS, LOOK_MS, INCOMING_MS, STALL_MS, LIFE_MS, TELEGRAM_WAIT_MS = 3000, 3000, 3000, 4000, 300_000, 10_000
POLLS_MS = tuple(1000 * seconds for seconds in LOOKS_SECONDS)
MOST_SENDS, LEAST_LIFE_MS, FOLLOWS, SENDS_MS = 5, 120_000, 0.95, 12_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Visit:
    """held: when a code that works was there, or the person's own SMS was read. told: when they were asked for it."""

    phone: str
    began: int
    sms: list[Message] = field(default_factory=list)
    arrives: dict[int, int] = field(default_factory=dict)
    failed: int = 0
    failovers: int = 0
    held: int | None = None
    told: int | None = None
    on_telegram: bool = False


def scenarios(world: str, seed: int) -> tuple[Scenario, Scenario]:
    """Of SMS and of Telegram, with the shares that `python -m benchmarks.delivery` has."""
    own: dict[str, Any] = {
        name: value for name, value in WORLDS[world].items() if name not in ("again_share", "returns_share")
    }
    faults: dict[str, Any] = {"late_share": 0.1, "never_share": 0.08, "outage_share": 0.05}
    sms = Scenario(seed=str(seed), processed_then_reset_share=0.02, **faults, **own)
    pushed = own | dict(TELEGRAM) | {"late_seconds": tuple(TELEGRAM["late_seconds"]), "telegram_share": 0.6}
    pushed |= {"banned_share": 0.0, "paused_share": 0.0}  # those are operators'
    return sms, Scenario(seed=str(seed), outage_share=0.05, **pushed)


def run(world: str, seed: int, people: int, *, workflow: bool) -> dict[str, float]:
    """workflow: Telegram, SMS, the person's own SMS; else SMS alone, and nobody presses anything."""
    of_sms, of_telegram = scenarios(world, seed)
    sms, telegram = UnderWay(of_sms, EPOCH), UnderWay(of_telegram, EPOCH)
    luck = Random(f"people {seed}")
    queue: list[tuple[int, int, Callable[[int], None]]] = []
    turn = count()
    ends: defaultdict[str, deque[int | None]] = defaultdict(lambda: deque(maxlen=ENDS))
    delays: defaultdict[tuple[str, str], deque[int]] = defaultdict(lambda: deque(maxlen=ENDS))
    remembered: dict[str, Unreached] = {}
    proved: set[str] = set()
    visits: list[Visit] = []

    def later(when: float, what: Callable[[int], None]) -> None:
        heapq.heappush(queue, (int(when), next(turn), what))

    def start(visit: Visit, now: int) -> None:
        visits.append(visit)
        visit.on_telegram = workflow and is_on_telegram(of_telegram, visit.phone)
        if visit.on_telegram and not telegram.outage("telegram", EPOCH + timedelta(milliseconds=now)):
            message = drawn(telegram, visit.phone, "telegram", now)[0]
            if message.fate is Status.DELIVERED:
                after = message.delivery_time // timedelta(milliseconds=1)
                later(now + after, lambda then: held(visit, then, by_sms=False))
                if after <= TELEGRAM_WAIT_MS:
                    return
            later(now + TELEGRAM_WAIT_MS, lambda then: first_sms(visit, then))
        else:
            first_sms(visit, now)

    def first_sms(visit: Visit, now: int) -> None:
        known = remembered.get(visit.phone)
        if workflow and known and reach.passed_over({reach.SMS: known}, now):
            ask(visit, now)
        else:
            send(visit, GATEWAYS, now)

    def send(visit: Visit, order: tuple[GatewayName, ...], now: int) -> None:
        """A walk: to the next where one is out, or its answer was lost and it could not be asked again."""
        for name in order:
            if fault := sms.outage(name, EPOCH + timedelta(milliseconds=now)):
                now += STALL_MS if fault == "stall" else 0
                continue
            message, lost = drawn(sms, visit.phone, name, now)
            number = len(visit.sms) + 1
            visit.sms.append(
                Message(number, name, "sms", CodeSource.LOCAL, MessageStatus.ACCEPTED, now, sent_at=max(1, now))
            )
            after = message.delivery_time // timedelta(milliseconds=1)
            if message.fate is Status.DELIVERED:
                visit.arrives[number] = now + after
                later(now + after, lambda then, n=number: arrived(visit, n, then))  # type: ignore[misc]
                later(now + after, lambda then: held(visit, then, by_sms=True))
            elif message.fate is not None:
                known = next((at for at in POLLS_MS if at >= after), POLLS_MS[-1])
                later(now + known, lambda then, n=number: failed(visit, n, then))  # type: ignore[misc]
            if lost and name != "xml":
                continue
            sent = len(visit.sms)
            group = number_plan.group_of(f"+{visit.phone}", Number())
            usual = failover.of_group(list(delays[name, group]), list(ends[name]))
            wait = failover.wait_ms(30, 0 if workflow else visit.failovers, usual)
            later(now + wait, lambda then, n=sent: due(visit, n, then))  # type: ignore[misc]
            return
        if workflow:
            ask(visit, now)

    def arrived(visit: Visit, number: int, now: int) -> None:
        message = visit.sms[number - 1]
        took = now - message.sent_at
        ends[message.gateway].appendleft(took)
        delays[message.gateway, number_plan.group_of(f"+{visit.phone}", Number())].appendleft(took)

    def failed(visit: Visit, number: int, now: int) -> None:
        ends[visit.sms[number - 1].gateway].appendleft(None)
        visit.failed = number
        due(visit, number, now)

    def due(visit: Visit, sent: int, now: int) -> None:
        """The next one's turn; its gateway was asked right before."""
        over = visit.held is not None and visit.held <= now
        if over or len(visit.sms) != sent or any(at <= now for at in visit.arrives.values()):
            return
        last = visit.sms[-1]
        if workflow:
            ask(visit, now)
            lost = MessageStatus.UNDELIVERED if visit.failed == last.number else MessageStatus.ACCEPTED
            told = Message(1, last.gateway, "sms", CodeSource.LOCAL, lost, now, sent_at=last.sent_at)
            if reach.tells(told, Asked.ANSWERED, list(ends[last.gateway])):
                before = remembered.get(visit.phone)
                times = (before.times if before else 0) + 1
                holds = reach.PROVED_HOLDS_MS if visit.phone in proved else reach.HOLDS_MS
                remembered[visit.phone] = Unreached(times, now, now + holds[min(times, len(holds)) - 1])
                return
        if sent < min(MOST_SENDS, reach.MOST_IN_VAIN) and visit.began + LIFE_MS - now >= LEAST_LIFE_MS:
            visit.failovers += 1
            place = GATEWAYS.index(last.gateway) + 1
            send(visit, (*GATEWAYS[place:], *GATEWAYS[:place]), now)

    def ask(visit: Visit, now: int) -> None:
        """The page says so at the next look."""
        if visit.told is None:
            visit.told = now + LOOK_MS // 2
            own = Random(f"{seed} {visit.phone} {visit.began}")
            if own.random() < FOLLOWS:
                after = SENDS_MS * math.exp(own.gauss(0, 0.5)) + own.uniform(0, INCOMING_MS)
                later(visit.told + after, lambda then: held(visit, then, by_sms=None))

    def held(visit: Visit, now: int, *, by_sms: bool | None) -> None:
        """by_sms: None for the person's own."""
        if visit.held is None and now <= visit.began + LIFE_MS + 300_000:
            visit.held = now
            if by_sms is not None:
                proved.add(visit.phone)
            if by_sms:
                remembered.pop(visit.phone, None)

    at = 0.0
    for number in luck.sample(range(100_000), people):
        at += 1000 * luck.expovariate(1)
        phone = phone_of(of_sms, number)
        later(at, lambda now, phone=phone: start(Visit(phone, now), now))  # type: ignore[misc]
        if luck.random() < WORLDS[world]["returns_share"]:
            back = at + luck.uniform(620_000, 910_000)
            later(back, lambda now, phone=phone: start(Visit(phone, now), now))  # type: ignore[misc]
    while queue:
        now, _, what = heapq.heappop(queue)
        what(now)
    cut_off = [visit for visit in visits if person_of(of_sms, visit.phone).reach != "reachable"]
    needy = [visit for visit in cut_off if not visit.on_telegram]
    in_time = [visit for visit in visits if any(at <= visit.began + 30_000 for at in visit.arrives.values())]
    reached = max(1, sum(visit.held is not None for visit in visits))
    return {
        "within 30 s, %": 100 * sum(within(visit, 30) for visit in visits) / len(visits),
        "within 60 s, %": 100 * sum(within(visit, 60) for visit in visits) / len(visits),
        "SMS for one approval": sum(len(visit.sms) for visit in visits) / reached,
        "SMS for each person whom none reaches, and Telegram neither": sum(len(visit.sms) for visit in needy)
        / max(1, len({visit.phone for visit in needy})),
        "these were asked for their own SMS, %": 100
        * sum(each.told is not None for each in needy)
        / max(1, len(needy)),
        "asked so though an SMS came within 30 s, %": 100
        * sum(each.told is not None for each in in_time)
        / len(in_time),
    }


def drawn(under_way: UnderWay, phone: str, gateway: str, now: int) -> tuple[Any, bool]:
    """A message as the sandbox has it, and whether its answer is lost."""
    message: Any = SimpleNamespace(phone=phone, gateway=gateway, fate=Status.DELIVERED, delivery_time=timedelta())
    return message, under_way.draw_fate(message)


def phone_of(scenario: Scenario, number: int) -> str:
    """Digits; of a code of the operator that it has in the scenario, where one of the four is."""
    phones = [f"7{code}{number:05d}50" for code in CODES]
    own = [phone for at, phone in enumerate(phones) if person_of(scenario, phone).operator == at]
    return own[0] if own and scenario.operators else phones[0]


def within(visit: Visit, seconds: int) -> bool:
    return visit.held is not None and visit.held - visit.began <= 1000 * seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--people", type=int, default=2000)
    told = parser.parse_args()
    for title, world, workflow in (
        ("independent faults, SMS alone", "independent", False),
        ("the true world, Telegram, SMS, the person's SMS", "true", True),
    ):
        found = [run(world, seed, told.people, workflow=workflow) for seed in range(1, told.seeds + 1)]
        print(f"\n{title}: {told.seeds} seeds of {told.people} people; median (least–most)\n")
        for name in found[0]:
            values = [each[name] for each in found]
            print(f"| {name} | {median(values):.2f} ({min(values):.2f}–{max(values):.2f}) |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
