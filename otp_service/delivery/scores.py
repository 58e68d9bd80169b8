"""How gateways did with their messages: whether they told the end in time, and what it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence

from otp_service import metrics
from otp_service.domain.lifecycle import Outcome, Verification
from otp_service.domain.messages import Message, MessageStatus
from otp_service.gateways.base import Reason
from otp_service.settings import Settings
from otp_service.storage.gateways import GatewayStore
from otp_service.storage.records import Stored

IN_TIME_MARGIN_MS = 5000
"""A report that came so shortly after the next gateway's turn was due was in time: nobody is asked all the time."""


class Scores:
    def __init__(self, settings: Settings, store: GatewayStore) -> None:
        self._settings = settings
        self._store = store

    async def observe(self, before: Sequence[Stored], after: Sequence[Stored], unasked: Container[str]) -> None:
        """Count what a look has brought to light. Each message counts once: when its end became known in time, or when
        the next gateway's turn came and nothing was known. unasked: gateways that did not answer, whose silence about
        a message says nothing."""
        heard: defaultdict[str, list[bool]] = defaultdict(list)
        ends: defaultdict[str, list[int | None]] = defaultdict(list)
        for old, new in zip(before, after, strict=True):
            if new.word != "ok":
                continue
            for was, now_is in zip(old.found.messages, new.found.messages, strict=False):
                if not was.status.final and now_is.status.final and now_is.reason != Reason.NO_REPORT:
                    ends[now_is.gateway].append(_end(now_is))
                    if new.found.now - now_is.sent_at <= self._in_time_ms(new.found):
                        heard[now_is.gateway].append(True)
            if new.failover_due and (silent := _silent(new.found)) and silent.gateway not in unasked:
                heard[silent.gateway].append(False)
        for name in {*heard, *ends}:
            await self._store.observe(name, heard[name], ends[name])

    def _in_time_ms(self, found: Verification) -> int:
        return self._settings.routes[found.channel].failover_after_seconds * 1000 + IN_TIME_MARGIN_MS


def note_approval(outcome: Outcome, found: Verification) -> None:
    """Count an approval with the time it took; a repeat that hears the same verdict later is none."""
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


def _silent(found: Verification) -> Message | None:
    """The message that went out last, if nothing is known of it."""
    out = [message for message in found.messages if message.sent_at]
    return out[-1] if out and not out[-1].status.final else None
