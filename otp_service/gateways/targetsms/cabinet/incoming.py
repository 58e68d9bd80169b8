"""X8, "Запрос входящих SMS": what people wrote to the account's numbers."""

from __future__ import annotations

from datetime import datetime, tzinfo

from otp_service.domain.value import Hidden, Value
from otp_service.gateways.targetsms.times import moment_of, to_second
from otp_service.gateways.targetsms.xml.answers import phone_of
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import content_of, element
from otp_service.gateways.wire import words

PATH = "/xml/incoming.php"


class Incoming(Value):
    """phone: who wrote, E.164. to: the number written to. prefix: the beginning of the text by which a shared number
    knows this client, "" for none. received_at: in the account's zone.
    """

    id: str
    received_at: datetime | None
    phone: Hidden[str]
    to: str
    prefix: str
    text: Hidden[str]


async def incoming(
    api: XmlApi, start: datetime, end: datetime | None, zone: tzinfo, *, seconds: float
) -> list[Incoming]:
    """SMS received after `start` and before `end`, both exclusive; without `end` all since then.

    start, end: aware. zone: of the account. Raises `GatewayError`.
    """
    span = {"start": to_second(start, zone)} | ({"end": to_second(end, zone)} if end else {})
    _, received = await api.rows(
        PATH,
        element("time", **span),
        tag="sms",
        read=lambda sms: Incoming(
            words(sms.get("id_sms")),
            moment_of(sms.get("date_receive"), zone),
            phone_of(sms.get("originator")),
            words(sms.get("phone")),
            words(sms.get("prefix")),
            words(content_of(sms)),
        ),
        seconds=seconds,
    )
    return received
