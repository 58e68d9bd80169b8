"""Whose address counts: that of the peer, or what a trusted proxy says, and never what a stranger writes (S-24)."""

from __future__ import annotations

import socket
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest

from tests.edge.hostile import exchange, read_answer, refused, request
from tests.hardening.conftest import PROXY, Operator, make_key

OFFICE = "203.0.113.0/24"
STRANGER = "127.0.0.2"


@pytest.fixture(scope="module")
def key(operator: Operator) -> bytes:
    """May be used from the office only."""
    return make_key(operator, "--network", OFFICE, "--network", "2001:db8::/32")[1].encode()


def ask(url: str, key: bytes, *forwarded: bytes, peer: str = PROXY) -> httpx.Response:
    """A status question from `peer`, with these X-Forwarded-For lines."""
    lines = [b"X-Forwarded-For: " + one for one in forwarded]
    usual = (b"Host: x", b"Authorization: Bearer " + key)
    with closing(socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), 5, (peer, 0))) as connection:
        connection.sendall(request(method=b"GET", path=b"/v1/verifications/" + b"A" * 36, usual=usual, headers=lines))
        return read_answer(connection, "GET")


FROM_OFFICE = [
    [b"203.0.113.7"],
    [b"198.51.100.1, 203.0.113.7"],  # what the caller wrote itself stands before
    [b"198.51.100.1", b"203.0.113.7"],
    [b"203.0.113.7, 10.1.2.3"],  # two proxies in a row
    [b"203.0.113.7,10.1.2.3,10.1.2.4"],
    [b"203.0.113.7:4711"],
    [b"[2001:db8::7]:4711"],
    [b"2001:db8::7"],
    [b"::ffff:203.0.113.7"],
    [b" 203.0.113.7 "],
    [b"\xff, 203.0.113.7"],
]
FROM_ELSEWHERE = [
    [],
    [b""],
    [b"203.0.113.7, 198.51.100.1"],  # the proxy heard from 198.51.100.1, which claims to be the office
    [b"203.0.113.7", b"198.51.100.1"],
    [b"203.0.113.7, 198.51.100.1, 10.1.2.3"],
    [b"203.0.113.7, unknown"],
    [b"203.0.113.7, "],
    [b"203.0.113.7, 10.1.2.3, _hidden"],
    [b"203.0.113.7 198.51.100.1"],
    [b"fe80::1%203.0.113.7"],
    [b"203.0.113.007"],
    [b"10.1.2.3"],
    [b"203.0.113.7" + b", 10.1.2.3" * 40],  # more hops than are believed
]


@pytest.mark.parametrize("forwarded", FROM_OFFICE, ids=repr)
def test_a_trusted_proxy_is_believed(guarded: str, key: bytes, forwarded: list[bytes]) -> None:
    refused(ask(guarded, key, *forwarded), 404)


@pytest.mark.parametrize("forwarded", FROM_ELSEWHERE, ids=lambda given: repr(given)[:40])
def test_s24_what_the_caller_wrote_is_not(guarded: str, key: bytes, forwarded: list[bytes]) -> None:
    refused(ask(guarded, key, *forwarded), 403, code="network_not_allowed")


@pytest.mark.parametrize("forwarded", FROM_OFFICE, ids=repr)
def test_s24_a_spoofed_header_from_an_untrusted_peer_changes_nothing(
    guarded: str, service_urls: list[str], key: bytes, forwarded: list[bytes]
) -> None:
    """Neither from a stranger beside the proxy, nor in the two processes that trust nobody."""
    refused(ask(guarded, key, *forwarded, peer=STRANGER), 403, code="network_not_allowed")
    for url in service_urls:
        refused(ask(url, key, *forwarded), 403, code="network_not_allowed")


@pytest.mark.parametrize(
    "name", [b"Forwarded: for=203.0.113.7", b"X-Real-IP: 203.0.113.7", b"True-Client-IP: 203.0.113.7"]
)
def test_s24_no_other_header_is_read(guarded: str, key: bytes, name: bytes) -> None:
    usual = (b"Host: x", b"Authorization: Bearer " + key, name)
    found = exchange(guarded, request(method=b"GET", path=b"/v1/verifications/" + b"A" * 36, usual=usual))
    refused(found, 403, code="network_not_allowed")


def test_s24_a_trailer_is_no_header(guarded: str, key: bytes) -> None:
    """A proxy sets X-Forwarded-For in the head and lets trailers pass; there they must not be looked at."""
    chunks = b"2\r\n{}\r\n0\r\nX-Forwarded-For: 203.0.113.7\r\nAuthorization: Bearer x\r\n\r\n"
    usual = (b"Host: x", b"Authorization: Bearer " + key, b"Content-Type: application/json")
    for forwarded, status in ((b"198.51.100.1", 403), (b"203.0.113.9", 422)):
        headers = [b"Transfer-Encoding: chunked", b"X-Forwarded-For: " + forwarded]
        refused(exchange(guarded, request(chunks, usual=usual, headers=headers, length=False)), status)
