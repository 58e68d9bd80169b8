"""X23 and X24: sender names as they are registered with the operators («реестр имен отправителей»)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from xml.etree.ElementTree import Element

from otp_service.domain.value import Value
from otp_service.gateways.targetsms.times import day_of
from otp_service.gateways.targetsms.xml.answers import Done, Word
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import element
from otp_service.gateways.wire import words


class Operator(StrEnum):
    """Operators that requests may name. Answers may know others: there they are plain strings."""

    MTS = "mts"
    MEGAFON = "mega"
    TELE2 = "tele2"


class Approval(Word):
    POSTED = "posted_for_approval"
    """Подано на согласование."""
    SENT = "send_for_approval"
    """Отправлено на согласование."""
    APPROVED = "approval"
    REFUSED = "not_approval"
    DELETION_POSTED = "send_for_delete"
    """Подано на удаление."""
    DELETED = "delete"
    UNKNOWN = "unknown"


class Registered(Value):
    """A name at one operator. operator: its word, such as `mts`. approval_text: the gateway's Russian words for it."""

    operator: str
    sender: str
    since: date | None
    legal_entity: str
    inn: str
    comment: str
    approval: Approval
    approval_text: str


class Application(Value):
    """A name to be registered with one operator for a legal entity. inn: its taxpayer number."""

    sender: str
    operator: Operator
    legal_entity: str
    inn: str
    comment: str = ""


class Entered(Value):
    """What became of one entry. operator: "" for all. error: the gateway's words, "" for none."""

    sender: str
    operator: str
    done: Done
    error: str


async def registry(
    api: XmlApi, operator: Operator | None = None, sender: str = "", inn: str = "", *, seconds: float
) -> list[Registered]:
    """X23, "Запрос на получение реестра имен отправителей"; what is given narrows it. Raises `GatewayError`."""
    given = {"operator": operator or "", "originator": sender, "inn": inn}
    wanted = element("registry_originator", **{name: value for name, value in given.items() if value})
    response = await api.call("/xml/list_registry_originator.php", wanted, seconds=seconds, may_be_empty=True)
    return [
        _registered(words(at.get("name")), found) for at in response.iter("operator") for found in at.iter("originator")
    ]


async def edit_registry(
    api: XmlApi, add: Sequence[Application] = (), delete: Sequence[tuple[str, Operator | None]] = (), *, seconds: float
) -> list[Entered]:
    """X24, "Запрос на добавление удаление имен отправителей в реестре имен отправителей".

    delete: names, each with its operator, or None for all operators. Raises `GatewayError`.
    """
    added = [_applied(application) for application in add]
    deleted = [
        element("originator", originator=sender, **({"operator": operator} if operator else {}))
        for sender, operator in delete
    ]
    lists = (("registry_originator", added), ("delete_registry_originator", deleted))
    content = [element(tag, "", *rows) for tag, rows in lists if rows]
    response = await api.call("/xml/registry_originator.php", *content, seconds=seconds)
    return [
        Entered(
            words(found.get("originator")),
            words(found.get("operator")),
            Done(found.get("status", "")),
            words(found.get("error")),
        )
        for found in response.iter("originator")
    ]


def _registered(operator: str, found: Element) -> Registered:
    return Registered(
        operator,
        words(found.get("originator")),
        day_of(found.get("date_from")),
        words(found.get("legal_entity")),
        words(found.get("inn")),
        words(found.get("comment")),
        Approval(found.get("status", "")),
        words(found.get("status_text")),
    )


def _applied(application: Application) -> Element:
    comment = {"comment": application.comment} if application.comment else {}
    return element(
        "originator",
        originator=application.sender,
        legal_entity=application.legal_entity,
        operator=application.operator,
        inn=application.inn,
        **comment,
    )
