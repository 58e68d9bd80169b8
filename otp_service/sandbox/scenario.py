"""Scenarios: how a gateway does over a long while, by chance: SMS that come late or never, lost answers, outages.

What becomes of the n-th SMS to a phone depends on the seed, the phone and n alone, and when a gateway is out on the
seed, its name and the time since the scenario began: however a client behaves, the same happens to it again.
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

GatewayName = Literal["password", "xml", "get", "json", "smska"]
OutageFault = Literal["reset", "status", "stall"]
Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
GATEWAYS: tuple[GatewayName, ...] = ("password", "xml", "get", "json", "smska")


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

    def __post_init__(self) -> None:
        if self.late_share + self.never_share > 1:
            raise ValueError("late_share and never_share together must not be above 1")
        if self.late_seconds[0] > self.late_seconds[1]:
            raise ValueError("late_seconds must be the shortest and the longest")
        if self.outage_share and not sum(self.outage_faults.values()):
            raise ValueError("outage_faults needs a weight above 0")


def gateway_of(operation: str) -> GatewayName:
    """All operations of the XML document are at one host: they go out together."""
    return next((name for name in GATEWAYS if name == operation), "xml")


class _Outages:
    """Of one gateway, drawn as time goes on."""

    def __init__(self, scenario: Scenario, name: GatewayName) -> None:
        self._scenario = scenario
        self._rng = Random(f"{scenario.seed} {name}")  # noqa: S311  # nothing here is secret
        self._begins = self._ends = 0.0
        self._fault: OutageFault = "status"

    def at(self, seconds: float) -> OutageFault | None:
        """seconds: since the scenario began; never less than the last time."""
        share, faults = self._scenario.outage_share, self._scenario.outage_faults
        while share and seconds >= self._ends:
            works_seconds = self._scenario.outage_seconds * (1 - share) / share
            self._begins = self._ends + self._rng.expovariate(1 / works_seconds)
            self._ends = self._begins + self._rng.expovariate(1 / self._scenario.outage_seconds)
            self._fault = self._rng.choices([*faults], [*faults.values()])[0]
        return self._fault if self._begins <= seconds < self._ends else None


class _UnderWay:
    """A scenario, from when it began."""

    def __init__(self, scenario: Scenario, began: datetime) -> None:
        self.scenario = scenario
        self._began = began
        self._outages = {name: _Outages(scenario, name) for name in GATEWAYS}
        self._sent: Counter[str] = Counter()

    def outage(self, name: GatewayName, now: datetime) -> OutageFault | None:
        return self._outages[name].at((now - self._began).total_seconds())

    def befall(self, message: Message) -> bool:
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
        message.delivery_time = timedelta(seconds=seconds)
        return lost


class Scenarios:
    """Those under way: one for each gateway, or one for all of them."""

    def __init__(self) -> None:
        self._by_gateway: dict[GatewayName, _UnderWay] = {}
        self._lost = False

    def begin(self, scenario: Scenario, now: datetime) -> None:
        """It takes the place of the gateway's earlier one, or of all."""
        under_way = _UnderWay(scenario, now)
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

    def befall(self, message: Message) -> None:
        """Phones that have a fate of their own (`messages.py`) keep it."""
        under_way = self._by_gateway.get(gateway_of(message.gateway.removeprefix("targetsms-")))
        if under_way and message.fate is Status.DELIVERED and not message.phone.endswith(EARLY_ENDING):
            self._lost |= under_way.befall(message)

    def take_lost(self) -> bool:
        """Whether an SMS was taken since the last call whose sender shall not hear of it."""
        lost, self._lost = self._lost, False
        return lost
