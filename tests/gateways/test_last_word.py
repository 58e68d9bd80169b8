"""What the documents say in one place only, or leave open: what is read, and what is no answer at all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, GatewayError, Then
from otp_service.gateways.targetsms.cabinet import statistics, subscribers
from otp_service.gateways.targetsms.xml import stop_list
from otp_service.gateways.targetsms.xml.gateway import XmlGateway
from tests.gateways.kinds import KINDS, PHONE
from tests.gateways.operations import MOSCOW, OPERATIONS, Answering, Operation
from tests.gateways.stub import PATIENT, Stub

G, J, K, X = (KINDS[f"{kind}"] for kind in ("targetsms-get", "targetsms-json", "smska", "targetsms-xml"))

NO_ANSWERS = (
    b"502 Bad Gateway",
    b"503 Service Unavailable",
    b"503 ERR",
    b"404 NOT FOUND",
    b"500",
    b"-1",
    b"0",
    b"OK",
    b"ok",
    b"error",
    b"timeout",
    b"true",
    b"upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
    b"error code: 502",
    b"Bad Gateway",
    "502 Ошибка шлюза".encode(),
    "504\nВремя ожидания вышло".encode(),
    b"The requested URL was rejected. Please consult with your administrator. Your support ID is: 123456789",
    b"1 445.6 RUR",
    b"445.6",
    b"445.6 RU",
    b"445,6 RUR",
    b"445.6RUR",
    "445.6 RUR\nРоссия".encode(),
    "445.6 RUR\nРоссия:".encode(),
    b"445.6 RUR Service Unavailable",
    b"delive",
    b"not_deli",
    b"a:5:{s:6",
    b'a:5:{s:6:"id_sms";s:10:"1179038981";s:9:"state_sms";s:7:"deliver";',
    b"_0|Balance status",
    b"0|Message sent|ah1acugxz98a",
    b"0|Status|4",
    b"0|",
    b"1178440060,",
    b"000",
)
"""Pages, words of proxies and answers that were cut, with status 200."""

PLAIN_TEXT = ("G1", "G2", "G3", "G4", "K1", "K2", "K3")
DOUBTED = {("G1", b"500")}
"""What no reader can tell from the real thing: a bare number is an id."""


async def outcome(call: Awaitable[object]) -> object:
    try:
        return await call
    except GatewayError as error:
        return error


@pytest.mark.parametrize("name", PLAIN_TEXT)
@pytest.mark.parametrize("body", NO_ANSWERS)
async def test_3_what_is_no_answer_is_a_broken_one(name: str, body: bytes) -> None:
    if (name, body) in DOUBTED:
        return
    error = await outcome(OPERATIONS[name].call(Answering(body)))

    assert isinstance(error, GatewayError), error
    assert (error.reason, error.then) == (Reason.BROKEN_ANSWER, Then.UNCLEAR)


@pytest.mark.parametrize("name", PLAIN_TEXT)
async def test_3_the_samples_are_still_read(name: str) -> None:
    operation: Operation = OPERATIONS[name]
    results = [await outcome(operation.call(Answering(seed))) for seed in operation.seeds()]

    assert [result for result in results if not isinstance(result, GatewayError)]


async def test_3_a_circuit_for_funds_stays_open_on_a_page(stub: Stub) -> None:
    stub.body = b"503 Service Temporarily Unavailable"
    gateway = G.build(stub.url)
    with pytest.raises(GatewayError):
        await gateway.probe(Reason.FUNDS, PATIENT)
    await gateway.close()


async def test_1_the_detailed_state_is_asked(stub: Stub) -> None:
    stub.body = G.fixture("detailed")
    gateway = G.build(stub.url)

    (told,) = await gateway.deliveries(["1179038981"])

    assert (told.status, told.changed_at, told.parts, told.price) == (
        MessageStatus.DELIVERED, "2011-01-01 12:57:46", 2, Decimal("1.15"),
    )  # fmt: skip
    assert stub.read[0].path.endswith("&smsid=1179038981&detail=1")
    await gateway.close()


@pytest.mark.parametrize(
    "given",
    [
        "AH1ACUGXZ98A27T9Z",
        "21149b50-69a7-47e5-85ac-7b697e397463",
        "{693070c1-d400-4638-a07d-4116267c715e}",
        "a.b:c/d+e=",
        "a" * 128,
        "7.5",
        "~",
        "message#1",
    ],
)
async def test_4_any_token_is_an_id_of_sms_ka(stub: Stub, given: str) -> None:
    stub.body = f"0|Message sent|{given}|Balance status|7463".encode()
    gateway = K.build(stub.url)

    assert await gateway.send(K.message(), PATIENT) == Accepted(given)
    await gateway.close()


@pytest.mark.parametrize("given", ["", "a b", "a,b", "a;b", "<a>", '"a"', "a\tb", "a" * 129, "й", "a\\b", "\x1b[2J"])
async def test_4_what_is_no_token_is_no_id(stub: Stub, given: str) -> None:
    stub.body = f"0|Message sent|{given}|Balance status|7463".encode()
    gateway = K.build(stub.url)

    with pytest.raises(GatewayError) as caught:
        await gateway.send(K.message(), PATIENT)
    assert caught.value.reason is Reason.BROKEN_ANSWER
    await gateway.close()


async def test_4_an_id_of_g_may_begin_with_0(stub: Stub) -> None:
    stub.body = b"0179038981"
    gateway = G.build(stub.url)

    assert await gateway.send(G.message(), PATIENT) == Accepted("0179038981")
    await gateway.close()


@pytest.mark.parametrize("phone", ['"phone":"+79001234567",', '"phone":"79001234567",', "", '"phone":"",'])
async def test_4_one_phone_needs_no_name(stub: Stub, phone: str) -> None:
    stub.body = f'{{"message":[[{{{phone}"id_message":"2856677680","count_message":"1"}}]]}}'.encode()
    gateway = J.build(stub.url)

    assert await gateway.send(J.message(), PATIENT) == Accepted("2856677680", parts=1)
    await gateway.close()


@pytest.mark.parametrize(
    "items",
    [
        '{"id_message":"1"},{"id_message":"2"}',
        '{"phone":"79001234568","id_message":"1"}',
        '{"phone":null,"id_message":null}',
    ],
)
async def test_4_what_may_be_about_another_is_not_taken(stub: Stub, items: str) -> None:
    stub.body = f'{{"message":[[{items}]]}}'.encode()
    gateway = J.build(stub.url)

    with pytest.raises(GatewayError) as caught:
        await gateway.send(J.message(), PATIENT)
    assert caught.value.reason is Reason.BROKEN_ANSWER
    await gateway.close()


STATES = {
    "not_valid_phone": MessageStatus.REJECTED,
    "connection_error": MessageStatus.REJECTED,
    "DELIVER": MessageStatus.DELIVERED,
    "Not Deliver": MessageStatus.UNDELIVERED,
    " not  deliver ": MessageStatus.UNDELIVERED,
    "Partly_Deliver": MessageStatus.UNKNOWN,
    "EXPIRED": MessageStatus.EXPIRED,
    "teleported": MessageStatus.ACCEPTED,
}


@pytest.mark.parametrize(("word", "status"), STATES.items())
async def test_5_words_of_p_capitals_and_blanks(stub: Stub, word: str, status: MessageStatus) -> None:
    stub.body = f'<response><state id_sms="1712292705" time="">{word}</state></response>'.encode()
    gateway = KINDS["targetsms-password"].build(stub.url)

    (told,) = await gateway.deliveries(["1712292705"])

    assert told.status is status
    await gateway.close()


@pytest.mark.parametrize("text", ["Сообщение с таким ID не принималось", "Not found", "no such id"])
async def test_5_a_sentence_is_no_state(stub: Stub, text: str) -> None:
    stub.body = f'<response><state id_sms="1" time="">{text}</state></response>'.encode()
    gateway = X.build(stub.url)

    assert await gateway.deliveries(["1"]) == []
    await gateway.close()


async def test_9_the_whole_url_counts(stub: Stub) -> None:
    """So long that it fits without the address, and does not with it."""
    gateway = G.build(stub.url)
    stub.body = G.fixture("accepted")
    await gateway.send(G.message(text=""), PATIENT)
    rest = 2000 - len(stub.read[0].path)
    try:
        for length, sent in ((rest - len(stub.url), True), (rest - len(stub.url) + 1, False), (rest, False)):
            result = await outcome(gateway.send(G.message(text="a" * length), PATIENT))
            assert isinstance(result, Accepted) is sent
    finally:
        await gateway.close()
    assert len(stub.read) == 2


async def test_9_the_sentence_of_g_keeps_its_capital(stub: Stub) -> None:
    texts: dict[Callable[..., object] | str, str] = {}
    for kind, written in ((G, "Такого отправителя Нет."), (G, "Такого отправителя нет.")):
        stub.body = written.encode()
        gateway = kind.build(stub.url)
        error = await outcome(gateway.send(kind.message(), PATIENT))
        assert isinstance(error, GatewayError)
        texts[written] = error.text
        await gateway.close()

    assert texts == {text: text for text in texts}
    assert PHONE not in str(texts)


# Lists


def phones(count: int) -> bytes:
    rows = b"".join(b"<phone>%d</phone>\n" % (79_000_000_000 + number) for number in range(count))
    return b'<?xml version="1.0" encoding="utf-8"?>\n<response>\n' + rows + b"</response>\n"


@pytest.mark.parametrize("count", [0, 1, 10_000, 100_000])
async def test_6_a_stop_list_of_any_length_is_read(stub: Stub, count: int) -> None:
    stub.body = phones(count)
    gateway = X.build(stub.url)
    assert isinstance(gateway, XmlGateway)

    found = await gateway.stop_list(30.0)

    assert (len(found), found[:1], found[-1:]) == (
        count, ["+79000000000"][:count], [f"+{79_000_000_000 + count - 1}"][:count],
    )  # fmt: skip
    await gateway.close()


async def test_6_a_page_of_subscribers_and_statistics_of_any_length() -> None:
    row = '<phone phone="79001234567" name="Иван" surname="Иванов" addition_1="a"/>'
    people = f'<response><phones page="1" num_pages="3">{row * 20_000}</phones></response>'
    client = Answering(people.encode())
    client.piece = 65_536
    page = await subscribers.subscribers(client.xml(), "1", 1, None, MOSCOW, seconds=15)
    assert (len(page.items), page.number, page.pages) == (20_000, 1, 3)
    assert page.items[-1].surname == "Иванов"

    row = '<stat id_sms="1" phone="7900123****" status="deliver" text="Код" price="1.15" part_no="1" num_parts="1"/>'
    client.body = f'<response><stats num_stats="30000">{row * 30_000}</stats></response>'.encode()
    told = await statistics.statistics(client.xml(), statistics.Filter(), MOSCOW, seconds=15)
    assert (told.total, len(told.rows), told.rows[-1].price) == (30_000, 30_000, Decimal("1.15"))


async def test_6_what_is_read_is_not_kept() -> None:
    """Memory for what the rows come to, and little besides."""
    client = Answering(phones(100_000))
    client.piece = 65_536
    tracemalloc.start()
    found = await stop_list.stop_list(client.xml(), seconds=15)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(found) == 100_000
    assert peak - kept < 2_000_000


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 64, 100_000])
async def test_6_a_list_is_read_in_pieces_as_a_whole(piece: int) -> None:
    """Byte order mark, a declaration that is none, `</ phone>`, windows-1251, blanks and NULs at the end."""
    rows = "<pad/><phone>79001234567</ phone>\n<phone>Иванов</phone>"
    text = f'<?xml version="1.0"encoding="utf-8"?>\n<response>{rows}</response>'
    for encoded in (b"\xef\xbb\xbf\n" + text.encode() + b"\r\n\0\0", text.encode("windows-1251")):
        client = Answering(encoded)
        client.piece = piece
        assert await stop_list.stop_list(client.xml(), seconds=1) == ["+79001234567", "Иванов"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"<!DOCTYPE response><response/>", b"<request/>", b"<response><phone>1</phone>",
        b"<response/><response/>", b"<response><phone>" + b"1" * 300_000 + b"</phone></response>",
        b"<response>" + b"<a/>" * 100_000 + b"</response>", b"<response>" + b"<a>" * 100_000,
        b'<response><phone a="' + b"1" * 300_000 + b'"/></response>', b"502 Bad Gateway", b"<response/>x",
        b"<response>" + b"a<!---->" * 300_000 + b"</response>",
    ],
)  # fmt: skip
async def test_6_a_list_that_is_none_is_a_broken_answer(body: bytes) -> None:
    client = Answering(body)
    client.piece = 65_536
    error = await outcome(stop_list.stop_list(client.xml(), seconds=1))

    assert isinstance(error, GatewayError)
    assert (error.reason, error.then) == (Reason.BROKEN_ANSWER, Then.UNCLEAR)


async def test_6_a_refusal_of_a_list_is_one(stub: Stub) -> None:
    gateway = X.build(stub.url)
    assert isinstance(gateway, XmlGateway)
    found = []
    for status, body in ((200, X.fixture("error_login")), (401, b""), (429, b""), (500, phones(3)), (302, phones(3))):
        stub.status, stub.body = status, body
        error = await outcome(gateway.stop_list(1.0))
        assert isinstance(error, GatewayError)
        found.append(error.reason)
    await gateway.close()

    assert found == [
        Reason.CREDENTIALS, Reason.CREDENTIALS, Reason.THROTTLED, Reason.BROKEN_ANSWER, Reason.BROKEN_ANSWER,
    ]  # fmt: skip
