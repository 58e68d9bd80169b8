"""X8 to X15: incoming SMS, numbers, bases, subscribers, stop list."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import GatewayError
from otp_service.gateways.targetsms.cabinet import bases, incoming, subscribers
from otp_service.gateways.targetsms.cabinet.bases import Base
from otp_service.gateways.targetsms.cabinet.incoming import Incoming
from otp_service.gateways.targetsms.cabinet.subscribers import Gender, Subscriber
from otp_service.gateways.targetsms.times import clock_of, day_of, moment_of
from otp_service.gateways.targetsms.xml import number_info, stop_list
from otp_service.gateways.targetsms.xml.answers import Done, Edited, phone_of
from otp_service.gateways.targetsms.xml.lists import MOST_WITHOUT_WORD, ListReader
from otp_service.gateways.targetsms.xml.number_info import NumberInfo
from tests.gateways.kinds import KINDS
from tests.gateways.operations import MOSCOW, Answering


def answering(fixture: str) -> Answering:
    return Answering(KINDS["targetsms-xml"].fixture(fixture))


def asked(client: Answering) -> tuple[str, str]:
    """The path, and the request behind the credentials."""
    ((method, path, content),) = client.asked
    assert method == "POST"
    return path, content.decode().partition("</security>")[2].removesuffix("</request>")


def at(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=MOSCOW)


async def test_incoming() -> None:
    client = answering("incoming")
    start, end = datetime(2020, 1, 31, 9, 23, tzinfo=UTC), datetime(2020, 2, 28, 21, tzinfo=UTC)

    found = await incoming.incoming(client.xml(), start, end, MOSCOW, seconds=1)

    assert asked(client) == (
        "/xml/incoming.php",
        '<time start="2020-01-31 12:23:00" end="2020-02-29 00:00:00" />',
    )
    assert found == [
        Incoming("1234", at("2020-01-31 12:55:53"), phone, "3443", "АКЦИЯ", "ТекстСМС.")
        for phone in ("+79001234567", "+79001234568")
    ]
    assert found[0].received_at == datetime(2020, 1, 31, 9, 55, 53, tzinfo=UTC)


async def test_incoming_without_an_end_and_without_any() -> None:
    client = answering("empty")

    assert await incoming.incoming(client.xml(), datetime(2020, 1, 1, tzinfo=UTC), None, MOSCOW, seconds=1) == []
    assert asked(client)[1] == '<time start="2020-01-01 03:00:00" />'


async def test_number_info() -> None:
    client = answering("number_info")

    found = await number_info.look_up(client.xml(), ["+79001234567", "+79001234568"], seconds=1)

    assert asked(client) == (
        "/xml/def.php",
        "<phones><phone>79001234567</phone><phone>79001234568</phone></phones>",
    )
    assert found == [
        NumberInfo("+79001234567", "Мегафон", "Москва", 3),
        NumberInfo("+79001234568", "Мегафон", "Калининград", -1),
    ]


async def test_bases() -> None:
    client = answering("bases")

    found = await bases.bases(client.xml(), seconds=1)

    assert asked(client) == ("/xml/list_bases.php", "")
    assert found == [
        Base(number, name, "Поздравляем!", time(12, 48), True, 1, "fitnes", True)
        for number, name in (("1234", "БазаГлавногоофиса"), ("1235", "БазаМосковскогоофиса"))
    ]


async def test_bases_are_edited() -> None:
    client = answering("bases_edited")
    save = [
        Base("1234", "Офис", "Поздравляем!", time(12, 48), True, 1, "fitnes", True),
        Base("", "Новая"),
    ]

    found = await bases.edit_bases(client.xml(), save, ["1235", "1236"], seconds=1)

    assert asked(client) == (
        "/xml/bases.php",
        (
            '<bases><base id_base="1234" name_base="Офис" time_birth="12:48" local_time_birth="yes" day_before="1"'
            ' originator_birth="fitnes" on_birth="yes">Поздравляем!</base>'
            '<base number_base="2" name_base="Новая" time_birth="" local_time_birth="no" day_before="0"'
            ' originator_birth="" on_birth="no" /></bases>'
            '<delete_bases><base id_base="1235" /><base id_base="1236" /></delete_bases>'
        ),
    )
    assert found == [
        Edited("1234", Done.EDIT),
        Edited("1235", Done.INSERT, 1),
        Edited("1236", Done.EDIT, 2),
        Edited("1235", Done.DELETE),
        Edited("1235", Done.NOT_FOUND),
    ]


SUBSCRIBER = Subscriber(
    "+79001234567",
    "Москва",
    "Мегафон",
    "Иван",
    "Иванов",
    "Иванович",
    date(1988, 8, 28),
    Gender.MALE,
    ("Первое дополнительное поле", "второе", "третье", "четвертое", "пятое"),
    at("2011-03-25 08:39:48"),
)


async def test_subscribers() -> None:
    client = answering("subscribers")

    page = await subscribers.subscribers(
        client.xml(), "1234", 1, datetime(2011, 3, 25, 5, 39, 48, tzinfo=UTC), MOSCOW, seconds=1
    )

    assert asked(client) == (
        "/xml/list_phones.php",
        '<base id_base="1234" page="1" last_update="2011-03-25 08:39:48" />',
    )
    assert (page.number, page.pages, len(page.items)) == (1, 100, 2)
    assert page.items[0] == SUBSCRIBER


async def test_subscribers_with_little_said_of_them() -> None:
    body = b'<response><phones page=""><phone phone="79001234567" male="" date_birth="0000-00-00" x="y"/></phones>'
    client = Answering(body + b"</response>")

    page = await subscribers.subscribers(client.xml(), "1", 2, None, MOSCOW, seconds=1)

    assert asked(client)[1] == '<base id_base="1" page="2" />'
    assert (page.number, page.pages) == (0, 0)
    assert page.items == [Subscriber("+79001234567", additions=("",) * 5)]


async def test_a_base_that_there_is_not() -> None:
    with pytest.raises(GatewayError) as caught:
        await subscribers.subscribers(answering("change_without_base").xml(), "1", 1, None, MOSCOW, seconds=1)

    assert (caught.value.reason, caught.value.text) == (Reason.BAD_REQUEST, "Базы с таким номером не существует")


async def test_subscribers_are_edited() -> None:
    client = answering("subscribers_edited")
    save = [SUBSCRIBER, Subscriber("+79001234568", gender=Gender.FEMALE, additions=("", "b"))]

    found = await subscribers.edit_subscribers(client.xml(), "1234", save, ["+79001234569"], seconds=1)

    assert asked(client) == (
        "/xml/phones.php",
        (
            '<base id_base="1234"><phone phone="79001234567" region="Москва" operator="Мегафон" name="Иван"'
            ' surname="Иванов" patronymic="Иванович" date_birth="1988-08-28" male="мужской"'
            ' addition_1="Первое дополнительное поле" addition_2="второе" addition_3="третье" addition_4="четвертое"'
            ' addition_5="пятое" number_phone="1" />'
            '<phone phone="79001234568" male="женский" addition_2="b" number_phone="2" />'
            '<phone phone="79001234569" action="delete" number_phone="3" /></base>'
        ),
    )
    assert found == [
        Edited("+79001234567", Done.INSERT, 1),
        Edited("+79001234568", Done.EDIT, 2),
        Edited("+79001234569", Done.DELETE, 5),
        Edited("+79001234570", Done.NOT_FOUND, 6),
    ]


async def test_the_sample_that_is_no_xml_is_a_broken_answer() -> None:
    with pytest.raises(GatewayError) as caught:
        await subscribers.edit_subscribers(
            answering("subscribers_edited_as_printed").xml(), "1", delete=["+1"], seconds=1
        )

    assert caught.value.reason is Reason.BROKEN_ANSWER


async def test_stop_list() -> None:
    client = answering("stop_list")

    assert await stop_list.stop_list(client.xml(), seconds=1) == ["+79001234567", "+79001234568"]
    assert asked(client) == ("/xml/list_stop.php", "")


async def test_stop_list_is_edited() -> None:
    client = answering("stop_list_edited")

    found = await stop_list.edit_stop_list(client.xml(), ["+79001234568"], ["+79001234567", "+79001234569"], seconds=1)

    assert asked(client) == (
        "/xml/stop.php",
        (
            '<add_stop><phone phone="79001234568" /></add_stop>'
            '<delete_stop><phone phone="79001234567" /><phone phone="79001234569" /></delete_stop>'
        ),
    )
    assert found == [
        Edited("+79001234567", Done.DELETE),
        Edited("+79001234568", Done.ADD),
        Edited("+79001234569", Done.NOT_FOUND),
    ]


async def test_what_is_not_asked_is_not_written() -> None:
    client = answering("stop_list_edited")

    await stop_list.edit_stop_list(client.xml(), add=["+79001234568"], seconds=1)

    assert "delete_stop" not in asked(client)[1]


async def test_lists_may_be_empty() -> None:
    client = answering("empty")

    assert await bases.bases(client.xml(), seconds=1) == []
    assert await stop_list.stop_list(client.xml(), seconds=1) == []
    assert (await subscribers.subscribers(client.xml(), "1", 1, None, MOSCOW, seconds=1)).items == []
    with pytest.raises(GatewayError):
        await stop_list.edit_stop_list(client.xml(), add=["+1"], seconds=1)


@pytest.mark.parametrize("begin", ["<!--", "<?a ", '<base name="', "<", "</", "", "</response>"])
def test_what_has_no_end_is_given_up_before_it_costs_the_square_of_its_length(begin: str) -> None:
    """A comment, an instruction, an attribute, a name, blanks: what was there is looked at again with each piece."""
    reader = ListReader("base", lambda found: found)
    reader.feed(f"<response>{begin}".encode())
    piece = b" " * 1000 if begin in ("", "</response>") else b"x" * 1000

    def rest() -> None:
        for _ in range(2 * MOST_WITHOUT_WORD // len(piece)):
            reader.feed(piece)

    with pytest.raises(GatewayError) as caught:
        rest()
    assert caught.value.reason is Reason.BROKEN_ANSWER


def test_a_word_that_nobody_knows_is_unknown() -> None:
    assert (Done("postponed"), Done(""), Gender("x")) == (Done.UNKNOWN, Done.UNKNOWN, Gender.UNKNOWN)


@pytest.mark.parametrize(
    ("written", "read"),
    [("79001234567", "+79001234567"), ("3443", "3443"), ("7900123****", "7900123****"), ("", ""), (None, "")],
)
def test_phones(written: str | None, read: str) -> None:
    assert phone_of(written) == read


@pytest.mark.parametrize(
    "written", ["2020-01-31 12:23:00", " 2020-01-31 12:23 ", "2020-01-3112:23", "2020-01-31T12:23"]
)
def test_moments(written: str) -> None:
    assert moment_of(written, MOSCOW) == at("2020-01-31 12:23:00")


@pytest.mark.parametrize(
    "written",
    ["", None, "2020-02-31 12:23:00", "2020-01-31 24:00", "2020-01-31", "12:23", "soon", "٢٠٢٠-01-31 12:23"],
)
def test_no_moments(written: str | None) -> None:
    assert moment_of(written, MOSCOW) is None
    assert clock_of(written) in (None, time(12, 23))
    assert day_of(written) in (None, date(2020, 1, 31))
