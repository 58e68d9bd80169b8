"""Asking gateways what became of messages: many at once, few questions at a time, and what their answers mean."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog

from otp_service.delivery import counting
from otp_service.delivery.attempt import note_words
from otp_service.domain import polling
from otp_service.domain.failover import Asked
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Delivery, Gateway, GatewayError
from otp_service.storage.gateways import GatewayStore
from otp_service.storage.records import Stored
from otp_service.storage.reports import Report
from otp_service.telemetry import metrics

TURNS = 2
"""How many questions about messages a provider account is asked at the same time, by all processes together."""
TURN_SECONDS = 30.0
ASKING_SECONDS = 2.0
"""The questions of one turn begin within this time. What a slow gateway is not asked by then waits for the next turn,
so that the other gateways need not wait for it."""
SILENT_SECONDS = 5.0
"""How long a gateway that did not answer is asked nothing: its questions would occupy all turns."""

log = structlog.get_logger()

Answers = dict[tuple[str, str], Delivery]
"""By gateway and its id of the message."""
Unasked = Mapping[tuple[str, str], Asked]
"""By the same: of which messages nothing was heard, and why."""


class Poller:
    def __init__(self, gateways: Mapping[str, Gateway], store: GatewayStore) -> None:
        self._gateways = gateways
        self._gateway_store = store
        self._silent_until: dict[str, float] = {}

    async def ask(self, due: Sequence[Stored]) -> tuple[Answers, Unasked]:
        """Ask gateways about the messages that are due, first about those on which the next gateway's turn depends.
        Returns the answers, and what was not answered."""
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        for stored in sorted(due, key=lambda each: not each.failover_due):
            for message in polling.open_messages(stored.verification):
                if message.provider_id and message.gateway in self._gateways:
                    wanted[message.gateway].append(message.provider_id)
        told = await asyncio.gather(*(self._ask_one(self._gateways[name], ids) for name, ids in wanted.items()))
        answers = {
            (name, delivery.provider_id): delivery
            for name, (deliveries, _) in zip(wanted, told, strict=True)
            for delivery in deliveries
        }
        return answers, {
            (name, provider_id): how
            for name, (_, unasked) in zip(wanted, told, strict=True)
            for provider_id, how in unasked.items()
        }

    async def _ask_one(
        self, gateway: Gateway, provider_ids: Sequence[str]
    ) -> tuple[list[Delivery], Mapping[str, Asked]]:
        """The answers, and the messages without one."""
        found: list[Delivery] = []
        clock = asyncio.get_running_loop().time
        if clock() < self._silent_until.get(gateway.name, 0):
            return found, dict.fromkeys(provider_ids, Asked.SILENT)
        async with self._gateway_store.turn(gateway.account, TURNS, TURN_SECONDS) as given:
            until = clock() + ASKING_SECONDS if given else 0
            for start in range(0, len(provider_ids), gateway.ask_batch):
                if clock() > until:
                    return found, dict.fromkeys(provider_ids[start:], Asked.BUSY)
                try:
                    found += await gateway.deliveries(provider_ids[start : start + gateway.ask_batch])
                except GatewayError as error:
                    metrics.QUESTIONS.labels(gateway.name, error.reason).inc()
                    log.info("states_not_told", gateway=gateway.name, reason=error.reason)
                    note_words(gateway, error)
                    self._silent_until[gateway.name] = clock() + SILENT_SECONDS
                    return found, dict.fromkeys(provider_ids[start:], Asked.SILENT)
                metrics.QUESTIONS.labels(gateway.name, "").inc()
        return found, {}


def report_of(message: Message, told: Delivery, now: int, zone: ZoneInfo | None) -> Report:
    """What is recorded of an answer. The gateway's own time counts where it is possible. A price of 0 counts only once
    the message has its end: before, many gateways write 0 for "not known yet"."""
    since = _milliseconds(told.changed_at, zone)
    plausible = message.sent_at - 1000 <= since <= now + 1000
    return Report(
        message.number,
        told.status,
        counting.believed(message.gateway, told.parts, message.parts),
        str(told.price) if told.price or (told.price is not None and told.status.final) else "",
        max(since, message.sent_at) if plausible else 0,
    )


def given_up(message: Message) -> Report:
    """For a message whose end nobody told: what was pushed to us and not confirmed, if anything, is the best that is
    known."""
    if message.pushed and MessageStatus(message.pushed).final:
        return Report(message.number, MessageStatus(message.pushed))
    return Report(message.number, MessageStatus.UNKNOWN, reason=message.reason or Reason.NO_REPORT)


def _milliseconds(written: str, zone: ZoneInfo | None) -> int:
    """A gateway's `YYYY-MM-DD hh:mm:ss` as milliseconds since the epoch; 0 if it wrote none."""
    if not written or zone is None:
        return 0
    try:
        local = datetime.fromisoformat(written).replace(tzinfo=zone)
    except ValueError:
        return 0
    return int(local.astimezone(UTC).timestamp() * 1000)
