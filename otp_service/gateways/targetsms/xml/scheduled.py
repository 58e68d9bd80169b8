"""X16 and X17: messages that have not gone out yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from xml.etree.ElementTree import Element

from otp_service.domain.value import Hidden, Value
from otp_service.gateways.targetsms.times import moment_of
from otp_service.gateways.targetsms.xml.answers import Done, Edited, Page, Word, edited, page_of, phone_of
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import element
from otp_service.gateways.wire import count, words


class SmsType(Word):
    SMS = "sms"
    FLASH = "flashsms"
    WAP_PUSH = "wappush"
    VCARD = "vcard"
    UNKNOWN = "unknown"


class Scheduled(Value):
    """queued_at: when it was handed in. valid_until: no delivery is tried after it. Times in the account's zone."""

    id: str
    queued_at: datetime | None
    sender: str
    phone: Hidden[str]
    type: SmsType
    text: Hidden[str]
    parts: int
    name_delivery: str
    send_at: datetime | None
    valid_until: datetime | None


async def scheduled(api: XmlApi, page: int, zone: tzinfo, *, seconds: float) -> Page[Scheduled]:
    """X16, "Запрос на получение списка запланированных SMS": one page, from 1; the whole list cannot be had at once.

    zone: of the account. Raises `GatewayError`.
    """
    wanted = element("scheduled", page=str(page))
    response, rows = await api.rows(
        "/xml/list_scheduled.php", wanted, tag="scheduled", read=lambda found: _read(found, zone), seconds=seconds
    )
    return page_of(response, [row for row in rows if row.id])


async def delete_all(api: XmlApi, provider_ids: Sequence[str], *, seconds: float) -> list[Edited]:
    """X17, "Запрос на удаление запланированной SMS". `Edited.key` is the id. Raises `GatewayError`."""
    unwanted = element("delete_schedule", "", *(element("schedule", id_sms=each) for each in provider_ids))
    response = await api.call("/xml/scheduled.php", unwanted, seconds=seconds)
    return [edited(found.get("id_sms"), found) for found in response.iter("scheduled")]


async def delete(api: XmlApi, provider_id: str, *, seconds: float) -> bool:
    """Take back one message that has not gone out (X17). False: not found, so too late. Raises `GatewayError`."""
    answers = await delete_all(api, [provider_id], seconds=seconds)
    return any(answer.key == provider_id and answer.done is Done.DELETE for answer in answers)


def _read(found: Element, zone: tzinfo) -> Scheduled:
    """The text of the document names two attributes differently from its sample (XQ13): both are read."""
    return Scheduled(
        words(found.get("id_sms")),
        moment_of(found.get("time_put_turn"), zone),
        words(found.get("originator", found.get("operator"))),
        phone_of(found.get("phone")),
        SmsType(found.get("type_sms", found.get("type", ""))),
        words(found.get("text_sms")),
        count(found.get("count_sms")),
        words(found.get("name_delivery")),
        moment_of(found.get("time_send"), zone),
        moment_of(found.get("validity_period"), zone),
    )
