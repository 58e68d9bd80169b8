"""X4, "Запрос статуса SMS сообщения (первый способ)": what became of messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from otp_service.domain.messages import MessageStatus
from otp_service.gateways.base import Delivery
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import content_of, element
from otp_service.gateways.wire import amount, count

PATH = "/xml/state.php"
BATCH = 100
"""Ids per request; the document gives no limit."""

STATUSES = {
    "send": MessageStatus.ACCEPTED,
    "not_deliver": MessageStatus.UNDELIVERED,
    "expired": MessageStatus.EXPIRED,
    "deliver": MessageStatus.DELIVERED,
    "partly_deliver": MessageStatus.UNKNOWN,
    # Not in the document; used by the platform (E6)
    "read": MessageStatus.DELIVERED,
    "link": MessageStatus.DELIVERED,
    "unsubscribe": MessageStatus.DELIVERED,
}

PASSWORD_STATUSES = {
    # P, "Описание статусов"; its messages are asked about here
    "not_valid_phone": MessageStatus.REJECTED,
    "connection_error": MessageStatus.REJECTED,
}
"""Nothing was sent. P calls them first states of a message, so X4 may answer them about an id of P (not documented)."""

_KNOWN = STATUSES | PASSWORD_STATUSES
_WORD = re.compile(r"[a-z_]{1,32}")
_CODE = re.compile(r"[0-9A-Za-z]{1,16}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


def known_status(word: str) -> MessageStatus | None:
    """The status for a word that a document lists, in whatever case, with blanks for its underscores; else None."""
    return _KNOWN.get("_".join(word.lower().split()))


def status_of(word: str) -> MessageStatus | None:
    """The status for a word of the gateway; a word nobody knows changes nothing. None: a text, so an error."""
    return known_status(word) or (MessageStatus.ACCEPTED if _WORD.fullmatch(word) else None)


def written_time(value: str | None) -> str:
    """`YYYY-MM-DD hh:mm:ss` as the gateway wrote it; "" for anything else."""
    return value if value and _TIME.fullmatch(value) else ""


async def ask(api: XmlApi, provider_ids: Sequence[str], *, seconds: float) -> list[Delivery]:
    """Ask for the states of messages, `BATCH` at a time. Ids that the gateway does not know are left out.

    seconds: for each batch. Raises `GatewayError`.
    """
    found: list[Delivery] = []
    for start in range(0, len(provider_ids), BATCH):
        batch = provider_ids[start : start + BATCH]
        wanted = element("get_state", "", *(element("id_sms", provider_id) for provider_id in batch))
        response = await api.call(PATH, wanted, seconds=seconds)
        deliveries = (delivery_of(state) for state in response.iter("state") if state.get("id_sms") in batch)
        found += [delivery for delivery in deliveries if delivery is not None]
    return found


def delivery_of(state: Element) -> Delivery | None:
    """A `<state>` of X4 or X5; None for the text of an error. `provider_code` is the undocumented `err` (E4)."""
    status = status_of(content_of(state))
    if status is None:
        return None
    code = state.get("err", "")
    return Delivery(
        state.get("id_sms", ""),
        status,
        changed_at=written_time(state.get("time")),
        parts=count(state.get("num_parts")),
        price=amount(state.get("price")),
        provider_code=code if _CODE.fullmatch(code) else "",
    )
