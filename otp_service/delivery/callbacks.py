"""What providers push to us about messages.

Anyone may have sent it, so it is trusted no further than "go and look": it is kept, the gateway is asked at once
whether it is so, and only its answer moves a message.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from ipaddress import ip_address

import structlog

from otp_service.gateways.base import Delivery, Gateway, Push, Pushed, TakesCallbacks
from otp_service.gateways.registry import OF_ANY
from otp_service.storage.reports import ReportStore
from otp_service.telemetry import metrics

AT_A_TIME = 50

log = structlog.get_logger()


class Callbacks:
    def __init__(self, gateways: Iterable[Gateway], reports: ReportStore) -> None:
        self._gateways: list[TakesCallbacks] = [
            gateway for gateway in gateways if isinstance(gateway, TakesCallbacks) and gateway.callback_tokens
        ]
        self._reports = reports

    @property
    def accounts(self) -> frozenset[str]:
        """Provider accounts that may push to us."""
        return frozenset(gateway.account for gateway in self._gateways)

    def gateway(self, name: str, token: str, address: str) -> TakesCallbacks | None:
        """The gateway that this token belongs to, if the request may come from this address; else None. All tokens are
        compared, in constant time. name: of the gateway, or `registry.OF_ANY` for whichever has the token, as in the
        addresses that earlier versions gave to providers."""
        opened = [
            gateway
            for gateway in self._gateways
            for own in gateway.callback_tokens
            if hmac.compare_digest(own.encode(), token.encode()) and name in (gateway.name, OF_ANY)
        ]
        return opened[0] if opened and _allowed(opened[0], address) else None

    async def receive(self, gateway: TakesCallbacks, push: Push) -> Pushed:
        """Keep what was pushed; its answer acknowledges what is stored or known to be nobody's.

        Raises StorageUnavailable.
        """
        pushed = gateway.read_push(push)
        if not pushed.understood:
            metrics.PUSHES.labels("not understood").inc()
        for start in range(0, len(pushed.deliveries), AT_A_TIME):
            some = pushed.deliveries[start : start + AT_A_TIME]
            await asyncio.gather(*(self._keep(gateway, each) for each in some))
        return pushed

    async def _keep(self, gateway: TakesCallbacks, told: Delivery) -> None:
        """Only an end is worth a look."""
        news = told.status.final and await self._reports.push(gateway.account, told.provider_id, told.status)
        metrics.PUSHES.labels("news" if news else "nothing new").inc()


def _allowed(gateway: TakesCallbacks, address: str) -> bool:
    if not gateway.callback_networks:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in gateway.callback_networks)


def believed(gateway: object) -> bool:
    """Whether what was pushed about its messages counts without asking."""
    return isinstance(gateway, TakesCallbacks) and gateway.believes_pushes
