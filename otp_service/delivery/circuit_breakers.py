"""Circuit breakers: a gateway that cannot work is left alone for a while, by all processes.

Wrong credentials, a blocked account, no money, a refused sender or an exhausted provider shut it at once; time-outs and
errors do by their rate, as each process counts it. When it has cooled down it is asked something that sends no SMS,
where the provider offers that; else one real send at a time tries it. What is shut is remembered in Redis and read by
every process once a second, so a walk asks nobody.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

import structlog

from otp_service.delivery.attempt import note_words
from otp_service.domain.reasons import Reason, stored_reason
from otp_service.gateways.base import Gateway, GatewayError
from otp_service.storage.gateways import GatewayRecord, GatewayStore
from otp_service.telemetry import metrics

log = structlog.get_logger()

AT_ONCE: Mapping[Reason, tuple[float, float]] = {
    Reason.CREDENTIALS: (60.0, 60.0),
    Reason.ACCOUNT_BLOCKED: (60.0, 60.0),
    Reason.FUNDS: (60.0, 60.0),
    Reason.SENDER: (60.0, 60.0),
    Reason.GATEWAY_EXHAUSTED: (300.0, 300.0),
}
"""What shuts a gateway at the first time: its first and its longest cool-down in seconds."""
BY_RATE = frozenset(
    {
        Reason.TIMEOUT, Reason.UNREACHABLE, Reason.BROKEN_ANSWER, Reason.THROTTLED, Reason.NOT_SENT,
        Reason.BAD_REQUEST, Reason.UNKNOWN_ERROR,
    }
)  # fmt: skip
OF_ACCOUNT = frozenset({Reason.ACCOUNT_BLOCKED, Reason.FUNDS})
"""What concerns every gateway on the same account."""
COOL_DOWN_SECONDS = (15.0, 60.0)
RATE_SECONDS = 60.0
RATE_ATTEMPTS = 10
"""Of the newest attempts in `RATE_SECONDS`, half or more failing shut the gateway, if there were 5 or more."""
RATE_FAILURES = 5
REFRESH_SECONDS = 1.0
TRIAL_SECONDS = 1.0
PROBE_SECONDS = 4.0
BY_HAND = "by_hand"
"""An operator wants a gateway left alone: so it is, whatever it answers, until the time is over or it is used again."""
HOPELESS = frozenset({Reason.CREDENTIALS, Reason.FUNDS, Reason.ACCOUNT_BLOCKED, BY_HAND})


class Circuits:
    def __init__(self, gateways: Mapping[str, Gateway], store: GatewayStore) -> None:
        self._gateways = gateways
        self._store = store
        self._records: Mapping[str, GatewayRecord] = {name: GatewayRecord(name) for name in gateways}
        self._attempts: defaultdict[str, deque[tuple[float, bool]]] = defaultdict(lambda: deque(maxlen=RATE_ATTEMPTS))
        self._next_trial: dict[str, float] = {}

    @property
    def records(self) -> Mapping[str, GatewayRecord]:
        """As they were at the last look, a second ago or less."""
        return self._records

    def usable(self, candidates: Sequence[Gateway]) -> list[Gateway]:
        """Those whose circuit is not open. If all are, the one that is looked at first, if there is hope for it."""
        fit = [gateway for gateway in candidates if self._is_fit(gateway)]
        if fit or not candidates:
            return fit
        hopeful = [gateway for gateway in candidates if self._records[gateway.name].reason not in HOPELESS]
        return sorted(hopeful, key=lambda gateway: self._records[gateway.name].probe_at)[:1]

    def reports_come(self, name: str) -> bool | None:
        """Whether the gateway tells what became of its messages: of half or more of the newest. None: too few are
        known. One that the settings name no more is not asked, so its silence means nothing."""
        if name not in self._records:
            return False
        heard = self._records[name].heard
        return 2 * sum(heard) >= len(heard) if len(heard) >= 3 else None

    async def note(self, gateway: Gateway, reason: Reason | None) -> None:
        """How an attempt ended; None: well. A gateway that answers about a message works, whatever the answer."""
        failed = reason in AT_ONCE or reason in BY_RATE
        attempts = self._attempts[gateway.name]
        attempts.append((time.monotonic(), failed))
        if not gateway.traits.circuit_breaker:
            return
        if not failed:
            record = self._records[gateway.name]
            if record.circuit == "half_open" or (record.circuit == "open" and record.reason != BY_HAND):
                await self._close(gateway.name)
        elif reason is not None and (reason in AT_ONCE or self._failing(attempts, gateway.name)):
            shared = reason in OF_ACCOUNT
            for other in self._gateways.values():
                if other is gateway or (shared and other.account == gateway.account and other.traits.circuit_breaker):
                    self._attempts[other.name].clear()
                    first, longest = AT_ONCE.get(reason, COOL_DOWN_SECONDS)
                    if await self._store.open_circuit(other.name, reason, first, longest):
                        log.warning("circuit_opened", gateway=other.name, reason=reason)
                    await self.refresh()

    async def refresh(self) -> float:
        """Read what all processes know. Returns the seconds that it is good for."""
        self._records = await self._store.read(list(self._gateways))
        for name, record in self._records.items():
            metrics.CIRCUIT_OPEN.labels(name).set(record.circuit != "closed")
            if record.balance:
                metrics.BALANCE.labels(name).set(float(record.balance))
        return REFRESH_SECONDS

    async def leave_alone(self, name: str, seconds: float) -> None:
        """An operator's word, also for a gateway that has no circuit breaker."""
        await self._store.close_circuit(name)  # what it was left alone for is not why any more
        await self._store.open_circuit(name, BY_HAND, seconds, seconds)
        log.warning("circuit_opened", gateway=name, reason=BY_HAND)
        await self.refresh()

    async def use(self, name: str) -> None:
        """An operator's word: ask the gateway again, whatever happened before."""
        await self._close(name)

    async def probe(self, name: str) -> None:
        """A cool-down is over: look whether the gateway works again, without an SMS where the provider offers that."""
        gateway, record = self._gateways.get(name), (await self._store.read([name]))[name]
        if gateway is None or record.circuit != "open":
            await self._store.try_circuit(name, fit=True, longest_seconds=0)
            return
        reason = stored_reason(record.reason) or Reason.UNKNOWN_ERROR
        _, longest = AT_ONCE.get(reason, COOL_DOWN_SECONDS)
        try:
            works = await gateway.probe(reason, min(PROBE_SECONDS, gateway.traits.attempt_seconds))
        except GatewayError as error:
            log.info("probe_failed", gateway=name, reason=error.reason)
            note_words(gateway, error)
            await self._store.try_circuit(name, fit=False, longest_seconds=longest)
            return
        if works:
            await self._close(name)
        else:
            await self._store.try_circuit(name, fit=True, longest_seconds=longest)

    def _is_fit(self, gateway: Gateway) -> bool:
        state, reason = self._records[gateway.name].circuit, self._records[gateway.name].reason
        if reason == BY_HAND and state == "open":
            return False
        if state != "half_open" or not gateway.traits.circuit_breaker:
            return state == "closed" or not gateway.traits.circuit_breaker
        now = time.monotonic()
        if now < self._next_trial.get(gateway.name, 0):
            return False
        self._next_trial[gateway.name] = now + TRIAL_SECONDS
        return True

    def _failing(self, attempts: deque[tuple[float, bool]], name: str) -> bool:
        if self._records[name].circuit == "half_open":
            return True
        since = time.monotonic() - RATE_SECONDS
        recent = [failed for at, failed in attempts if at > since]
        return sum(recent) >= RATE_FAILURES and 2 * sum(recent) >= len(recent)

    async def _close(self, name: str) -> None:
        self._attempts[name].clear()
        if await self._store.close_circuit(name):
            log.info("circuit_closed", gateway=name)
        await self.refresh()
