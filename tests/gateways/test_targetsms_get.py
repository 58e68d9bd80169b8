"""`targetsms-get`: G1 to G5."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, Delivery, Gateway, GatewayError, Then
from otp_service.gateways.registry import warnings
from otp_service.gateways.targetsms.get import operations
from otp_service.gateways.targetsms.get.gateway import MOST_PAUSES, PAUSE_SECONDS, Pauses
from otp_service.gateways.targetsms.xml.account import Balance
from tests.gateways.kinds import CANARIES, CODE, KINDS, PHONE
from tests.gateways.operations import Answering
from tests.gateways.stub import FAULTS, PATIENT, Request, Stub

KIND = KINDS["targetsms-get"]
SECRETS = {"user": "canary-login", "pwd": "canary-password"}
SECOND = "+380441234567"


def fields(request: Request) -> dict[str, str]:
    url = urlsplit(request.path)
    assert (request.method, url.path, request.body) == ("GET", "/sendsms.php", b"")
    return dict(parse_qsl(url.query, strict_parsing=True, keep_blank_values=True))


def answering(fixture: str) -> operations.GetApi:
    return Answering(KIND.fixture(fixture)).get()


@pytest.fixture
async def gateway(stub: Stub) -> AsyncIterator[Gateway]:
    built = KIND.build(stub.url)
    yield built
    await built.close()


async def test_the_request(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("accepted")
    text = "Код 1&2=3 + 100% #1 é😀 \"'<>/?\n@a.ru #1"

    await gateway.send(KIND.message(text=text), PATIENT)

    assert fields(stub.read[0]) == {**SECRETS, "sadr": "target", "dadr": "79001234567", "text": text}
    assert stub.read[0].path.isascii()
    assert "+" not in stub.read[0].path  # a blank is %20, which no server reads as a plus


async def test_several_phones() -> None:
    client = Answering(KIND.fixture("accepted_several"))

    sent = await operations.send(client.get(), [PHONE, SECOND], "a", sender="target", seconds=1)

    assert sent == [Accepted("1178440060"), Accepted("1178440061")]
    assert "dadr=79001234567%2C380441234567&" in client.asked[0][1]


@pytest.mark.parametrize("fixture", ["accepted", "partly_sent", "zero_id", "not_a_sentence"])
async def test_ids_that_do_not_match_the_phones_are_unclear(fixture: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await operations.send(answering(fixture), [PHONE, SECOND], "a", sender="target", seconds=1)

    assert (caught.value.reason, caught.value.then) == (Reason.BROKEN_ANSWER, Then.UNCLEAR)


@pytest.mark.parametrize(
    ("fixture", "status"),
    [
        ("held", MessageStatus.HELD),
        ("already_sent", MessageStatus.ACCEPTED),
        ("duplicate", MessageStatus.ACCEPTED),
    ],
)
async def test_taken_without_an_id(gateway: Gateway, stub: Stub, fixture: str, status: MessageStatus) -> None:
    stub.body = KIND.fixture(fixture)

    assert await gateway.send(KIND.message(), PATIENT) == Accepted("", status, earlier=fixture != "held")


async def test_a_url_too_long_is_not_sent(gateway: Gateway, stub: Stub) -> None:
    with pytest.raises(GatewayError) as caught:
        await gateway.send(KIND.message(text="ы" * 400), PATIENT)

    assert (caught.value.reason, caught.value.then) == (Reason.BAD_REQUEST, Then.NEXT)
    assert stub.read == []


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("send", MessageStatus.ACCEPTED),
        ("not_deliver", MessageStatus.UNDELIVERED),
        ("expired", MessageStatus.EXPIRED),
        ("deliver", MessageStatus.DELIVERED),
        ("partly_deliver", MessageStatus.UNKNOWN),
        ("read", MessageStatus.DELIVERED),
        ("teleported", MessageStatus.ACCEPTED),
    ],
)
async def test_states(gateway: Gateway, stub: Stub, word: str, status: MessageStatus) -> None:
    stub.body = b'a:2:{s:9:"state_sms";s:%d:"%s";s:5:"price";s:4:"1.15";}' % (len(word), word.encode())

    assert await gateway.deliveries(["1179038981"]) == [Delivery("1179038981", status, price=Decimal("1.15"))]
    assert fields(stub.read[0]) == {**SECRETS, "smsid": "1179038981", "detail": "1"}


async def test_states_in_detail() -> None:
    client = Answering(KIND.fixture("detailed"))

    found = await operations.detailed_state(client.get(), "1179038981", seconds=1)

    assert found == Delivery("1179038981", MessageStatus.DELIVERED, "2011-01-01 12:57:46", 2, Decimal("1.15"))
    assert client.asked[0][1].endswith("&smsid=1179038981&detail=1")


async def test_numbers_may_stand_in_place_of_strings() -> None:
    found = await operations.detailed_state(answering("detailed_numbers"), "1179038981", seconds=1)

    assert found == Delivery("1179038981", MessageStatus.ACCEPTED, "", 2, Decimal("1.15"))


@pytest.mark.parametrize("ask", [operations.state, operations.detailed_state])
async def test_states_that_are_not_told(ask: object) -> None:
    assert callable(ask)
    assert await ask(answering("unknown_id"), "1", seconds=1) is None
    for fixture, reason in {
        "duplicate": Reason.THROTTLED,
        "error_login": Reason.CREDENTIALS,
        "error_unknown": Reason.UNKNOWN_ERROR,
    }.items():
        with pytest.raises(GatewayError) as caught:
            await ask(answering(fixture), "1", seconds=1)
        assert (caught.value.reason, caught.value.then) == (reason, Then.NEXT)


@pytest.mark.parametrize("body", [b"a:1:{}", b'a:1:{i:0;O:8:"stdClass":0:{}}', b"a:0:{}", b"i:1;", b"0"])
async def test_details_that_php_did_not_write_are_broken(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        await operations.detailed_state(Answering(body).get(), "1", seconds=1)

    assert caught.value.reason is Reason.BROKEN_ANSWER


async def test_balance() -> None:
    client = Answering(KIND.fixture("balance"))

    left = await operations.balance(client.get(), seconds=1)

    assert (left.money, left.currency, len(left.sms)) == (Decimal("445.6"), "RUR", 15)
    assert (left.sms["Россия"], left.sms["Остальные"]) == (Decimal(361), Decimal(1))
    assert client.asked[0][1].endswith("&balance=1")


async def test_balance_on_one_line() -> None:
    left = await operations.balance(answering("balance_one_line"), seconds=1)

    assert left == Balance(
        Decimal("445.6"), "RUR", {"Россия": Decimal(361), "МТС": Decimal(1), "Остальные": Decimal(1)}
    )


async def test_balance_that_is_not_told() -> None:
    for fixture, reason in {
        "duplicate": Reason.THROTTLED,
        "error_login": Reason.CREDENTIALS,
        "not_a_sentence": Reason.BROKEN_ANSWER,
    }.items():
        with pytest.raises(GatewayError) as caught:
            await operations.balance(answering(fixture), seconds=1)
        assert caught.value.reason is reason


async def test_examination(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("balance_one_line")

    (finding,) = await gateway.examine()

    assert (finding.name, finding.ok, finding.text) == (
        "balance",
        True,
        "445.6 RUR; Россия: 361 SMS; МТС: 1 SMS; Остальные: 1 SMS",
    )


async def test_no_id_is_asked_twice_within_a_minute(gateway: Gateway, stub: Stub) -> None:
    stub.body = b"send"

    first, again = await gateway.deliveries(["1", "2", "1"]), await gateway.deliveries(["2", "3"])

    assert [delivery.provider_id for delivery in first + again] == ["1", "2", "3"]
    assert [fields(request)["smsid"] for request in stub.read] == ["1", "2", "3"]


async def test_what_a_failure_kept_from_being_asked_is_asked_next_time(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("error_login")
    with pytest.raises(GatewayError):
        await gateway.deliveries(["1", "2"])
    stub.body = b"send"

    assert [delivery.provider_id for delivery in await gateway.deliveries(["1", "2"])] == ["2"]


def test_pauses() -> None:
    pauses = Pauses()

    assert [pauses.begin(key, now) for key, now in [("a", 0), ("a", 60.9), ("b", 60.9), ("a", 61)]] == [
        True,
        False,
        True,
        True,
    ]
    assert PAUSE_SECONDS == 61


def test_pauses_are_bounded_and_still_kept() -> None:
    pauses = Pauses()
    asked = [pauses.begin(str(number), 0) for number in range(MOST_PAUSES + 5)]

    assert asked.count(True) == MOST_PAUSES
    assert not pauses.begin("0", 1)
    assert pauses.begin("0", 61)


async def test_the_url_is_shown_nowhere(gateway: Gateway, stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    """The contract looks for the canaries after a few faults; here every call meets every fault, with its URL."""
    caplog.set_level(logging.DEBUG)
    api = gateway.api  # type: ignore[attr-defined]
    shown = [repr(gateway), repr(api), repr(vars(api))]
    stub.body = KIND.fixture("accepted")
    for stub.fault in ("", *FAULTS):
        for call in (
            operations.send(api, [PHONE], CODE, sender="target", seconds=0.05),
            operations.state(api, "1", seconds=0.05),
            operations.detailed_state(api, "1", seconds=0.05),
            operations.balance(api, seconds=0.05),
        ):
            try:
                shown.append(repr(await call))
            except GatewayError as error:
                shown += [repr(error), "".join(traceback.format_exception(error))]

    assert {"aiohttp", "httpx"} & {name.split(".")[0] for name in logging.root.manager.loggerDict}
    for words in [*shown, caplog.text]:
        assert not [canary for canary in (*CANARIES, "sendsms", "pwd=") if canary in words]


def test_what_travels_in_the_url_is_warned_about() -> None:
    (sentence,) = warnings("sms", {"kind": "targetsms-get", "base_url": "https://sms.targetsms.ru"})

    assert sentence.startswith("gateways.sms.kind: login, password, phone and code travel in the URL")
