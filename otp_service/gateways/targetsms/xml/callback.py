"""X5, states that the gateway pushes to us, and X25, the address it pushes them to."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from otp_service.domain.messages import MessageStatus
from otp_service.gateways.base import Delivery
from otp_service.gateways.http import broken_answer, decode
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.states import delivery_of
from otp_service.gateways.targetsms.xml.wire import content_of, element, parse, serialized
from otp_service.gateways.wire import is_id, words

PATH = "/xml/get_state.php"

MAX_BYTES = 128 * 1024
MAX_STATES = 1000
"""Of one push. The document gives no limits; a state takes up to 120 bytes."""


async def address(api: XmlApi, *, seconds: float) -> str:
    """X25, `get`: where states are pushed to; "" for nowhere. Raises `GatewayError`."""
    return await _call(api, element("get_state", type="get"), seconds)


async def set_address(api: XmlApi, url: str, *, seconds: float) -> str:
    """X25, `set`: have states pushed to `url` from now on. Returns the address that the gateway now names.

    The URL opens our callback, so it is a secret. Raises `GatewayError`.
    """
    return await _call(api, element("get_state", url, type="set"), seconds)


def prefix(public_url: str) -> str:
    """Of the address of our callback; the token follows. It is older than `/callbacks/NAME/TOKEN` and stays good."""
    return f"{public_url.rstrip('/')}/callbacks/targetsms/"


def read_push(body: bytes) -> list[Delivery]:
    """X5, "Получение статуса SMS сообщения (второй способ)": the states of a push, in its order.

    Anyone may have sent it. Raises `GatewayError` BROKEN_ANSWER for what is longer than `MAX_BYTES`, holds more than
    `MAX_STATES`, declares a DTD, or is no such document. States without a usable id are left out; a word that nobody
    knows is `accepted`, which changes nothing, so that it is acknowledged and does not come again.
    """
    if len(body) > MAX_BYTES:
        raise broken_answer()
    states = parse(decode(body), "request").findall("state")
    if len(states) > MAX_STATES:
        raise broken_answer()
    return [
        delivery_of(state) or Delivery(state.get("id_sms", ""), MessageStatus.ACCEPTED)
        for state in states
        if is_id(state.get("id_sms"))
    ]


def acknowledgement(provider_ids: Iterable[str]) -> bytes:
    """The answer to a push. A state whose id is missing here counts as not received and is pushed up to 5 times."""
    return serialized(element("response", "", *(element("id_sms", each) for each in provider_ids)))


async def _call(api: XmlApi, request: Element, seconds: float) -> str:
    response = await api.call(PATH, request, seconds=seconds)
    found = response.find("get_state")
    if found is None:
        raise broken_answer()
    return words(content_of(found))
