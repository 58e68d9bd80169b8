"""X16 and X17: list and delete scheduled SMS. Held ones can be seen and deleted too (ours)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_pages import turn_to
from otp_service.sandbox.gateways.xml_wire import BAD_FORMAT, RequestError, element
from otp_service.sandbox.messages import Message, Status
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import MINUTE, SECOND, write_time


def list_scheduled(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """In the order in which they were handed in (ours)."""
    asked = request.find("scheduled")
    if asked is None:
        raise RequestError(BAD_FORMAT)
    mine = [sms for sms in sandbox.waiting.values() if sms.account == account.key and sms.channel == "sms"]
    phones, shown = turn_to(mine, asked)
    phones.extend(_scheduled(account, message) for message in shown)
    return [phones]


def _scheduled(account: Account, message: Message) -> Element:
    """The names of the sample: the text calls `originator` operator, and `type_sms` type."""
    return element(
        "scheduled",
        id_sms=message.id,
        time_put_turn=write_time(account, message.taken_at, SECOND),
        originator=message.sender,
        phone=message.phone,
        type_sms=message.type,
        text_sms=message.text,
        count_sms=str(message.parts),
        name_delivery=message.name_delivery,
        time_send=write_time(account, message.send_at, MINUTE),
        validity_period=write_time(account, message.valid_until, SECOND),
    )


def delete_scheduled(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    ids = [schedule.get("id_sms", "") for schedule in request.findall("delete_schedule/schedule")]
    answers, now = [], sandbox.clock.now()
    for id_sms in ids:
        message, said = sandbox.sms(account, id_sms), "not_found"
        if message and message.status_at(now)[0] in (Status.SCHEDULED, Status.HELD):
            message.canceled_at, said = now, "delete"
        answers.append(element("scheduled", said, id_sms=id_sms))
    return answers
