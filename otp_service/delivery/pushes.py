"""What TargetSMS pushes to us (X5).

Anyone may have sent it, so it is trusted no further than "go and look": it is kept, the gateway is asked at once
whether it is so, and only its answer moves a message.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from ipaddress import ip_address

import structlog

from otp_service import metrics
from otp_service.gateways.base import Delivery, Gateway, GatewayError
from otp_service.gateways.targetsms import callback
from otp_service.gateways.targetsms.gateways import XmlGateway
from otp_service.storage.reports import ReportStore

AT_A_TIME = 50

log = structlog.get_logger()


class Pushes:
    def __init__(self, gateways: Iterable[Gateway], reports: ReportStore) -> None:
        self._gateways = [
            gateway for gateway in gateways if isinstance(gateway, XmlGateway) and gateway.callback_tokens
        ]
        self._reports = reports

    @property
    def accounts(self) -> frozenset[str]:
        """Provider accounts that may push to us."""
        return frozenset(gateway.account for gateway in self._gateways)

    def gateway(self, token: str, address: str) -> XmlGateway | None:
        """Whose callback it is that this token opens from this address. All tokens are compared, in constant time."""
        opened = [
            gateway
            for gateway in self._gateways
            for own in gateway.callback_tokens
            if hmac.compare_digest(own.encode(), token.encode())
        ]
        return opened[0] if opened and _allowed(opened[0], address) else None

    async def receive(self, gateway: XmlGateway, body: bytes) -> bytes:
        """Keep what was pushed; returns the answer, which acknowledges what is stored or known to be nobody's.

        What is no such document acknowledges nothing. Raises StorageUnavailable.
        """
        try:
            pushed = callback.read_push(body)
        except GatewayError:
            metrics.PUSHES.labels("not understood").inc()
            return callback.acknowledgement([])
        for start in range(0, len(pushed), AT_A_TIME):
            await asyncio.gather(*(self._keep(gateway, each) for each in pushed[start : start + AT_A_TIME]))
        return callback.acknowledgement(each.provider_id for each in pushed)

    async def _keep(self, gateway: XmlGateway, told: Delivery) -> None:
        """Only an end is worth a look."""
        news = told.status.final and await self._reports.push(gateway.account, told.provider_id, told.status)
        metrics.PUSHES.labels("news" if news else "nothing new").inc()


def _allowed(gateway: XmlGateway, address: str) -> bool:
    if not gateway.callback_networks:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in gateway.callback_networks)
