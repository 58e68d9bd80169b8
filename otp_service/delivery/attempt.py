"""One attempt at one gateway: how long it may take, when it is worth repeating, and taking back what is held."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from otp_service.delivery.routing import LEAST_ATTEMPT_SECONDS, attempt_seconds
from otp_service.domain.reasons import Reason
from otp_service.domain.value import Value
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Outgoing, Revokes, Then
from otp_service.settings import Route
from otp_service.telemetry import metrics, tracing

log = structlog.get_logger()

AT_ONCE_SECONDS = 1.0
"""A connection that is refused within this time is tried once more; one that fails later is not."""
KNOCK_AGAIN_SECONDS = 0.2
WITHDRAW_SECONDS = 2.0


class Budget(Value):
    """Time for one gateway of a walk. deadline: of the walk, by the event loop's clock."""

    route: Route
    gateway: Gateway
    deadline: float
    still_to_come: int

    def seconds(self) -> float:
        """For the next attempt of this gateway; shrinks while it is at work."""
        remaining = self.deadline - asyncio.get_running_loop().time()
        return attempt_seconds(
            self.gateway.traits.attempt_seconds, remaining, self.still_to_come, self.route.reserve_seconds
        )


async def send(gateway: Gateway, outgoing: Outgoing, seconds: Callable[[], float]) -> Accepted:
    """One attempt, repeated once where that cannot send twice: nothing was sent, or the client id makes it the same.

    What was unclear stays unclear unless the gateway itself says otherwise. Raises GatewayError.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        return await _ask(gateway, outgoing, max(seconds(), LEAST_ATTEMPT_SECONDS))
    except GatewayError as error:
        first = error
    refused_at_once = first.reason is Reason.UNREACHABLE and loop.time() - began < AT_ONCE_SECONDS
    if not refused_at_once and not (first.then is Then.UNCLEAR and gateway.repeatable):
        raise first
    await asyncio.sleep(KNOCK_AGAIN_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311  jitter
    if seconds() < LEAST_ATTEMPT_SECONDS:
        raise first
    repeated = replace(outgoing, repeat=outgoing.repeat or first.then is Then.UNCLEAR)
    try:
        return await _ask(gateway, repeated, seconds())
    except GatewayError as second:
        raise second if first.then is not Then.UNCLEAR or second.then is Then.STOP else first from None


async def _ask(gateway: Gateway, outgoing: Outgoing, seconds: float) -> Accepted:
    """Raises GatewayError, also where the gateway says that it has sent this before and we know of no such time: then
    it is not our message that left.
    """
    with (
        metrics.GATEWAY_SECONDS.labels(gateway.name).time(),
        metrics.GATEWAY_RUNNING.labels(gateway.name).track_inprogress(),
        tracing.span(f"send {gateway.name}", {"otp.gateway": gateway.name, "otp.channel": gateway.channel}),
    ):
        try:
            accepted = await gateway.send(outgoing, seconds)
        except GatewayError as error:
            tracing.note_failure(error.reason)
            note_words(gateway, error)
            raise
        if accepted.earlier and not outgoing.repeat:
            tracing.note_failure(Reason.THROTTLED)
            raise GatewayError(Reason.THROTTLED, Then.NEXT)
        return accepted


def note_words(gateway: Gateway, error: GatewayError) -> None:
    """What no document lists is for a person to read, who can tell us what it means."""
    if error.words:
        log.warning("gateway_said", gateway=gateway.name, reason=error.reason, words=error.words)


async def withdraw(gateway: Gateway, provider_id: str) -> bool:
    """Take back what is held or scheduled. False where that is not possible."""
    if not provider_id:
        return False
    try:
        async with asyncio.timeout(WITHDRAW_SECONDS):
            return await gateway.withdraw(provider_id)
    except (GatewayError, TimeoutError):
        log.warning("withdraw_failed", gateway=gateway.name)
        return False


def revocable(gateway: object) -> bool:
    """Whether what it sent can be taken back."""
    return isinstance(gateway, Revokes) and gateway.revokes
