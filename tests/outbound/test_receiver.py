"""What came back from a receiver, whatever it does; and what webhooks are made of, in tables."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from otp_service.domain.events import EventType
from otp_service.domain.networks import Network
from otp_service.domain.webhooks import (
    JITTER,
    PAUSES_SECONDS,
    Verdict,
    may_be_the_event,
    pauses_ms,
    secret_bytes,
    signature,
    types_heard,
    verdict,
)
from otp_service.outbound.address_guard import AddressGuard
from otp_service.outbound.receiver import MAX_RETRY_AFTER_SECONDS, Answer, Receiver, retry_after
from tests.gateways.stub import Stub, closed_port

LOOPBACK = [Network.parse("127.0.0.0/8")]


async def answer(url: str, seconds: float = 0.4) -> Answer:
    receiver = Receiver(url, AddressGuard(LOOPBACK))
    try:
        return await receiver.post(b"{}", {}, seconds=seconds)
    finally:
        await receiver.close()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("reset at accept", "broken"),
        ("processed, then reset", "broken"),
        ("processed, then closed", "broken"),
        ("stall", "timeout"),
        ("drip", "timeout"),
        ("garbage", "broken"),
        ("cut", 200),  # the status is told; nobody reads further
    ],
)
async def test_every_fault_is_a_word_and_is_not_repeated(stub: Stub, fault: str, expected: str | int) -> None:
    stub.fault = fault
    assert str(await answer(stub.url)) == str(expected)
    assert stub.connections == 1


async def test_a_huge_or_endless_body_is_not_waited_for(stub: Stub) -> None:
    stub.body = b"x" * 50_000_000
    began = time.monotonic()
    assert await answer(stub.url, 5) == Answer(200)
    stub.body, stub.fault, stub.drip_seconds = b"x" * 100_000, "drip", 0.001
    assert await answer(stub.url, 5) == Answer(200)
    assert time.monotonic() - began < 4


async def test_a_compressed_answer_costs_nothing(stub: Stub) -> None:
    stub.headers, stub.body = ("Content-Encoding: gzip",), b"\x1f\x8b not gzip at all"
    assert await answer(stub.url) == Answer(200)


async def test_nobody_there() -> None:
    assert (await answer(f"http://127.0.0.1:{closed_port()}/")).why == "unreachable"
    assert (await answer("http://no.such.host.invalid/", 5)).why == "name"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("120", 120), ("86400", 86_400), ("86401", 86_400), ("999999999", 86_400), ("9" * 5000, 0),
        ("", 0), ("-5", 0), ("1.5", 0), ("soon", 0), ("١٢", 0), ("Mon, 99 Foo 2026 99:99:99 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
    ],
)  # fmt: skip
def test_retry_after(text: str, seconds: float) -> None:
    assert retry_after(text) == seconds


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 95 < retry_after(date) <= 100 < MAX_RETRY_AFTER_SECONDS


def test_what_a_status_means() -> None:
    assert {status: verdict(status) for status in (200, 204, 299)} == dict.fromkeys((200, 204, 299), Verdict.TOLD)
    assert {verdict(status) for status in (400, 413, 415, 422)} == {Verdict.REFUSED}
    assert verdict(410) is Verdict.GONE
    others = (0, 101, 300, 301, 307, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504, 599)
    assert {verdict(status) for status in others} == {Verdict.FAILED}
    assert [status for status in others if may_be_the_event(status)] == [401, 403, 404, 408, 409, 500, 599]


def test_the_schedule_is_the_published_one() -> None:
    """Standard Webhooks gives this one as its sample."""
    assert PAUSES_SECONDS == (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    drawn = [pauses_ms() for _ in range(300)]
    for column, seconds in zip(zip(*drawn, strict=True), PAUSES_SECONDS, strict=True):
        shares = [pause / 1000 / seconds for pause in column]
        assert 1 - JITTER <= min(shares) < 0.93
        assert 1.07 < max(shares) <= 1 + JITTER


def test_secrets() -> None:
    assert secret_bytes("whsec_" + "QUFB" * 8) == b"AAA" * 8
    assert secret_bytes("whsec_" + "A" * 43) == bytes(32)  # as some tools write it, without padding
    for wrong in ("", "whsec_", "QUFB" * 8, "whsec_" + "QUFB" * 7, "whsec_" + "QUFB" * 22, "whsec_" + "QUF-" * 8):
        with pytest.raises(ValueError, match="must"):
            secret_bytes(wrong)


def test_patterns_of_events() -> None:
    assert types_heard(["*"]) == tuple(EventType)
    assert types_heard(["message.updated", "gateway.*"]) == (
        EventType.MESSAGE_UPDATED,
        EventType.GATEWAY_CIRCUIT_OPENED,
        EventType.GATEWAY_CIRCUIT_CLOSED,
        EventType.GATEWAY_BALANCE_LOW,
    )
    with pytest.raises(ValueError, match=r"verification\.aproved"):
        types_heard(["verification.*", "verification.aproved"])


def test_a_signature_is_that_of_the_standard() -> None:
    """Against the library of the standard, both ways, and with what was touched."""
    old, new, body = "whsec_" + "QUFB" * 8, "whsec_" + "QkJC" * 8, '{"type":"x","имя":"é"}'.encode()
    now = int(time.time())
    headers = {
        "webhook-id": "evt_web_1-0",
        "webhook-timestamp": str(now),
        "webhook-signature": signature([secret_bytes(new), secret_bytes(old)], "evt_web_1-0", now, body),
    }
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers)["type"] == "x"
    single = Webhook(old).sign("evt_web_1-0", datetime.fromtimestamp(now, UTC), body.decode())
    assert single == signature([secret_bytes(old)], "evt_web_1-0", now, body)
    for wrong in (
        {"webhook-id": "evt_web_2-0"}, {"webhook-timestamp": str(now - 400)}, {"webhook-timestamp": str(now + 1)},
    ):  # fmt: skip
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(body, headers | wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body + b" ", headers)
