"""Scenarios: how a gateway does over a long while, by chance: SMS that come late or never, lost answers, outages.

What becomes of the n-th SMS to a phone depends on the seed, the phone and n alone (and, where there are operators, on
how fast its gateway is with that of the phone), and when a gateway is out on the seed, its name and the time since the
scenario began: however a client behaves, the same happens to it again.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from otp_service.sandbox.faults import Fault
from otp_service.sandbox.messages import EARLY_ENDING, Message, Status

GatewayName = Literal["password", "xml", "get", "json", "smska", "telegram"]
OutageFault = Literal["reset", "status", "stall"]
Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Factor = Annotated[float, Meta(ge=0.01, le=100)]
GATEWAYS: tuple[GatewayName, ...] = ("password", "xml", "get", "json", "smska", "telegram")
OF_TELEGRAM = frozenset(
    {"sendVerificationMessage", "checkSendAbility", "checkVerificationStatus", "revokeVerificationMessage"}
)


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /_sim/scenario`. Seconds are of the sandbox's clock. Without any share, SMS only take their time."""

    gateway: GatewayName | Literal["*"] = "*"
    seed: str = ""
    median_seconds: Seconds = 5.0
    """Of the time to delivery, which is log-normal."""
    sigma: Annotated[float, Meta(ge=0, le=5)] = 0.6
    """Standard deviation of its natural logarithm."""
    late_share: Share = 0.0
    late_seconds: tuple[Seconds, Seconds] = (60.0, 600.0)
    """Time to delivery of a late one: any between the two, all as likely."""
    never_share: Share = 0.0
    silent_share: Share = 0.5
    """Of those never delivered: no report comes. The others are reported undelivered when they would have come."""
    processed_then_reset_share: Share = 0.0
    """The SMS goes out, and instead of the answer comes a TCP reset."""
    outage_share: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    """Of the time; for the rest of it the gateway works."""
    outage_seconds: Seconds = 60.0
    """The mean length of an outage; lengths and the times between are exponential."""
    outage_faults: dict[OutageFault, Annotated[float, Meta(ge=0)]] = field(
        default_factory=lambda: {"reset": 1.0, "status": 1.0, "stall": 1.0}
    )
    """What an outage is like, by weight; `status` is 503."""
    common_outage_share: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    """The same, of all gateways at once, beside those of each."""
    operators: Annotated[int, Meta(ge=0, le=100)] = 0
    """Each phone has one of so many; 0: operators make no difference."""
    operator_factor: tuple[Factor, Factor] = (0.6, 2.5)
    """The time to delivery is multiplied by what each gateway has with each operator: between the two, log-uniform."""
    banned_share: Share = 0.0
    """People whom no SMS with a code reaches, whichever gateway sends it, because their operator holds it back. Reports
    come as of those never delivered."""
    paused_share: Share = 0.0
    """People whose SIM is paused: nothing arrives, and no report comes."""

    telegram_share: Share = 1.0
    """People who are on Telegram; it says so of the others at once."""

    def __post_init__(self) -> None:
        if self.late_share + self.never_share > 1:
            raise ValueError("late_share and never_share together must not be above 1")
        if self.banned_share + self.paused_share > 1:
            raise ValueError("banned_share and paused_share together must not be above 1")
        if self.operator_factor[0] > self.operator_factor[1]:
            raise ValueError("operator_factor must be the least and the most")
        if self.late_seconds[0] > self.late_seconds[1]:
            raise ValueError("late_seconds must be the shortest and the longest")
        if self.outage_share and not sum(self.outage_faults.values()):
            raise ValueError("outage_faults needs a weight above 0")


class Person(Struct, frozen=True):
    """Whose phone it is. operator: 0 for the first."""

    operator: int
    reach: Literal["reachable", "banned", "paused"]


def person_of(scenario: Scenario, phone: str) -> Person:
    """phone: digits, as the sandbox has it."""
    rng = Random(f"{scenario.seed} person {phone}")  # noqa: S311
    operator, lot = rng.randrange(max(1, scenario.operators)), rng.random()
    if lot < scenario.banned_share:
        return Person(operator, "banned")
    return Person(operator, "paused" if lot < scenario.banned_share + scenario.paused_share else "reachable")


def is_on_telegram(scenario: Scenario, phone: str) -> bool:
    return Random(f"{scenario.seed} telegram {phone}").random() < scenario.telegram_share  # noqa: S311


def gateway_of(operation: str) -> GatewayName:
    """All operations of the XML document are at one host: they go out together; so do Telegram's."""
    if operation in OF_TELEGRAM:
        return "telegram"
    return next((name for name in GATEWAYS if name == operation), "xml")


class _Outages:
    """Of one gateway, drawn as time goes on."""

    def __init__(self, scenario: Scenario, name: str, share: float) -> None:
        self._scenario = scenario
        self._share = share
        self._rng = Random(f"{scenario.seed} {name}")  # noqa: S311  # nothing here is secret
        self._begins = self._ends = 0.0
        self._fault: OutageFault = "status"

    def at(self, seconds: float) -> OutageFault | None:
        """seconds: since the scenario began; never less than the last time."""
        share, faults = self._share, self._scenario.outage_faults
        while share and seconds >= self._ends:
            works_seconds = self._scenario.outage_seconds * (1 - share) / share
            self._begins = self._ends + self._rng.expovariate(1 / works_seconds)
            self._ends = self._begins + self._rng.expovariate(1 / self._scenario.outage_seconds)
            self._fault = self._rng.choices([*faults], [*faults.values()])[0]
        return self._fault if self._begins <= seconds < self._ends else None


class UnderWay:
    """A scenario, from when it began."""

    def __init__(self, scenario: Scenario, began: datetime) -> None:
        self.scenario = scenario
        self._began = began
        self._outages = {name: _Outages(scenario, name, scenario.outage_share) for name in GATEWAYS}
        self._common = _Outages(scenario, "common", scenario.common_outage_share)
        self._sent: Counter[str] = Counter()

    def outage(self, name: GatewayName, now: datetime) -> OutageFault | None:
        seconds = (now - self._began).total_seconds()
        own, common = self._outages[name].at(seconds), self._common.at(seconds)
        return own or common

    def draw_fate(self, message: Message) -> bool:
        """Decide what becomes of an SMS that is taken now; True if the answer to its sender gets lost."""
        scenario = self.scenario
        self._sent[message.phone] += 1
        rng = Random(f"{scenario.seed} {message.phone} {self._sent[message.phone]}")  # noqa: S311
        lost = rng.random() < scenario.processed_then_reset_share
        seconds = scenario.median_seconds * math.exp(rng.gauss(0, scenario.sigma))
        lot = rng.random()
        if lot < scenario.never_share:
            message.fate = None if rng.random() < scenario.silent_share else Status.UNDELIVERED
        elif lot < scenario.never_share + scenario.late_share:
            seconds = rng.uniform(*scenario.late_seconds)
        if scenario.operators or scenario.banned_share or scenario.paused_share:
            seconds *= self._of_person(message, rng)
        message.delivery_time = timedelta(seconds=seconds)
        return lost

    def _of_person(self, message: Message, rng: Random) -> float:
        """Whether it can reach this person at all; returns how much longer it takes to their operator."""
        person = person_of(self.scenario, message.phone)
        if person.reach == "paused":
            message.fate = None
        elif person.reach == "banned" and message.fate is Status.DELIVERED:
            message.fate = None if rng.random() < self.scenario.silent_share else Status.UNDELIVERED
        if not self.scenario.operators:
            return 1.0
        least, most = map(math.log, self.scenario.operator_factor)
        of_both = Random(f"{self.scenario.seed} {message.gateway} operator {person.operator}")  # noqa: S311
        return math.exp(of_both.uniform(least, most))


class Scenarios:
    """Those under way: one for each gateway, or one for all of them."""

    def __init__(self) -> None:
        self._by_gateway: dict[GatewayName, UnderWay] = {}
        self._lost = False

    def begin(self, scenario: Scenario, now: datetime) -> None:
        """It takes the place of the gateway's earlier one, or of all."""
        under_way = UnderWay(scenario, now)
        self._by_gateway |= dict.fromkeys([scenario.gateway] if scenario.gateway != "*" else GATEWAYS, under_way)

    def clear(self) -> None:
        self._by_gateway.clear()

    def list(self) -> list[Scenario]:
        return [under_way.scenario for under_way in dict.fromkeys(self._by_gateway.values())]

    def concern(self, operation: str) -> bool:
        return gateway_of(operation) in self._by_gateway

    def outage(self, operation: str, now: datetime) -> Fault | None:
        """What happens to a request, if the gateway is out."""
        name = gateway_of(operation)
        fault = self._by_gateway[name].outage(name, now) if name in self._by_gateway else None
        return Fault(fault) if fault else None

    def draw_fate(self, message: Message) -> None:
        """Phones that have a fate of their own (`messages.py`) keep it."""
        under_way = self._by_gateway.get(gateway_of(message.gateway.removeprefix("targetsms-")))
        if under_way and message.fate is Status.DELIVERED and not message.phone.endswith(EARLY_ENDING):
            self._lost |= under_way.draw_fate(message)

    def on_telegram(self, phone: str) -> bool:
        """phone: digits, as the sandbox has it."""
        under_way = self._by_gateway.get("telegram")
        return under_way is None or is_on_telegram(under_way.scenario, phone)

    def take_lost(self) -> bool:
        """Whether an SMS was taken since the last call whose sender shall not hear of it."""
        lost, self._lost = self._lost, False
        return lost
