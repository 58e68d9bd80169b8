"""Gauges of webhooks: what receivers were not told of yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection

from otp_service import metrics
from otp_service.domain.webhooks import Endpoint
from otp_service.errors import StorageUnavailable
from otp_service.storage.hooks import HookStore

COUNT_SECONDS = 5.0


async def keep_counted(endpoints: Collection[Endpoint], store: HookStore) -> None:
    """Of this process; runs until it is canceled."""
    while endpoints:
        with contextlib.suppress(StorageUnavailable):
            await _count(endpoints, store)
        await asyncio.sleep(COUNT_SECONDS)


async def _count(endpoints: Collection[Endpoint], store: HookStore) -> None:
    totals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for endpoint, record in zip(endpoints, await store.read(list(endpoints)), strict=True):
        if record:
            told = (record.backlog, record.parked, int(bool(record.disabled)))
            totals[endpoint.application] = [a + b for a, b in zip(totals[endpoint.application], told, strict=True)]
    for application, (backlog, parked, disabled) in totals.items():
        metrics.WEBHOOK_BACKLOG.labels(application).set(backlog)
        metrics.WEBHOOK_PARKED.labels(application).set(parked)
        metrics.WEBHOOK_DISABLED.labels(application).set(disabled)
