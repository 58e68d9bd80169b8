"""X17, "Запрос на удаление запланированной SMS"."""

from __future__ import annotations

from otp_service.gateways.targetsms.api import XmlApi
from otp_service.gateways.targetsms.xml import content_of, element

PATH = "/xml/scheduled.php"


async def delete(api: XmlApi, provider_id: str, *, seconds: float) -> bool:
    """Take back one message that has not gone out. False: not found, so too late. Raises `GatewayError`."""
    wanted = element("delete_schedule", "", element("schedule", id_sms=provider_id))
    response = await api.call(PATH, wanted, seconds=seconds)
    return any(
        content_of(found) == "delete" and found.get("id_sms") == provider_id for found in response.iter("scheduled")
    )
