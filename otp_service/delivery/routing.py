"""The order of gateways for one send, and the time each may take. Pure rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from otp_service.domain.messages import Message
from otp_service.domain.reasons import Reason
from otp_service.domain.recipients import EMAIL
from otp_service.errors import SettingsError
from otp_service.gateways.base import Gateway
from otp_service.settings import Settings

LEAST_ATTEMPT_SECONDS = 0.5
"""An attempt with less time than this is not worth making."""


def able(route: Sequence[Gateway], *, repeats_code: bool) -> list[Gateway]:
    """The gateways that can send a text. One that makes the code itself needs exactly one place for it."""
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
    """The gateways that a walk had not asked yet when its process died."""
    if not first:
        return [gateway for gateway in later_send(route, last_used) if gateway.name != last_used]
    names = [gateway.name for gateway in route]
    return list(route[names.index(last_used) + 1 :]) if last_used in names else list(route)


def rest_ms(gateway: Gateway, messages: Sequence[Message], refusing: Mapping[str, str], now: int) -> int:
    """How long a gateway will still refuse the code as a repetition, because its account had it so short a time ago.

    refusing: gateways that refuse repetitions, and their accounts. now: milliseconds of Redis time, as in the messages.
    """
    if gateway.name not in refusing:
        return 0
    had = [
        max(message.queued_at, message.sent_at)
        for message in messages
        if refusing.get(message.gateway) == gateway.account and message.reason != Reason.UNREACHABLE
    ]
    return max(0, max(had, default=0) + int(gateway.repeat_pause_seconds * 1000) - now)


def paced(settings: Settings, gateways: Mapping[str, Gateway]) -> Settings:
    """The settings with no shorter pause between sends than a route needs whose gateways all refuse repetitions."""
    routes = [[gateways[name].repeat_pause_seconds for name in route.gateways] for route in settings.routes.values()]
    least = math.ceil(max((min(pauses, default=0) for pauses in routes), default=0))
    applications = {
        name: replace(each, resend_pause_seconds=tuple(max(least, pause) for pause in each.resend_pause_seconds))
        for name, each in settings.applications.items()
    }
    return replace(settings, applications=applications) if least else settings


def attempt_seconds(own_limit: float, remaining: float, still_to_come: int, reserve: float) -> float:
    """Time for one attempt: never what is kept for each gateway still to come."""
    return min(own_limit, remaining - reserve * still_to_come)


def refuse_unfit(settings: Settings, gateways: Mapping[str, Gateway]) -> None:
    """Routes that can never work as they are written. Raises `SettingsError` naming the key."""
    mailing = gateways.get(settings.reports.gateway)
    if settings.reports.to and (mailing is None or mailing.channel != EMAIL):
        raise SettingsError("reports.gateway: name the gateway of the kind smtp that mails the report")
    origin = next((name for name, application in settings.applications.items() if application.webotp_origin), None)
    for channel, route in settings.routes.items():
        head = gateways[route.gateways[0]]
        if head.channel != channel:
            raise SettingsError(f"routes.{channel}.gateways: {head.name} sends by {head.channel}; it cannot come first")
        if len({gateways[name].channel == EMAIL for name in route.gateways}) > 1:
            raise SettingsError(f"routes.{channel}.gateways: addresses and phones cannot be on one route")
        if origin and channel != EMAIL and not able([gateways[name] for name in route.gateways], repeats_code=True):
            raise SettingsError(
                f"applications.{origin}.webotp_origin: its line repeats the code, so routes.{channel} needs a gateway"
                " that sends a code made here"
            )
