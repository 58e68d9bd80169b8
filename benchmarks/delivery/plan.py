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
    failover_delay: str = ""
    telegram_seconds: int | None = None
    """Telegram first, and after so long an SMS; None: no Telegram."""
    inbound: bool = False
    """The last step is the person's own SMS; people do what `advice` says."""
    order: str = ""


class Plan(Struct, frozen=True):
    """One run. rate: starts in a second. speed: of the clock. scenario: as `POST /_sim/scenario` takes it."""

    variant: Variant
    seed: int
    verifications: int
    rate: float
    speed: float
    prices: dict[str, float]
    scenario: dict[str, Any]
    telegram: dict[str, Any] = {}
    """What is otherwise with Telegram, where the variant has it."""
    reading_seconds: float = 3.0
    """From the arrival of an SMS until its code is submitted."""
    again_share: float = 0.0
    """Of the people: they press "send again" as soon as they may, once without a code for `again_seconds`."""
    again_seconds: float = 40.0
    returns_share: float = 0.0
    """Of the people: they come back for another code when the first is over."""
    follows_share: float = 0.95
    """Of those who are told to send an SMS: they do, after `sends_seconds` (median, log-normal)."""
    sends_seconds: float = 12.0
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
    telegram_per_approval: float
    waited_seconds: Spread
    """Until a code that works is there, of those who got one."""
    duplicates: int
    roubles_per_approval: float
    told_of_unreachable: float
    """Of the visits of people whom no SMS reaches and Telegram did not: `advice` said that SMS do not come."""
    told_in_vain: float
    """Of the others: it said so although an SMS came within 30 s."""
    claimed: float
    """Of all approvals: by the person's own SMS."""
    unreachable: int
    """People whom no SMS can reach. The shares are of the others too: `held_of_reachable_60`."""
    sms_per_unreachable: float
    held_of_reachable_30: float
    held_of_reachable_60: float
    pressed_again: int
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
