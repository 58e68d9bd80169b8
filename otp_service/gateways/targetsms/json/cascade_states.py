"""J2, "Получение статуса сообщения": what became of cascades."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from otp_service.domain.messages import MessageStatus
from otp_service.domain.value import Value
from otp_service.gateways.targetsms.json.client import JsonApi, id_of, text_of
from otp_service.gateways.targetsms.xml.states import BATCH, status_of, written_time
from otp_service.gateways.wire import amount, count


class CascadeState(Value):
    """status: of the message as a whole; it alone says what became of it (E7). sms, viber: of the channels, None where
    nothing was sent by them. changed_at: as the gateway wrote it. prices: money taken, for all parts.
    """

    provider_id: str
    status: MessageStatus
    changed_at: str
    sms: MessageStatus | None
    viber: MessageStatus | None
    sms_parts: int
    sms_price: Decimal | None
    viber_price: Decimal | None


async def ask(api: JsonApi, provider_ids: Sequence[str], *, seconds: float) -> list[CascadeState]:
    """Ask for the states of messages, `BATCH` at a time. Ids that the gateway does not know are left out.

    seconds: for each batch. Raises `GatewayError`.
    """
    found: list[CascadeState] = []
    for start in range(0, len(provider_ids), BATCH):
        batch = provider_ids[start : start + BATCH]
        items = await api.call("state", [{"id_message": each} for each in batch], seconds=seconds)
        states = (_state(item) for item in items if isinstance(item, dict) and id_of(item, "id_message") in batch)
        found += [state for state in states if state is not None]
    return found


def _state(item: dict[str, Any]) -> CascadeState | None:
    """None for the text of an error, such as «Сообщение с таким ID не принималось»."""
    status = status_of(text_of(item, "state"))
    if status is None:
        return None
    return CascadeState(
        id_of(item, "id_message"),
        status,
        written_time(text_of(item, "time_change_state")),
        _channel(text_of(item, "state_sms")),
        _channel(text_of(item, "state_viber")),
        count(text_of(item, "num_parts_sms")),
        amount(text_of(item, "price_sms")),
        amount(text_of(item, "price_viber")),
    )


def _channel(word: str) -> MessageStatus | None:
    """In a channel `send` means "was not sent" (XQ3)."""
    return None if word == "send" else status_of(word)
