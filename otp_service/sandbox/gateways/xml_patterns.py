"""X21 and X22: templates of SMS."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.cabinet import Cabinet, Pattern
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import element
from otp_service.sandbox.state import Sandbox


def list_patterns(sandbox: Sandbox, account: Account, _request: Element, _fault: Fault | None) -> list[Element]:
    patterns = sandbox.cabinets[account.key].patterns.items()
    return [element("pattern", pattern.text, id_pattern=key, name=pattern.name) for key, pattern in patterns]


def edit_patterns(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    cabinet = sandbox.cabinets[account.key]
    edited = [_edit(sandbox, cabinet, asked) for asked in request.findall("patterns/pattern")]
    deleted = request.findall("delete_patterns/pattern")
    ids = [asked.get("id_pattern", "") for asked in deleted]
    return edited + [
        element("pattern", "delete" if cabinet.patterns.pop(key, None) else "not_found", id_pattern=key) for key in ids
    ]


def _edit(sandbox: Sandbox, cabinet: Cabinet, asked: Element) -> Element:
    """The answer to an insert has `number_base`, as in the sample; the text beside it says number_pattern."""
    pattern = Pattern(asked.get("name", ""), asked.text or "")
    key = asked.get("id_pattern", "")
    if not key:
        key = sandbox.new_id()
        cabinet.patterns[key] = pattern
        return element("pattern", "insert", number_base=asked.get("number_pattern", ""), id_pattern=key)
    if key not in cabinet.patterns:
        return element("pattern", "not_found", id_pattern=key)
    word = "not_edit" if cabinet.patterns[key] == pattern else "edit"
    cabinet.patterns[key] = pattern
    return element("pattern", word, id_pattern=key)
