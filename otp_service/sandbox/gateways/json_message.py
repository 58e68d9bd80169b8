"""J1: reading one message of a document: its channels in order, its recipients, and what is wrong with it.

The texts about mistakes are ours: J has a place for them and describes none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.drafts import NAME_DELIVERY, Draft, is_digits
from otp_service.sandbox.gateways.json_values import objects, written
from otp_service.sandbox.messages import Viber
from otp_service.sandbox.times import MINUTE, read_time

LONGEST_TEXT_VIBER = 1000
LONGEST_BUTTON_TEXT = 19
DEFAULT_VALIDITY = "60"
"""Minutes."""
LONGEST_VALIDITY = 14 * 24 * 60
"""Minutes, ours."""

BAD_ORDER = "Параметры send_viber и send_sms могут принимать значение от 0 до 9"
NO_CHANNEL = "Не указано, каким способом отправлять сообщение"
NO_PHONES = "Не указаны получатели сообщения"
BAD_TIME = "Неправильный формат времени отправки"
BAD_VALIDITY = "Неправильное время жизни VIBER сообщения"
TEXT_TOO_LONG = "Текст VIBER сообщения не должен превышать 1000 символов"
BUTTON_TEXT_TOO_LONG = "Текст кнопки не должен превышать 19 символов"
HALF_A_BUTTON = "Текст кнопки и ссылка кнопки указываются вместе"
IMAGE_ALONE = "Изображение указывается вместе с кнопкой"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Both as written."""

    phone: str
    client_id: str


@dataclass(slots=True)
class Asked:
    """drafts: one for each channel, in order, still without a phone. error: of the whole message; nothing is sent."""

    recipients: list[Recipient]
    read_is_final: bool
    drafts: list[Draft] = field(default_factory=list)
    error: str = ""


class MessageError(Exception):
    """The message is refused, for all its phones, with this text."""


def read_message(account: Account, message: dict[str, Any]) -> Asked:
    """Raises DocumentError if a value is of the wrong type."""
    phones = objects(message, "phones")
    recipients = [Recipient(written(phone, "phone"), written(phone, "client_id_message")) for phone in phones]
    asked = Asked(recipients, read_is_final=written(message, "finale_viber_read") == "1")
    try:
        asked.drafts = _drafts(account, message)
    except MessageError as error:
        asked.error = str(error)
    return asked


def _drafts(account: Account, message: dict[str, Any]) -> list[Draft]:
    """Lower numbers first, Viber first of two equal ones (ours), 0 or nothing is off. time_send is for the first."""
    if not message.get("phones"):
        raise MessageError(NO_PHONES)
    numbers = {channel: written(message, f"send_{channel}") or "0" for channel in ("viber", "sms")}
    if not all(is_digits(number) and len(number) == 1 for number in numbers.values()):
        raise MessageError(BAD_ORDER)
    order = sorted((int(number), channel != "viber", channel) for channel, number in numbers.items())
    drafts = [
        Draft(
            gateway="targetsms-json",
            phone="",
            sender=written(message, f"sender_{channel}"),
            text=written(message, f"text_{channel}"),
            viber=_viber(message) if channel == "viber" else None,
            name_delivery=written(message, "name_delivery") or NAME_DELIVERY,
        )
        for number, _, channel in order
        if number
    ]
    if not drafts:
        raise MessageError(NO_CHANNEL)
    time_send = written(message, "time_send")
    try:
        drafts[0].send_at = read_time(account, time_send, MINUTE) if time_send else None
    except ValueError as error:
        raise MessageError(BAD_TIME) from error
    return drafts


def _viber(message: dict[str, Any]) -> Viber:
    """An empty text_viber is text 13 of X3, for each phone (ours)."""
    button_text, button_url, image_url = (written(message, name) for name in ("button_text", "button_url", "image_url"))
    minutes = written(message, "validity_period_viber") or DEFAULT_VALIDITY
    checks = (
        (TEXT_TOO_LONG, len(written(message, "text_viber")) > LONGEST_TEXT_VIBER),
        (BUTTON_TEXT_TOO_LONG, len(button_text) > LONGEST_BUTTON_TEXT),
        (HALF_A_BUTTON, bool(button_text) != bool(button_url)),
        (IMAGE_ALONE, bool(image_url) and not button_text),
        (BAD_VALIDITY, not (is_digits(minutes) and len(minutes) <= 9 and 1 <= int(minutes) <= LONGEST_VALIDITY)),
    )
    for text, applies in checks:
        if applies:
            raise MessageError(text)
    return Viber(timedelta(minutes=int(minutes)), button_text, button_url, image_url)
