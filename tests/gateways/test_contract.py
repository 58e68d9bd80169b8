"""What every gateway must do, run over all kinds with real sockets and the vendors' own payloads."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Then
from otp_service.gateways.http import MAX_BODY
from otp_service.gateways.registry import KINDS as REGISTERED
from tests.gateways.kinds import CANARIES, KINDS, Kind
from tests.gateways.stub import PATIENT, Stub, closed_port
from tests.gateways.test_shared_contract import OTHERS

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
UNCLEAR = (Reason.BROKEN_ANSWER, Then.UNCLEAR)

CASES = {
    "refusals": [(kind.name, name) for kind in KINDS.values() for name in kind.refusals],
    "unclear": [(kind.name, name) for kind in KINDS.values() for name in kind.unclear],
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
async def gateway(kind: Kind, stub: Stub) -> AsyncIterator[Gateway]:
    built = kind.build(stub.url)
    yield built
    await built.close()


async def refusal(gateway: Gateway, kind: Kind, seconds: float = PATIENT) -> tuple[Reason, Then]:
    with pytest.raises(GatewayError) as caught:
        await gateway.send(kind.message(), seconds)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value.reason, caught.value.then


def test_every_registered_kind_is_under_contract() -> None:
    """Those without a document of their own keep the contract that others import: test_shared_contract.py.
    `smtp`, which speaks no HTTP, keeps it in test_smtp.py."""
    assert set(REGISTERED) <= {*KINDS, *OTHERS, "smtp"}


async def test_accepted(gateway: Gateway, kind: Kind, stub: Stub) -> None:
    stub.body = kind.fixture("accepted")

    accepted = await gateway.send(kind.message(), PATIENT)

    assert accepted.provider_id == kind.accepted_id
    assert accepted.status is MessageStatus.ACCEPTED
    assert bool(accepted.code) == gateway.makes_code
    assert [request.method for request in stub.read] == [kind.method]


@pytest.mark.parametrize(("kind", "name"), CASES["refusals"], indirect=["kind"])
async def test_refused(gateway: Gateway, kind: Kind, stub: Stub, name: str) -> None:
    stub.body = kind.fixture(name)

    assert await refusal(gateway, kind) == kind.refusals[name]


@pytest.mark.parametrize(("kind", "name"), CASES["unclear"], indirect=["kind"])
async def test_unclear(gateway: Gateway, kind: Kind, stub: Stub, name: str) -> None:
    stub.body = kind.fixture(name)

    assert await refusal(gateway, kind) == UNCLEAR


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b"\r\n\r\n", b"\xef\xbb\xbf \n", b"\0"])
async def test_byte_order_mark_and_blanks_are_ignored(gateway: Gateway, kind: Kind, stub: Stub, prefix: bytes) -> None:
    for suffix in (b"", b"\r\n", b"\0\0", b"  "):
        stub.body = prefix + kind.fixture("accepted") + suffix

        assert (await gateway.send(kind.message(), PATIENT)).provider_id == kind.accepted_id


async def test_windows_1251_is_understood(gateway: Gateway, kind: Kind, stub: Stub) -> None:
    stub.body = kind.fixture("error_login").decode().replace("utf-8", "windows-1251").encode("windows-1251")

    assert await refusal(gateway, kind) == (Reason.CREDENTIALS, Then.NEXT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n\0",
        HTML,
        b"\xef\xbb\xbf\n<!DOCTYPE html><html></html>",
        b"<response></response>",
        b"<response>\n</response>",
        b"<response><hello/></response>",
        b"<answer><error>x</error></answer>",
        b'<!DOCTYPE r [<!ENTITY a "send">]><response><error>&a;</error></response>',
        b'<?xml version="1.0"?><!DOCTYPE r SYSTEM "file:///etc/passwd"><response><error>x</error></response>',
        b"<response>" + b"<a>" * 50_000,
        b"{}",
        b"0",
        b"0|",
        b"|||",
        b"ok",
        b"\xff\xfe\x00\x98",
        b"<br />\n<b>Warning</b>: mysql on line <b>0|x|y</b>",
    ],
)
async def test_what_no_document_describes_is_unclear(gateway: Gateway, kind: Kind, stub: Stub, body: bytes) -> None:
    stub.body = body

    assert await refusal(gateway, kind) == UNCLEAR


async def test_a_body_cut_in_half_is_unclear(gateway: Gateway, kind: Kind, stub: Stub) -> None:
    stub.body, stub.fault = kind.fixture("accepted"), "cut"

    assert await refusal(gateway, kind) == UNCLEAR


async def test_a_body_too_long_is_unclear(gateway: Gateway, kind: Kind, stub: Stub) -> None:
    stub.body = kind.fixture("accepted") + b" " * MAX_BODY

    assert await refusal(gateway, kind) == UNCLEAR


async def test_a_compressed_body_is_unclear(gateway: Gateway, kind: Kind, stub: Stub) -> None:
    stub.body, stub.headers = kind.fixture("accepted"), ("Content-Encoding: gzip",)

    assert await refusal(gateway, kind) == UNCLEAR


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, UNCLEAR),
        (302, UNCLEAR),
        (400, UNCLEAR),
        (401, (Reason.CREDENTIALS, Then.NEXT)),
        (403, (Reason.CREDENTIALS, Then.NEXT)),
        (404, (Reason.BAD_REQUEST, Then.NEXT)),
        (405, (Reason.BAD_REQUEST, Then.NEXT)),
        (408, UNCLEAR),
        (429, (Reason.THROTTLED, Then.NEXT)),
        (500, UNCLEAR),
        (502, UNCLEAR),
        (503, UNCLEAR),
    ],
)
async def test_http_statuses(
    gateway: Gateway, kind: Kind, stub: Stub, status: int, expected: tuple[Reason, Then]
) -> None:
    for body in (HTML, kind.fixture("accepted")):
        stub.status, stub.body = status, body

        assert await refusal(gateway, kind) == expected


async def test_a_closed_port_is_not_sent(kind: Kind) -> None:
    gateway = kind.build(f"http://127.0.0.1:{closed_port()}")

    assert await refusal(gateway, kind) == (Reason.UNREACHABLE, Then.NEXT)

    await gateway.close()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("stall", Reason.TIMEOUT),
        ("drip", Reason.TIMEOUT),
        ("processed, then reset", Reason.BROKEN_ANSWER),
        ("garbage", Reason.BROKEN_ANSWER),
    ],
)
async def test_a_fault_is_unclear_and_one_request_is_sent(
    gateway: Gateway, kind: Kind, stub: Stub, fault: str, reason: Reason
) -> None:
    stub.body = kind.fixture("accepted")
    late = reason is Reason.TIMEOUT
    if late:  # with a connection at hand: to connect may take a busy machine longer than all of this time
        await gateway.send(kind.message(), PATIENT)
    stub.fault = fault

    assert await refusal(gateway, kind, seconds=0.6 if late else PATIENT) == (reason, Then.UNCLEAR)

    await asyncio.sleep(0.1)
    assert len(stub.read) == 1 + late


async def test_nothing_secret_is_shown(
    gateway: Gateway, kind: Kind, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    """Of login, password, phone and code: neither in logs at DEBUG nor in reprs, errors and their tracebacks."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = [repr(gateway), repr(vars(gateway)), repr(kind.message()), gateway.account]
    stub.body = kind.fixture("accepted")
    shown.append(repr(await gateway.send(kind.message(), PATIENT)))
    for fault in ("reset at accept", "processed, then reset", "stall", "cut", "drip", "garbage"):
        stub.fault = fault
        try:
            await gateway.send(kind.message(), 0.15)
        except GatewayError as error:
            shown += [str(error), repr(error), "".join(traceback.format_exception(error))]
    stub.fault = ""
    shown += [repr(await gateway.deliveries([])), repr(await gateway.examine())]

    for words in [*shown, caplog.text]:
        assert not [canary for canary in CANARIES if canary in words]


async def test_examination_never_raises(gateway: Gateway, kind: Kind, stub: Stub) -> None:
    for stub.fault in ("processed, then reset", "garbage", ""):
        for stub.body in (b"", HTML, kind.fixture("error_login")):
            findings = await gateway.examine()
            assert not all(finding.ok for finding in findings)


async def test_deliveries_of_nothing_ask_nothing(gateway: Gateway, stub: Stub) -> None:
    assert await gateway.deliveries([]) == []
    assert stub.read == []


async def test_no_way_to_withdraw_is_false(gateway: Gateway, kind: Kind, stub: Stub) -> None:
    stub.body = b'<response><scheduled id_sms="1">not_found</scheduled></response>'

    assert await gateway.withdraw("1") is False


def test_plain_http_needs_leave(kind: Kind) -> None:
    for key in kind.addresses:
        with pytest.raises(SettingsError, match=r"gateways\.tested\.allow_plaintext"):
            kind.build("https://127.0.0.1", **{key: "http://gateway.example"})
        kind.build("https://127.0.0.1", **{key: "http://gateway.example", "allow_plaintext": True})


@pytest.mark.parametrize(
    "url", ["", "gateway.example", "ftp://127.0.0.1", "https://", "https://a:b@c", "https://[", "https://a?b"]
)
def test_unusable_addresses_are_refused(kind: Kind, url: str) -> None:
    for key in kind.addresses:
        with pytest.raises(SettingsError, match=rf"gateways\.tested\.{key}"):
            kind.build("https://127.0.0.1", **{key: url})


def test_misspelt_and_missing_keys_are_refused(kind: Kind) -> None:
    with pytest.raises(SettingsError, match="sendr"):
        kind.build("https://127.0.0.1", sendr="x")
    with pytest.raises(SettingsError, match="sender"):
        kind.build("https://127.0.0.1", sender="")


def test_accepted_hides_the_code() -> None:
    assert "1234" not in repr(Accepted("1", code="1234"))
