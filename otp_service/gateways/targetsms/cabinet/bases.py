"""X10 and X11: bases of contacts, each with the birthday greeting of its subscribers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from xml.etree.ElementTree import Element

from otp_service.domain.value import Value
from otp_service.gateways.targetsms.times import clock_of
from otp_service.gateways.targetsms.xml.answers import Edited, edited
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import content_of, element
from otp_service.gateways.wire import count, words


class Base(Value):
    """id: "" for one to be added. What follows `name` is the greeting: `greeting_text` goes out at `greeting_time`,
    `days_before` the birthday, from `greeting_sender`, if `greeting_on`. local_time: of the subscriber, else of the
    system.
    """

    id: str
    name: str
    greeting_text: str = ""
    greeting_time: time | None = None
    local_time: bool = False
    days_before: int = 0
    greeting_sender: str = ""
    greeting_on: bool = False


async def bases(api: XmlApi, *, seconds: float) -> list[Base]:
    """X10, "Запрос на получение списка баз". Raises `GatewayError`."""
    response = await api.call("/xml/list_bases.php", seconds=seconds, may_be_empty=True)
    return [
        Base(
            words(found.get("id_base")),
            words(found.get("name_base")),
            words(content_of(found)),
            clock_of(found.get("time_birth")),
            found.get("local_time_birth") == "yes",
            count(found.get("day_before")),
            words(found.get("originator_birth")),
            found.get("on_birth") == "yes",
        )
        for found in response.iter("base")
    ]


async def edit_bases(
    api: XmlApi, save: Sequence[Base] = (), delete: Sequence[str] = (), *, seconds: float
) -> list[Edited]:
    """X11, "Запрос на изменение параметров/добавление/удаление баз".

    save: changed where the base has an id, else added; then `Edited.number` is its place in `save`, from 1, and
    `Edited.key` the new id. delete: ids. Raises `GatewayError`.
    """
    saved = [_written(base, number) for number, base in enumerate(save, start=1)]
    deleted = [element("base", id_base=base_id) for base_id in delete]
    content = [element(tag, "", *rows) for tag, rows in (("bases", saved), ("delete_bases", deleted)) if rows]
    response = await api.call("/xml/bases.php", *content, seconds=seconds)
    return [edited(found.get("id_base"), found, "number_base") for found in response.iter("base")]


def _written(base: Base, number: int) -> Element:
    return element(
        "base",
        base.greeting_text,
        **({"id_base": base.id} if base.id else {"number_base": str(number)}),
        name_base=base.name,
        time_birth=base.greeting_time.strftime("%H:%M") if base.greeting_time else "",
        local_time_birth="yes" if base.local_time else "no",
        day_before=str(base.days_before),
        originator_birth=base.greeting_sender,
        on_birth="yes" if base.greeting_on else "no",
    )
