"""The receivers of the settings, and how one is told of one event."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from otp_service import __version__, settings
from otp_service.domain.webhooks import Endpoint, signature
from otp_service.outbound.address_guard import AddressGuard
from otp_service.outbound.receiver import Answer, Receiver
from otp_service.schemas.events import body_of
from otp_service.settings import Settings


@asynccontextmanager
async def open_receivers(found: Settings) -> AsyncIterator[Mapping[str, Receiver]]:
    """A receiver for each endpoint of the settings, by its id."""
    allowed = found.webhooks.allow_networks
    known = {
        endpoint.id: Receiver(
            endpoint.url, AddressGuard(allowed, public=not settings.is_private_receiver(endpoint.url))
        )
        for endpoint in settings.webhook_endpoints(found).values()
    }
    try:
        yield known
    finally:
        for receiver in known.values():
            await receiver.close()


@asynccontextmanager
async def receivers_by_url(found: Settings) -> AsyncIterator[Callable[[str], Receiver]]:
    """Receivers of URLs that are named at run time, each made when it is first needed."""
    known: dict[str, Receiver] = {}

    def of(url: str) -> Receiver:
        if url not in known:
            allowed = found.webhooks.allow_networks
            known[url] = Receiver(url, AddressGuard(allowed, public=not settings.is_private_receiver(url)))
        return known[url]

    try:
        yield of
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


async def send_test(found: Settings, endpoint: Endpoint) -> tuple[str, Answer]:
    """Tell an endpoint of the settings of an event that is a test, now and once; its id, and what came back."""
    event_id = f"evt_{endpoint.application}_test-{secrets.token_hex(8)}"
    body = body_of(TEST, int(time.time() * 1000), 0, {"endpoint": endpoint.id})
    async with open_receivers(found) as receivers:
        return event_id, await tell(receivers[endpoint.id], endpoint, event_id, body)


TEST = "webhook.test"
WHY = {
    "unreachable": "no connection",
    "name": "the host's name has no address",
    "address": "its address is not public and not in webhooks.allow_networks",
    "certificate": "its TLS certificate was not accepted",
    "timeout": "it took longer than 15 s",
    "broken": "the connection broke, or the answer was not HTTP",
}
