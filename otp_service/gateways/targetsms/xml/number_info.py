"""X9, "Запрос на получение информации по номеру телефона": operator and region of a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from otp_service.domain.value import Hidden, Value
from otp_service.gateways.targetsms.xml.answers import digits, phone_of
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import content_of, element
from otp_service.gateways.wire import words

PATH = "/xml/def.php"

_HOURS = re.compile(r"[+-]?[0-9]{1,2}")


class NumberInfo(Value):
    """hours: as the gateway gives them. By the document they count from Moscow, by its samples Moscow has 3."""

    phone: Hidden[str]
    operator: str
    region: str
    hours: int | None


async def look_up(api: XmlApi, phones: Sequence[str], *, seconds: float) -> list[NumberInfo]:
    """What the gateway knows of phones (E.164). Raises `GatewayError`."""
    asked = element("phones", "", *(element("phone", digits(phone)) for phone in phones))
    _, found = await api.rows(PATH, asked, tag="phone", read=_read, seconds=seconds)
    return found


def _read(found: Element) -> NumberInfo:
    return NumberInfo(
        phone_of(content_of(found)),
        words(found.get("operator")),
        words(found.get("region")),
        int(hours) if _HOURS.fullmatch(hours := found.get("time_zone", "")) else None,
    )
