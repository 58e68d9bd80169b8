"""The Python client, sync and async, against the running service; what is lost on the way is asked for again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pyotp
import pytest
from otp_service_client import (
    AsyncClient,
    Client,
    InvalidAddress,
    InvalidPhone,
    InvalidSignature,
    LimitExceeded,
    NoAnswer,
    NotFound,
    PhoneRejected,
    Refused,
    TooSoon,
    Unauthorized,
    verify_webhook,
)
from standardwebhooks import Webhook

from tests.api import Gateways
from tests.clients.idle_closing import closing_idle_connections
from tests.hooks import NEW, OLD
from tests.running import API_KEY
from tests.stories.test_check import wrong


async def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(function, *args, **kwargs)


async def test_a_code_of_ours(service_urls: list[str], gateways: Gateways, phone: str) -> None:
    with Client(service_urls[0], API_KEY) as otp:
        started = await call(otp.start, phone, purpose="login", client_ip="203.0.113.7", locale="ru")
        assert (started.status, started.to, started.messages[0].channel) == ("pending", phone, "sms")
        assert started.expires_at > started.created_at
        code = (await gateways.codes(phone))[0]
        assert (await call(otp.check, started.id, wrong(code), to=phone)).outcome == "wrong_code"
        assert (await call(otp.check_phone, phone, code, purpose="login")).approved
        assert (await call(otp.get, started.id)).status == "approved"
        assert (await call(otp.cancel, started.id)).status == "approved"
        assert [one.id for one in await call(otp.search, phone)] == [started.id]
        assert phone not in repr(started)
        assert API_KEY not in repr(otp)


async def test_channels_one_after_the_other(service_urls: list[str], phone: str) -> None:
    with Client(service_urls[0], API_KEY) as otp:
        steps = [{"channel": "sms", "wait_seconds": 20}]
        started = await call(otp.start, phone, channel="auto", steps=steps)
        assert (started.channel, started.messages[0].channel) == ("auto", "sms")
        assert (started.inbound, started.assurance, started.advice) == (None, None, "wait")
        with pytest.raises(InvalidAddress, match="invalid_address"):
            await call(otp.start, "anna@", channel="auto", steps=steps)
        with pytest.raises(Refused, match="channel_not_available"):
            await call(otp.resend, started.id, channel="inbound")


async def test_a_code_of_theirs(service_urls: list[str], gateways: Gateways, phone: str) -> None:
    async with AsyncClient(service_urls[0], API_KEY) as otp:
        delivery = await otp.deliver(phone, code="ABCD-1234", ttl_seconds=60)
        assert delivery.id.startswith("dlv_")
        assert "ABCD-1234" in (await gateways.messages(phone))[0]["text"]
        assert (await otp.converted(delivery.id)).converted_at is not None
        assert (await otp.get_delivery(delivery.id, wait=1)).id == delivery.id
        with pytest.raises(ValueError, match="either code or text"):
            await otp.deliver(phone)


async def test_second_factors(service_urls: list[str], phone: str) -> None:
    async with AsyncClient(service_urls[0], API_KEY) as otp:
        subject = f"user-{phone[1:]}"
        enrolled = await otp.enrol_totp(subject)
        assert enrolled.secret
        totp = pyotp.TOTP(enrolled.secret)
        code = totp.now()
        assert (await otp.confirm_totp(enrolled.id, code, subject=subject)).approved
        assert (await otp.check_totp(enrolled.id, code)).outcome == "already_used"
        assert (await otp.check_subject(subject, "000000")).approved is False


async def test_errors_have_types(service_urls: list[str], keys: dict[str, str], gateways: Gateways, phone: str) -> None:
    async with AsyncClient(service_urls[0], API_KEY) as otp:
        with pytest.raises(InvalidPhone):
            await otp.start("+7916")
        with pytest.raises(PhoneRejected) as caught:
            await otp.start("+4915123456789")
        assert (caught.value.code, caught.value.status) == ("country_not_allowed", 403)
        assert caught.value.extra["country"] == "DE"
        assert caught.value.request_id
        with pytest.raises(NotFound):
            await otp.get("nothing")
        for _ in range(5):
            await otp.start(phone)
        with pytest.raises(LimitExceeded) as limited:
            await otp.start(phone)
        assert limited.value.extra["limit"] == "phone-burst"
        assert limited.value.retry_after
    async with AsyncClient(service_urls[0], "wrong") as otp:
        with pytest.raises(Unauthorized):
            await otp.start(phone)
    async with AsyncClient(service_urls[0], keys["strict"], max_wait_seconds=1) as otp:
        began = time.monotonic()
        await otp.start(f"{phone[:-2]}44")
        with pytest.raises(TooSoon):  # 30 s are more than anybody asked to wait
            await otp.start(f"{phone[:-2]}44")
        assert time.monotonic() - began < 5


class Losing(httpx.AsyncHTTPTransport):
    """Hands requests on, and loses the first answers."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self._losses = losses
        self.keys: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("idempotency-key", ""))
        answer = await super().handle_async_request(request)
        if self._losses:
            self._losses -= 1
            await answer.aclose()
            raise httpx.ReadError("lost", request=request)
        return answer


async def test_a_lost_answer_is_asked_for_again(service_urls: list[str], gateways: Gateways, phone: str) -> None:
    lost = Losing(2)
    async with AsyncClient(service_urls[0], API_KEY, transport=lost) as otp:
        await otp.start(phone)
    assert len(lost.keys) == 3
    assert len(set(lost.keys)) == 1
    assert lost.keys[0]
    assert len(await gateways.messages(phone)) == 1
    async with AsyncClient(service_urls[0], API_KEY, transport=Losing(9), retries=2) as otp:
        with pytest.raises(NoAnswer) as caught:
            await otp.deliver(phone, code="SECRET77")
    assert "SECRET77" not in repr(caught.value)
    assert phone not in str(caught.value)


def answering(*answers: httpx.Response) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    left, seen = list(answers), []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return left.pop(0)

    return httpx.MockTransport(handle), seen


def busy(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "x", "status": status}, headers=headers)


@pytest.mark.parametrize(
    ("status", "code"), [(409, "request_in_progress"), (429, "limit_exceeded"), (503, "storage_unavailable")]
)
async def test_what_passes_is_waited_for(status: int, code: str) -> None:
    event = {"id": "evt_1", "sequence": 1, "type": "x", "timestamp": "2026-01-01T00:00:00.5Z", "data": {}}
    page = httpx.Response(200, json={"events": [event], "next": "evt_1"})
    transport, seen = answering(busy(status, code, **{"Retry-After": "0"}), page)
    with Client("https://otp.example.ru/base/", "key", transport=transport) as otp:
        assert [one.id for one in otp.events()] == ["evt_1"]
    assert len(seen) == 2
    assert str(seen[0].url) == "https://otp.example.ru/base/v1/events?limit=100"


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_p12_a_connection_that_is_being_closed_costs_nothing(asynchronous: bool) -> None:
    """The third request meets the end of its connection: it goes out again under its key, even without retries."""
    async with closing_idle_connections(answered=2) as server:
        with Client(server.url, API_KEY, retries=0) as sync:
            async with AsyncClient(server.url, API_KEY, retries=0) as awaited:
                for _ in range(5):
                    await (awaited.start("+79161234567") if asynchronous else call(sync.start, "+79161234567"))
    assert server.connections == 3
    assert server.keys[2] == server.keys[3] != ""
    assert len(server.keys) == 7
    assert len(set(server.keys)) == 5


async def test_p12_a_server_that_always_closes_is_not_asked_for_ever() -> None:
    async with closing_idle_connections(answered=0) as server, AsyncClient(server.url, API_KEY, retries=0) as otp:
        with pytest.raises(NoAnswer):
            await otp.start("+79161234567")
    assert len(server.keys) == 2


async def test_what_does_not_pass_is_not(phone: str) -> None:
    for answer, code in ((busy(409, "not_pending"), "not_pending"), (httpx.Response(502, text="<html>"), "http_502")):
        transport, seen = answering(answer)
        with Client("https://otp.example.ru", "key", transport=transport) as otp, pytest.raises(Refused) as caught:
            otp.resend("a/b")
        assert caught.value.code == code
        assert len(seen) == 1
        assert seen[0].url.raw_path == b"/v1/verifications/a%2Fb/resend"


async def test_webhooks() -> None:
    body = json.dumps(
        {"type": "verification.approved", "timestamp": "2026-01-01T00:00:00Z", "sequence": 3, "data": {"status": "x"}}
    )
    import datetime

    now = datetime.datetime.now(datetime.UTC)
    headers = {
        "Webhook-Id": "evt_1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(OLD).sign("evt_1", now, body),
    }
    event = verify_webhook([NEW, OLD], headers, body.encode())
    assert (event.id, event.type, event.sequence, event.data) == ("evt_1", "verification.approved", 3, {"status": "x"})
    for secret, changed, raw in (
        (NEW, headers, body.encode()),
        (OLD, headers, body.encode() + b" "),
        (OLD, {**headers, "Webhook-Timestamp": "1"}, body.encode()),
        (OLD, {}, body.encode()),
    ):
        with pytest.raises(InvalidSignature):
            verify_webhook(secret, changed, raw)
