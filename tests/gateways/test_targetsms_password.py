"""`targetsms-password`: P1 to P3."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Gateway, GatewayError, Then
from otp_service.gateways.targetsms import errors
from tests.gateways.kinds import KINDS
from tests.gateways.stub import PATIENT, Stub

KIND = KINDS["targetsms-password"]


@pytest.fixture
async def gateway(stub: Stub) -> AsyncIterator[Gateway]:
    built = KIND.build(stub.url)
    yield built
    await built.close()


async def test_the_request(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("accepted")

    await gateway.send(KIND.message(), PATIENT)

    (request,) = stub.read
    assert (request.method, request.path) == ("POST", "/password_generation/api.php")
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    assert request.body.decode() == (
        '<?xml version="1.0" encoding="utf-8"?><request><security>'
        "<login>canary-login</login><password>canary-password</password></security>"
        "<phone>+79001234567</phone><sender>target</sender><random_string_len>8</random_string_len>"
        "<text>Код {код}</text></request>"
    )


@pytest.mark.parametrize(
    ("fixture", "code", "status"),
    [
        ("accepted", "64653989", MessageStatus.ACCEPTED),
        ("code_starts_with_zero", "00053989", MessageStatus.ACCEPTED),
        ("deliver", "64653989", MessageStatus.DELIVERED),
        ("partly_deliver", "64653989", MessageStatus.ACCEPTED),
    ],
)
async def test_taken(gateway: Gateway, stub: Stub, fixture: str, code: str, status: MessageStatus) -> None:
    stub.body = KIND.fixture(fixture)

    accepted = await gateway.send(KIND.message(), PATIENT)

    assert (accepted.provider_id, accepted.code, accepted.status) == ("1712292705", code, status)


async def test_a_good_code_without_an_id_is_taken(gateway: Gateway, stub: Stub) -> None:
    stub.body = KIND.fixture("accepted").replace(b' id_sms="1712292705"', b"")

    accepted = await gateway.send(KIND.message(), PATIENT)

    assert (accepted.provider_id, accepted.code) == ("", "64653989")


@pytest.mark.parametrize("text", [errors.ALREADY_SENT, errors.HELD])
async def test_an_sms_with_a_code_nobody_knows_is_unclear(gateway: Gateway, stub: Stub, text: str) -> None:
    stub.body = f"<response><error>{text}</error></response>".encode()

    with pytest.raises(GatewayError) as caught:
        await gateway.send(KIND.message(), PATIENT)

    assert caught.value.then is Then.UNCLEAR


@pytest.mark.parametrize("changes", [{"text": "Код 1234"}, {"code_length": 0}])
async def test_what_the_gateway_would_not_understand_is_not_sent(
    gateway: Gateway, stub: Stub, changes: dict[str, object]
) -> None:
    with pytest.raises(GatewayError) as caught:
        await gateway.send(KIND.message(**changes), PATIENT)

    assert (caught.value.reason, caught.value.then) == (Reason.BAD_REQUEST, Then.NEXT)
    assert stub.read == []


async def test_states_are_asked_at_their_own_address(stub: Stub) -> None:
    async with Stub(body=b'<response><state id_sms="1" time="">deliver</state></response>') as states:
        gateway = KIND.build(stub.url, state_base_url=states.url)

        (delivery,) = await gateway.deliveries(["1"])

        assert delivery.status is MessageStatus.DELIVERED
        assert stub.read == []
        assert b'<login value="canary-login" />' in states.read[0].body
        await gateway.close()


async def test_examination_sends_no_sms(stub: Stub) -> None:
    async with Stub(body=KINDS["targetsms-xml"].fixture("balance")) as states:
        gateway = KIND.build(stub.url, state_base_url=states.url)

        sending, balance = await gateway.examine()

        assert sending.ok
        assert (balance.ok, balance.text) == (True, "150 RUR; Россия: 111 SMS; Украина: 111 SMS")
        assert stub.read == []
        await gateway.close()
