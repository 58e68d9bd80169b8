"""X21 and X22: texts that the account keeps at the gateway («шаблоны»)."""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.domain.value import Value
from otp_service.gateways.targetsms.xml.answers import Edited, edited
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.wire import content_of, element
from otp_service.gateways.wire import words


class Template(Value):
    """id: "" for one to be added. name: its heading."""

    id: str
    name: str
    text: str


async def templates(api: XmlApi, *, seconds: float) -> list[Template]:
    """X21, "Запрос на получение списка шаблонов SMS". Raises `GatewayError`."""
    response = await api.call("/xml/list_patterns.php", seconds=seconds, may_be_empty=True)
    return [
        Template(words(found.get("id_pattern")), words(found.get("name")), words(content_of(found)))
        for found in response.iter("pattern")
    ]


async def edit_templates(
    api: XmlApi, save: Sequence[Template] = (), delete: Sequence[str] = (), *, seconds: float
) -> list[Edited]:
    """X22, "Запрос на изменение параметров/добавление/удаление шаблонов SMS".

    save: changed where the template has an id, else added; then `Edited.number` is its place in `save`, from 1, and
    `Edited.key` the new id. delete: ids. Raises `GatewayError`.
    """
    saved = [
        element(
            "pattern",
            template.text,
            **({"id_pattern": template.id} if template.id else {"number_pattern": str(number)}),
            name=template.name,
        )
        for number, template in enumerate(save, start=1)
    ]
    deleted = [element("pattern", id_pattern=template_id) for template_id in delete]
    content = [element(tag, "", *rows) for tag, rows in (("patterns", saved), ("delete_patterns", deleted)) if rows]
    response = await api.call("/xml/patterns.php", *content, seconds=seconds)
    return [
        edited(found.get("id_pattern"), found, "number_pattern", "number_base")  # XQ10
        for found in response.iter("pattern")
    ]
