"""The walk along a route: one message after another until a gateway takes one.

Each message is recorded before its gateway is called, so whatever dies in the middle leaves a trace that can be
followed up. What became of it is written together with the opening of the next one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from otp_service import metrics
from otp_service.delivery.counting import parts
from otp_service.delivery.errands import Errand
from otp_service.delivery.routing import LEAST_ATTEMPT_SECONDS, attempt_seconds
from otp_service.domain import codes
from otp_service.domain.messages import CodeSource, MessageStatus
from otp_service.domain.texts import GATEWAY_CODE
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Outgoing, Reason, Then
from otp_service.hashing import HashPool
from otp_service.settings import Route
from otp_service.storage.client_ids import ClientIds
from otp_service.storage.records import Opening, Settling, Stored
from otp_service.storage.verifications import VerificationStore

log = structlog.get_logger()

AT_ONCE_SECONDS = 1.0
"""A connection refused at once is worth a second knock; a host that was silent for longer is not."""
KNOCK_AGAIN_SECONDS = 0.2
WITHDRAW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Walk:
    """How a walk ended.

    sent: a code that we can check is on its way, or may be. rejected: why this phone can never get it.
    """

    stored: Stored
    sent: bool
    rejected: Reason | None = None


@dataclass(frozen=True, slots=True)
class _Tried:
    """One gateway's turn. `then` is None where it took the message; `code` is what it generated."""

    gateway: Gateway
    settled: Settling
    then: Then | None
    code: str = field(default="", repr=False)

    @property
    def held(self) -> bool:
        return self.settled.status is MessageStatus.HELD


class Dispatcher:
    def __init__(self, store: VerificationStore, client_ids: ClientIds, hash_pool: HashPool) -> None:
        self._store = store
        self._client_ids = client_ids
        self._hash_pool = hash_pool

    async def deliver(self, errand: Errand) -> Walk:
        """Walk until a gateway accepts, the phone turns out unreachable for good, or the route ends."""
        deadline = asyncio.get_running_loop().time() + errand.route.deadline_seconds
        stored, opened, settled = errand.stored, errand.opened, errand.settled
        tried: list[_Tried] = []
        number = len(stored.found.messages)
        own = {one.number for one in (opened, settled) if one}
        for position, gateway in enumerate(errand.candidates):
            if opened is None:
                number += 1
                own.add(number)
                opened = await self._opening(stored, gateway, number)
                stored = await self._store.progress(stored.found.id, settled=settled, opened=opened)
                if stored.word != "ok":
                    return Walk(stored, sent=True)  # it ended meanwhile, by cancel or expiry: there is nothing to send
            later = len(errand.candidates) - position - 1
            turn = await self._try(errand, stored, gateway, opened, _Budget(errand.route, gateway, deadline, later))
            if turn.then is None and not turn.held:
                return Walk(await self._accept(stored, turn), sent=True)
            tried.append(turn)
            settled, opened = turn.settled, None
            if turn.then is Then.STOP:
                break
        if settled:
            stored = await self._store.progress(stored.found.id, settled=settled)
        return await self._give_up(stored, tried, own)

    async def draw_client_id(self, gateway: Gateway) -> str:
        """Drawn before the call and stored with the message, so that a repeat carries the same one."""
        return await self._client_ids.draw(gateway.account) if gateway.repeatable else ""

    async def _opening(self, stored: Stored, gateway: Gateway, number: int) -> Opening:
        client_id = await self.draw_client_id(gateway)
        if gateway.makes_code:
            return Opening(number, gateway.name, gateway.channel, CodeSource.GATEWAY, client_id)
        # Stored before it is sent: a code on its way that cannot be checked would be worse than none.
        local_hash = b"" if stored.has_local_hash else await self._digest(stored, self._local_code(stored))
        return Opening(number, gateway.name, gateway.channel, CodeSource.LOCAL, client_id, local_hash)

    async def _try(self, errand: Errand, stored: Stored, gateway: Gateway, opened: Opening, budget: _Budget) -> _Tried:
        outgoing = self._outgoing(errand, stored, gateway, opened)
        code = ""
        then: Then | None = None
        try:
            accepted = await _send(gateway, outgoing, budget.seconds)
        except GatewayError as error:
            then = error.then
            status = MessageStatus.UNCLEAR if then is Then.UNCLEAR else MessageStatus.REJECTED
            settled = Settling(opened.number, status, reason=error.reason)
        else:
            code = accepted.code
            reason = Reason.FUNDS if accepted.status is MessageStatus.HELD else ""
            settled = Settling(
                opened.number, accepted.status, accepted.provider_id, parts(gateway, outgoing, accepted), reason
            )
        metrics.SENDS.labels(gateway.name, gateway.channel, settled.status, settled.reason).inc()
        log.info(
            "message_attempted",
            verification=stored.found.id,
            gateway=gateway.name,
            status=settled.status,
            reason=settled.reason,
        )
        return _Tried(gateway, settled, then, code)

    async def _accept(self, stored: Stored, turn: _Tried) -> Stored:
        """Hash the gateway's code at once and forget it."""
        gateway_hash = await self._digest(stored, turn.code) if turn.code else b""
        settled = replace(turn.settled, gateway_hash=gateway_hash)
        return await self._store.progress(stored.found.id, settled=settled, then="done")

    async def _give_up(self, stored: Stored, tried: Sequence[_Tried], own: Collection[int]) -> Walk:
        """Nobody took it for certain. What is held somewhere is taken back, or it would come days later."""
        sent = any(message.may_arrive for message in stored.found.messages if message.number in own)
        for turn in tried:
            if turn.held and not sent and await _withdraw(turn):
                canceled = replace(turn.settled, status=MessageStatus.CANCELED)
                await self._store.progress(stored.found.id, settled=canceled)
        stored = await self._store.progress(stored.found.id, then="done" if sent else "fail")
        stopped = tried[-1] if tried and tried[-1].then is Then.STOP else None
        return Walk(stored, sent, Reason(stopped.settled.reason) if stopped else None)

    def _outgoing(self, errand: Errand, stored: Stored, gateway: Gateway, opened: Opening) -> Outgoing:
        verification = stored.found
        code = GATEWAY_CODE if gateway.makes_code else self._local_code(stored)
        platform = verification.platform if gateway.channel == "sms" else ""  # no app and no browser reads Viber along
        return Outgoing(
            phone=verification.phone,
            text=errand.texts.render(verification.locale, code, verification.life_seconds, platform),
            client_id=opened.client_id,
            expires_at=datetime.fromtimestamp(verification.expires_at / 1000, UTC),
            code_length=stored.code_length if gateway.makes_code else 0,
        )

    def _local_code(self, stored: Stored) -> str:
        return codes.derive(self._store.keys_of(stored).code_derivation, stored.salt, stored.code_length)

    async def _digest(self, stored: Stored, code: str) -> bytes:
        pepper = self._store.keys_of(stored).pepper
        return await self._hash_pool.digest(pepper, stored.scope, code, stored.salt, stored.cost)


@dataclass(frozen=True, slots=True)
class _Budget:
    route: Route
    gateway: Gateway
    deadline: float
    still_to_come: int

    def seconds(self) -> float:
        """For the next attempt of this gateway; shrinks while it is at work."""
        remaining = self.deadline - asyncio.get_running_loop().time()
        return attempt_seconds(self.gateway.attempt_seconds, remaining, self.still_to_come, self.route.reserve_seconds)


async def _send(gateway: Gateway, outgoing: Outgoing, seconds: Callable[[], float]) -> Accepted:
    """One attempt, repeated once where that cannot send twice: nothing was sent, or the client id makes it the same.

    What was unclear stays unclear unless the gateway itself says otherwise. Raises GatewayError.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        return await gateway.send(outgoing, max(seconds(), LEAST_ATTEMPT_SECONDS))
    except GatewayError as error:
        first = error
    refused_at_once = first.reason is Reason.UNREACHABLE and loop.time() - began < AT_ONCE_SECONDS
    if not refused_at_once and not (first.then is Then.UNCLEAR and gateway.repeatable):
        raise first
    await asyncio.sleep(KNOCK_AGAIN_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311  jitter
    if seconds() < LEAST_ATTEMPT_SECONDS:
        raise first
    try:
        return await gateway.send(outgoing, seconds())
    except GatewayError as second:
        raise second if first.then is not Then.UNCLEAR or second.then is Then.STOP else first from None


async def _withdraw(turn: _Tried) -> bool:
    if not turn.settled.provider_id:
        return False
    try:
        async with asyncio.timeout(WITHDRAW_SECONDS):
            return await turn.gateway.withdraw(turn.settled.provider_id)
    except (GatewayError, TimeoutError):
        log.warning("withdraw_failed", gateway=turn.gateway.name)
        return False
