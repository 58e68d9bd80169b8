"""X12 and X13: the subscribers of a base."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.cabinet import Base, Subscriber
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_bases import find_base
from otp_service.sandbox.gateways.xml_pages import turn_to
from otp_service.sandbox.gateways.xml_wire import BAD_FORMAT, RequestError, element
from otp_service.sandbox.numbering import owner_of
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import SECOND, read_time, write_time

FIELDS = (
    "region",
    "operator",
    "name",
    "surname",
    "patronymic",
    "date_birth",
    "male",
    *(f"addition_{number}" for number in range(1, 6)),
)

GENDERS = {"мужской": "m", "женский": "f"}
"""As X13 writes it → as X12 reads it. Any other word is none (ours)."""


def list_subscribers(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    asked = request.find("base")
    if asked is None:
        raise RequestError(BAD_FORMAT)
    base = find_base(sandbox.cabinets[account.key], asked.get("id_base", ""))
    written = asked.get("last_update", "")
    try:
        since = read_time(account, written, SECOND) if written else datetime.min.replace(tzinfo=UTC)
    except ValueError as error:
        raise RequestError(BAD_FORMAT) from error  # ours
    found = [item for item in base.subscribers.items() if item[1].updated_at.replace(microsecond=0) >= since]
    phones, shown = turn_to(found, asked)
    phones.extend(
        element(
            "phone",
            phone=phone,
            **subscriber.fields,
            last_update=write_time(account, subscriber.updated_at, SECOND),
        )
        for phone, subscriber in shown
    )
    return [phones]


def edit_subscribers(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """The sample has one base; several are taken too (ours), and nothing is done if one of them is unknown."""
    asked = [
        (find_base(sandbox.cabinets[account.key], base.get("id_base", "")), base) for base in request.findall("base")
    ]
    return [_edit_base(base, document, sandbox.clock.now()) for base, document in asked]


def _edit_base(base: Base, document: Element, now: datetime) -> Element:
    answer = element("base", id_base=document.get("id_base", ""))
    for asked in document.findall("phone"):
        phone, number = asked.get("phone", ""), asked.get("number_phone")
        if asked.get("action") == "delete":
            word = "delete" if base.subscribers.pop(phone, None) else "not_found"
        elif not phone:
            word = "not_found"  # ours
        else:  # fields that are left out stay as they are, on a new subscriber empty (ours) or found by the phone
            given = {name: asked.get(name, "") for name in FIELDS if asked.get(name)}
            if "male" in given:
                given["male"] = GENDERS.get(given["male"], "")
            known, owner = base.subscribers.get(phone), owner_of(phone)
            found = dict.fromkeys(FIELDS, "") | {"region": owner.region, "operator": owner.operator}
            base.subscribers[phone] = Subscriber((known.fields if known else found) | given, now)
            word = "edit" if known else "insert"
        answer.append(element("phone", word, phone=phone, **({"number_phone": number} if number else {})))
        if word != "not_found":
            base.updated_at = now
    return answer
