"""X3, "Отправка SMS": one message to one phone, as the service sends codes, or many to many in one request."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from xml.etree.ElementTree import Element

from msgspec.structs import replace

from otp_service.domain.messages import MessageStatus
from otp_service.domain.value import Hidden, Value
from otp_service.gateways.base import Accepted, Outgoing
from otp_service.gateways.http import broken_answer
from otp_service.gateways.targetsms.outcomes import Sent, accepted_despite, outcome_of
from otp_service.gateways.targetsms.times import to_minute
from otp_service.gateways.targetsms.xml.answers import digits
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import content_of, element
from otp_service.gateways.wire import count, required_id

PATH = "/xml/"


class Recipient(Value):
    """phone: E.164. client_id: decimal digits; an SMS sent before with the same is not sent again.

    time_send: None for now. validity_period: no delivery is tried after it; None for the longest life. Both aware,
    written to the minute.
    """

    phone: Hidden[str]
    client_id: str = ""
    time_send: datetime | None = None
    validity_period: datetime | None = None


class Sms(Value):
    """translite: the gateway turns Cyrillic into Latin letters. name_delivery: heading in the provider's reports."""

    sender: str
    text: Hidden[str]
    recipients: Sequence[Recipient]
    translite: bool = False
    name_delivery: str = ""


async def send(
    api: XmlApi, message: Outgoing, *, sender: str, validity_period: str, name_delivery: str, seconds: float
) -> Accepted:
    """Send one SMS. A repeat with the same client id sends nothing and is answered with the earlier id.

    validity_period: see the function of that name. name_delivery: heading in the provider's reports, "" for its
    default. Raises `GatewayError`.
    """
    abonent = _abonent(message.phone, 1, client_id_sms=message.client_id, validity_period=validity_period)
    request = _message(sender, message.text, [abonent], name_delivery=name_delivery)
    response = await api.call(PATH, request, seconds=seconds)
    with api.hidden():
        return _outcome(response.find("information"))


async def send_all(api: XmlApi, messages: Sequence[Sms], zone: tzinfo, *, seconds: float) -> list[Sent]:
    """Send any number of messages to any number of phones; the document names no limit.

    zone: of the account. Returns one `Sent` for each recipient, in the order of the request. Raises `GatewayError` if
    the request as a whole was refused.
    """
    numbers = itertools.count(1)
    request = [
        _message(
            sms.sender,
            sms.text,
            [
                _abonent(
                    recipient.phone,
                    next(numbers),
                    client_id_sms=recipient.client_id,
                    time_send=to_minute(recipient.time_send, zone) if recipient.time_send else "",
                    validity_period=to_minute(recipient.validity_period, zone) if recipient.validity_period else "",
                )
                for recipient in sms.recipients
            ],
            translite="1" if sms.translite else "",
            name_delivery=sms.name_delivery,
        )
        for sms in messages
    ]
    response = await api.call(PATH, *request, seconds=seconds)
    answers = {information.get("number_sms"): information for information in response.iter("information")}
    recipients = [recipient for sms in messages for recipient in sms.recipients]
    return [_sent(api, recipient, answers.get(str(number))) for number, recipient in enumerate(recipients, start=1)]


def validity_period(expires_at: datetime, now: datetime, zone: tzinfo) -> str:
    """`YYYY-MM-DD hh:mm` in the account's time zone, after which no delivery is tried.

    Rounded down, so that no dead code reaches a phone, but at least the next whole minute.
    """
    next_minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return to_minute(max(expires_at, next_minute), zone)


def _message(sender: str, text: str, abonents: Sequence[Element], **options: str) -> Element:
    """options: elements that are left out where they are ""."""
    optional = [element(name, value) for name, value in options.items() if value]
    return element("message", "", element("sender", sender), element("text", text), *optional, *abonents, type="sms")


def _abonent(phone: str, number: int, **options: str) -> Element:
    """options: attributes that are left out where they are ""."""
    given = {name: value for name, value in options.items() if value}
    return element("abonent", phone=digits(phone), number_sms=str(number), **given)


def _sent(api: XmlApi, recipient: Recipient, information: Element | None) -> Sent:
    outcome = outcome_of(lambda: _outcome(information), api.hidden())
    later = recipient.time_send is not None and recipient.time_send > datetime.now(UTC)
    if later and isinstance(outcome, Accepted) and outcome.status is MessageStatus.ACCEPTED:
        outcome = replace(outcome, status=MessageStatus.SCHEDULED)
    return Sent(recipient.phone, recipient.client_id, outcome)


def _outcome(information: Element | None) -> Accepted:
    if information is None:
        raise broken_answer()
    text, provider_id, parts = content_of(information), information.get("id_sms"), count(information.get("parts"))
    if text == "send":
        return Accepted(required_id(provider_id), parts=parts)
    return accepted_despite(text, provider_id, parts)
