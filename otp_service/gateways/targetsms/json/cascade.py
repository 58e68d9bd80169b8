"""A message of J1: by Viber, by SMS, or by one and then the other; and the rules that the document sets for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from otp_service.domain.value import Hidden, Value

LONGEST_TEXT = 1000
LONGEST_BUTTON = 19


class Viber(Value):
    """order: 1 to 9, the lower channel is tried first; 0 for not at all. validity_minutes: after it the message counts
    as not delivered. read_is_final: not read by then counts as not delivered, so that the next channel is tried.
    """

    order: int
    sender: str
    text: Hidden[str]
    button_text: str = ""
    button_url: str = ""
    image_url: str = ""
    validity_minutes: int = 60
    read_is_final: bool = False


class Sms(Value):
    """order: as of `Viber`. This interface knows no validity and no transliteration for SMS (JQ7)."""

    order: int
    sender: str
    text: Hidden[str]


class Recipient(Value):
    """phone: E.164. client_id: decimal digits; a message sent before with the same is not sent again."""

    phone: Hidden[str]
    client_id: str = ""


class Message(Value):
    """time_send: the desired time, aware, written to the minute; None for now."""

    recipients: Sequence[Recipient]
    viber: Viber | None = None
    sms: Sms | None = None
    name_delivery: str = ""
    time_send: datetime | None = None


def violations(message: Message) -> list[str]:
    """What the document does not allow in a message, as sentences; nothing is sent while there is one."""
    viber, sms, phones = message.viber, message.sms, [recipient.phone for recipient in message.recipients]
    orders = [channel.order for channel in (viber, sms) if channel and channel.order]
    rules = [
        (bool(phones), "a recipient is missing"),
        (len(set(phones)) == len(phones), "a phone stands twice"),
        (bool(orders), "no channel is switched on: one order must be 1 to 9"),
        (all(0 <= order <= 9 for order in orders), "an order is not 0 to 9"),
        (len(set(orders)) == len(orders), "both channels have the same order"),
    ]
    if viber:
        rules += [
            (bool(viber.sender and viber.text), "Viber needs a sender and a text"),
            (len(viber.text) <= LONGEST_TEXT, f"the Viber text is longer than {LONGEST_TEXT} characters"),
            (len(viber.button_text) <= LONGEST_BUTTON, f"the button text is longer than {LONGEST_BUTTON} characters"),
            (bool(viber.button_text) == bool(viber.button_url), "a button needs both a text and a URL"),
            (bool(viber.button_text) or not viber.image_url, "an image needs a button"),
            (viber.validity_minutes >= 1, "the validity of the Viber message is shorter than a minute"),
        ]
    if sms:
        rules.append((bool(sms.sender and sms.text), "SMS needs a sender and a text"))
    return [sentence for kept, sentence in rules if not kept]
