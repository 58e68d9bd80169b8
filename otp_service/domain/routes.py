"""Routes that learn: in which order the gateways of a channel are asked, from how their messages did. Pure rules.

Of each gateway and group of people (their operator, or country) it is counted how many messages brought a code that
was entered in time, and how many did not. What was counted fades, by messages and by time, so that a gateway that has
healed is soon seen to work. The order is drawn by Thompson sampling: of each gateway a share is drawn from what its
counts leave possible, and the best is asked first; so one of which little is known is tried, a bad one now and then.

Only verifications that ended in an approval tell of a route, and those of people who were proved before: a stranger who
has codes sent to phones that nobody proved moves nothing; one who knows phones that were proved moves little, since
limits bound what goes to each of them and counts fade (docs/adr/0024-routes-that-learn.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.route_choice import Choice, RouteOrder, RouteReason
from otp_service.domain.value import Value
from otp_service.domain.verifications import Status, Verification

IN_TIME_MS = 30_000
"""A message that took longer was too late for most people."""
ENTERED_MS = 60_000
"""The same where the gateway does not report deliveries: until the code was entered."""
KEPT = 0.98
"""Factor by which counts shrink with each further message to the same group, whichever gateway had it: about the last
50 messages matter, and a gateway that is not asked any more is soon as unknown as a new one."""
HALF_LIFE_MS = 6 * 3_600_000
FLOOR = 0.06
"""Share of choices that are drawn evenly among the gateways, whatever is known of them."""
OF_ALL = ""
"""The group that stands for all people."""
OF_GATEWAY = 6.0
"""Weight, in messages, that a gateway's share among all people has for a group about which little is known."""
PRIOR = (3.0, 1.0)
"""Good and bad messages assumed of a gateway about which nothing is known."""
LONGEST = 10_000
"""After so many messages nothing is left of a count."""
MOST = 1e6
"""Upper bound of a count that is read; real ones stay far below."""


class Cell(Value):
    """How one gateway's messages did with one group. good, bad: faded counts. at: the moment that they are of,
    milliseconds of Redis time. messages: how many the group had had until then."""

    good: float = 0.0
    bad: float = 0.0
    at: int = 0
    messages: int = 0


class Known(Value):
    """cells: by gateway and group. messages: by group, how many it had."""

    cells: Mapping[tuple[str, str], Cell] = {}
    messages: Mapping[str, int] = {}


class Offer(Value):
    """A gateway that may be asked. price: micro-roubles of one part, None where nobody said."""

    gateway: str
    price: int | None = None


def faded(cell: Cell, now: int, messages: int) -> Cell:
    """The counts of a cell at another time, after so many messages to its group. Where the clock went back or the
    number of messages was lost, nothing fades."""
    if not all(map(_sound, (cell.good, cell.bad))):
        return Cell()
    left = 0.5 ** (max(0, now - cell.at) / HALF_LIFE_MS) * KEPT ** min(max(0, messages - cell.messages), LONGEST)
    return Cell(min(cell.good, MOST) * left, min(cell.bad, MOST) * left, now, messages)


def belief(known: Known, gateway: str, group: str, now: int) -> tuple[float, float]:
    """Parameters of the beta distribution of the share of its messages that bring a code in time."""
    overall = _of(known, gateway, OF_ALL, now)
    good, bad = overall.good + PRIOR[0], overall.bad + PRIOR[1]
    own = _of(known, gateway, group, now) if group != OF_ALL else overall
    share = good / (good + bad)
    return OF_GATEWAY * share + own.good, OF_GATEWAY * (1 - share) + own.bad


def _of(known: Known, gateway: str, group: str, now: int) -> Cell:
    return faded(known.cells.get((gateway, group), Cell()), now, known.messages.get(group, 0))


def choose(
    order: RouteOrder, offers: Sequence[Offer], known: Known, group: str, now: int, max_extra: int, rng: Random
) -> Choice:
    """offers: in the order of the settings, those that can be asked; one or more. max_extra: micro-roubles that a part
    may cost more than by the first of them. rng: as in production, or seeded."""
    before = offers[0]
    fit = [
        offer.gateway
        for offer in offers
        if offer.price is None or before.price is None or offer.price - before.price <= max_extra
    ]
    dear = [offer.gateway for offer in offers if offer.gateway not in fit]
    if len(fit) == 1:
        return Choice(order, [*fit, *dear], before.gateway, RouteReason.ONLY)
    drawn = {name: rng.betavariate(*belief(known, name, group, now)) for name in fit}
    best_first = sorted(fit, key=lambda name: -drawn[name])
    if rng.random() < FLOOR:
        tried = rng.choice(fit)
        rest = [name for name in best_first if name != tried]
        return Choice(order, [tried, *rest, *dear], before.gateway, RouteReason.EXPLORE)
    return Choice(order, [*best_first, *dear], before.gateway, RouteReason.LEARNED)


def carrier(found: Verification) -> Message | None:
    """The message that an approval is owed to: whose own code was entered; else that was delivered last before it; else
    the one that left last."""
    if 0 < found.entered <= len(found.messages):
        return found.messages[found.entered - 1]
    out = [message for message in found.messages if message.sent_at and message.sent_at <= found.ended_at]
    delivered = [
        message
        for message in out
        if message.status is MessageStatus.DELIVERED and 0 < message.ended_at <= found.ended_at
    ]
    if delivered:
        return max(delivered, key=lambda message: (message.ended_at, message.number))
    return out[-1] if out else None


def told(found: Verification) -> list[tuple[str, bool]]:
    """What an ended verification says about its gateways: each of them, and whether its message did well.

    Approved: the message with the code did well if it was in time; those before it did not. Expired: none did well;
    this counts only for a person who was proved before and whom the channel is not known to miss."""
    if found.withheld or found.test or found.delivery or found.assurance:
        return []
    if found.status is Status.APPROVED:
        owed = carrier(found)
        if owed is None:
            return []
        before = [message.gateway for message in found.messages if message.number < owed.number and message.sent_at]
        return [*((gateway, False) for gateway in before), (owed.gateway, _in_time(owed, found))]
    known = found.guard is not None and found.guard.verified
    if found.status is Status.EXPIRED and known and not found.unreached:
        return [(message.gateway, False) for message in found.messages if message.sent_at]
    return []


def _in_time(message: Message, found: Verification) -> bool:
    if message.status is MessageStatus.DELIVERED and message.ended_at <= found.ended_at:
        return message.ended_at - message.sent_at <= IN_TIME_MS
    return found.ended_at - message.sent_at <= ENTERED_MS


def _sound(number: float) -> bool:
    return math.isfinite(number) and number >= 0
