"""How a message fares that is withheld: as one of the last real ones did with the same gateway, and in as much time.

An application with `enumeration_safe` does not tell whom it refuses. A send to such a phone is withheld: it goes the
same way as any other, counts as any other, and only where its gateway would be called it takes its fate from here. So
a decoy also meets a gateway that is away, at once when the real ones do. A process remembers what it saw itself.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from otp_service import load
from otp_service.domain.messages import MessageStatus
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Then

REMEMBERED = 100
"""Sends of a gateway."""
UNSEEN_SECONDS = (0.15, 0.6)
"""What a gateway takes that this process has not called yet: a guess."""
NEWS_SECONDS = 60.0
"""A failure longer ago is no example any more."""
NEWEST = 0.5
"""How likely the newest send is the example, and else the one before it, and so on. So an outage shows at once, and a
decoy is still no copy of the start before it."""


@dataclass(frozen=True, slots=True)
class _Fate:
    at: float
    seconds: float
    status: MessageStatus
    error: GatewayError | None = None

    @property
    def kind(self) -> tuple[object, ...]:
        return (self.status, *((self.error.reason, self.error.then) if self.error else ()))


class Decoys:
    def __init__(self) -> None:
        self._seen: defaultdict[str, deque[_Fate]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    async def watched(self, gateway: Gateway, sending: Awaitable[Accepted]) -> Accepted:
        """Remember how a real message fares. A phone that can never get it says nothing of the next. Raises
        GatewayError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with load.away():
                accepted = await sending
        except GatewayError as error:
            if error.then is not Then.STOP:
                ended = loop.time()
                self._seen[gateway.name].append(_Fate(ended, ended - began, MessageStatus.REJECTED, error))
            raise
        ended = loop.time()
        self._seen[gateway.name].append(_Fate(ended, ended - began, accepted.status))
        return accepted

    async def send(self, gateway: Gateway, most_seconds: float) -> Accepted:
        """Call nobody, and fare as a real message would. Raises GatewayError."""
        news = asyncio.get_running_loop().time() - NEWS_SECONDS
        seen = [each for each in self._seen[gateway.name] if each.error is None or each.at > news]
        if not seen:
            with load.away():
                await asyncio.sleep(min(random.uniform(*UNSEEN_SECONDS), most_seconds))  # noqa: S311  as below
            return Accepted()
        # Nobody gains by guessing which.
        fate = next((each for each in reversed(seen) if random.random() < NEWEST), seen[-1])  # noqa: S311
        alike = sorted(each.seconds for each in seen if each.kind == fate.kind)
        with load.away():
            await asyncio.sleep(min(_between(alike), most_seconds))
        if fate.error:
            raise GatewayError(fate.error.reason, fate.error.then)
        return Accepted(status=fate.status)


def _between(times: Sequence[float]) -> float:
    """A time drawn from the same distribution: a point between two neighbours, so that none comes a second time."""
    low, high = random.choice(list(pairwise(times)) or [(times[0], times[0])])  # noqa: S311
    return random.uniform(low, high)  # noqa: S311
