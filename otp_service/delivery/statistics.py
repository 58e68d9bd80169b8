"""How gateways did with their messages: whether they told the end in time, and what it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from otp_service.delivery.polling import Unasked
from otp_service.domain import number_plan
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.verifications import Outcome, Verification
from otp_service.settings import Settings
from otp_service.settings.workflows import wait_seconds
from otp_service.storage.gateways import GatewayStore
from otp_service.storage.records import Answered, Stored
from otp_service.storage.words import ReadMany
from otp_service.telemetry import metrics

IN_TIME_MARGIN_MS = 5000
"""Grace: we poll at intervals, so a report this late still counts as in time."""


class GatewayStatistics:
    def __init__(self, settings: Settings, store: GatewayStore) -> None:
        self._settings = settings
        self._store = store

    async def observe(self, before: Sequence[Stored], after: Sequence[Answered[ReadMany]], unasked: Unasked) -> None:
        """Count what one look found out. Each message counts once: when its end became known in time, or when the next
        gateway's turn came and nothing was known. unasked: messages that could not be asked about, so that silence says
        nothing."""
        heard: defaultdict[str, list[bool]] = defaultdict(list)
        ends: defaultdict[str, list[tuple[str, int | None]]] = defaultdict(list)
        for old, new in zip(before, after, strict=True):
            if new.word != "ok":
                continue
            for was, now_is in zip(old.verification.messages, new.verification.messages, strict=False):
                if not was.status.final and now_is.status.final and now_is.reason != Reason.NO_REPORT:
                    found = new.verification
                    ends[now_is.gateway].append((number_plan.group_of(found.phone, found.number), _end(now_is)))
                    in_time = wait_seconds(self._settings, found.application, found.way, now_is.gateway)
                    if found.now - now_is.sent_at <= in_time * 1000 + IN_TIME_MARGIN_MS:
                        heard[now_is.gateway].append(True)
            out = [message for message in new.verification.messages if message.sent_at]
            waits = new.failover_due and out and not out[-1].status.final
            if waits and (out[-1].gateway, out[-1].provider_id) not in unasked:
                heard[out[-1].gateway].append(False)
        for name in {*heard, *ends}:
            await self._store.observe(name, heard[name], ends[name])


def note_approval(outcome: Outcome, found: Verification) -> None:
    """Count an approval and the time it took. A repeat that is answered with the same verdict is not counted."""
    if outcome is Outcome.APPROVED and found.ended_at == found.now:
        out = [message.gateway for message in found.messages if message.sent_at]
        seconds = (found.ended_at - found.created_at) / 1000
        metrics.APPROVAL_SECONDS.labels(found.application, out[-1] if out else "").observe(seconds)


def _end(message: Message) -> int | None:
    """Milliseconds to the delivery, None where it failed."""
    metrics.ENDS.labels(message.gateway, message.channel, message.status).inc()
    if message.status is not MessageStatus.DELIVERED:
        return None
    milliseconds = max(0, message.ended_at - message.sent_at)
    metrics.DELIVERY_SECONDS.labels(message.gateway, message.channel).observe(milliseconds / 1000)
    return milliseconds
