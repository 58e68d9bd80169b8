"""X14 and X15: phones that this account never writes to."""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.gateways.targetsms.xml.answers import Edited, digits, edited, phone_of
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import content_of, element


async def stop_list(api: XmlApi, *, seconds: float) -> list[str]:
    """X14, "Запрос на получение списка номеров из СТОП-листа": phones, E.164. Raises `GatewayError`."""
    _, phones = await api.rows(
        "/xml/list_stop.php", tag="phone", read=lambda found: phone_of(content_of(found)), seconds=seconds
    )
    return phones


async def edit_stop_list(
    api: XmlApi, add: Sequence[str] = (), delete: Sequence[str] = (), *, seconds: float
) -> list[Edited]:
    """X15, "Запрос на добавление/удаление абонентов в СТОП-лист". add, delete: phones; `Edited.key` is the phone.

    Raises `GatewayError`.
    """
    content = [
        element(tag, "", *(element("phone", phone=digits(phone)) for phone in phones))
        for tag, phones in (("add_stop", add), ("delete_stop", delete))
        if phones
    ]
    response = await api.call("/xml/stop.php", *content, seconds=seconds)
    return [edited(phone_of(found.get("phone")), found) for found in response.iter("phone")]
