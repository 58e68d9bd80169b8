"""X17: delete scheduled SMS."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import element
from otp_service.sandbox.messages import Status
from otp_service.sandbox.state import Sandbox


def delete_scheduled(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    ids = [schedule.get("id_sms", "") for schedule in request.findall("delete_schedule/schedule")]
    return [element("scheduled", _delete(sandbox, account, id_sms), id_sms=id_sms) for id_sms in ids]


def _delete(sandbox: Sandbox, account: Account, id_sms: str) -> str:
    """A held SMS can be deleted too (ours: the document speaks of scheduled ones only)."""
    message = sandbox.message(account, id_sms)
    now = sandbox.clock.now()
    if message is None or message.status_at(now)[0] not in (Status.SCHEDULED, Status.HELD):
        return "not_found"
    message.canceled_at = now
    return "delete"
