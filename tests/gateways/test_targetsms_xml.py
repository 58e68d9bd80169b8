"""`targetsms-xml`: what X3, X4, X6, X7, X17 and X19 send and understand."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree.ElementTree import ParseError, tostring
from zoneinfo import ZoneInfo

import pytest
from defusedxml.ElementTree import fromstring

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.errors import SettingsError
from otp_service.gateways.base import Gateway, GatewayError, Outgoing, Then
from otp_service.gateways.targetsms import errors
from otp_service.gateways.targetsms.xml import sending, wire
from otp_service.gateways.targetsms.xml.wire import element
from tests.gateways.kinds import KINDS
from tests.gateways.stub import PATIENT, Stub

KIND = KINDS["targetsms-xml"]
MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.fixture
async def gateway(stub: Stub) -> AsyncIterator[Gateway]:
    built = KIND.build(stub.url)
    yield built
    await built.close()


async def test_the_request(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("accepted")
    expires_at = datetime.now(UTC) + timedelta(minutes=5)

    await gateway.send(Outgoing("+79001234567", 'Код <1> & "2"\r\n@a.ru #1\n', "101", expires_at), PATIENT)

    (request,) = stub.read
    until = expires_at.astimezone(MOSCOW).strftime("%Y-%m-%d %H:%M")
    assert (request.method, request.path) == ("POST", "/xml/")
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    assert request.body.decode() == (
        '<?xml version="1.0" encoding="utf-8"?><request><security>'
        '<login value="canary-login" /><password value="canary-password" /></security>'
        '<message type="sms"><sender>target</sender><text>Код &lt;1&gt; &amp; "2"\\n@a.ru #1\\n</text>'
        f'<abonent phone="79001234567" number_sms="1" client_id_sms="101" validity_period="{until}" />'
        "</message></request>"
    )


async def test_the_request_is_one_line_whatever_the_settings_hold(stub: Stub) -> None:
    stub.body = KIND.fixture("accepted")
    gateway = KIND.build(stub.url, password='a\r\n"<&>\x00\ud800', name_delivery="Коды\nвхода")

    await gateway.send(KIND.message(), PATIENT)

    body = stub.read[0].body
    assert b"\n" not in body
    assert b"\r" not in body
    assert b'<password value="a\\n&quot;&lt;&amp;&gt;" />' in body
    assert "<name_delivery>Коды\\nвхода</name_delivery>".encode() in body
    await gateway.close()


def test_each_character_alone_is_fit_for_the_wire() -> None:
    for number in (*range(0x20000), *range(0x10FF00, 0x110000)):
        char = chr(number)
        carried = char == "\t" or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or number >= 0x10000
        assert element("text", char).text == ("\\n" if char in "\r\n" else char if carried else ""), hex(number)


@pytest.mark.parametrize(
    ("expires_at", "now", "expected"),
    [
        ("12:05:59", "12:00:00", "2026-03-01 15:05"),
        ("12:05:00", "12:00:59", "2026-03-01 15:05"),
        ("12:00:59", "12:00:10", "2026-03-01 15:01"),
        ("11:00:00", "12:00:10", "2026-03-01 15:01"),
        ("21:30:00", "21:00:00", "2026-03-02 00:30"),
    ],
)
def test_validity_is_rounded_down_but_ahead(expires_at: str, now: str, expected: str) -> None:
    def at(clock: str) -> datetime:
        return datetime.fromisoformat(f"2026-03-01T{clock}+00:00")

    assert sending.validity_period(at(expires_at), at(now), MOSCOW) == expected


@pytest.mark.parametrize(
    ("fixture", "provider_id", "status", "parts"),
    [
        ("accepted", "2856677675", MessageStatus.ACCEPTED, 2),
        ("accepted_empty_attributes", "2731379410", MessageStatus.ACCEPTED, 0),
        ("held", "2856677676", MessageStatus.HELD, 1),
        ("already_sent", "", MessageStatus.ACCEPTED, 0),
    ],
)
async def test_taken(
    gateway: Gateway, stub: Stub, fixture: str, provider_id: str, status: MessageStatus, parts: int
) -> None:
    stub.body = KIND.fixture(fixture)

    accepted = await gateway.send(KIND.message(), PATIENT)

    assert (accepted.provider_id, accepted.status, accepted.parts) == (provider_id, status, parts)


async def test_states(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("state")

    deliveries = {delivery.provider_id: delivery for delivery in await gateway.deliveries(list("12345678"))}

    assert {number: delivery.status for number, delivery in deliveries.items()} == {
        "1": MessageStatus.DELIVERED,
        "2": MessageStatus.ACCEPTED,
        "3": MessageStatus.UNDELIVERED,
        "4": MessageStatus.EXPIRED,
        "5": MessageStatus.UNKNOWN,
        "6": MessageStatus.DELIVERED,
        "7": MessageStatus.ACCEPTED,
    }
    first, third, seventh = deliveries["1"], deliveries["3"], deliveries["7"]
    assert (first.changed_at, first.parts, first.price) == ("2020-01-01 12:57:46", 2, Decimal("1.15"))
    assert (third.parts, third.price, third.provider_code) == (0, None, "000")
    assert seventh.changed_at == ""
    assert b"<get_state><id_sms>1</id_sms><id_sms>2</id_sms>" in stub.read[0].body


async def test_states_are_asked_in_batches(gateway: Gateway, stub: Stub) -> None:
    stub.body = b'<response><state id_sms="150" time="">send</state></response>'

    deliveries = await gateway.deliveries([str(number) for number in range(250)])

    assert [delivery.provider_id for delivery in deliveries] == ["150"]
    assert [request.body.count(b"<id_sms>") for request in stub.read] == [100, 100, 50]
    assert {request.path for request in stub.read} == {"/xml/state.php"}


async def test_states_can_be_refused(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("error_login")

    with pytest.raises(GatewayError) as caught:
        await gateway.deliveries(["1"])

    assert caught.value.reason is Reason.CREDENTIALS


@pytest.mark.parametrize(("provider_id", "deleted"), [("1234", True), ("1235", False), ("1236", False)])
async def test_withdraw(gateway: Gateway, stub: Stub, provider_id: str, deleted: bool) -> None:
    stub.body = KIND.fixture("scheduled_deleted")

    assert await gateway.withdraw(provider_id) is deleted

    assert stub.read[0].path == "/xml/scheduled.php"
    assert f'<delete_schedule><schedule id_sms="{provider_id}" /></delete_schedule>'.encode() in stub.read[0].body


async def findings(gateway: Gateway, stub: Stub, **answers: str) -> dict[str, tuple[bool, str]]:
    """Each question of the examination has its own address and gets its own answer."""
    bodies = {f"/xml/{page}.php": body.encode() for page, body in answers.items()}
    stub.answer_of = lambda request: bodies.get(request.path, b"")
    return {finding.name: (finding.ok, finding.text) for finding in await gateway.examine()}


async def test_examination(gateway: Gateway, stub: Stub) -> None:
    now = datetime.now(MOSCOW)
    found = await findings(
        gateway,
        stub,
        balance=KIND.fixture("balance").decode(),
        originator=KIND.fixture("senders").decode(),
        time=f"<response><time>{now:%H:%M:%S}</time></response>",
    )

    assert found == {
        "balance": (True, "150 RUR; Россия: 111 SMS; Украина: 111 SMS"),
        "sender": (True, "target: completed"),
        "clock": (True, "the account's time is that of Europe/Moscow"),
    }


async def test_examination_finds_what_is_wrong(gateway: Gateway, stub: Stub) -> None:
    novosibirsk = datetime.now(ZoneInfo("Asia/Novosibirsk"))
    found = await findings(
        gateway,
        stub,
        balance="<response><money>0</money></response>",
        originator=KIND.fixture("senders").decode().replace(">target<", ">Target<"),
        time=f"<response><time>{novosibirsk:%Y-%m-%d %H:%M:%S}</time></response>",
    )

    assert found["balance"] == (False, "0")
    assert found["sender"] == (False, "target: not in the list")
    assert found["clock"] == (
        False,
        "the account's time is +240 minutes from Europe/Moscow: correct time_zone",
    )


@pytest.mark.parametrize("told", ["15:34:05", "2012-12-17 18:34:27", "", "soon", "25:00:00", "2012-99-99 00:00:00"])
async def test_any_clock_is_a_finding(gateway: Gateway, stub: Stub, told: str) -> None:
    found = await findings(gateway, stub, time=f"<response><time>{told}</time></response>")

    assert "clock" in found


async def test_any_sender_may_be_used(gateway: Gateway, stub: Stub) -> None:
    found = await findings(gateway, stub, originator=KIND.fixture("any_sender").decode())

    assert found["sender"] == (True, "target: any sender may be used")


@pytest.mark.parametrize("zone", ["Europe/Moskau", "", "../etc/passwd", "/etc/localtime"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(SettingsError, match=r"gateways\.tested\.time_zone"):
        KIND.build("https://127.0.0.1", time_zone=zone)


def test_one_account_for_one_login() -> None:
    first, again = KIND.build("https://127.0.0.1"), KINDS["targetsms-password"].build("https://127.0.0.1")

    assert first.account == again.account
    assert first.account != KIND.build("https://127.0.0.1", login="another").account


@pytest.mark.parametrize(
    ("text", "reason", "then"),
    [
        *((text, reason, then) for text, (reason, then) in errors.TEXTS.items()),
        ("Такого отправителя Нет.", Reason.SENDER, Then.NEXT),
        ("ERROR:  такого   отправителя\nнет", Reason.SENDER, Then.NEXT),
        ("Номер телефона присутствует в стоп-листе", Reason.STOP_LIST, Then.STOP),
        ("Отправитель не прошел модерацию".replace("й", "и\u0306"), Reason.SENDER, Then.NEXT),
        ("Логин не найден", Reason.CREDENTIALS, Then.NEXT),
        ("Смените пароль", Reason.CREDENTIALS, Then.NEXT),
        ("Абонент в стоп-листе оператора", Reason.STOP_LIST, Then.NEXT),
        ("Ваш баланс пуст", Reason.FUNDS, Then.NEXT),
        ("Имя отправителя не согласовано", Reason.SENDER, Then.NEXT),
        ("Доступ заблокирован", Reason.ACCOUNT_BLOCKED, Then.NEXT),
        ("", Reason.UNKNOWN_ERROR, Then.NEXT),
        ("...", Reason.UNKNOWN_ERROR, Then.NEXT),
    ],
)
def test_texts(text: str, reason: Reason, then: Then) -> None:
    error = errors.error_of(text)

    assert (error.reason, error.then) == (reason, then)
    assert not text.strip(".") or text not in str(error)


PIECES = (
    "<", ">", "&", "&lt;", "&foo;", "&#65;", "&#0;", "<!DOCTYPE a>", '<!DOCTYPE a [<!ENTITY x "y">]>', '"', "'", "</",
    "<a:b>", "</a:b>", "\0", "\ud800", "é", "<!--", "-->", "<![CDATA[", "]]>", "<?x", "?>", 'a="2"', "\r\n",
)  # fmt: skip


def test_documents_are_read_as_elementtree_and_defusedxml_read_them() -> None:
    """Also broken ones; names of another namespace are the only difference, and no document has any."""
    whole = '<response a="1"><success id_sms="1&amp;2">текст &lt; x</success><!-- c --><b><![CDATA[<]]></b></response>'
    draw = random.Random(5)
    read = 0
    for _ in range(3000):
        text = whole
        for _ in range(draw.randint(0, 3)):
            place = draw.randrange(len(text) + 1)
            text = text[:place] + draw.choice(PIECES) + text[place + draw.randint(0, 4) :]
        wanted = found = None
        with contextlib.suppress(ParseError, ValueError):
            wanted = tostring(fromstring(text.replace("</ ", "</"), forbid_dtd=True))
        with contextlib.suppress(GatewayError):
            found = tostring(wire.parse(text, "response"))
        if wanted is None or wanted.startswith(b"<response"):
            assert found == wanted, text
        read += wanted is not None
    assert 100 < read < 2000


def test_documents_are_written_as_elementtree_writes_them() -> None:
    root = wire.element(
        "request", "", wire.element("a", '<&>"\t\n', b="<&>\"\t\r\n'"), wire.element("b"), wire.element("c", d="")
    )
    assert wire.serialized(root).partition(b"?>")[2] == tostring(root, encoding="unicode").encode()
