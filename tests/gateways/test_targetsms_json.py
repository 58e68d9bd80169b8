"""`targetsms-json`: J1 and J2."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Delivery, Gateway, GatewayError, Then
from otp_service.gateways.targetsms.json import cascade_sending, cascade_states
from otp_service.gateways.targetsms.json.cascade import Message, Recipient, Sms, Viber, violations
from otp_service.gateways.targetsms.json.gateway import validity_minutes
from tests.gateways.kinds import KINDS
from tests.gateways.operations import CASCADES, MOSCOW, Answering
from tests.gateways.stub import PATIENT, Stub

KIND = KINDS["targetsms-json"]
SECRETS = {"login": "canary-login", "password": "canary-password"}
VIBER = Viber(1, "Name", "Text", button_text="Press", button_url="https://a.ru", image_url="https://a.ru/b.png")
TO = [Recipient("+79001234567", "101")]


@pytest.fixture
async def gateway(stub: Stub) -> AsyncIterator[Gateway]:
    built = KIND.build(stub.url)
    yield built
    await built.close()


async def asked(stub: Stub, **settings: str) -> dict[str, Any]:
    """The one message that a gateway with these settings sends, without what all have in common."""
    stub.body = KIND.fixture("accepted")
    gateway = KIND.build(stub.url, **settings)
    await gateway.send(KIND.message(text="Код 1"), PATIENT)
    await gateway.close()
    (request,) = stub.read
    assert (request.method, request.path) == ("POST", "/sendmessagejson.php")
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    document = json.loads(request.body)
    (message,) = document.pop("message")
    assert document == SECRETS
    assert message.pop("phones") == [{"phone": "79001234567", "client_id_message": "170000000000101"}]
    return dict(message)


async def test_by_viber(stub: Stub) -> None:
    assert await asked(stub) == {
        "send_viber": "1",
        "sender_viber": "target",
        "text_viber": "Код 1",
        "validity_period_viber": "4",
    }


async def test_by_viber_and_then_sms(stub: Stub) -> None:
    assert await asked(stub, cascade="viber-sms", sender_viber="Brand", sender_sms="BRAND") == {
        "send_viber": "1",
        "sender_viber": "Brand",
        "text_viber": "Код 1",
        "validity_period_viber": "2",
        "send_sms": "2",
        "sender_sms": "BRAND",
        "text_sms": "Код 1",
    }


async def test_by_sms(stub: Stub) -> None:
    assert await asked(stub, cascade="sms") == {
        "send_viber": "0",
        "text_viber": "Код 1",
        "send_sms": "2",
        "sender_sms": "target",
        "text_sms": "Код 1",
    }


@pytest.mark.parametrize(("cascade", "channel"), [("viber", "viber"), ("viber-sms", "viber"), ("sms", "sms")])
def test_the_channel_is_the_first_of_the_cascade(cascade: str, channel: str) -> None:
    assert KIND.build("https://127.0.0.1", cascade=cascade).channel == channel


def test_an_unknown_cascade_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"gateways\.tested\.cascade"):
        KIND.build("https://127.0.0.1", cascade="sms-viber")


def test_one_account_with_the_xml_gateway() -> None:
    accounts = {KINDS[name].build("https://127.0.0.1").account for name in KINDS if name.startswith("targetsms")}

    assert len(accounts) == 1


@pytest.mark.parametrize(
    ("seconds", "then_sms", "minutes"),
    [
        (300, False, 5),
        (299, False, 4),
        (59, False, 1),
        (-5, False, 1),
        (7200, False, 60),
        (300, True, 2),
        (119, True, 1),
        (7200, True, 60),
    ],
)
def test_validity(seconds: int, then_sms: bool, minutes: int) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    assert validity_minutes(now + timedelta(seconds=seconds), now, then_sms=then_sms) == minutes


@pytest.mark.parametrize(
    ("fixture", "accepted"),
    [
        ("accepted", Accepted("2856677680", parts=1)),
        ("accepted_numbers", Accepted("2856677680", parts=1)),
        ("held", Accepted("2856677680", MessageStatus.HELD, parts=1)),
        ("already_sent", Accepted("", earlier=True)),
    ],
)
async def test_taken(gateway: Gateway, stub: Stub, fixture: str, accepted: Accepted) -> None:
    stub.body = KIND.fixture(fixture)

    assert await gateway.send(KIND.message(), PATIENT) == accepted


async def test_many_to_many() -> None:
    client = Answering(KIND.fixture("accepted_several"))

    sent = await cascade_sending.send(client.json(), CASCADES, MOSCOW, seconds=1)

    first, second, third, fourth = sent
    assert [each.phone for each in sent] == ["+79801234567", "+79800000001", "+79800000002", "+79800000003"]
    assert (first.outcome, first.viber_id, first.sms_id) == (Accepted("1", parts=2), "3", "")
    assert (third.outcome, third.viber_id, third.sms_id) == (Accepted("2", parts=1), "4", "5")
    for each, reason in ((second, Reason.STOP_LIST), (fourth, Reason.SENDER)):
        assert isinstance(each.outcome, GatewayError)
        assert each.outcome.reason is reason


async def test_every_field() -> None:
    client = Answering(KIND.fixture("accepted_several"))
    message = Message(
        TO,
        viber=replace(VIBER, validity_minutes=30, read_is_final=True),
        sms=Sms(9, "NAME", "Текст"),
        name_delivery="Рассылка",
        time_send=datetime(2026, 3, 1, 21, 30, 59, tzinfo=UTC),
    )

    with pytest.raises(GatewayError):  # the sample answers three messages
        await cascade_sending.send(client.json(), [message], MOSCOW, seconds=1)

    assert json.loads(client.asked[0][2])["message"] == [
        {
            "send_viber": "1",
            "sender_viber": "Name",
            "text_viber": "Text",
            "button_text": "Press",
            "button_url": "https://a.ru",
            "image_url": "https://a.ru/b.png",
            "validity_period_viber": "30",
            "finale_viber_read": "1",
            "name_delivery": "Рассылка",
            "time_send": "2026-03-02 00:30",
            "send_sms": "9",
            "sender_sms": "NAME",
            "text_sms": "Текст",
            "phones": [{"phone": "79001234567", "client_id_message": "101"}],
        }
    ]


async def test_a_recipient_without_an_answer_of_its_own_is_unclear() -> None:
    client = Answering(b'{"message":[[{"id_message":"1","phone":"79801234567"}],[],"?"]}')

    sent = await cascade_sending.send(client.json(), CASCADES, MOSCOW, seconds=1)

    assert sent[0].outcome == Accepted("1")
    for each in sent[1:]:
        assert isinstance(each.outcome, GatewayError)
        assert each.outcome.then is Then.UNCLEAR


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (Message(TO, viber=replace(VIBER, button_url="")), "a button needs both"),
        (Message(TO, viber=Viber(1, "a", "b", button_url="https://a.ru")), "a button needs both"),
        (Message(TO, viber=Viber(1, "a", "b", image_url="https://a.ru/b.png")), "an image needs a button"),
        (Message(TO, viber=Viber(1, "a", "b" * 1001)), "longer than 1000"),
        (Message(TO, viber=replace(VIBER, button_text="b" * 20)), "longer than 19"),
        (Message(TO, viber=Viber(10, "a", "b")), "not 0 to 9"),
        (Message(TO, sms=Sms(-1, "a", "b")), "not 0 to 9"),
        (Message(TO, viber=Viber(0, "a", "b"), sms=Sms(0, "a", "b")), "no channel"),
        (Message(TO), "no channel"),
        (Message(TO, viber=Viber(2, "a", "b"), sms=Sms(2, "a", "b")), "the same order"),
        (Message(TO, viber=Viber(1, "", "b")), "Viber needs"),
        (Message(TO, viber=Viber(1, "a", "")), "Viber needs"),
        (Message(TO, sms=Sms(1, "a", "")), "SMS needs"),
        (Message(TO, viber=Viber(1, "a", "b", validity_minutes=0)), "shorter than a minute"),
        (Message([], viber=VIBER), "a recipient is missing"),
        (Message([*TO, *TO], viber=VIBER), "a phone stands twice"),
    ],
)
async def test_what_the_document_does_not_allow_is_not_sent(message: Message, sentence: str) -> None:
    client = Answering(b"{}")

    (found,) = violations(message)
    with pytest.raises(GatewayError) as caught:
        await cascade_sending.send(client.json(), [CASCADES[0], message], MOSCOW, seconds=1)

    assert sentence in found
    assert (caught.value.reason, caught.value.then) == (Reason.BAD_REQUEST, Then.NEXT)
    assert client.asked == []


@pytest.mark.parametrize(
    "message",
    [
        *CASCADES,
        Message(TO, viber=replace(VIBER, text="b" * 1000, button_text="b" * 19, order=9)),
        Message(TO, viber=replace(VIBER, order=0), sms=Sms(1, "a", "b")),
    ],
)
def test_what_the_document_allows(message: Message) -> None:
    assert violations(message) == []


async def test_states(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("state")

    found = await gateway.deliveries(list("12345678"))

    assert [(each.provider_id, each.status) for each in found] == [
        ("1", MessageStatus.DELIVERED),
        ("2", MessageStatus.ACCEPTED),
        ("3", MessageStatus.DELIVERED),
        ("4", MessageStatus.UNDELIVERED),
        ("5", MessageStatus.UNKNOWN),
        ("6", MessageStatus.DELIVERED),
        ("7", MessageStatus.ACCEPTED),
    ]
    assert found[2] == Delivery("3", MessageStatus.DELIVERED, "2017-11-23 13:15:25", 2)
    assert found[5].changed_at == ""
    assert json.loads(stub.read[0].body) == {**SECRETS, "state": [{"id_message": each} for each in "12345678"]}


@pytest.mark.parametrize("word", ["read", "link", "unsubscribe"])
async def test_words_of_viber_mean_delivered(gateway: Gateway, stub: Stub, word: str) -> None:
    stub.body = json.dumps({"state": [{"id_message": "1", "state": word}]}).encode()

    assert [each.status for each in await gateway.deliveries(["1"])] == [MessageStatus.DELIVERED]


async def test_states_of_the_channels() -> None:
    found = await cascade_states.ask(Answering(KIND.fixture("state")).json(), list("123"), seconds=1)

    assert [(each.sms, each.viber) for each in found] == [
        (None, MessageStatus.DELIVERED),
        (None, MessageStatus.UNDELIVERED),
        (MessageStatus.DELIVERED, MessageStatus.EXPIRED),
    ]
    assert [(each.sms_parts, each.sms_price, each.viber_price) for each in found] == [
        (0, Decimal(0), Decimal("0.9")),
        (0, None, Decimal(0)),
        (2, Decimal("2.30"), Decimal(0)),
    ]


async def test_states_are_asked_in_batches(gateway: Gateway, stub: Stub) -> None:
    stub.body = b'{"state":[{"id_message":"150","state":"send"}]}'

    found = await gateway.deliveries([str(number) for number in range(250)])

    assert [each.provider_id for each in found] == ["150"]
    assert [len(json.loads(request.body)["state"]) for request in stub.read] == [100, 100, 50]


async def test_examination(gateway: Gateway, stub: Stub) -> None:
    stub.body = b'{"state":[{"id_message":"0","state":"%s"}]}' % "Сообщение с таким ID не принималось".encode()

    (finding,) = await gateway.examine()

    assert (finding.name, finding.ok) == ("access", True)
    stub.body = KIND.fixture("error_login")
    (finding,) = await gateway.examine()
    assert (finding.ok, finding.text) == (False, "not given: credentials (next)")


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":{}}',
        b'{"message":[NaN]}',
        b'{"message":[[{"id_message":true,"phone":"79001234567"}]]}',
        b'{"message":[[{"id_message":1.5,"phone":"79001234567"}]]}',
        b'{"message":[[{"id_message":["1"],"phone":"79001234567"}]]}',
        b'{"message":[[[{"id_message":"1","phone":"79001234567"}]]]}',
        b'{"message":[[{"id_message":"1","phone":"79001234567"}]]',
        b'{"message":' + b"[" * 100_000,
        b'{"state":[]}',
        b"[]",
        b"null",
        b'"message"',
    ],
)
async def test_other_shapes_are_unclear(gateway: Gateway, stub: Stub, body: bytes) -> None:
    stub.body = body

    with pytest.raises(GatewayError) as caught:
        await gateway.send(KIND.message(), PATIENT)

    assert (caught.value.reason, caught.value.then) == (Reason.BROKEN_ANSWER, Then.UNCLEAR)
    assert caught.value.__context__ is None


async def test_the_request_survives_any_text(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("accepted")

    await gateway.send(KIND.message(text='"\\\n\x00\ud800<&>😀 é'), PATIENT)

    assert json.loads(stub.read[0].body)["message"][0]["text_viber"] == '"\\\n\x00?<&>😀 é'
