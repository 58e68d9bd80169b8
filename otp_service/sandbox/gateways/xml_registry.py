"""X23 and X24: the registry of sender names at the operators. `POST /_sim/registry` is the operator that approves."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.cabinet import Cabinet, RegistryEntry, RegistryStatus
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import element
from otp_service.sandbox.state import Sandbox

TITLES = {"mts": "МТС", "mega": "Мегафон", "tele2": "Теле2"}

STATUS_TEXTS: dict[RegistryStatus, str] = {
    "posted_for_approval": "Подано на согласование",
    "send_for_approval": "Отправлено на согласование",
    "approval": "Согласовано",
    "not_approval": "Не согласовано",
    "send_for_delete": "Подано на удаление",
    "delete": "Удалено",
}

NOT_FOUND = "Имя отправителя не обнаружено"  # the sample prints it without the first space
# Ours: X24 has a place for the description of an error, and describes none.
NO_FIELD = "Не заполнено обязательное поле"
NO_OPERATOR = "Такой оператор не обнаружен"
ALREADY_ADDED = "Имя отправителя уже добавлено"
ALREADY_DELETED = "Имя отправителя уже подано на удаление"


def list_registry(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """The filter is optional. Operators without a name to show are left out (ours)."""
    asked = request.find("registry_originator")
    wanted = dict(asked.attrib) if asked is not None else {}
    answer = Element("registry_originator")
    for operator, title in TITLES.items():
        names = [
            _show(originator, entry)
            for (of_operator, originator), entry in sandbox.cabinets[account.key].registry.items()
            if of_operator == operator
            and wanted.get("operator", "") in ("", operator)
            and wanted.get("originator", "") in ("", originator)
            and wanted.get("inn", "") in ("", entry.inn)
        ]
        if names:
            block = element("operator", name=operator, title=title)
            block.extend(names)
            answer.append(block)
    return [answer]


def _show(originator: str, entry: RegistryEntry) -> Element:
    return element(
        "originator",
        originator=originator,
        date_from=entry.date_from,
        legal_entity=entry.legal_entity,
        inn=entry.inn,
        comment=entry.comment,
        status=entry.status,
        status_text=STATUS_TEXTS[entry.status],
    )


def edit_registry(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """Each of the two blocks is answered if it was asked."""
    cabinet = sandbox.cabinets[account.key]
    today = sandbox.clock.now().astimezone(account.zone).strftime("%Y-%m-%d")
    answer = []
    for asked in (*request.findall("registry_originator"), *request.findall("delete_registry_originator")):
        block = Element(asked.tag)
        adds = asked.tag == "registry_originator"
        block.extend(_add(cabinet, name, today) if adds else _delete(cabinet, name) for name in asked)
        answer.append(block)
    return answer


def _add(cabinet: Cabinet, asked: Element, today: str) -> Element:
    """A name that was refused or deleted can be posted again (ours)."""
    originator, operator, legal_entity, inn = (
        asked.get(name, "") for name in ("originator", "operator", "legal_entity", "inn")
    )
    known = cabinet.registry.get((operator, originator))
    error = ""
    if not (originator and operator and legal_entity and inn):
        error = NO_FIELD
    elif operator not in TITLES:
        error = NO_OPERATOR
    elif known and known.status not in ("not_approval", "delete"):
        error = ALREADY_ADDED
    else:
        cabinet.registry[operator, originator] = RegistryEntry(today, legal_entity, inn, asked.get("comment", ""))
    status = "error" if error else "add"
    return element("originator", originator=originator, operator=operator, inn=inn, status=status, error=error)


def _delete(cabinet: Cabinet, asked: Element) -> Element:
    """Without an operator: at all of them. `delete` is the word of the sample; the text says `not_found` for it."""
    originator, operator = asked.get("originator", ""), asked.get("operator", "")
    found = [
        entry
        for (of_operator, name), entry in cabinet.registry.items()
        if name == originator and operator in ("", of_operator)
    ]
    left = [entry for entry in found if entry.status not in ("send_for_delete", "delete")]
    for entry in left:
        entry.status = "send_for_delete"
    if not found:
        status, error = "not_found", NOT_FOUND
    else:
        status, error = ("delete", "") if left else ("error", ALREADY_DELETED)
    return element("originator", originator=originator, operator=operator, status=status, error=error)
