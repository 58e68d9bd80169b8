"""The receivers of the settings, and how one is told of one event."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from otp_service import __version__, settings
from otp_service.domain.webhooks import Endpoint, signature
from otp_service.outbound.guard import Guard
from otp_service.outbound.receiver import Answer, Receiver
from otp_service.settings import Settings


@asynccontextmanager
async def open_receivers(found: Settings) -> AsyncIterator[Mapping[str, Receiver]]:
    """A receiver for each endpoint of the settings, by its id."""
    allowed = found.webhooks.allow_networks
    known = {
        endpoint.id: Receiver(endpoint.url, Guard(allowed, public=not settings.is_private_receiver(endpoint.url)))
        for endpoint in settings.webhook_endpoints(found).values()
    }
    try:
        yield known
    finally:
        for receiver in known.values():
            await receiver.close()


async def tell(receiver: Receiver, endpoint: Endpoint, event_id: str, body: bytes) -> Answer:
    """Tell a receiver of one event, once. The time-stamp is this host's, for the receiver compares it with its own."""
    now = int(time.time())
    return await receiver.post(
        body,
        {
            "User-Agent": f"otp-service/{__version__}",
            "webhook-id": event_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(endpoint.secrets, event_id, now, body),
        },
    )
