"""X3: send SMS, any number of messages to any number of subscribers."""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.drafts import NAME_DELIVERY, TEXTS, Draft, is_digits, refusal
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import BAD_FORMAT, BLOCKED, RequestError, element, unescape
from otp_service.sandbox.sending import compose, take
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import MINUTE, read_time
from otp_service.sandbox.transliteration import transliterate


def send(sandbox: Sandbox, account: Account, request: Element, fault: Fault | None) -> list[Element]:
    if account.blocked and account.blocked_in == "request":
        raise RequestError(BLOCKED)
    # All drafts are read before the first is sent: a malformed one refuses the whole document (ours).
    drafts = [
        (subscriber.get("number_sms", ""), _draft(account, message, subscriber))
        for message in request.findall("message")
        for subscriber in message.findall("abonent")
    ]
    if fault is not None and fault.fault == "message_error":
        return [element("information", fault.error, number_sms=number) for number, _ in drafts]
    return [_send_one(sandbox, account, number, draft) for number, draft in drafts]


def _send_one(sandbox: Sandbox, account: Account, number_sms: str, draft: Draft) -> Element:
    if number := refusal(account, draft):
        return element("information", TEXTS[number], number_sms=number_sms)
    earlier = sandbox.sent_before(account, draft.client_id) if draft.client_id else None
    if earlier and account.dedupe == "error":
        return element("information", TEXTS[17], number_sms=number_sms)
    message = earlier or compose(sandbox, account, draft, sandbox.new_id())
    if not earlier:
        take(sandbox, message)
    if message.held and not account.held_with_id:
        return element("information", TEXTS[8], number_sms=number_sms)
    word = TEXTS[8] if message.held else "send"  # a repeat of a held SMS hears text 8 again while it is held (ours)
    return element("information", word, number_sms=number_sms, id_sms=message.id, parts=str(message.parts))


def _draft(account: Account, message: Element, subscriber: Element) -> Draft:
    client_id = subscriber.get("client_id_sms", "")
    if client_id and not is_digits(client_id):  # X3: «число»; what another value answers is ours
        raise RequestError(BAD_FORMAT)
    text = unescape(message.findtext("text", ""))
    return Draft(
        gateway="targetsms-xml",
        phone=subscriber.get("phone", ""),
        sender=message.findtext("sender", ""),
        text=transliterate(text) if message.findtext("translite") == "1" else text,
        type=message.get("type", "sms"),
        link=message.findtext("url", ""),  # ours: X3 lists the text about a missing link, but no field for a link
        name_delivery=message.findtext("name_delivery") or NAME_DELIVERY,
        client_id=client_id,
        send_at=_time(account, subscriber.get("time_send", "")),
        valid_until=_time(account, subscriber.get("validity_period", "")),
    )


def _time(account: Account, written: str) -> datetime | None:
    """To the minute; empty → None. Another form refuses the document (ours)."""
    try:
        return read_time(account, written, MINUTE) if written else None
    except ValueError as error:
        raise RequestError(BAD_FORMAT) from error
