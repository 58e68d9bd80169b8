"""What `otp-service doctor` can learn of an account without an SMS, as findings for a person."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Finding, GatewayError, Then
from otp_service.gateways.targetsms.xml import account, callback
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.wire import shown

TOLERANCE = timedelta(minutes=2)


async def has_money(asked: Awaitable[Decimal | None]) -> bool:
    """True if there is money. Raises `GatewayError` FUNDS where there is none."""
    if not await asked:
        raise GatewayError(Reason.FUNDS, Then.NEXT)
    return True


async def balance(asked: Awaitable[account.Balance]) -> Finding:
    try:
        left = await asked
    except GatewayError as error:
        return Finding.not_told("balance", error)
    areas = "".join(f"; {area}: {number} SMS" for area, number in list(left.sms.items())[:5])
    return Finding("balance", left.money > 0, f"{left.money} {left.currency}".strip() + areas)


async def sender(api: XmlApi, name: str, *, seconds: float) -> Finding:
    try:
        senders = await account.senders(api, seconds=seconds)
    except GatewayError as error:
        return Finding.not_told("sender", error)
    state = "any sender may be used" if senders.any_sender else shown(senders.states.get(name, "not in the list"))
    return Finding("sender", senders.may_use(name), f"{name}: {state}")


async def clock(api: XmlApi, zone: ZoneInfo, *, seconds: float) -> Finding:
    try:
        ahead = await account.clock_error(api, datetime.now(zone).replace(tzinfo=None), seconds=seconds)
    except GatewayError as error:
        return Finding.not_told("clock", error)
    if abs(ahead) <= TOLERANCE:
        return Finding("clock", True, f"the account's time is that of {zone.key}")
    minutes = round(ahead.total_seconds() / 60)
    return Finding("clock", False, f"the account's time is {minutes:+d} minutes from {zone.key}: correct time_zone")


async def callback_address(api: XmlApi, prefix: str, *, seconds: float) -> Finding:
    """X25: whether states are pushed to this service. prefix: of its address, without the token.

    What follows the prefix opens the callback: it is neither compared nor shown, and of another address nothing is.
    """
    try:
        address = await callback.address(api, seconds=seconds)
    except GatewayError as error:
        return Finding.not_told("callback", error)
    if address.startswith(prefix) and len(address) > len(prefix):
        return Finding("callback", True, f"states are pushed to {prefix}…")
    where = "to another address" if address else "nowhere"
    return Finding("callback", False, f"states are pushed {where}: run `otp-service targetsms callback set`")
