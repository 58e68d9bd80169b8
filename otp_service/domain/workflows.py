"""The channel `auto`: channels one after the other, until the code is there. Pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from otp_service.domain import inbound
from otp_service.domain.value import Value

MOST_STEPS = 8
LONGEST_WAIT_SECONDS = 600


class Step(Value, kw_only=True, forbid_unknown_fields=True):
    """One channel of a workflow. wait_seconds: until the next step, if nothing arrives; None: as its route says."""

    channel: Annotated[str, Meta(pattern=r"^[a-z]{1,16}$(?!\n)")]
    wait_seconds: Annotated[int, Meta(ge=0, le=LONGEST_WAIT_SECONDS)] | None = None


class Way(Value):
    """How a code is to reach the person. steps: those of the request, where the channel is `auto`; none for those of
    the application."""

    channel: str
    steps: Sequence[Step] = ()


def why_unfit(steps: Sequence[Step]) -> str:
    """What is wrong with the order of the channels, to be read after the name of the list; '' for nothing."""
    channels = [step.channel for step in steps]
    if len(set(channels)) != len(channels):
        return "a channel stands twice"
    if inbound.CHANNEL in channels and channels.index(inbound.CHANNEL) in (0, *range(1, len(channels) - 1)):
        return "`inbound` is the last of several: nothing is sent after it"
    return ""


def encode(steps: Sequence[Step]) -> str:
    """As a record keeps them: `telegram=20,viber,sms=0`."""
    return ",".join(
        step.channel if step.wait_seconds is None else f"{step.channel}={step.wait_seconds}" for step in steps
    )


@lru_cache(maxsize=256)  # few are written, and each is read again and again
def parse(text: str) -> tuple[Step, ...]:
    """What `encode` wrote."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    return tuple(
        Step(channel=channel, wait_seconds=int(seconds) if equals else None) for channel, equals, seconds in pairs
    )
