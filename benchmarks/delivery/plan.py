"""What one run of the delivery benchmark is told, and what it comes to. JSON between the two processes."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

ROUTE = ("targetsms-password", "targetsms-xml", "smska")
"""The shipped one."""


class Variant(Struct, frozen=True):
    """A way to run the service. max_sends, failover_after_seconds: None for the shipped defaults."""

    name: str
    gateways: tuple[str, ...] = ROUTE
    max_sends: int | None = None
    failover_after_seconds: int | None = None


class Plan(Struct, frozen=True):
    """One run. rate: starts in a second. speed: of the clock. scenario: as `POST /_sim/scenario` takes it."""

    variant: Variant
    seed: int
    verifications: int
    rate: float
    speed: float
    prices: dict[str, float]
    scenario: dict[str, Any]
    reading_seconds: float = 3.0
    """From the arrival of an SMS until its code is submitted."""
    records: str = ""
    """A file for what happened to each person, one JSON object a line; "" for none."""


class Spread(Struct, frozen=True):
    """Of seconds, or of a ratio, over one run."""

    median: float
    p95: float
    most: float


class Outcome(Struct, frozen=True):
    """What one run came to. Shares are of all verifications that were asked for; seconds are of the sped-up clock.

    duplicates: SMS beyond one for each send. open_verifications, open_messages: without a final status at the end.
    """

    held_30: float
    held_60: float
    approved: float
    sms_per_approval: float
    duplicates: int
    roubles_per_approval: float
    open_verifications: int
    open_messages: int
    refused: int
    wrong_codes: int
    clocks: dict[str, float]
    """How much faster than the kernel's clock each process's went."""
    start_seconds: Spread
    lateness_seconds: Spread
    """Of the worker's jobs, as the service told."""
    loop_seconds: Spread
    """By how much the people's own timers were late."""
    turn_seconds: Spread
    """From a silent first message to the second, where a second was sent because of the silence."""
    busy: float
    """CPU seconds of all processes for each real second."""
    real_seconds: float
