"""X3, "Отправка SMS": one message to one phone per request."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from otp_service.domain.messages import MessageStatus
from otp_service.gateways.base import Accepted, Outgoing
from otp_service.gateways.http import broken_answer
from otp_service.gateways.targetsms.api import XmlApi
from otp_service.gateways.targetsms.errors import ALREADY_SENT, HELD, error_of, same
from otp_service.gateways.targetsms.xml import content_of, element
from otp_service.gateways.wire import count, optional_id, required_id

PATH = "/xml/"


async def send(
    api: XmlApi, message: Outgoing, *, sender: str, validity_period: str, name_delivery: str, seconds: float
) -> Accepted:
    """Send one SMS. A repeat with the same client id sends nothing and is answered with the earlier id.

    validity_period: see the function of that name. name_delivery: heading in the provider's reports, "" for its
    default. Raises `GatewayError`.
    """
    heading = [element("name_delivery", name_delivery)] if name_delivery else []
    abonent = element(
        "abonent",
        phone=message.phone.removeprefix("+"),
        number_sms="1",
        client_id_sms=message.client_id,
        validity_period=validity_period,
    )
    request = element(
        "message", "", element("sender", sender), element("text", message.text), *heading, abonent, type="sms"
    )
    response = await api.call(PATH, request, seconds=seconds)
    information = response.find("information")
    if information is None:
        raise broken_answer()
    return _outcome(content_of(information), information.get("id_sms"), count(information.get("parts")))


def validity_period(expires_at: datetime, now: datetime, zone: tzinfo) -> str:
    """`YYYY-MM-DD hh:mm` in the account's time zone, after which no delivery is tried.

    Rounded down, so that no dead code reaches a phone, but at least the next whole minute.
    """
    next_minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    until = max(expires_at.replace(second=0, microsecond=0), next_minute)
    return until.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _outcome(text: str, provider_id: str | None, parts: int) -> Accepted:
    if text == "send":
        return Accepted(required_id(provider_id), parts=parts)
    if same(text, ALREADY_SENT):
        return Accepted(optional_id(provider_id), parts=parts)
    if same(text, HELD):
        return Accepted(optional_id(provider_id), status=MessageStatus.HELD, parts=parts)
    if not text or provider_id:  # X3: a message that failed has no id
        raise broken_answer()
    raise error_of(text)
