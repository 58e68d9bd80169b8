"""X10 and X11: bases of subscribers, with their birthday greetings. The greetings are kept, never sent."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.cabinet import Base, Cabinet
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import RequestError, element
from otp_service.sandbox.state import Sandbox

FIELDS = {
    "name_base": "",
    "time_birth": "",
    "local_time_birth": "no",
    "day_before": "0",
    "originator_birth": "",
    "on_birth": "no",
}
"""Attributes of a base → what a new one gets if the request leaves them out (ours). No value is checked (ours)."""

NO_BASE = "Базы с таким номером не существует"


def find_base(cabinet: Cabinet, id_base: str) -> Base:
    """X12, X13, X18: an unknown base refuses the request."""
    base = cabinet.bases.get(id_base)
    if base is None:
        raise RequestError(NO_BASE)
    return base


def list_bases(sandbox: Sandbox, account: Account, _request: Element, _fault: Fault | None) -> list[Element]:
    bases = sandbox.cabinets[account.key].bases.items()
    return [element("base", base.text, id_base=id_base, **base.fields) for id_base, base in bases]


def edit_bases(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    cabinet = sandbox.cabinets[account.key]
    edited = [_edit(sandbox, cabinet, asked) for asked in request.findall("bases/base")]
    deleted = [asked.get("id_base", "") for asked in request.findall("delete_bases/base")]
    return edited + [
        element("base", "delete" if cabinet.bases.pop(key, None) else "not_found", id_base=key) for key in deleted
    ]


def _edit(sandbox: Sandbox, cabinet: Cabinet, asked: Element) -> Element:
    """Attributes that are left out stay as they are; so does an absent text (ours)."""
    given = {name: asked.get(name, "") for name in FIELDS if name in asked.attrib}
    number = {"number_base": asked.get("number_base", "")} if "number_base" in asked.attrib else {}
    id_base = asked.get("id_base", "")
    if not id_base:
        id_base = sandbox.new_id()
        cabinet.bases[id_base] = Base(FIELDS | given, asked.text or "", sandbox.clock.now())
        return element("base", "insert", **number, id_base=id_base)
    if (base := cabinet.bases.get(id_base)) is None:
        return element("base", "not_found", **number, id_base=id_base)
    base.fields |= given
    base.text = asked.text or base.text
    base.updated_at = sandbox.clock.now()
    return element("base", "edit", **number, id_base=id_base)
