"""X18, "Запрос на получение времени изменения чего-либо"."""

from __future__ import annotations

from datetime import datetime, tzinfo
from enum import StrEnum

from otp_service.gateways.http import broken_answer
from otp_service.gateways.targetsms.times import moment_of
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import element

PATH = "/xml/check_change.php"


class Thing(StrEnum):
    BASE = "base"
    STOP_LIST = "stop"
    """Ours: the document names the stop list and not its word."""


async def changed_at(api: XmlApi, thing: Thing, base_id: str, zone: tzinfo, *, seconds: float) -> datetime | None:
    """When a base or the stop list last changed, in the account's zone; None where the gateway gives no time.

    base_id: "" for the stop list. Raises `GatewayError`. The platform's own document writes `obgect` for `object`, in
    request and answer (XQ16), so both go out and both are read.
    """
    wanted = element("check", object=thing, obgect=thing, id=base_id)
    response = await api.call(PATH, wanted, seconds=seconds)
    found = next((found for found in response if found.tag in ("object", "obgect")), None)
    if found is None:
        raise broken_answer()
    return moment_of(found.get("time_update"), zone)
