"""The channel `auto`: the steps of a request or of its application, as one route.

A gateway stands where its last step has it, so the SMS gateways at the end of a Telegram route wait for the step `sms`.
The step `inbound` has no gateway: it is what is left when the others did not bring the code.
"""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.domain import inbound
from otp_service.domain.recipients import AUTO, EMAIL
from otp_service.domain.workflows import Step, Way, why_unfit
from otp_service.errors import SettingsError
from otp_service.settings.applications import Application
from otp_service.settings.values import Route, Settings


def steps_of(settings: Settings, application: str, way: Way) -> Sequence[Step]:
    """Of `auto`; none of any other channel."""
    if way.channel != AUTO:
        return ()
    return way.steps or settings.applications[application].workflow.steps


def sending_steps(settings: Settings, application: str, way: Way) -> Sequence[Step]:
    """Those by which we send something."""
    return [step for step in steps_of(settings, application, way) if step.channel != inbound.CHANNEL]


def ends_inbound(settings: Settings, application: str, way: Way) -> bool:
    """Whether the person may send the code where ours does not arrive."""
    steps = steps_of(settings, application, way)
    return bool(steps) and steps[-1].channel == inbound.CHANNEL


def route_of(settings: Settings, application: str, way: Way) -> Route | None:
    """Of a channel, as this application goes along it; None where it has none."""
    if way.channel != AUTO:
        return settings.routes.get(way.channel)
    channels = [step.channel for step in sending_steps(settings, application, way)]
    routes = [settings.routes[channel] for channel in channels if channel in settings.routes]
    if not routes or len(routes) < len(channels):
        return None
    names = [name for route in routes for name in route.gateways]
    return Route(
        gateways=tuple(name for at, name in enumerate(names) if name not in names[at + 1 :]),
        deadline_seconds=max(route.deadline_seconds for route in routes),
        reserve_seconds=min(route.reserve_seconds for route in routes),
        failover_after_seconds=routes[-1].failover_after_seconds,
    )


def step_of(settings: Settings, application: str, way: Way, gateway: str) -> int:
    """Which step of `auto` a gateway serves, from 0; 0 for any other channel."""
    steps = sending_steps(settings, application, way)
    serving = [at for at, step in enumerate(steps) if gateway in settings.routes[step.channel].gateways]
    return serving[-1] if serving else 0


def wait_seconds(settings: Settings, application: str, way: Way, gateway: str) -> int:
    """How long a message of this gateway may take until the next has its turn; 0: until it fails."""
    channel = way.channel
    if steps := sending_steps(settings, application, way):
        step = steps[step_of(settings, application, way, gateway)]
        channel = step.channel
        if step.wait_seconds is not None:
            return step.wait_seconds
    route = settings.routes.get(channel)
    return route.failover_after_seconds if route else 0


def learns_wait(settings: Settings, application: str, way: Way, gateway: str) -> bool:
    """Whether its messages are waited for as long as they usually take, since nobody wrote another time."""
    channel = way.channel
    if steps := sending_steps(settings, application, way):
        step = steps[step_of(settings, application, way, gateway)]
        channel = step.channel
        if step.wait_seconds is not None:
            return False
    route = settings.routes.get(channel)
    return route is not None and route.failover_delay == "learned"


def offered(settings: Settings, application: str, way: Way) -> Sequence[str]:
    """The channels to a phone that people are told of: the steps, and the one that claims come by."""
    policy = settings.applications[application]
    channels = [step.channel for step in way.steps or policy.workflow.steps if step.channel != EMAIL]
    takes_claims = settings.inbound.number and policy.assurance == "claimed"
    return list(dict.fromkeys([*channels, *([inbound.CHANNEL] if takes_claims else [])]))


def has_other_way(settings: Settings, application: str, way: Way) -> bool:
    """Whether a person whom a channel does not reach is told of another; `auto`: whom one step does not reach."""
    channels = offered(settings, application, way)
    return len(channels) > 1 if way.channel == AUTO else any(each != way.channel for each in channels)


def refuse_unfit(settings: Settings, name: str, application: Application) -> None:
    """Raises SettingsError naming the key."""
    where, steps = f"applications.{name}.workflow.steps", application.workflow.steps
    for step in steps:
        if step.channel == inbound.CHANNEL:
            if not settings.inbound.number:
                raise SettingsError(f"{where}: `inbound` needs `inbound.number`, to which people send their codes")
            if application.assurance != "claimed":
                raise SettingsError(f'{where}: `inbound` needs applications.{name}.assurance = "claimed"')
        elif step.channel not in settings.routes:
            known = ", ".join(settings.routes)
            raise SettingsError(f"{where}: there is no route for {step.channel!r}; there are: {known}")
    if unfit := why_unfit(steps):
        raise SettingsError(f"{where}: {unfit}")
