"""`smska`: K1 to K3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Gateway, GatewayError, Then
from otp_service.gateways.smska import api
from tests.gateways.kinds import FIXTURES, KINDS
from tests.gateways.stub import PATIENT, Request, Stub

KIND = KINDS["smska"]
DOCUMENTED = (FIXTURES / "smska" / "documented_errors.psv").read_text("utf-8").splitlines()
SECRETS = {"APIKey": "canary-login", "APIPassword": "canary-password"}


def fields(request: Request) -> dict[str, str]:
    assert (request.method, request.path) == ("POST", "/api/httppost.php")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    return {name: value for name, [value] in parse_qs(request.body.decode(), strict_parsing=True).items()}


@pytest.fixture
async def gateway(stub: Stub) -> AsyncIterator[Gateway]:
    built = KIND.build(stub.url)
    yield built
    await built.close()


async def test_the_request(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("accepted")

    await gateway.send(KIND.message(text="Код 1&2=3 + 100%\n@a.ru #1"), PATIENT)

    assert fields(stub.read[0]) == {
        **SECRETS,
        "SenderID": "target",
        "MSISDN": "79001234567",
        "Message": "Код 1&2=3 + 100%\n@a.ru #1",
    }


@pytest.mark.parametrize("phone", ["+78001234567", "+380441234567", "+7900123456", "+790012345678", "79001234567", ""])
async def test_other_phones_are_not_tried(gateway: Gateway, stub: Stub, phone: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await gateway.send(KIND.message(phone=phone), PATIENT)

    assert (caught.value.reason, caught.value.then) == (Reason.DIRECTION_CLOSED, Then.NEXT)
    assert stub.read == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("1", MessageStatus.ACCEPTED),
        ("3", MessageStatus.ACCEPTED),
        ("4", MessageStatus.DELIVERED),
        ("5", MessageStatus.REJECTED),
        ("6", MessageStatus.REJECTED),
        ("7", MessageStatus.EXPIRED),
        ("8", MessageStatus.CANCELED),
    ],
)
async def test_states(gateway: Gateway, stub: Stub, code: str, status: MessageStatus) -> None:
    stub.body = f"0|Status|{code}|WORD".encode()

    (delivery,) = await gateway.deliveries(["ah1acugxz98a27t9z"])

    assert (delivery.provider_id, delivery.status, delivery.provider_code) == ("ah1acugxz98a27t9z", status, code)
    assert fields(stub.read[0]) == {**SECRETS, "Action": "query", "BatchId": "ah1acugxz98a27t9z"}


async def test_the_sample_of_a_state(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("state")

    (delivery,) = await gateway.deliveries(["a"])

    assert delivery.status is MessageStatus.DELIVERED


async def test_states_of_unknown_messages_are_left_out(gateway: Gateway, stub: Stub) -> None:
    answers = {
        "a": b"0|Status|4|DELIVRD",
        "b": KIND.fixture("error_arguments"),
        "c": b"0|Status|soon|WORD",
        "d": b"0|Status|7|EXPIRED",
    }
    stub.answer_of = lambda request: answers[fields(request)["BatchId"]]

    deliveries = await gateway.deliveries(list(answers))

    assert [delivery.provider_id for delivery in deliveries] == ["a", "d"]


async def test_a_failure_does_not_undo_what_was_learnt(gateway: Gateway, stub: Stub) -> None:
    answers = {"a": b"0|Status|4|DELIVRD", "b": b"", "c": b"0|Status|4|DELIVRD"}
    stub.answer_of = lambda request: answers[fields(request)["BatchId"]]

    assert [delivery.provider_id for delivery in await gateway.deliveries(["a", "b", "c"])] == ["a"]
    with pytest.raises(GatewayError):
        await gateway.deliveries(["b", "a"])


@pytest.mark.parametrize(
    ("body", "ok", "text"),
    [
        (b"_0|Balance status|7464", True, "7464 SMS parts"),
        (b"0|Balance status|7464", True, "7464 SMS parts"),
        (b"_0|Balance status|0", False, "0 SMS parts"),
        (b"_0|Balance status|plenty", False, "not told: broken_answer (unclear)"),
        (b"-1|Authentication failed.", False, "not told: credentials (next)"),
    ],
)
async def test_examination(gateway: Gateway, stub: Stub, body: bytes, ok: bool, text: str) -> None:
    stub.body = body

    (balance,) = await gateway.examine()

    assert (balance.name, balance.ok, balance.text) == ("balance", ok, text)
    assert fields(stub.read[0]) == {**SECRETS, "Action": "balance"}


@pytest.mark.parametrize("line", DOCUMENTED)
async def test_every_error_of_the_document(gateway: Gateway, stub: Stub, line: str) -> None:
    """As the document lists them: the code, the text on the wire, and what it says of it in Russian."""
    code, text, explanation = line.split("|")
    stub.body = f"{code}|{text}".encode()

    with pytest.raises(GatewayError) as caught:
        await gateway.send(KIND.message(), PATIENT)

    assert (caught.value.reason, caught.value.then, caught.value.text) == api.ERRORS[int(code)]
    assert caught.value.text == explanation


async def test_an_http_error_is_no_unknown_id(gateway: Gateway, stub: Stub) -> None:
    stub.status = 404

    with pytest.raises(GatewayError) as caught:
        await gateway.deliveries(["a"])

    assert caught.value.reason is Reason.BAD_REQUEST
