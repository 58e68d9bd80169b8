"""GET /v1/gateways: health of the gateways."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import get
from litestar.di import NamedDependency

from otp_service.api.problems import documented
from otp_service.domain.scopes import KeyScope
from otp_service.gateways.base import Gateway
from otp_service.runtime import Runtime
from otp_service.schemas.events import time_view
from otp_service.storage.gateways import GatewayRecord


class GatewayView(msgspec.Struct, kw_only=True):
    """health: `ok`, `trial` (it is tried after a failure) or `down`. reason: why it is not ok.

    balance: money or SMS, as the provider counts. delivered_share, seconds_to_delivery (the median): of the newest
    messages whose end is known. reports: whether it tells in time what becomes of them, null until that is known.
    """

    name: str
    channel: str
    health: str
    circuit: str
    reason: str | None
    opened_at: datetime | None
    probe_at: datetime | None
    balance: str | None
    balance_at: datetime | None
    balance_low: bool
    delivered_share: float | None
    seconds_to_delivery: float | None
    reports: bool | None


class GatewayList(msgspec.Struct, kw_only=True):
    gateways: list[GatewayView]


_HEALTH = {"closed": "ok", "half_open": "trial", "open": "down"}


@get(
    "/v1/gateways",
    operation_id="listGateways",
    summary="List the gateways and their health",
    response_description="The gateways, in the order of the settings.",
    tags=["gateways"],
    opt={"scope": KeyScope.READ},
    responses=documented(),
)
async def gateways(service: NamedDependency[Runtime]) -> GatewayList:
    """For each gateway: whether messages go to it, the balance of its account, and how many of the newest messages
    arrived, and how fast.
    """
    await service.circuits.refresh()
    return GatewayList(
        gateways=[gateway_view(gateway, service.circuits.records[name]) for name, gateway in service.gateways.items()]
    )


def gateway_view(gateway: Gateway, record: GatewayRecord) -> GatewayView:
    times = sorted(end for end in record.ends if end is not None)
    return GatewayView(
        name=gateway.name,
        channel=gateway.channel,
        health=_HEALTH[record.circuit],
        circuit=record.circuit,
        reason=record.reason or None,
        opened_at=time_view(record.opened_at) if record.opened_at else None,
        probe_at=time_view(record.probe_at) if record.probe_at else None,
        balance=record.balance or None,
        balance_at=time_view(record.balance_at) if record.balance_at else None,
        balance_low=record.low,
        delivered_share=round(len(times) / len(record.ends), 3) if record.ends else None,
        seconds_to_delivery=times[len(times) // 2] / 1000 if times else None,
        reports=2 * sum(record.heard) >= len(record.heard) if record.heard else None,
    )
