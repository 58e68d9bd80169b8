"""X12 and X13: the subscribers of a base."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from xml.etree.ElementTree import Element

from otp_service.domain.value import Hidden, Value
from otp_service.gateways.targetsms.times import day_of, moment_of, to_second
from otp_service.gateways.targetsms.xml.answers import Edited, Page, Word, digits, edited, page_of, phone_of
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import element
from otp_service.gateways.wire import words

ADDITIONS = [f"addition_{number}" for number in range(1, 6)]


class Gender(Word):
    """As X12 reads it. UNKNOWN also where none is given."""

    MALE = "m"
    FEMALE = "f"
    UNKNOWN = "unknown"


WRITTEN_GENDER = {Gender.MALE: "мужской", Gender.FEMALE: "женский", Gender.UNKNOWN: ""}
"""X13 wants other words than X12 gives (XQ11)."""


class Subscriber(Value):
    """phone: E.164. region, operator: found by the gateway where they are "" in a request. additions: up to five free
    fields. changed_at: of registration or the last change, in the account's zone; not written.
    """

    phone: Hidden[str]
    region: str = ""
    operator: str = ""
    name: Hidden[str] = ""
    surname: Hidden[str] = ""
    patronymic: Hidden[str] = ""
    born: Hidden[date | None] = None
    gender: Gender = Gender.UNKNOWN
    additions: Hidden[tuple[str, ...]] = ()
    changed_at: datetime | None = None


async def subscribers(
    api: XmlApi, base_id: str, page: int, changed_since: datetime | None, zone: tzinfo, *, seconds: float
) -> Page[Subscriber]:
    """X12, "Запрос на получение списка абонентов базы": one page, from 1; a whole base cannot be had at once.

    changed_since: only those registered or changed since then. zone: of the account. Raises `GatewayError`.
    """
    since = {"last_update": to_second(changed_since, zone)} if changed_since else {}
    wanted = element("base", id_base=base_id, page=str(page), **since)
    response, found = await api.rows(
        "/xml/list_phones.php", wanted, tag="phone", read=lambda row: _read(row, zone), seconds=seconds
    )
    return page_of(response, found)


async def edit_subscribers(
    api: XmlApi, base_id: str, save: Sequence[Subscriber] = (), delete: Sequence[str] = (), *, seconds: float
) -> list[Edited]:
    """X13, "Запрос на добавление/редактирование/удаление абонентов базы".

    save: added, or changed where the phone is there already. delete: phones. `Edited.key` is the phone,
    `Edited.number` the place in `save` and then `delete`, from 1. Raises `GatewayError`.
    """
    saved = [_attributes(subscriber) for subscriber in save]
    deleted = [{"phone": digits(phone), "action": "delete"} for phone in delete]
    rows = [
        element("phone", **attributes, number_phone=str(number))
        for number, attributes in enumerate([*saved, *deleted], start=1)
    ]
    response = await api.call("/xml/phones.php", element("base", "", *rows, id_base=base_id), seconds=seconds)
    return [edited(phone_of(found.get("phone")), found, "number_phone") for found in response.iter("phone")]


def _read(found: Element, zone: tzinfo) -> Subscriber:
    return Subscriber(
        phone_of(found.get("phone")),
        words(found.get("region")),
        words(found.get("operator")),
        words(found.get("name")),
        words(found.get("surname")),
        words(found.get("patronymic")),
        day_of(found.get("date_birth")),
        Gender(found.get("male", "")),
        tuple(words(found.get(name)) for name in ADDITIONS),
        moment_of(found.get("last_update"), zone),
    )


def _attributes(subscriber: Subscriber) -> dict[str, str]:
    """Only what is given: all but the phone are optional."""
    given = {
        "phone": digits(subscriber.phone),
        "region": subscriber.region,
        "operator": subscriber.operator,
        "name": subscriber.name,
        "surname": subscriber.surname,
        "patronymic": subscriber.patronymic,
        "date_birth": subscriber.born.isoformat() if subscriber.born else "",
        "male": WRITTEN_GENDER[subscriber.gender],
        **dict(zip(ADDITIONS, subscriber.additions, strict=False)),
    }
    return {name: value for name, value in given.items() if value}
