"""The walk along a route: one message after another until a gateway takes one.

Each message is recorded before its gateway is called, so whatever dies in the middle leaves a trace that can be
followed up. What became of it is written together with the opening of the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import structlog
from msgspec.structs import replace

from otp_service import metrics
from otp_service.delivery import attempt
from otp_service.delivery.attempt import Budget
from otp_service.delivery.circuits import Circuits
from otp_service.delivery.counting import parts
from otp_service.delivery.errands import Errand
from otp_service.delivery.test_numbers import GATEWAY, TestNumbers
from otp_service.domain import codes, failover
from otp_service.domain.looks import FIRST_LOOK_MS
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.texts import GATEWAY_CODE, Texts
from otp_service.domain.value import Hidden, Value
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Outgoing, Reason, Then
from otp_service.hashing import HashPool
from otp_service.storage.client_ids import ClientIds
from otp_service.storage.records import Opening, Settling, Stored
from otp_service.storage.reports import ReportStore
from otp_service.storage.sends import SendStore

log = structlog.get_logger()

REMEMBERED_SECONDS = 1200.0
"""Whose message it is that a provider pushes a status about: as long as anybody asks what became of it."""


class Walk(Value):
    """How a walk ended.

    sent: a code that we can check is on its way, or may be. rejected: why this phone can never get it.
    """

    stored: Stored
    sent: bool
    rejected: Reason | None = None


class _Tried(Value):
    """One gateway's turn. `then` is None where it took the message; `code` is what it generated."""

    gateway: Gateway
    settled: Settling
    then: Then | None
    code: Hidden[str] = ""

    @property
    def held(self) -> bool:
        return self.settled.status is MessageStatus.HELD


class Dispatcher:
    """pushing: provider accounts that push to us what becomes of their messages."""

    def __init__(
        self,
        store: SendStore,
        reports: ReportStore,
        client_ids: ClientIds,
        circuits: Circuits,
        hash_pool: HashPool,
        pushing: Collection[str],
        test_numbers: TestNumbers,
    ) -> None:
        self._store = store
        self._reports = reports
        self._client_ids = client_ids
        self._circuits = circuits
        self._hash_pool = hash_pool
        self._pushing = pushing
        self._test_numbers = test_numbers

    async def deliver(self, errand: Errand) -> Walk:
        """Walk until a gateway accepts, the phone turns out unreachable for good, or the route ends."""
        if errand.stored.found.test:
            return Walk(await self._pretend(errand.stored), sent=True)
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
            turn = await self._try(errand, stored, gateway, opened, Budget(errand.route, gateway, deadline, later))
            if turn.then is None and not turn.held:
                return Walk(await self._accept(errand, stored, turn), sent=True)
            tried.append(turn)
            settled, opened = turn.settled, None
            if turn.then is Then.STOP:
                break
        if settled:
            stored = await self._store.progress(stored.found.id, settled=settled)
        return await self._give_up(errand, stored, tried, own)

    async def ask_again(self, errand: Errand, message: Message, gateway: Gateway) -> None:
        """Repeat a message whose outcome is unclear, under its client id: the answer is that of the first time.

        Where the first one never arrived this one is sent, which is what the caller asked for.
        """
        stored = errand.stored
        opened = Opening(message.number, gateway.name, message.channel, message.code_source, message.client_id)
        outgoing = self._outgoing(stored, errand.texts, gateway, opened)
        try:
            accepted = await gateway.send(outgoing, gateway.attempt_seconds)
        except GatewayError as error:
            if error.then is not Then.UNCLEAR and error.reason not in (Reason.UNREACHABLE, Reason.THROTTLED):
                settled = Settling(message.number, MessageStatus.REJECTED, reason=error.reason)
                await self._store.progress(stored.found.id, settled=settled)
            return
        settled = self._settling(gateway, message.number, outgoing, accepted)
        await self._store.progress(stored.found.id, settled=settled, failover_ms=self._failover_ms(errand))
        await self._remember(gateway, settled, stored)

    async def _pretend(self, stored: Stored) -> Stored:
        """A test number: its code is good, and nobody is called."""
        number, code = len(stored.found.messages) + 1, self._test_numbers.code(stored.found.phone)
        code_hash = await self._digest(stored, code) if code and not stored.has_local_hash else b""
        opened = Opening(number, GATEWAY, stored.found.channel, CodeSource.LOCAL, "", code_hash)
        await self._store.progress(stored.found.id, opened=opened)
        return await self._store.progress(
            stored.found.id, settled=Settling(number, MessageStatus.DELIVERED), then="done"
        )

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

    async def _try(self, errand: Errand, stored: Stored, gateway: Gateway, opened: Opening, budget: Budget) -> _Tried:
        outgoing = self._outgoing(stored, errand.texts, gateway, opened)
        code = ""
        then: Then | None = None
        try:
            accepted = await attempt.send(gateway, outgoing, budget.seconds)
        except GatewayError as error:
            then = error.then
            unclear = then is Then.UNCLEAR
            status = MessageStatus.UNCLEAR if unclear else MessageStatus.REJECTED
            look_ms = FIRST_LOOK_MS if unclear else None
            settled = Settling(opened.number, status, reason=error.reason, look_ms=look_ms)
            await self._circuits.note(gateway, error.reason)
        else:
            code = accepted.code
            settled = self._settling(gateway, opened.number, outgoing, accepted)
            await self._circuits.note(gateway, Reason.FUNDS if settled.reason else None)
        metrics.SENDS.labels(gateway.name, gateway.channel, settled.status, settled.reason).inc()
        log.info(
            "message_attempted",
            verification=stored.found.id,
            gateway=gateway.name,
            status=settled.status,
            reason=settled.reason,
        )
        return _Tried(gateway, settled, then, code)

    def _settling(self, gateway: Gateway, number: int, outgoing: Outgoing, accepted: Accepted) -> Settling:
        reason = Reason.FUNDS if accepted.status is MessageStatus.HELD else ""
        look_ms = FIRST_LOOK_MS if accepted.provider_id and not accepted.status.final else None
        count = parts(gateway, outgoing, accepted)
        return Settling(number, accepted.status, accepted.provider_id, count, reason, look_ms=look_ms)

    async def _accept(self, errand: Errand, stored: Stored, turn: _Tried) -> Stored:
        """Hash the gateway's code at once and forget it."""
        gateway_hash = await self._digest(stored, turn.code) if turn.code else b""
        settled = replace(turn.settled, gateway_hash=gateway_hash)
        stored = await self._store.progress(
            stored.found.id, settled=settled, then="done", failover_ms=self._failover_ms(errand)
        )
        await self._remember(turn.gateway, settled, stored)
        return stored

    async def _remember(self, gateway: Gateway, settled: Settling, stored: Stored) -> None:
        """Whose message it is, for what the provider pushes. If we die before this, it is asked all the same."""
        if settled.provider_id and gateway.account in self._pushing:
            await self._reports.remember(gateway.account, settled.provider_id, stored.found.id, REMEMBERED_SECONDS)

    async def _give_up(self, errand: Errand, stored: Stored, tried: Sequence[_Tried], own: Collection[int]) -> Walk:
        """Nobody took it for certain. What is held somewhere is taken back, or it would come days later."""
        sent = any(message.may_arrive for message in stored.found.messages if message.number in own)
        for turn in tried:
            if turn.held and not sent and await attempt.withdraw(turn.gateway, turn.settled.provider_id):
                canceled = replace(turn.settled, status=MessageStatus.CANCELED)
                await self._store.progress(stored.found.id, settled=canceled)
        failover_ms = self._failover_ms(errand)
        stored = await self._store.progress(stored.found.id, then="done" if sent else "fail", failover_ms=failover_ms)
        stopped = tried[-1] if tried and tried[-1].then is Then.STOP else None
        return Walk(stored, sent, Reason(stopped.settled.reason) if stopped else None)

    def _failover_ms(self, errand: Errand) -> int | None:
        """When the next gateway has its turn if this send does not arrive; None: there is no other."""
        if len(errand.route.gateways) < 2:
            return None
        return failover.wait_ms(errand.route.failover_after_seconds, errand.stored.agenda.failovers)

    def _outgoing(self, stored: Stored, said: Texts, gateway: Gateway, opened: Opening) -> Outgoing:
        verification = stored.found
        code = GATEWAY_CODE if gateway.makes_code else self._local_code(stored)
        platform = verification.platform if gateway.channel == "sms" else ""  # no app and no browser reads Viber along
        return Outgoing(
            phone=verification.phone,
            text=said.render(verification.locale, code, verification.life_seconds, platform),
            client_id=opened.client_id,
            expires_at=datetime.fromtimestamp(verification.expires_at / 1000, UTC),
            code_length=stored.code_length if gateway.makes_code else 0,
        )

    def _local_code(self, stored: Stored) -> str:
        return codes.derive(self._store.keys_of(stored).code_derivation, stored.salt, stored.code_length)

    async def _digest(self, stored: Stored, code: str) -> bytes:
        pepper = self._store.keys_of(stored).pepper
        return await self._hash_pool.digest(pepper, stored.scope, code, stored.salt, stored.cost)
