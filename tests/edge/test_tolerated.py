"""Odd but honest requests are answered; and after all the hostile ones the service does its work."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.api import Api, Gateways
from tests.edge.hostile import KEY, STARTS, chunked, exchange, marked, request


@pytest.fixture
def url(service_urls: list[str]) -> str:
    return service_urls[0]


def started(answer: httpx.Response, phone: str) -> str:
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-type"] == "application/json"
    marked(answer)
    assert answer.json()["to"] == phone
    found: str = answer.json()["id"]
    return found


async def test_64_kib_start_a_verification(url: str, gateways: Gateways, phone: str) -> None:
    body = json.dumps({"to": phone}).encode().ljust(64 * 1024)
    started(exchange(url, request(body)), phone)
    chunks = chunked(*(body[n : n + 1000] for n in range(0, len(body), 1000)))
    started(exchange(url, request(chunks, headers=[b"Transfer-Encoding: chunked"], length=False)), phone)
    assert len(await gateways.messages(phone)) == 2


@pytest.mark.parametrize(
    "media",
    [
        b"application/json; charset=utf-8",
        b"Application/JSON",
        b"application/json ; charset=UTF-8",
        b"application/json;",
    ],
)
async def test_spellings_of_the_media_type(url: str, phone: str, media: bytes) -> None:
    usual = (b"Host: x", KEY, b"Content-Type: " + media)
    started(exchange(url, request(json.dumps({"to": phone}).encode(), usual=usual)), phone)


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
async def test_the_scheme_has_no_case(url: str, scheme: bytes) -> None:
    usual = (b"Host: x", KEY.replace(b"Bearer", scheme))
    answer = exchange(url, request(method=b"GET", path=f"{STARTS}/A".encode(), usual=usual))
    assert answer.status_code == 404


async def test_a_quoted_idempotency_key_is_the_bare_one(api: Api, gateways: Gateways, phone: str) -> None:
    """The draft standard writes the key as a quoted string."""
    first = await api.start(phone, key="quoted-" + phone)
    again = await api.start(phone, key=f'"quoted-{phone}"')
    assert started(first, phone) == started(again, phone)
    assert len(await gateways.messages(phone)) == 1


@pytest.mark.parametrize("key", ["k", "k" * 255, '"', '""', "~!@#$%^&*()_+{}|:<>?", "%00"])
async def test_harmless_idempotency_keys(api: Api, gateways: Gateways, phone: str, key: str) -> None:
    """Whatever is a key at all makes a repeat the same."""
    body = {"to": phone, "purpose": f"p{phone[1:]}"}
    first, again = [await api.http.post(STARTS, json=body, headers={"Idempotency-Key": key}) for _ in range(2)]
    assert started(first, phone) == started(again, phone)
    assert len(await gateways.messages(phone)) == 1


@pytest.mark.parametrize(
    "reference",
    ["заказ № 77", "😀" * 64, "\u202egnp.exe", "'; DROP TABLE users; --", "{{7*7}}", "%s%n", "\\ud800", "a\u2028b",
     "[" * 17 + "]" * 17, "{" * 128, "\ufeff", "\u0085", ""]
)  # fmt: skip
async def test_a_reference_comes_back_as_it_was(api: Api, phone: str, reference: str) -> None:
    answer = await api.start(phone, reference=reference)
    found = started(answer, phone)
    assert answer.json()["reference"] == (reference or None)
    assert (await api.status(found)).json()["reference"] == (reference or None)


async def test_100_continue(url: str, phone: str) -> None:
    """curl asks before it sends much."""
    started(exchange(url, request(json.dumps({"to": phone}).encode(), headers=[b"Expect: 100-continue"])), phone)


async def test_it_still_works(api: Api, second: Api, gateways: Gateways, phone: str) -> None:
    for one in (api, second):
        pending = await one.started(phone)
        code = (await gateways.codes(phone))[0]
        assert await one.outcome(pending["id"], code) == "approved"
        assert (await one.http.get("/health/ready")).status_code == 200
