"""`telegram`: the Telegram Gateway API, as its page describes it."""

# ruff: noqa: E501  tables of cases
from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, GatewayError, Outgoing, Push, Then
from otp_service.gateways.registry import build
from otp_service.gateways.telegram.gateway import TelegramGateway
from tests.api import Gateways
from tests.gateways.stub import PATIENT, Request, Stub
from tests.gateways.test_hostile_answers import outcome

TOKEN = "canary-telegram-token"
PHONE = "+79161234567"
STATUS = {"request_id": "req-1", "phone_number": PHONE, "request_cost": 0.01}
OK = json.dumps({"ok": True, "result": STATUS}).encode()


def made(url: str, **settings: Any) -> TelegramGateway:
    gateway = build("tested", {"kind": "telegram", "base_url": url, "token": TOKEN, **settings})
    assert isinstance(gateway, TelegramGateway)
    return gateway


def message(**changes: Any) -> Outgoing:
    fields: dict[str, Any] = {
        "phone": PHONE, "text": "Код 654321", "client_id": "", "code": "654321",
        "expires_at": datetime.now(UTC) + timedelta(seconds=300), **changes,
    }  # fmt: skip
    return Outgoing(**fields)


@pytest.fixture
async def gateway(stub: Stub) -> AsyncIterator[TelegramGateway]:
    stub.body = OK
    built = made(stub.url)
    yield built
    await built.close()


def sent(request: Request, method: str) -> dict[str, Any]:
    assert (request.method, request.path) == ("POST", f"/{method}")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in request.path + request.body.decode()
    found: dict[str, Any] = json.loads(request.body)
    return found


async def test_the_request(gateway: TelegramGateway, stub: Stub) -> None:
    assert await gateway.send(message(), PATIENT) == Accepted("req-1", parts=1)

    found = sent(stub.read[0], "sendVerificationMessage")
    assert 295 <= found.pop("ttl") <= 300  # the code's end
    assert found == {"phone_number": PHONE, "code": "654321"}


async def test_what_the_settings_add(stub: Stub) -> None:
    stub.body = OK
    gateway = made(
        stub.url,
        sender="my_channel",
        callback_token="t" * 32,
        callback_base_url="https://otp.example.ru/",
        check_ability=True,
    )
    await gateway.send(message(), PATIENT)
    await gateway.close()

    assert sent(stub.read[0], "checkSendAbility") == {"phone_number": PHONE}
    found = sent(stub.read[1], "sendVerificationMessage")
    assert found["request_id"] == "req-1"
    assert found["sender_username"] == "my_channel"
    assert found["callback_url"] == f"https://otp.example.ru/callbacks/tested/{'t' * 32}"


@pytest.mark.parametrize("seconds", [4000, 31])
async def test_the_life_is_what_the_page_allows(gateway: TelegramGateway, stub: Stub, seconds: int) -> None:
    await gateway.send(message(expires_at=datetime.now(UTC) + timedelta(seconds=seconds)), PATIENT)
    assert 30 <= sent(stub.read[0], "sendVerificationMessage")["ttl"] <= 3600


@pytest.mark.parametrize(
    "changes", [{"code": "123"}, {"code": "123456789"}, {"code": ""}, {"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}]
)
async def test_what_telegram_does_not_take_is_not_sent(
    gateway: TelegramGateway, stub: Stub, changes: dict[str, Any]
) -> None:
    with pytest.raises(GatewayError) as caught:
        await gateway.send(message(**changes), PATIENT)
    assert (caught.value.reason, caught.value.then, stub.read) == (Reason.BAD_REQUEST, Then.NEXT, [])


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("ACCESS_TOKEN_INVALID", Reason.CREDENTIALS),
        ("PHONE_NUMBER_INVALID", Reason.INVALID_NUMBER),
        ("PHONE_NUMBER_NOT_FOUND", Reason.INVALID_NUMBER),
        ("BALANCE_NOT_ENOUGH", Reason.FUNDS),
        ("FLOOD_WAIT_17", Reason.THROTTLED),
        ("SENDER_NOT_VERIFIED", Reason.SENDER),
        ("TTL_INVALID", Reason.BAD_REQUEST),
        ("SOMETHING_NEW", Reason.UNKNOWN_ERROR),
        ("Something new", Reason.UNKNOWN_ERROR),
    ],
)
async def test_a_refusal_goes_on_to_the_next(
    gateway: TelegramGateway, stub: Stub, word: str, reason: Reason, status: int
) -> None:
    """Also a word that nobody knows: Telegram says that it did not send."""
    stub.status, stub.body = status, json.dumps({"ok": False, "error": word}).encode()
    with pytest.raises(GatewayError) as caught:
        await gateway.send(message(), PATIENT)
    assert (caught.value.reason, caught.value.then) == (reason, Then.NEXT)
    assert (caught.value.words == word) is (reason is Reason.UNKNOWN_ERROR)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b'{"ok": true}', b'{"ok": true, "result": []}',
        b'{"ok": true, "result": {"request_id": "<b>"}}', b'{"ok": "true", "result": {"request_id": "a"}}', b"<html>", b"[" * 99_999,
        b'{"ok": false}', b'{"ok": false, "error": {}}',
    ],
)  # fmt: skip
async def test_anything_else_is_unclear(gateway: TelegramGateway, stub: Stub, body: bytes) -> None:
    stub.body = body
    with pytest.raises(GatewayError) as caught:
        await gateway.send(message(), PATIENT)
    assert (caught.value.reason, caught.value.then) == (Reason.BROKEN_ANSWER, Then.UNCLEAR)


async def test_what_is_asked_first_may_fail_in_any_way_and_nothing_was_sent(stub: Stub) -> None:
    gateway = made(stub.url, check_ability=True)
    for stub.fault, stub.body in (("stall", OK), ("cut", OK), ("", b"<html>"), ("", b'{"ok": false, "error": "X_Y"}')):
        error = await outcome(gateway.send(message(), 0.4))
        assert isinstance(error, GatewayError)
        assert error.then is Then.NEXT
    await gateway.close()
    assert {request.path for request in stub.read} == {"/checkSendAbility"}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("sent", MessageStatus.ACCEPTED), ("delivered", MessageStatus.DELIVERED), ("read", MessageStatus.DELIVERED),
        ("expired", MessageStatus.UNDELIVERED), ("revoked", MessageStatus.UNDELIVERED), ("new", MessageStatus.ACCEPTED),
    ],
)  # fmt: skip
async def test_states(gateway: TelegramGateway, stub: Stub, word: str, status: MessageStatus) -> None:
    stub.body = json.dumps(
        {"ok": True, "result": STATUS | {"delivery_status": {"status": word, "updated_at": 1}}}
    ).encode()

    (told,) = await gateway.deliveries(["req-1"])

    assert (told.status, told.price) == (status, None)
    assert sent(stub.read[0], "checkVerificationStatus") == {"request_id": "req-1"}


async def test_a_refund_is_noticed(stub: Stub) -> None:
    gateway = made(stub.url, roubles_per_dollar="95.50")
    for word, refunded, price in (("delivered", False, "0.955"), ("expired", True, "0"), ("sent", False, None)):
        result = STATUS | {"is_refunded": refunded, "delivery_status": {"status": word}}
        stub.body = json.dumps({"ok": True, "result": result}).encode()
        (told,) = await gateway.deliveries(["req-1"])
        assert told.price == (Decimal(price) if price else None)
        assert told.provider_code == ("refunded" if refunded else "")
    await gateway.close()


async def test_an_unknown_request_is_left_out(gateway: TelegramGateway, stub: Stub) -> None:
    stub.body = b'{"ok": false, "error": "REQUEST_ID_INVALID"}'
    assert await gateway.deliveries(["a"]) == []
    assert await gateway.probe(Reason.CREDENTIALS, PATIENT) is True
    assert [finding.ok for finding in await gateway.examine()] == [True]
    stub.body = b'{"ok": false, "error": "ACCESS_TOKEN_INVALID"}'
    with pytest.raises(GatewayError):
        await gateway.probe(Reason.CREDENTIALS, PATIENT)
    assert [finding.ok for finding in await gateway.examine()] == [False]


async def test_taking_back(gateway: TelegramGateway, stub: Stub) -> None:
    stub.body = b'{"ok": true, "result": true}'
    assert await gateway.withdraw("req-1") is True
    assert sent(stub.read[0], "revokeVerificationMessage") == {"request_id": "req-1"}


def push(body: bytes, age: int = 0, key: str = TOKEN, **headers: str) -> Push:
    at = str(int(time.time()) - age)
    sign = hmac.new(hashlib.sha256(key.encode()).digest(), at.encode() + b"\n" + body, hashlib.sha256).hexdigest()
    return Push(
        "POST", "/callbacks/tested", {}, {"x-request-timestamp": at, "x-request-signature": sign, **headers}, body
    )


async def test_pushes_are_signed_and_fresh(gateway: TelegramGateway) -> None:
    body = json.dumps(STATUS | {"delivery_status": {"status": "delivered", "updated_at": 1}}).encode()

    good = gateway.read_push(push(body))

    assert [(each.provider_id, each.status) for each in good.deliveries] == [("req-1", MessageStatus.DELIVERED)]
    for forged in (
        push(body, age=400), push(body, age=-400), push(body, key="another"), push(body, **{"x-request-signature": ""}),
        push(body, **{"x-request-timestamp": "1"}), push(b"{}"), push(b"[" * 99_999), push(b"\xff"),
        Push("POST", "/callbacks/tested", {}, {}, body),
    ):  # fmt: skip
        refused = gateway.read_push(forged)
        assert (refused.deliveries, refused.understood, refused.status) == ([], False, 400)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"token": ""}, r"gateways\.tested\.token"),
        ({"callback_base_url": "https://a.example"}, r"callback_token: is needed"),
        ({"callback_base_url": "https://a.example/" + "a" * 250, "callback_token": "t"}, "256 bytes"),
        ({"roubles_per_dollar": "many"}, r"roubles_per_dollar: must be a number"),
        ({"roubles_per_dollar": "-1"}, r"roubles_per_dollar: must be above 0"),
        ({"callback_networks": ["10.0.0.1/8"]}, r"gateways\.tested\.callback_networks"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        made("http://127.0.0.1:9", **settings)


# With the simulator


async def test_with_the_simulator(sandbox_process: str, gateways: Gateways) -> None:
    gateway = build("tested", {"kind": "telegram", "base_url": sandbox_process, "token": "demo-token-of-telegram"})
    assert isinstance(gateway, TelegramGateway)
    accepted = await gateway.send(message(), PATIENT)
    (arrived,) = await gateways.messages(PHONE)
    assert (arrived["channel"], arrived["id"], arrived["text"].split()[0]) == (
        "telegram",
        accepted.provider_id,
        "654321",
    )
    assert [each.status for each in await gateway.deliveries([accepted.provider_id])] == [MessageStatus.ACCEPTED]
    await gateways.http.post("/_sim/clock/advance", json={"seconds": 5})
    assert [each.status for each in await gateway.deliveries([accepted.provider_id, "1"])] == [MessageStatus.DELIVERED]

    nobody = await outcome(gateway.send(message(phone="+79161234512"), PATIENT))
    assert isinstance(nobody, GatewayError)
    assert (nobody.reason, nobody.then) == (Reason.INVALID_NUMBER, Then.NEXT)
    late = await gateway.send(message(phone="+79161234503"), PATIENT)
    assert await gateway.withdraw(late.provider_id) is True
    (told,) = await gateway.deliveries([late.provider_id])
    assert (told.status, told.provider_code) == (MessageStatus.UNDELIVERED, "refunded")
    await gateway.close()
    asked = build(
        "t", {"kind": "telegram", "base_url": sandbox_process, "token": "demo-token-of-telegram", "check_ability": True}
    )
    assert (await asked.send(message(phone="+79161234577"), PATIENT)).provider_id
    await asked.close()
    wrong = build("wrong", {"kind": "telegram", "base_url": sandbox_process, "token": "another"})
    refused = await outcome(wrong.send(message(), PATIENT))
    assert isinstance(refused, GatewayError)
    assert refused.reason is Reason.CREDENTIALS
    await wrong.close()
