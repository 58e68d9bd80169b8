"""The walk along a route: one message after another until a gateway takes one.

Each message is recorded before its gateway is called, so whatever dies in the middle leaves a trace that can be
followed up. What became of it is written together with the opening of the next one.

A walk belongs to one process, by a number in the record. Who was frozen or cut off may find that another has taken it
over: then it is told `lost` and opens and sends nothing more. Nothing is opened or sent after the walk's deadline,
which comes before anybody else may take it over. What a gateway answered is written however long Redis is away: until
the deadline while the caller waits, then without it. All of that is one file, since each step of a walk has to know
what is left to be written if it is the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from msgspec.structs import replace

from otp_service.delivery import attempt
from otp_service.delivery.allowance import Allowance
from otp_service.delivery.attempt import Budget
from otp_service.delivery.circuit_breakers import Circuits
from otp_service.delivery.counting import parts
from otp_service.delivery.decoys import Decoys
from otp_service.delivery.fixed_codes import GATEWAY, FixedCodes
from otp_service.delivery.plans import SendPlan, left_open
from otp_service.delivery.routing import LEAST_ATTEMPT_SECONDS
from otp_service.domain import codes, failover, mails, number_plan
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.polling import FIRST_LOOK_MS
from otp_service.domain.reach import SMS
from otp_service.domain.reasons import NoReason, Reason
from otp_service.domain.recipients import AUTO, EMAIL
from otp_service.domain.texts import GATEWAY_CODE, Texts
from otp_service.domain.value import Hidden, Value
from otp_service.domain.verifications import LIFE_CAP_SECONDS
from otp_service.errors import Erased, Refused, StorageUnavailable
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Outgoing, Then
from otp_service.hash_pool import HashPool
from otp_service.storage.records import Answered, MessageResult, NewMessage, Stored, WalkId
from otp_service.storage.retry import until_done
from otp_service.storage.stores import Stores
from otp_service.storage.words import Progress, ProgressStep
from otp_service.telemetry import metrics

log = structlog.get_logger()

REMEMBERED_SECONDS = 1200.0
"""How long a provider's id of a message is kept, by which its pushes find the verification: as long as we poll."""


FRESH_SECONDS = 1.0
"""A verification that was read longer ago may have changed, so nothing is sent because of it."""
LAST_SECONDS = 2.0
"""For writing what is not written yet when the process ends."""
KNOWN_SECONDS = 1.0
"""How long a repeat waits for what this process knows and Redis does not."""


class Walk(Value):
    """How a walk ended.

    sent: a code that we can check is on its way, or may be. rejected: why this phone can never get it. refusal: why the
    next gateway was not asked. lost: another process goes on with it.
    """

    stored: Stored
    sent: bool
    rejected: Reason | None = None
    refusal: Refused | None = None
    lost: bool = False


@dataclass(slots=True)
class _Unwritten:
    """What has to be written about a walk if it stops here."""

    results: list[MessageResult]
    step: ProgressStep = "leave"
    failover_ms: int | None = None


class _Attempt(Value):
    """What came of asking one gateway. `then` is None where it took the message; `code` is what it generated."""

    gateway: Gateway
    settled: MessageResult
    then: Then | None
    code: Hidden[str] = ""

    @property
    def held(self) -> bool:
        return self.settled.status is MessageStatus.HELD


class Dispatcher:
    """pushing: provider accounts that push to us what becomes of their messages."""

    def __init__(
        self,
        stores: Stores,
        *,
        circuits: Circuits,
        hash_pool: HashPool,
        pushing: Collection[str],
        fixed_codes: FixedCodes,
        decoys: Decoys,
    ) -> None:
        self._store = stores.sends
        self._reports = stores.reports
        self._client_ids = stores.client_ids
        self._circuits = circuits
        self._hash_pool = hash_pool
        self._pushing = pushing
        self._fixed_codes = fixed_codes
        self._decoys = decoys
        self._writing: dict[WalkId, asyncio.Task[None]] = {}

    async def deliver(self, plan: SendPlan, allowance: Allowance) -> Walk:
        """Walk until a gateway accepts, the phone turns out unreachable for good, the route ends, the time is up, or no
        further message is allowed. Raises Erased, StorageUnavailable."""
        if plan.stored.verification.test:
            return await self._pretend(plan.stored)
        allowance.messages = None
        left = _Unwritten([plan.settled] if plan.settled else [_not_sent(plan.opened)] if plan.opened else [])
        try:
            walk = await self._walk(plan, allowance, left)
        except Erased:
            raise
        except BaseException:
            self._write_later(plan.stored.walk, left)
            raise
        if not walk.lost:
            allowance.messages = walk.stored.verification.messages[allowance.earlier :]
        return walk

    async def expect(self, stored: Stored) -> Walk:
        """Send nothing: the person will."""
        return _stopped(await self._store.progress(stored.walk, then="done"))

    def leave(self, walk: WalkId, opened: NewMessage | None, seconds: float) -> None:
        """Nothing was sent and nothing will be: whoever asks again may begin at once, within so many seconds."""
        self._write_later(walk, _Unwritten([_not_sent(opened)] if opened else []), seconds)

    async def known(self, verification_id: str) -> None:
        """Wait a moment until what this process knows of a verification's walks is written."""
        tasks = [task for walk, task in self._writing.items() if walk.verification_id == verification_id]
        if tasks:
            await asyncio.wait(tasks, timeout=KNOWN_SECONDS)

    async def close(self) -> None:
        """At the end of the process: write what is not written yet, as far as Redis takes it now."""
        if self._writing:
            await asyncio.wait(list(self._writing.values()), timeout=LAST_SECONDS)
        for task in list(self._writing.values()):
            task.cancel()

    def _write_later(self, walk: WalkId, left: _Unwritten, seconds: float = LIFE_CAP_SECONDS) -> None:
        self._writing[walk] = asyncio.create_task(self._write(walk, left, seconds), name="unwritten walk")
        self._writing[walk].add_done_callback(lambda _: self._writing.pop(walk, None))

    async def _write(self, walk: WalkId, left: _Unwritten, seconds: float) -> None:
        """When Redis is back. Of a walk that another has taken over meanwhile, what a gateway took."""
        until = asyncio.get_running_loop().time() + seconds
        try:
            for result in left.results:
                await self._store.progress(walk, settled=result, until=until)
            await self._store.progress(walk, then=left.step, failover_ms=left.failover_ms, until=until)
        except (Erased, StorageUnavailable):
            log.warning("walk_not_written", verification=walk.verification_id)

    async def _walk(self, plan: SendPlan, allowance: Allowance, left: _Unwritten) -> Walk:
        plan = replace(plan, withheld=plan.withheld or allowance.withheld)
        stored, opened = plan.stored, plan.opened
        tried: list[_Attempt] = []
        number = len(stored.verification.messages)
        own = {one.number for one in (opened, plan.settled) if one}
        allowed = allowance.granted or not (plan.settled and plan.settled.status.may_have_left)
        refusal: Refused | None = None
        for position, gateway in enumerate(plan.candidates):
            if opened is None and plan.seconds_left >= LEAST_ATTEMPT_SECONDS:
                if not allowed:  # the message before may have left, and has used up what was allowed
                    try:
                        await allowance.another()
                    except StorageUnavailable:
                        raise
                    except Refused as refused:
                        refusal = refused
                        break
                number += 1
                own.add(number)
                plan = replace(plan, withheld=plan.withheld or allowance.withheld)
                opened = await self._opening(plan, stored, gateway, number, plan.deadline if left.results else 0)
                stored = await self._progress(plan, left, opened)
                if stored.word != "ok":
                    return _stopped(stored)
            if opened is None or plan.seconds_left < LEAST_ATTEMPT_SECONDS:  # it was frozen, or waited for Redis
                break
            left.results = [left_open(opened.number)]
            later = len(plan.candidates) - position - 1
            attempted = await self._try(
                plan, stored, gateway, opened, Budget(plan.route, gateway, plan.deadline, later)
            )
            left.results = [attempted.settled]
            if attempted.then is None and not attempted.held:
                return await self._accept(plan, stored, attempted, left)
            allowed = not attempted.settled.status.may_have_left
            tried.append(attempted)
            opened = None
            if attempted.then is Then.STOP:
                break
        if opened:
            left.results = [_not_sent(opened)]
        if left.results:
            stored = await self._progress(plan, left)
            if stored.word != "ok":
                return _stopped(stored)
        return await self._give_up(plan, stored, tried, own, refusal, left, allowance)

    async def _progress(self, plan: SendPlan, left: _Unwritten, opened: NewMessage | None = None) -> Answered[Progress]:
        """Write what is left of a walk to be written, and open the next message or end it."""
        settled = left.results[0] if left.results else None
        until = plan.deadline if settled or left.step != "leave" else 0  # a walk that has only begun may begin anew
        if opened:
            left.results.append(_not_sent(opened))
        stored = await self._store.progress(
            plan.stored.walk,
            settled=settled,
            opened=opened,
            then="go on" if left.step == "leave" else left.step,
            failover_ms=left.failover_ms,
            until=until,
        )
        left.results = [_not_sent(opened)] if opened else []
        return stored

    async def ask_again(self, plan: SendPlan, message: Message, gateway: Gateway) -> None:
        """Repeat a message whose outcome is unclear, under its client id: the answer is that of the first time.

        Where the first one never arrived this one is sent, which is what the caller asked for.
        """
        if plan.withheld:
            return
        stored = plan.stored
        if asyncio.get_running_loop().time() > stored.asked_at + FRESH_SECONDS:
            return  # it was frozen meanwhile: who knows what has become of the verification
        opened = NewMessage(
            message.number, gateway.name, message.channel, message.code_source, message.client_id, again=True
        )
        outgoing = self._outgoing(stored, plan.texts, gateway, opened)
        try:
            accepted = await gateway.send(outgoing, gateway.traits.attempt_seconds)
        except GatewayError as error:
            # Only what is wrong with the phone was so the first time, too. That a repeat is refused for anything else
            # says nothing of what the gateway did before.
            if error.then is Then.STOP:
                settled = MessageResult(message.number, MessageStatus.REJECTED, reason=error.reason, words=error.words)
                await self._store.settle_message(stored.verification.id, settled)
            return
        settled = self._settling(gateway, message.number, outgoing, accepted)
        await self._store.settle_message(stored.verification.id, settled, self.failover_ms(plan, gateway))
        await self._remember(gateway, settled, stored)

    async def _pretend(self, stored: Stored) -> Walk:
        """A test number: its code is good, and nobody is called."""
        number, code = len(stored.verification.messages) + 1, self._fixed_codes.code(stored.verification.phone)
        judged = code and not stored.has_local_hash and not stored.verification.delivery
        code_hash = await self._digest(stored, code) if judged else b""
        opened = NewMessage(number, GATEWAY, stored.verification.channel, CodeSource.LOCAL, "", code_hash)
        await self._store.progress(stored.walk, opened=opened)
        settled = MessageResult(number, MessageStatus.DELIVERED)
        return _stopped(await self._store.progress(stored.walk, settled=settled, then="done"))

    async def draw_client_id(self, gateway: Gateway) -> str:
        """Drawn before the call and stored with the message, so that a repeat carries the same one."""
        return await self._client_ids.draw(gateway.account) if gateway.repeatable else ""

    async def _opening(self, plan: SendPlan, stored: Stored, gateway: Gateway, number: int, until: float) -> NewMessage:
        client_id = await until_done(lambda: self.draw_client_id(gateway), until)
        if gateway.makes_code:
            return NewMessage(number, gateway.name, gateway.channel, CodeSource.GATEWAY, client_id)
        # Stored before it is sent: a code on its way that cannot be checked would be worse than none.
        local_hash = b""
        own = number if self._has_own_code(stored) else 0
        if (own or not stored.has_local_hash) and not stored.verification.delivery:
            local_hash = await self._digest(stored, _no_code() if plan.withheld else self._local_code(stored, own))
        return NewMessage(number, gateway.name, gateway.channel, CodeSource.LOCAL, client_id, local_hash)

    async def _try(
        self, plan: SendPlan, stored: Stored, gateway: Gateway, opened: NewMessage, budget: Budget
    ) -> _Attempt:
        outgoing = self._outgoing(stored, plan.texts, gateway, opened)
        code = ""
        then: Then | None = None
        try:
            if plan.withheld:
                accepted = await self._decoys.send(gateway, budget.seconds())
            else:
                accepted = await self._decoys.watched(gateway, attempt.send(gateway, outgoing, budget.seconds))
        except GatewayError as error:
            then = error.then
            # That a repeat is refused says nothing of what the gateway did the first time, unless the phone is wrong.
            unclear = then is Then.UNCLEAR or (opened.again and then is Then.NEXT)
            status = MessageStatus.UNCLEAR if unclear else MessageStatus.REJECTED
            look_ms = FIRST_LOOK_MS if unclear else None
            count = parts(gateway, outgoing, Accepted()) if unclear else 0
            settled = MessageResult(
                opened.number, status, parts=count, reason=error.reason, look_ms=look_ms, words=error.words
            )
            failed: Reason | None = error.reason
        else:
            code = accepted.code
            settled = self._settling(gateway, opened.number, outgoing, accepted)
            failed = Reason.FUNDS if settled.reason else None
        if not plan.withheld:
            with contextlib.suppress(StorageUnavailable):  # what the gateway answered is worth more than its circuit
                await self._circuits.note(gateway, failed)
            metrics.SENDS.labels(gateway.name, gateway.channel, settled.status, settled.reason).inc()
            log.info(
                "message_attempted",
                verification=stored.verification.id,
                gateway=gateway.name,
                status=settled.status,
                reason=settled.reason,
            )
        taken = then is None and settled.status is not MessageStatus.HELD
        if (plan.withheld and taken) or (plan.discreet and then is Then.STOP):
            # Callers are shown that the gateway took it, and no code is right.
            log.info("message_withheld", verification=stored.verification.id, gateway=gateway.name)
            count = parts(gateway, outgoing, Accepted())
            settled = MessageResult(opened.number, MessageStatus.REJECTED, parts=count, reason=Reason.WITHHELD)
            return _Attempt(gateway, settled, None, _no_code() if gateway.makes_code else "")
        return _Attempt(gateway, settled, then, code)

    def _settling(self, gateway: Gateway, number: int, outgoing: Outgoing, accepted: Accepted) -> MessageResult:
        reason: Reason | NoReason = Reason.FUNDS if accepted.status is MessageStatus.HELD else ""
        look_ms = FIRST_LOOK_MS if accepted.provider_id and not accepted.status.final else None
        count = parts(gateway, outgoing, accepted)
        price = "" if accepted.price is None else str(accepted.price)
        return MessageResult(number, accepted.status, accepted.provider_id, count, reason, look_ms=look_ms, price=price)

    async def _accept(self, plan: SendPlan, stored: Stored, attempted: _Attempt, left: _Unwritten) -> Walk:
        """Hash the gateway's code at once and forget it."""
        gateway_hash = await self._digest(stored, attempted.code) if attempted.code else b""
        settled = replace(attempted.settled, gateway_hash=gateway_hash)
        withheld = settled.reason == Reason.WITHHELD
        failover_ms = None if withheld else self.failover_ms(plan, attempted.gateway)
        left.results, left.step, left.failover_ms = [settled], "done", failover_ms
        stored = await self._progress(plan, left)
        # Redis is asked as often for one that is withheld: under an id that nobody pushes anything about.
        await self._remember(
            attempted.gateway, replace(settled, provider_id=_no_code()) if withheld else settled, stored
        )
        return _stopped(stored)

    async def _remember(self, gateway: Gateway, settled: MessageResult, stored: Stored) -> None:
        """Keep the provider's id of a message, by which its pushes find the verification. If we die before this,
        polling still finds out."""
        if settled.provider_id and gateway.account in self._pushing:
            with contextlib.suppress(StorageUnavailable):
                await self._reports.remember(
                    gateway.account, settled.provider_id, stored.verification.id, REMEMBERED_SECONDS
                )

    async def _give_up(
        self,
        plan: SendPlan,
        stored: Stored,
        tried: Sequence[_Attempt],
        own: Collection[int],
        refusal: Refused | None,
        left: _Unwritten,
        allowance: Allowance,
    ) -> Walk:
        """No gateway took it for certain. What one holds is taken back, or it would arrive days later.

        Where something may have left, the send and its pause stay, whether its code can be used or not."""
        sent = any(message.may_arrive for message in stored.verification.messages if message.number in own)
        for attempted in tried:
            if attempted.held and not sent and await attempt.withdraw(attempted.gateway, attempted.settled.provider_id):
                left.results = [replace(attempted.settled, status=MessageStatus.CANCELED)]
                stored = await self._progress(plan, left)
        spent = any(message.may_have_left for message in stored.verification.messages if message.number in own)
        left.step = "done" if sent else "spent" if spent else "fail"
        stopped = tried[-1] if tried and tried[-1].then is Then.STOP else None
        nobodys = stopped is not None and stopped.settled.reason == Reason.INVALID_NUMBER
        if plan.inbound and not sent and not nobodys:
            first = stored.verification.sends < 2
            try:
                if first and not spent:
                    await allowance.wait()
            except StorageUnavailable:
                raise
            except Refused as refused:
                refusal = refusal or refused
            else:
                expecting = await self._store.expect(stored.verification.id, "", plan.inbound)
                if expecting.word == "expected":
                    # Something is waited for: were the first send given back, it would end as failed.
                    left.step, sent = ("done" if spent else "wait") if first else left.step, True
        left.failover_ms = self.failover_ms(plan, tried[-1].gateway if tried else None)
        stored = await self._progress(plan, left)
        if stored.word == "lost":
            return _stopped(stored)
        if refusal:
            log.warning("walk_stopped", verification=stored.verification.id, reason=refusal.code)
        return Walk(stored, sent, (stopped.settled.reason or None) if stopped else None, refusal)

    def failover_ms(self, plan: SendPlan, gateway: Gateway | None) -> int | None:
        """When the next gateway, or the person, has its turn if this send does not arrive; None: there is neither.
        gateway: that has the message, if any has. Nothing is learned of channels that reach people when they look."""
        if plan.withheld or (len(plan.route.gateways) < 2 and not plan.inbound):
            return None
        failovers, seconds, ends = plan.stored.due_times.failovers, plan.route.failover_after_seconds, None
        if gateway and gateway.channel == SMS and plan.learns(gateway.name):
            found, known = plan.stored.verification, self._circuits.records[gateway.name]
            group = number_plan.group_of(found.phone, found.number)
            ends = failover.of_group(known.delays.get(group, ()), known.ends)
        if gateway and plan.stored.verification.channel == AUTO:  # each step has a wait of its own
            failovers, seconds = 0, plan.waits(gateway.name)
        return failover.wait_ms(seconds, failovers, ends)

    def _outgoing(self, stored: Stored, said: Texts, gateway: Gateway, opened: NewMessage) -> Outgoing:
        verification = stored.verification
        platform = verification.platform if gateway.channel == "sms" else ""  # no app and no browser reads Viber along
        text, code, mail = stored.content.text, "", None
        if not text:
            own = opened.number if opened.number in stored.own_hashes else 0
            code = GATEWAY_CODE if gateway.makes_code else self._local_code(stored, own)
        if gateway.channel == EMAIL:
            written = said.mail(verification.locale, code, verification.life_seconds)
            mail, text = (mails.of_text(text, said.brand), text) if text else written
        elif not text:
            text = said.render(verification.locale, code, verification.life_seconds, platform)
        return Outgoing(
            phone=verification.phone,
            text=text,
            client_id=opened.client_id,
            expires_at=datetime.fromtimestamp(verification.expires_at / 1000, UTC),
            code_length=stored.code_length if gateway.makes_code else 0,
            repeat=opened.again,
            code="" if gateway.makes_code else code,
            locale=verification.locale,
            mail=mail,
        )

    def _has_own_code(self, stored: Stored) -> bool:
        """Whether the next message carries a code of its own: the first local code was another's."""
        return stored.per_message and stored.has_local_hash and not stored.content.code

    def _local_code(self, stored: Stored, own: int = 0) -> str:
        """own: number of the message that carries it alone, 0 for the one that all others carry."""
        if stored.content.code:
            return stored.content.code
        if stored.verification.delivery:
            raise LookupError("the content of a delivery that has ended")
        key = self._store.keys_of(stored).code_derivation
        if own:
            return codes.of_message(key, stored.salt, own, stored.code_length)
        return codes.derive(key, stored.salt, stored.code_length)

    async def _digest(self, stored: Stored, code: str) -> bytes:
        pepper = self._store.keys_of(stored).pepper
        return await self._hash_pool.digest(pepper, stored.scope, code, stored.salt, stored.cost)


def _stopped(stored: Answered[Progress]) -> Walk:
    """The walk is over, belongs to another process, or has nothing left to do."""
    return Walk(stored, sent=True, lost=stored.word == "lost")


def _not_sent(opened: NewMessage) -> MessageResult:
    """A message that was recorded, and whose gateway was not asked after all, unless by somebody before us."""
    if opened.again:
        return left_open(opened.number)
    return MessageResult(opened.number, MessageStatus.CANCELED, reason=Reason.NOT_SENT)


def _no_code() -> str:
    """Stands where a code would: hashed and compared like one, and no caller can submit it."""
    return secrets.token_hex(8)
