"""Gauges of webhooks: what receivers were not told of yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from otp_service.domain.webhooks import Endpoint
from otp_service.storage.webhooks import WebhookStore
from otp_service.telemetry import metrics

COUNT_SECONDS = 5.0


async def count(endpoints: Collection[Endpoint], store: WebhookStore) -> float | None:
    """Of this process. Returns the seconds until it is to be done again."""
    if not endpoints:
        return None
    totals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for endpoint, record in zip(endpoints, await store.read(list(endpoints)), strict=True):
        if record:
            told = (record.backlog, record.parked, int(bool(record.disabled)))
            totals[endpoint.application] = [a + b for a, b in zip(totals[endpoint.application], told, strict=True)]
    for application, (backlog, parked, disabled) in totals.items():
        metrics.WEBHOOK_BACKLOG.labels(application).set(backlog)
        metrics.WEBHOOK_PARKED.labels(application).set(parked)
        metrics.WEBHOOK_DISABLED.labels(application).set(disabled)
    return COUNT_SECONDS
