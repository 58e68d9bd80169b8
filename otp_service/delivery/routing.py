"""The order of gateways for one send, and the time each may take. Pure rules."""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.gateways.base import Gateway

LEAST_ATTEMPT_SECONDS = 0.5
"""An attempt with less time than this is not worth making."""


def able(route: Sequence[Gateway], *, repeats_code: bool) -> list[Gateway]:
    """Who can send a text: a gateway that makes the code itself is asked to place it once, never twice."""
    return [gateway for gateway in route if not (gateway.makes_code and repeats_code)]


def later_send(route: Sequence[Gateway], last_used: str) -> list[Gateway]:
    """On along the route from the gateway that had the last try, then around.

    The code is already somebody's: a gateway that would make another one is asked only where there is no other.
    """
    names = [gateway.name for gateway in route]
    after = names.index(last_used) + 1 if last_used in names else 0
    around = [*route[after:], *route[:after]]
    return [gateway for gateway in around if not gateway.makes_code] or around


def other_send(route: Sequence[Gateway], last_used: str) -> list[Gateway]:
    """The same, but the gateway that had the last try comes after all others, and so does one that makes another code:
    they are asked only where nobody else takes it.
    """
    others = [gateway for gateway in later_send(route, last_used) if gateway.name != last_used]
    rest = [gateway for gateway in route if gateway not in others]
    return [*others, *sorted(rest, key=lambda gateway: gateway.name == last_used)]


def rest_of_send(route: Sequence[Gateway], last_used: str, *, first: bool) -> list[Gateway]:
    """What a walk that died had still before it."""
    if not first:
        return [gateway for gateway in later_send(route, last_used) if gateway.name != last_used]
    names = [gateway.name for gateway in route]
    return list(route[names.index(last_used) + 1 :]) if last_used in names else list(route)


def attempt_seconds(own_limit: float, remaining: float, still_to_come: int, reserve: float) -> float:
    """Time for one attempt: never what is kept for each gateway still to come."""
    return min(own_limit, remaining - reserve * still_to_come)
