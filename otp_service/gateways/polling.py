"""Asking about several messages where a provider takes one id at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from otp_service.gateways.base import Delivery, GatewayError


async def one_by_one(provider_ids: Iterable[str], ask: Callable[[str], Awaitable[Delivery | None]]) -> list[Delivery]:
    """One request for each id, one after another; None is left out.

    The first failure ends it: raised if nothing was learnt before, else left for the next poll to meet again.
    """
    found: list[Delivery] = []
    for provider_id in provider_ids:
        try:
            delivery = await ask(provider_id)
        except GatewayError:
            if not found:
                raise
            break
        if delivery is not None:
            found.append(delivery)
    return found
