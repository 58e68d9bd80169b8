"""A plan: one send of one verification, with the gateways that are to be asked and the order of asking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from otp_service.delivery import routing
from otp_service.delivery.circuit_breakers import Circuits
from otp_service.delivery.learned_routes import LearnedRoutes, in_order
from otp_service.domain import advice, inbound
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.polling import FIRST_LOOK_MS
from otp_service.domain.reasons import Reason
from otp_service.domain.recipients import AUTO, EMAIL, is_address
from otp_service.domain.requests import OWN_WORDS, Content, StartRequest
from otp_service.domain.texts import Texts
from otp_service.domain.value import Value
from otp_service.domain.workflows import Way
from otp_service.errors import Refused
from otp_service.gateways.base import Gateway
from otp_service.settings import Route, Settings, texts_of
from otp_service.settings.applications import Inbound
from otp_service.settings.workflows import ends_inbound, learns_wait, route_of, sending_steps, step_of, wait_seconds
from otp_service.storage.records import MessageResult, NewMessage, Stored
from otp_service.storage.stores import Stores

LEASE_MARGIN_SECONDS = 2.0
"""A walk holds its verification for the route's deadline and this much more; then somebody else may go on with it."""


class SendPlan(Value):
    """What is to be delivered, and by whom.

    opened: the first candidate's message, where it is recorded already. settled: what became of the message before
    it, where that is not written down yet. withheld: no gateway is called, and callers are not told. discreet: nor are
    they told that a gateway refuses the phone.
    """

    stored: Stored
    texts: Texts
    route: Route
    candidates: Sequence[Gateway]
    opened: NewMessage | None = None
    settled: MessageResult | None = None
    withheld: bool = False
    discreet: bool = False
    waits: Callable[[str], int] = lambda gateway: 0
    """Gateway → how long its message may take until the next has its turn."""
    learns: Callable[[str], bool] = lambda gateway: False
    """Gateway → whether that is as long as its messages usually take."""
    inbound: Inbound | None = None
    """Where the person sends the code if nobody takes the message; None: there is no such step."""

    @property
    def deadline(self) -> float:
        """By the event loop's clock. Counted from before the walk was claimed, so that its lease ends later."""
        return self.stored.asked_at + self.route.deadline_seconds

    @property
    def seconds_left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()


class SendPlans:
    """Makes plans from the routes of the settings."""

    def __init__(self, settings: Settings, gateways: Mapping[str, Gateway], circuits: Circuits, stores: Stores) -> None:
        self._settings = settings
        self._circuits = circuits
        self.learned = LearnedRoutes(settings, stores.routes, stores.statistics)
        self._refusing = {name: gateway.account for name, gateway in gateways.items() if gateway.repeat_pause_seconds}
        self._texts = {name: texts_of(application) for name, application in settings.applications.items()}
        self._gateways = gateways

    def lease_seconds(self, application: str = "", channel: str = "") -> float:
        """How long a walk may hold its verification; '' where the channel is not known yet. Raises Refused."""
        routes = self._settings.routes
        if channel == inbound.CHANNEL:
            self.refuse_inbound(application)
            return LEASE_MARGIN_SECONDS
        if channel and channel != AUTO:
            return self._route_of(application, Way(channel)).deadline_seconds + LEASE_MARGIN_SECONDS
        return max(route.deadline_seconds for route in routes.values()) + LEASE_MARGIN_SECONDS

    def takes_inbound(self, application: str, to: str) -> bool:
        """Whether this person may prove a phone by sending the code."""
        takes_claims = self._settings.applications[application].assurance == "claimed"
        return bool(self._settings.inbound.number) and takes_claims and not is_address(to)

    def refuse_inbound(self, application: str, to: str = "") -> None:
        """Raises Refused where nobody waits for SMS, or the application takes nothing that is only claimed."""
        if not self.takes_inbound(application, to):
            raise Refused("channel_not_available", "This application does not accept codes that people send by SMS.")

    def route(
        self,
        application: str,
        way: Way,
        platform: str,
        to: str,
        content: Content = OWN_WORDS,
        *,
        passed_over: Collection[str] = (),
    ) -> Sequence[Gateway]:
        """Who is asked for a new verification, in this order. passed_over: channels that do not reach the recipient;
        they are asked all the same where there is no other way."""
        able = self._able(application, way, platform, to, content)
        left = [gateway for gateway in able if gateway.channel not in passed_over]
        return self._circuits.usable(left if left or ends_inbound(self._settings, application, way) else able)

    def refuse_unreachable(self, application: str, way: Way, to: str) -> None:
        """Raises Refused where no gateway of the channel sends to such a recipient."""
        if way.channel == inbound.CHANNEL:
            return
        reaching = any(map(_sends_to(to), self._named(application, way)))
        if ends_inbound(self._settings, application, way) and not is_address(to):
            self.refuse_inbound(application)
            reaching = True  # though nothing of ours may: the person reaches us
        if not reaching:
            raise Refused("channel_not_available", f"No step of the channel {way.channel} can reach this recipient.")

    def last_resort(self, stored: Stored) -> Inbound | None:
        """Where the person may send the code when nothing else brought it; None: its way does not end so."""
        found = stored.verification
        ends = ends_inbound(self._settings, found.application, found.way) and not found.delivery
        return self._settings.inbound if ends and self.takes_inbound(found.application, found.phone) else None

    def ends_inbound(self, application: str, order: StartRequest) -> bool:
        """Whether the person may send the code where nothing of ours may go out."""
        return ends_inbound(self._settings, application, order.way) and not order.delivery

    def at_last_step(self, stored: Stored) -> bool:
        """Whether what we send has come to the last of its steps that reach the person, or to no step at all."""
        found = stored.verification
        steps = sending_steps(self._settings, found.application, found.way)
        tried = [step_of(self._settings, found.application, found.way, each.gateway) for each in found.messages]
        later = steps[max(tried, default=len(steps)) + 1 :]
        to_addresses = is_address(found.phone)
        return all(step.channel in found.unreached or (step.channel == EMAIL) != to_addresses for step in later)

    def has_others(self, stored: Stored) -> bool:
        """Whether the route has a gateway to fail over to."""
        return len(self._route_of(stored.verification.application, stored.verification.way).gateways) > 1

    def first(self, stored: Stored, candidates: Sequence[Gateway], opened: NewMessage | None = None) -> SendPlan:
        """The first send. opened: the message of the first candidate, where it is recorded already."""
        return self._plan(stored, stored.verification.way, candidates, opened)

    def for_resend(self, stored: Stored, channel: str) -> SendPlan:
        """One more send: on along the route."""
        last = stored.verification.messages[-1] if stored.verification.messages else None
        way = Way(channel, stored.verification.steps)
        candidates = routing.later_send(self._route(stored, way), last.gateway if last else "")
        if channel == AUTO:  # who names a channel wants that one
            candidates = _reaching(stored, candidates) or ([] if self.last_resort(stored) else candidates)
        return self._plan(stored, way, self._fit(stored, candidates), settled=interrupted(last))

    def for_failover(self, stored: Stored) -> SendPlan:
        """One more send that nobody asked for: on along the route, and not by the gateway that did not deliver."""
        found = stored.verification
        return self._plan(stored, found.way, self._fit(stored, self._after_last(stored)))

    def ways_left(self, stored: Stored, channel: str) -> tuple[bool, int]:
        """Whether the recipient can still be reached by another channel than this, and how many gateways of this one
        the way has."""
        route = self._route(stored, stored.verification.way)
        past = {channel, *(message.channel for message in stored.verification.messages)}
        others = any(gateway.channel not in past for gateway in _reaching(stored, route))
        return others or self.last_resort(stored) is not None, sum(gateway.channel == channel for gateway in route)

    def has_none_left(self, stored: Stored) -> bool:
        """Whether all that could be asked next are of channels that do not reach the recipient, or that had their turn
        before: what did not bring the code then is not worth another message."""
        found = stored.verification
        tried = {message.channel for message in found.messages}
        return bool(found.unreached) and all(gateway.channel in tried for gateway in self._after_last(stored))

    def _after_last(self, stored: Stored) -> list[Gateway]:
        found, last = stored.verification, stored.verification.messages[-1].gateway
        candidates = _reaching(stored, routing.other_send(self._route(stored, found.way), last))
        if found.channel == AUTO:  # the next step, before others of the same
            past = step_of(self._settings, found.application, found.way, last)
            candidates.sort(key=lambda each: step_of(self._settings, found.application, found.way, each.name) <= past)
        return candidates

    def patience_ms(self, gateway: str) -> int:
        """How long a message of this gateway may be on its way before a person is advised otherwise."""
        known = self._circuits.records.get(gateway)
        return advice.patience_ms(known.ends if known else ())

    def rest_ms(self, stored: Stored) -> int:
        """Until one of the route does not refuse the code as a repetition; 0: one takes it now."""
        route = self._route(stored, stored.verification.way)
        return min((self._rest_ms(stored, gateway) for gateway in route), default=0)

    def for_recovery(self, stored: Stored, channel: str, *, first: bool) -> SendPlan:
        """Go on where a process died: repeat its last message where that sends nothing twice, else leave it unclear."""
        way = Way(channel, stored.verification.steps)
        if not stored.verification.messages:
            return self.first(stored, self._circuits.usable(self._route(stored, way)))
        last = stored.verification.messages[-1]
        route = self._route(stored, way)
        asked = [message for message in stored.verification.messages if not message.never_handed_over]
        rest = routing.rest_of_send(route, asked[-1].gateway if asked else "", first=first)
        again = next((gateway for gateway in route if gateway.name == last.gateway and gateway.repeatable), None)
        if again and interrupted(last):
            opened = NewMessage(last.number, last.gateway, last.channel, last.code_source, last.client_id, again=True)
            return self._plan(stored, way, [again, *rest], opened)
        return self._plan(stored, way, rest, settled=interrupted(last))

    def for_repeat(self, stored: Stored) -> SendPlan:
        """A message that went out once more, by the gateway that may have it; nobody else is asked."""
        return self._plan(stored, stored.verification.way, [])

    def _rest_ms(self, stored: Stored, gateway: Gateway) -> int:
        return routing.rest_ms(gateway, stored.verification.messages, self._refusing, stored.verification.now)

    def _fit(self, stored: Stored, candidates: Sequence[Gateway]) -> list[Gateway]:
        """Those that work, and do not refuse the code as a repetition."""
        return self._circuits.usable([each for each in candidates if not self._rest_ms(stored, each)])

    def _route(self, stored: Stored, way: Way) -> Sequence[Gateway]:
        found = stored.verification
        return in_order(self._able(found.application, way, found.platform, found.phone, stored.content), found.route)

    def _route_of(self, application: str, way: Way) -> Route:
        """Raises Refused."""
        route = route_of(self._settings, application, way)
        if route is None:
            known = ", ".join(self._settings.routes)
            raise Refused("channel_not_available", f"There is no route for this channel. Available: {known}.")
        return route

    def _named(self, application: str, way: Way) -> Sequence[Gateway]:
        return [self._gateways[name] for name in self._route_of(application, way).gateways]

    def _able(self, application: str, way: Way, platform: str, to: str, content: Content) -> Sequence[Gateway]:
        """The gateways of a channel that can send what the application says to such a device.

        Not those that make codes, where the code stands twice in the text, or is there already.
        """
        repeats_code = self._texts[application].with_content(content).repeats_code(platform)
        gateways = self._named(application, way)
        if way.channel == AUTO:
            gateways = list(filter(_sends_to(to), gateways))
        return routing.able(gateways, repeats_code=repeats_code or content.is_whole)

    def _plan(
        self,
        stored: Stored,
        way: Way,
        candidates: Sequence[Gateway],
        opened: NewMessage | None = None,
        settled: MessageResult | None = None,
    ) -> SendPlan:
        application = stored.verification.application
        return SendPlan(
            stored,
            self._texts[application].with_content(stored.content),
            self._route_of(application, way),
            candidates,
            opened,
            settled,
            waits=lambda gateway: wait_seconds(self._settings, application, way, gateway),
            learns=lambda gateway: learns_wait(self._settings, application, way, gateway),
            inbound=self.last_resort(stored),
            withheld=stored.verification.withheld,
            discreet=self._settings.applications[application].enumeration_safe,
        )


def _sends_to(to: str) -> Callable[[Gateway], bool]:
    return lambda gateway: (gateway.channel == EMAIL) == is_address(to)


def _reaching(stored: Stored, candidates: Sequence[Gateway]) -> list[Gateway]:
    return [gateway for gateway in candidates if gateway.channel not in stored.verification.unreached]


def interrupted(last: Message | None) -> MessageResult | None:
    """A message whose process died before the gateway's answer was written: it may have left."""
    return left_open(last.number) if last and last.status is MessageStatus.QUEUED else None


def left_open(number: int) -> MessageResult:
    """A message that was handed to its gateway, and nobody knows what became of it."""
    return MessageResult(number, MessageStatus.UNCLEAR, reason=Reason.TIMEOUT, look_ms=FIRST_LOOK_MS)
