"""X4: the state of SMS, of whatever gateway of the platform sent them (P says so: «через функцию API "state"»)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account, plain
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import element
from otp_service.sandbox.messages import Status
from otp_service.sandbox.state import Sandbox

WORDS = {
    Status.SCHEDULED: "send",
    Status.HELD: "send",
    Status.ACCEPTED: "send",
    Status.DELIVERED: "deliver",
    Status.UNDELIVERED: "not_deliver",
    Status.EXPIRED: "expired",
    Status.UNKNOWN: "partly_deliver",
    # Ours from here: X4 has no word for an SMS that was deleted or refused later; `read` is a word it does not list.
    Status.CANCELED: "not_deliver",
    Status.REJECTED: "not_deliver",
    Status.READ: "read",
}

UNKNOWN_ID = "Сообщение с таким ID не принималось"
"""J2's text. What X4 answers for an unknown id is not documented; text, empty time and zeros are ours."""


def state(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    ids = [(found.text or "").strip() for found in request.findall("get_state/id_sms")]
    return [_state(sandbox, account, id_sms) for id_sms in ids]


def _state(sandbox: Sandbox, account: Account, id_sms: str) -> Element:
    message = sandbox.message(account, id_sms)
    if message is None:
        return element("state", UNKNOWN_ID, id_sms=id_sms, time="", num_parts="0", price="0")
    status, since = message.status_at(sandbox.clock.now())
    time = since.astimezone(account.zone).strftime("%Y-%m-%d %H:%M:%S") if since else ""
    price = plain(message.price)
    return element("state", WORDS[status], id_sms=id_sms, time=time, num_parts=str(message.parts), price=price)
