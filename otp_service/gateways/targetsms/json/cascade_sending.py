"""J1, "Отправка сообщения": cascades out, one outcome for each phone back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, GatewayError, Then
from otp_service.gateways.http import broken_answer
from otp_service.gateways.targetsms.json.cascade import Message, Recipient, violations
from otp_service.gateways.targetsms.json.client import JsonApi, id_of, text_of
from otp_service.gateways.targetsms.outcomes import Sent, accepted_despite, outcome_of
from otp_service.gateways.targetsms.times import to_minute
from otp_service.gateways.targetsms.xml.answers import digits
from otp_service.gateways.wire import count, is_id, required_id


class CascadeSent(Sent):
    """viber_id, sms_id: of the channels that were used already, else ""."""

    viber_id: str = ""
    sms_id: str = ""


async def send(api: JsonApi, messages: Sequence[Message], zone: tzinfo, *, seconds: float) -> list[CascadeSent]:
    """Send any number of messages to any number of phones.

    zone: of the account, for `time_send`. Returns one outcome for each recipient, in the order of the request. Raises
    `GatewayError` if the request as a whole was refused; BAD_REQUEST/next, without a request, for a message that
    breaks a rule of the document (`cascade.violations`).
    """
    if any(violations(message) for message in messages):
        raise GatewayError(Reason.BAD_REQUEST, Then.NEXT)
    answers = await api.call("message", [_written(message, zone) for message in messages], seconds=seconds)
    if len(answers) != len(messages):
        raise broken_answer()
    return [
        _sent(api, recipient, answer, alone=len(message.recipients) == 1)
        for message, answer in zip(messages, answers, strict=True)
        for recipient in message.recipients
    ]


def _written(message: Message, zone: tzinfo) -> dict[str, Any]:
    """All values are strings, numbers too, as in the sample; what is "" is left out."""
    fields = {
        **_viber_fields(message),
        "name_delivery": message.name_delivery,
        "time_send": to_minute(message.time_send, zone) if message.time_send else "",
    }
    if message.sms:
        fields |= {
            "send_sms": str(message.sms.order),
            "sender_sms": message.sms.sender,
            "text_sms": message.sms.text,
        }
    phones = [
        {"phone": digits(each.phone)} | ({"client_id_message": each.client_id} if each.client_id else {})
        for each in message.recipients
    ]
    return {name: value for name, value in fields.items() if value} | {"phones": phones}


def _viber_fields(message: Message) -> dict[str, str]:
    """`text_viber` is mandatory even where only an SMS goes out (JQ3): there it repeats the text of the SMS."""
    viber = message.viber
    if viber is None:
        return {"send_viber": "0", "text_viber": message.sms.text if message.sms else ""}
    return {
        "send_viber": str(viber.order),
        "sender_viber": viber.sender,
        "text_viber": viber.text,
        "button_text": viber.button_text,
        "button_url": viber.button_url,
        "image_url": viber.image_url,
        "validity_period_viber": str(viber.validity_minutes),
        "finale_viber_read": "1" if viber.read_is_final else "",
    }


def _sent(api: JsonApi, recipient: Recipient, answer: object, *, alone: bool) -> CascadeSent:
    """answer: of the message, a list with an item for each phone, or one object with the error of all."""
    item = answer if isinstance(answer, dict) else next(_items_of(recipient, answer, alone=alone), {})
    return CascadeSent(
        recipient.phone,
        recipient.client_id,
        outcome_of(lambda: _outcome(item), api.hidden()),
        viber_id=_channel_id(item, "id_viber"),
        sms_id=_channel_id(item, "id_sms"),
    )


def _items_of(recipient: Recipient, answer: object, *, alone: bool) -> Iterator[dict[str, Any]]:
    """By phone, with or without its plus: nothing is said of the order of the answers. The one item about the one phone
    of a message may leave the phone out.
    """
    items = [item for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []
    for item in items:
        phone = text_of(item, "phone")
        if digits(phone) == digits(recipient.phone) or (not phone and alone and len(items) == 1):
            yield item


def _outcome(item: dict[str, Any]) -> Accepted:
    provider_id, parts, error = id_of(item, "id_message"), count(text_of(item, "count_message")), text_of(item, "error")
    return accepted_despite(error, provider_id, parts) if error else Accepted(required_id(provider_id), parts=parts)


def _channel_id(item: dict[str, Any], name: str) -> str:
    value = id_of(item, name)
    return value if is_id(value) else ""
