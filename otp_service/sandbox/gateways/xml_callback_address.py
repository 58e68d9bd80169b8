"""X25: the address that reports are posted to (X5)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from msgspec.structs import replace

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import BAD_FORMAT, RequestError, element
from otp_service.sandbox.state import Sandbox


def callback_address(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """Any address is taken, an empty one ends the reports (ours). The sample prints `<get_state><URL></get_state>`."""
    asked = request.find("get_state")
    if asked is None or asked.get("type") not in ("set", "get"):
        raise RequestError(BAD_FORMAT)
    if asked.get("type") == "set":
        account = replace(account, callback_url=(asked.text or "").strip())
        sandbox.change(account)
    return [element("get_state", account.callback_url)]
