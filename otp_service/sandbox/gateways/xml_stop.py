"""X14 and X15: the stop list of the account."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from msgspec.structs import replace

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import element
from otp_service.sandbox.state import Sandbox


def list_stop(_sandbox: Sandbox, account: Account, _request: Element, _fault: Fault | None) -> list[Element]:
    return [element("phone", phone) for phone in sorted(account.stop_list)]


def edit_stop(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """A phone that is in the list already is answered `add` again (ours)."""
    added = [found.get("phone", "") for found in request.findall("add_stop/phone")]
    deleted = [found.get("phone", "") for found in request.findall("delete_stop/phone")]
    listed = account.stop_list | set(added)
    answer = [element("phone", "add", phone=phone) for phone in added]
    answer += [element("phone", "delete" if phone in listed else "not_found", phone=phone) for phone in deleted]
    sandbox.change(replace(account, stop_list=listed - set(deleted)))
    return answer
