"""What an account may do and has: balance (X6), senders (X7), clock (X19)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal

from otp_service.domain.value import Value
from otp_service.gateways.http import broken_answer
from otp_service.gateways.targetsms.xml.answers import Word
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import content_of
from otp_service.gateways.wire import amount, shown

DAY = timedelta(days=1)


class Balance(Value):
    """money: in `currency`, "" where the gateway does not say. sms: how many for each area, alternatives, no sum."""

    money: Decimal
    currency: str
    sms: dict[str, Decimal]


class SenderState(Word):
    ORDER = "order"
    """Being set up."""
    COMPLETED = "completed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class Senders(Value):
    """any_sender: every name may be used. states: by name, whose case matters; empty where any may be used."""

    any_sender: bool
    states: dict[str, SenderState]

    def may_use(self, sender: str) -> bool:
        return self.any_sender or self.states.get(sender) is SenderState.COMPLETED


async def balance(api: XmlApi, *, seconds: float) -> Balance:
    """X6. Raises `GatewayError`."""
    response = await api.call("/xml/balance.php", seconds=seconds)
    money = response.find("money")
    left = amount(content_of(money)) if money is not None else None
    if money is None or left is None:
        raise broken_answer()
    sms = {shown(line.get("area", "")): amount(content_of(line)) for line in response.iter("sms")}
    return Balance(
        left, shown(money.get("currency", ""), 8), {area: left for area, left in sms.items() if left is not None}
    )


async def senders(api: XmlApi, *, seconds: float) -> Senders:
    """X7. Raises `GatewayError`."""
    response = await api.call("/xml/originator.php", seconds=seconds)
    anyone = response.findtext("any_originator", "").strip().upper()
    states = {content_of(name): SenderState(name.get("state", "")) for name in response.iter("originator")}
    return Senders(anyone == "TRUE", states)


async def clock_error(api: XmlApi, now: datetime, *, seconds: float) -> timedelta:
    """X19: how far the account's clock is ahead of `now`, a local time of the account's zone without a zone.

    The document shows both `hh:mm:ss` and `YYYY-MM-DD hh:mm:ss` (XQ15). Raises `GatewayError`.
    """
    response = await api.call("/xml/time.php", seconds=seconds)
    ahead = _difference(response.findtext("time", "").strip(), now)
    if ahead is None:
        raise broken_answer()
    return ahead


def _difference(told: str, now: datetime) -> timedelta | None:
    try:
        if " " in told:
            return datetime.fromisoformat(told).replace(tzinfo=None) - now
        ahead = datetime.combine(now, time.fromisoformat(told).replace(tzinfo=None)) - now
    except ValueError:
        return None
    # Without a date the nearest reading is meant: 00:00:10 is shortly after 23:59:50.
    return (ahead + DAY / 2) % DAY - DAY / 2
