"""A provider's own words where no document lists them: for operators to read, and never with what must not be read."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import GatewayError, Then
from otp_service.telemetry import logs
from tests.gateways.kinds import CODE, KINDS, LOGIN, PASSWORD, PHONE, Kind
from tests.gateways.stub import PATIENT, Stub

SAID = (
    f"Тариф «Эконом» закрыт; {PHONE}, 8 (900) 123-45-67, код {CODE}, {CODE[:4]} {CODE[4:]}: {LOGIN}/{PASSWORD.upper()}"
)

ANSWERS = {
    "targetsms-password": "<response><error>{}</error></response>",
    "targetsms-xml": '<response><information number_sms="1">{}</information></response>',
    "targetsms-get": "{}",
    "targetsms-json": '{{"message":[[{{"phone":"79001234567","error":"{}"}}]]}}',
    "smska": "-99|{}",
}


async def words_of(kind: Kind, stub: Stub) -> GatewayError:
    gateway = kind.build(stub.url)
    try:
        with pytest.raises(GatewayError) as caught:
            await gateway.send(kind.message(), PATIENT)
    finally:
        await gateway.close()
    return caught.value


@pytest.mark.parametrize("name", ANSWERS)
async def test_7_they_are_kept_without_phone_code_and_credentials(name: str, stub: Stub) -> None:
    stub.body = ANSWERS[name].format(SAID).encode()

    error = await words_of(KINDS[name], stub)

    assert error.words.startswith("Тариф «Эконом» закрыт; ")
    assert not [hidden for hidden in (PHONE[1:], "123-45", CODE, CODE[:4], LOGIN, PASSWORD) if hidden in error.words]
    assert PASSWORD not in error.words.casefold()
    assert "Эконом" not in str(error) + repr(error)


@pytest.mark.parametrize("name", ANSWERS)
async def test_7_they_are_one_short_line(name: str, stub: Stub) -> None:
    stub.body = ANSWERS[name].format("Слово " * 1000 if name == "targetsms-get" else "Слово " * 500 + LOGIN).encode()

    error = await words_of(KINDS[name], stub)

    assert 150 < len(error.words) <= 200
    assert LOGIN[:4] not in error.words


@pytest.mark.parametrize("name", ANSWERS)
async def test_7_what_a_document_lists_is_no_word_of_theirs(name: str, stub: Stub) -> None:
    for fixture in KINDS[name].refusals:
        stub.body = KINDS[name].fixture(fixture)
        error = await words_of(KINDS[name], stub)
        assert bool(error.words) == (error.reason is Reason.UNKNOWN_ERROR), fixture


def test_7_what_they_say_steers_no_terminal_and_forges_no_line() -> None:
    error = GatewayError(
        Reason.UNKNOWN_ERROR, Then.NEXT, said="a\r\nlevel=error\x1b[2J\u2028b\u202ec\x00d " + "1" * 4000
    )

    assert error.words == "a level=error [2J b c d #"


@pytest.mark.parametrize("secret", ["p@ss w%rd", "x", "a.b*c", "ПарольÄ"])
def test_7_a_credential_is_hidden_in_every_form(secret: str) -> None:
    error = GatewayError(
        Reason.UNKNOWN_ERROR, Then.NEXT, said=f"wrong: {secret}! {quote(secret)} pwd={quote(secret, safe='')}"
    )

    error.hide([secret, ""])

    assert secret not in error.words.replace("[redacted]", "")
    assert quote(secret, safe="") not in error.words.replace("[redacted]", "")


def test_7_it_costs_little() -> None:
    began = time.process_time()
    for said in ("1" * 10**6, "1 " * 10**6, "1.(" * 10**6, "+" * 10**6, ("1" + "-" * 50) * 10**4):
        GatewayError(Reason.UNKNOWN_ERROR, Then.NEXT, said=said).hide(["secret"])

    assert time.process_time() - began < 0.25


def test_7_a_credential_of_another_gateway_is_hidden_too() -> None:
    """Also one that looks like a number in parts, and where the text was cut."""
    logs.configure(readable=True, level="CRITICAL", credentials={"login-d35d97b518bd5312345"})
    try:
        for before in ("", "a" * 190):
            error = GatewayError(Reason.UNKNOWN_ERROR, Then.NEXT, said=f"{before} login-d35d97b518bd5312345 is wrong")
            assert "d35d" not in error.words
            assert "login-" not in error.words
    finally:
        logs.configure(readable=True, level="CRITICAL")
