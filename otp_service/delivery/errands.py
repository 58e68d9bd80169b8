"""An errand: one send of one verification, with the gateways that are to be asked and the order of asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otp_service.delivery import routing
from otp_service.delivery.circuits import Circuits
from otp_service.domain.looks import FIRST_LOOK_MS
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.texts import Texts
from otp_service.domain.value import Value
from otp_service.errors import Refused
from otp_service.gateways.base import Gateway, Reason
from otp_service.settings import Route, Settings, texts_of
from otp_service.storage.records import Opening, Settling, Stored

LEASE_MARGIN_SECONDS = 2.0
"""A walk holds its verification for the route's deadline and this much more; then somebody else may go on with it."""


class Errand(Value):
    """What is to be delivered, and by whom.

    opened: the first candidate's message, where it is recorded already. settled: what became of the message before
    it, where that is not written down yet.
    """

    stored: Stored
    texts: Texts
    route: Route
    candidates: Sequence[Gateway]
    opened: Opening | None = None
    settled: Settling | None = None


class Errands:
    """Makes errands from the routes of the settings."""

    def __init__(self, settings: Settings, gateways: Mapping[str, Gateway], circuits: Circuits) -> None:
        self._settings = settings
        self._circuits = circuits
        self._texts = {name: texts_of(application) for name, application in settings.applications.items()}
        self._gateways: Mapping[str, Sequence[Gateway]] = {
            channel: [gateways[name] for name in route.gateways] for channel, route in settings.routes.items()
        }

    def lease_seconds(self, channel: str = "") -> float:
        """How long a walk may hold its verification; '' where the channel is not known yet. Raises Refused."""
        routes = self._settings.routes
        if channel and channel not in routes:
            known = ", ".join(routes)
            raise Refused("channel_not_available", f"There is no route for this channel. Available: {known}.")
        deadline = max(route.deadline_seconds for name, route in routes.items() if channel in ("", name))
        return deadline + LEASE_MARGIN_SECONDS

    def route(self, application: str, channel: str, platform: str) -> Sequence[Gateway]:
        """Who is asked for a new verification, in this order."""
        return self._circuits.usable(self._able(application, channel, platform))

    def front(self, application: str, channel: str, platform: str) -> Gateway:
        """Who would be asked first, also while nobody can be."""
        return [*self.route(application, channel, platform), *self._gateways[channel]][0]

    def first(self, stored: Stored, candidates: Sequence[Gateway], opened: Opening | None = None) -> Errand:
        """The first send. opened: the message of the first candidate, where it is recorded already."""
        return self._errand(stored, stored.found.channel, candidates, opened)

    def later(self, stored: Stored, channel: str) -> Errand:
        """One more send: on along the route."""
        last = stored.found.messages[-1] if stored.found.messages else None
        candidates = routing.later_send(self._route(stored, channel), last.gateway if last else "")
        return self._errand(stored, channel, self._circuits.usable(candidates), settled=left_open(last))

    def instead(self, stored: Stored) -> Errand:
        """One more send that nobody asked for: on along the route, and not by the gateway that did not deliver."""
        last = stored.found.messages[-1].gateway
        candidates = routing.other_send(self._route(stored, stored.found.channel), last)
        return self._errand(stored, stored.found.channel, self._circuits.usable(candidates))

    def resumed(self, stored: Stored, channel: str, *, first: bool) -> Errand:
        """Go on where a process died: repeat its last message where that sends nothing twice, else leave it unclear."""
        if not stored.found.messages:
            return self.first(stored, self._circuits.usable(self._route(stored, channel)))
        last = stored.found.messages[-1]
        route = self._route(stored, channel)
        rest = routing.rest_of_send(route, last.gateway, first=first)
        again = next((gateway for gateway in route if gateway.name == last.gateway and gateway.repeatable), None)
        if again and left_open(last):
            opened = Opening(last.number, last.gateway, last.channel, last.code_source, last.client_id)
            return self._errand(stored, channel, [again, *rest], opened)
        return self._errand(stored, channel, rest, settled=left_open(last))

    def repeat(self, stored: Stored) -> Errand:
        """A message that went out once more, by the gateway that may have it; nobody else is asked."""
        return self._errand(stored, stored.found.channel, [])

    def _route(self, stored: Stored, channel: str) -> Sequence[Gateway]:
        return self._able(stored.found.application, channel, stored.found.platform)

    def _able(self, application: str, channel: str, platform: str) -> Sequence[Gateway]:
        """The gateways of a channel that can send what the application says to such a device."""
        repeats_code = self._texts[application].repeats_code(platform)
        return routing.able(self._gateways[channel], repeats_code=repeats_code)

    def _errand(
        self,
        stored: Stored,
        channel: str,
        candidates: Sequence[Gateway],
        opened: Opening | None = None,
        settled: Settling | None = None,
    ) -> Errand:
        return Errand(
            stored, self._texts[stored.found.application], self._settings.routes[channel], candidates, opened, settled
        )


def left_open(last: Message | None) -> Settling | None:
    """A message whose process died before the gateway's answer was written: it may have left."""
    if last is None or last.status is not MessageStatus.QUEUED:
        return None
    return Settling(last.number, MessageStatus.UNCLEAR, reason=Reason.TIMEOUT, look_ms=FIRST_LOOK_MS)
