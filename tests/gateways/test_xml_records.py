"""X16 to X25 but for X19: scheduled SMS, changes, statistics, templates, registry of senders, address of callbacks."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import GatewayError, Then
from otp_service.gateways.targetsms.cabinet import changes, sender_registry, statistics, templates
from otp_service.gateways.targetsms.cabinet.changes import Thing
from otp_service.gateways.targetsms.cabinet.sender_registry import Application, Approval, Entered, Operator, Registered
from otp_service.gateways.targetsms.cabinet.statistics import Filter, FinalState, Row
from otp_service.gateways.targetsms.cabinet.templates import Template
from otp_service.gateways.targetsms.xml import callback, scheduled
from otp_service.gateways.targetsms.xml.answers import Done, Edited
from otp_service.gateways.targetsms.xml.scheduled import Scheduled, SmsType
from tests.gateways.operations import MOSCOW, Answering
from tests.gateways.test_xml_lists import answering, asked, at


async def test_scheduled() -> None:
    client = answering("scheduled")

    page = await scheduled.scheduled(client.xml(), 3, MOSCOW, seconds=1)

    assert asked(client) == ("/xml/list_scheduled.php", '<scheduled page="3" />')
    assert (page.number, page.pages, [each.id for each in page.items]) == (1, 100, ["1234", "1235"])
    assert page.items[0] == Scheduled(
        "1234",
        at("2020-11-14 12:42:40"),
        "SENDER_1",
        "+79001234567",
        SmsType.SMS,
        "ТекстSMS",
        2,
        "Название рассылки",
        at("2011-11-14 21:00:00"),
        at("2011-11-17 21:00:00"),
    )


async def test_scheduled_as_the_text_of_the_document_names_it() -> None:
    body = '<response><scheduled page="1" num_pages="2"><scheduled id_sms="1" operator="a" type="vcard" time_send=""/>'
    client = Answering(body.encode() + b"</scheduled></response>")

    page = await scheduled.scheduled(client.xml(), 1, MOSCOW, seconds=1)

    (found,) = page.items
    assert (page.pages, found.sender, found.type, found.send_at) == (2, "a", SmsType.VCARD, None)


async def test_scheduled_ones_are_deleted() -> None:
    client = answering("scheduled_deleted")

    found = await scheduled.delete_all(client.xml(), ["1234", "1235"], seconds=1)

    assert asked(client) == (
        "/xml/scheduled.php",
        '<delete_schedule><schedule id_sms="1234" /><schedule id_sms="1235" /></delete_schedule>',
    )
    assert found == [Edited("1234", Done.DELETE), Edited("1235", Done.NOT_FOUND)]


@pytest.mark.parametrize("fixture", ["change", "change_obgect"])
async def test_changes(fixture: str) -> None:
    client = answering(fixture)

    found = await changes.changed_at(client.xml(), Thing.BASE, "1", MOSCOW, seconds=1)

    assert found == at("2012-01-01 12:12:12")
    assert asked(client) == ("/xml/check_change.php", '<check object="base" obgect="base" id="1" />')


async def test_changes_that_are_not_told() -> None:
    never = Answering(b'<response><object time_update=""/></response>')
    assert await changes.changed_at(never.xml(), Thing.STOP_LIST, "", MOSCOW, seconds=1) is None
    for client, reason in (
        (answering("change_without_base"), Reason.BAD_REQUEST),
        (answering("stop_list"), Reason.BROKEN_ANSWER),
    ):
        with pytest.raises(GatewayError) as caught:
            await changes.changed_at(client.xml(), Thing.BASE, "1", MOSCOW, seconds=1)
        assert caught.value.reason is reason


async def test_statistics() -> None:
    client = answering("statistics")
    wanted = Filter(
        date(2016, 8, 21),
        date(2016, 8, 22),
        FinalState.DELIVER,
        "SENDER_1",
        "+79001234567",
        "МТС",
        time(9),
        time(17, 5),
    )

    found = await statistics.statistics(client.xml(), wanted, MOSCOW, seconds=1)

    assert asked(client) == (
        "/xml/stats.php",
        (
            '<stats date_start="2016-08-21" date_stop="2016-08-22" state="deliver" originator="SENDER_1"'
            ' phone="79001234567" operator="МТС" from_hour="09" from_minute="00" to_hour="17" to_minute="05" />'
        ),
    )
    assert (found.total, [row.state_id for row in found.rows]) == (100, ["2000123", "2000124"])
    assert found.rows[0] == Row(
        "100123",
        "2000123",
        "МТС",
        "Кабинет",
        "7900123****",
        "SENDER_1",
        at("2016-08-10 23:04:32"),
        at("2016-08-10 23:04:18"),
        MessageStatus.DELIVERED,
        "ТЕКСТ СМС",
        Decimal("1.05"),
        1,
        2,
    )


async def test_statistics_of_today() -> None:
    """To the last minute of the day, because the document's default for the hour is 59."""
    client = Answering(b'<response><stats num_stats="0"/></response>')

    assert (await statistics.statistics(client.xml(), Filter(), MOSCOW, seconds=1)).rows == []
    assert asked(client)[1] == (
        '<stats date_start="" date_stop="" state="" originator="" phone="" operator=""'
        ' from_hour="00" from_minute="00" to_hour="23" to_minute="59" />'
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Некорректный формат даты", "Некорректный формат даты"),
        ("такой оператор не обнаружен.", "Такой оператор не обнаружен"),
        ("Базы с таким номером не существует", "Базы с таким номером не существует"),
        ("Что-то новое о +79001234567", ""),
    ],
)
async def test_what_statistics_refuse(text: str, shown: str) -> None:
    """A text that the document lists can be shown to an operator, any other stays here."""
    client = Answering(f"<response><error>{text}</error></response>".encode())

    with pytest.raises(GatewayError) as caught:
        await statistics.statistics(client.xml(), Filter(), MOSCOW, seconds=1)

    assert (caught.value.then, caught.value.text) == (Then.NEXT, shown)
    assert text not in str(caught.value)


async def test_templates() -> None:
    client = answering("templates")

    assert await templates.templates(client.xml(), seconds=1) == [
        Template("1234", "ЗаголовокШаблон1", "Шаблон1"),
        Template("1235", "ЗаголовокШаблон2", "Шаблон2"),
    ]
    assert asked(client) == ("/xml/list_patterns.php", "")


async def test_templates_are_edited() -> None:
    client = answering("templates_edited")
    save = [Template("1234", "Заголовок", "Шаблон1"), Template("", "Новый", "Шаблон\nв две строки")]

    found = await templates.edit_templates(client.xml(), save, ["1236", "1237"], seconds=1)

    assert asked(client) == (
        "/xml/patterns.php",
        (
            '<patterns><pattern id_pattern="1234" name="Заголовок">Шаблон1</pattern>'
            '<pattern number_pattern="2" name="Новый">Шаблон\\nв две строки</pattern></patterns>'
            '<delete_patterns><pattern id_pattern="1236" /><pattern id_pattern="1237" /></delete_patterns>'
        ),
    )
    assert found == [
        Edited("1234", Done.EDIT),
        Edited("1235", Done.NOT_EDIT),
        Edited("1238", Done.INSERT, 1),
        Edited("1236", Done.DELETE),
        Edited("1237", Done.NOT_FOUND),
    ]


async def test_registry() -> None:
    client = answering("registry")

    found = await sender_registry.registry(client.xml(), Operator.MTS, inn="7700", seconds=1)

    assert asked(client) == (
        "/xml/list_registry_originator.php",
        '<registry_originator operator="mts" inn="7700" />',
    )
    assert [(each.operator, each.sender, each.approval) for each in found] == [
        ("mts", "Отправитель 1", Approval.APPROVED),
        ("mts", "Отправитель 2", Approval.POSTED),
        ("mega", "Отправитель 1", Approval.APPROVED),
        ("mega", "Отправитель 2", Approval.POSTED),
    ]
    assert found[0] == Registered(
        "mts", "Отправитель 1", date(2017, 5, 20), "ИП Иванов", "ИН", "Комментарий", Approval.APPROVED, "Согласовано"
    )


async def test_registry_is_edited() -> None:
    client = answering("registry_edited")
    add = [
        Application("Отправитель 1", Operator.MTS, "ИП Иванов", "7700", "Комментарий"),
        Application("Отправитель 2", Operator.TELE2, "ИП Иванов", "7700"),
    ]

    found = await sender_registry.edit_registry(
        client.xml(), add, [("Отправитель 3", None), ("Отправитель 4", Operator.MEGAFON)], seconds=1
    )

    assert asked(client) == (
        "/xml/registry_originator.php",
        (
            "<registry_originator>"
            '<originator originator="Отправитель 1" legal_entity="ИП Иванов" operator="mts" inn="7700"'
            ' comment="Комментарий" />'
            '<originator originator="Отправитель 2" legal_entity="ИП Иванов" operator="tele2" inn="7700" />'
            '</registry_originator><delete_registry_originator><originator originator="Отправитель 3" />'
            '<originator originator="Отправитель 4" operator="mega" /></delete_registry_originator>'
        ),
    )
    assert found == [
        Entered("Отправитель 1", "mts", Done.ADD, ""),
        Entered("Отправитель 1", "tele2", Done.ERROR, "Описание ошибки"),
        Entered("Отправитель 2", "mts", Done.ADD, ""),
        Entered("Отправитель 3", "", Done.DELETE, ""),
        Entered("Отправитель 4", "mega", Done.NOT_FOUND, "Имя отправителя не обнаружено"),
    ]


async def test_address_of_callbacks() -> None:
    client = answering("callback_address")

    assert await callback.address(client.xml(), seconds=1) == "http://site.ru/state.php"
    assert asked(client) == ("/xml/get_state.php", '<get_state type="get" />')
    assert await callback.set_address(client.xml(), "https://a.ru/?a=1&b=2", seconds=1) == "http://site.ru/state.php"
    assert asked(client)[1] == '<get_state type="set">https://a.ru/?a=1&amp;b=2</get_state>'


@pytest.mark.parametrize("fixture", ["callback_address_as_printed", "registry_edited_as_printed", "empty"])
async def test_samples_that_are_no_xml_are_broken_answers(fixture: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await callback.address(answering(fixture).xml(), seconds=1)

    assert caught.value.reason is Reason.BROKEN_ANSWER


async def test_no_address_yet() -> None:
    assert await callback.address(Answering(b"<response><get_state/></response>").xml(), seconds=1) == ""


def test_what_a_result_shows_of_people() -> None:
    """Phones and texts are not in the repr, so that no log has them."""
    row = Scheduled("1", None, "a", "+79001234567", SmsType.SMS, "Код 1234", 1, "", datetime.now(MOSCOW), None)

    assert "+7900" not in repr(row)
    assert "1234" not in repr(row)
    assert "+7900" not in repr(Edited("+79001234567", Done.ADD))
