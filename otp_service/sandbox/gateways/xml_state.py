"""X4: the state of SMS, of whatever gateway of the platform sent them (P says so: «через функцию API "state"»)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account, plain
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.states import UNKNOWN_ID, WORDS
from otp_service.sandbox.gateways.xml_wire import element
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import SECOND, write_time


def state(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    ids = [(found.text or "").strip() for found in request.findall("get_state/id_sms")]
    return [_state(sandbox, account, id_sms) for id_sms in ids]


def _state(sandbox: Sandbox, account: Account, id_sms: str) -> Element:
    """Empty time and zeros for an unknown id are ours."""
    message = sandbox.sms(account, id_sms)
    if message is None:
        return element("state", UNKNOWN_ID, id_sms=id_sms, time="", num_parts="0", price="0")
    status, since = message.status_at(sandbox.clock.now())
    time, parts = write_time(account, since, SECOND), str(message.parts)
    return element("state", WORDS[status], id_sms=id_sms, time=time, num_parts=parts, price=plain(message.price))
