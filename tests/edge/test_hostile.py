"""Hostile requests: each is refused with a problem document, sends nothing, and leaves the service as it was."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edge.hostile import (
    JSON,
    KEY,
    STARTS,
    chunked,
    closed,
    connected,
    exchange,
    marked,
    read_answer,
    refused,
    request,
)
from tests.running import API_KEY, running_sandbox, running_service

LIMIT = 64 * 1024
GOOD = b'{"to": "+79161234567"}'
ID = "A" * 36
PATHS = {
    "start": STARTS,
    "status": f"{STARTS}/{ID}",
    "check": f"{STARTS}/{ID}/check",
    "resend": f"{STARTS}/{ID}/resend",
    "cancel": f"{STARTS}/{ID}/cancel",
}
# What an operation takes, so that a refusal of a body is that body's fault.
BODIES: dict[str, dict[str, object]] = {"start": {"to": "+79161234567"}, "check": {"code": "123456"}, "resend": {}}


def post(url: str, operation: str, body: bytes, **odd: Any) -> httpx.Response:
    return exchange(url, request(body, path=PATHS[operation].encode(), **odd))


def body_with(operation: str, field: str, value: object) -> bytes:
    return json.dumps(BODIES[operation] | {field: value}).encode()


@dataclass(frozen=True, slots=True)
class Alone:
    """A service that runs no jobs, and its sandbox: what these are asked and say, they are by the requests here."""

    url: str
    log: Path
    sandbox: httpx.Client


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Alone]:
    folder = tmp_path_factory.mktemp("hostile")
    with (
        running_sandbox(folder) as sandbox,
        running_service(folder, redis_url, sandbox, OTP__WORKER__IN_SERVE="false") as (url, _, log),
        httpx.Client(base_url=sandbox, trust_env=False, verify=False) as client,
    ):
        yield Alone(url, log, client)


@pytest.fixture
def url(alone: Alone) -> str:
    return alone.url


@pytest.fixture(autouse=True)
def refused_and_no_more(alone: Alone) -> Iterator[None]:
    """No gateway is asked, and no refusal is a crash in fine clothes."""
    alone.sandbox.post("/_sim/reset")
    before = alone.log.stat().st_size
    yield
    assert alone.sandbox.get("/_sim/requests").json() == []
    written = alone.log.read_bytes()[before:].decode()
    assert "request_failed" not in written
    assert "Traceback" not in written


# Bodies

BROKEN = {
    "not JSON": b"to=+79161234567",
    "cut": b'{"to": "+791612345',
    "two documents": GOOD + GOOD,
    "trailing comma": b'{"to": "+79161234567",}',
    "comment": b'{"to": "+79161234567"} // hello',
    "single quotes": b"{'to': '+79161234567'}",
    "invalid UTF-8": b'{"to": "+79161234567", "reference": "\xff\xfe"}',
    "overlong UTF-8": b'{"to": "+79161234567", "reference": "\xc0\xaf"}',
    "surrogates in UTF-8": b'{"to": "+79161234567", "reference": "\xed\xa0\x80"}',
    "UTF-8 cut": b'{"to": "+79161234567", "reference": "\xd0',
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "NUL after it": GOOD + b"\x00",
    "raw control character": b'{"to": "+79161234567", "reference": "a\x01b"}',
    "raw newline in a string": b'{"to": "+79161234567\n"}',
    "bad escape": b'{"to": "\\x2b79161234567"}',
    "NaN": b'{"to": NaN}',
    "Infinity": b'{"to": Infinity}',
    "-Infinity": b'{"to": "+79161234567", "reference": -Infinity}',
    "NaN deep inside": b'{"to": "+79161234567", "client": {"ip": [NaN]}}',
    "huge integer": b'{"to": ' + b"7" * 5000 + b"}",
    "huge integer in an unknown field": b'{"to": "+79161234567", "n": ' + b"7" * 5000 + b"}",
    "huge exponent": b'{"to": 1e999999999}',
    "field named twice": b'{"to": "+79161234567", "to": "+79160000000"}',
    "field named twice by escapes": b'{"to": "+79161234567", "\\u0074o": "+79160000000"}',
    "field named twice inside": b'{"to": "+79161234567", "client": {"ip": "1.1.1.1", "ip": "1.1.1.2"}}',
    "lone surrogate in a name": b'{"to": "+79161234567", "\\ud800": 1}',
    "arrays 100,000 deep": b"[" * 30_000 + b"]" * 30_000,
    "arrays without an end": b"[" * 60_000,
    "objects 10,000 deep": b'{"a":' * 10_000 + b"1" + b"}" * 5_000,
    "deep in a known field": b'{"to": "+79161234567", "client": ' + b"[" * 25_000 + b"]" * 25_000 + b"}",
    "deep below a string of brackets": b'{"to": "' + b"]" * 100 + b'", "x": ' + b"[" * 90 + b"]" * 90 + b"}",
    "whitespace only": b" \r\n\t",
    "an array": b"[" + GOOD + b"]",
    "a string": b'"+79161234567"',
    "a number": b"79161234567",
    "true": b"true",
    "an array of pairs": b'[["to", "+79161234567"]]',
}


@pytest.mark.parametrize("operation", BODIES)
@pytest.mark.parametrize("name", BROKEN)
def test_s21_broken_bodies(url: str, name: str, operation: str) -> None:
    refused(post(url, operation, BROKEN[name]), 400, 422)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_s21_100_000_levels(url: str, opening: bytes) -> None:
    """More than a body may hold, so its size is what is refused."""
    refused(exchange(url, request(opening * 100_000)), 413, code="body_too_large")
    refused(
        exchange(url, request(chunked(opening * 100_000), headers=[b"Transfer-Encoding: chunked"], length=False)), 413
    )


@pytest.mark.parametrize("body", [b"", b"null"])
def test_a_body_that_is_missing(url: str, body: bytes) -> None:
    for operation in ("start", "check"):
        refused(post(url, operation, body), 422, code="validation_failed")
        refused(post(url, operation, body, usual=(b"Host: x", KEY)), 422, code="validation_failed")
        refused(post(url, operation, b"", length=False), 422, code="validation_failed")
    refused(post(url, "resend", body), 404, code="not_found")  # it needs none


def test_s21_64_kib_are_read_and_one_byte_more_is_not(url: str) -> None:
    body = b'{"to": "nobody"}'
    refused(exchange(url, request(body.ljust(LIMIT))), 422, code="invalid_phone")
    refused(exchange(url, request(body.ljust(LIMIT + 1))), 413, code="body_too_large")


def test_s21_64_kib_in_chunks(url: str) -> None:
    te = [b"Transfer-Encoding: chunked"]
    body = b'{"to": "nobody"}'.ljust(LIMIT)
    halves = (body[: LIMIT // 2], body[LIMIT // 2 :])
    refused(exchange(url, request(chunked(*halves), headers=te, length=False)), 422, code="invalid_phone")
    refused(exchange(url, request(chunked(*halves, b" "), headers=te, length=False)), 413, code="body_too_large")
    refused(exchange(url, request(chunked(*[b" "] * 5000), headers=te, length=False)), 400)


@pytest.mark.parametrize("path", ["/health/live", "/metrics", "/schema/openapi.json", "/nowhere", *PATHS.values()])
def test_the_limit_holds_everywhere(url: str, path: str) -> None:
    refused(exchange(url, request(b" " * (LIMIT + 1), path=path.encode())), 413)


def test_a_promise_of_a_terabyte_is_refused_at_once(url: str) -> None:
    """And nobody waits for it: the connection is closed."""
    with connected(url) as peer:
        peer.sendall(request(headers=[b"Content-Length: 1099511627776"], length=False) + b" " * 1000)
        peer.settimeout(2)
        refused(read_answer(peer), 413, code="body_too_large")
        assert closed(peer)


MEDIA_TYPES = (
    b"text/plain", b"text/json", b"application/xml", b"application/x-www-form-urlencoded", b"application/jsonx",
    b"application/problem+json", b"application/msgpack", b"application/x-msgpack", b"*/*", b"json", b"/", b";",
    b"multipart/form-data", b"multipart/form-data; boundary=x; charset=no-such-charset",
    b"multipart/form-data; boundary=", b"multipart/form-data; boundary=\xff",
    b"application/x-www-form-urlencoded; charset=no-such-charset", b"\xff\xfe", b"application/json, text/plain",
)  # fmt: skip


MULTIPART = b'--x\r\nContent-Disposition: form-data; name="to"\r\n\r\n+79161234567\r\n--x--'


@pytest.mark.parametrize("media", MEDIA_TYPES)
@pytest.mark.parametrize("operation", BODIES)
def test_s21_other_media_types(url: str, operation: str, media: bytes) -> None:
    usual = (b"Host: x", KEY, b"Content-Type: " + media)
    for body in (json.dumps(BODIES[operation]).encode(), MULTIPART):
        refused(post(url, operation, body, usual=usual), 415, code="unsupported_media_type")


def test_two_content_types(url: str) -> None:
    for other in (b"Content-Type: text/plain", b"Content-Type: multipart/form-data; boundary=x"):
        for usual in ((b"Host: x", KEY, JSON, other), (b"Host: x", KEY, other, JSON)):
            refused(exchange(url, request(b'{"to": "nobody"}', usual=usual)), 400, 415, 422)


SPELLINGS = (
    b"//v1/verifications", b"///v1//verifications", b"/v1//verifications", b"/%76%31/verifications/",
    b"/v1/verifications/", b"http://x//v1/verifications", b"/v1/verifications//%41/check", b"/v1%2fverifications",
)  # fmt: skip


@pytest.mark.parametrize("name", ["invalid UTF-8", "arrays without an end", "field named twice", "NaN"])
@pytest.mark.parametrize("path", SPELLINGS)
def test_other_spellings_of_a_path_open_no_side_door(url: str, path: bytes, name: str) -> None:
    refused(exchange(url, request(BROKEN[name], path=path)))


@pytest.mark.parametrize("media", [b"text/plain", b"multipart/form-data; boundary=x; charset=no-such-charset"])
def test_a_doubled_slash_lets_no_other_media_type_in(url: str, media: bytes) -> None:
    usual = (b"Host: x", KEY, b"Content-Type: " + media)
    refused(exchange(url, request(MULTIPART, path=b"//v1/verifications", usual=usual)), 404, 415)


# Fields

FIELDS = {  # operation → field → whether null is allowed
    "start": {"to": False, "channel": False, "purpose": False, "locale": True, "reference": True, "client": True},
    "check": {"code": False, "to": True, "purpose": True},
    "resend": {"channel": True},
}
ALL_FIELDS = [(operation, field) for operation, fields in FIELDS.items() for field in fields]
TEXTS = [pair for pair in ALL_FIELDS if pair[1] != "client"]
VALUES = {"code": "123456", "channel": "sms", "locale": "ru"}


@pytest.mark.parametrize(("operation", "field"), ALL_FIELDS)
def test_wrong_types(url: str, operation: str, field: str) -> None:
    wrong: list[object] = [0, 1, -1, 123456, 1.5, True, False, [], ["sms"], [[]], 10**30, {"to": 1}]
    if not FIELDS[operation][field]:
        wrong.append(None)
    if field == "client":
        wrong += ["web", {"ip": 1}, {"ip": []}, {"platform": "windows"}, {"platform": 1}, {"unknown": 1}]
    for value in wrong:
        found = refused(post(url, operation, body_with(operation, field, value)), 422)
        (named,) = [error["field"] for error in found["errors"]]
        assert named.split(".")[0] == field, (value, found)


@pytest.mark.parametrize(("operation", "field"), TEXTS)
def test_half_surrogates(url: str, operation: str, field: str) -> None:
    for text in ("\\ud800", "\\udfff", "\\udc00\\ud800", "a\\ud83d"):
        body = body_with(operation, field, "HERE").replace(b"HERE", text.encode())
        refused(post(url, operation, body), 400, code="malformed_request")


@pytest.mark.parametrize(("operation", "field"), [pair for pair in TEXTS if pair != ("check", "to")])  # unknown id: 404
def test_nul_and_control_characters(url: str, operation: str, field: str) -> None:
    for text in ("\0", "+79161234567\0", "a\0b", "\x01", "\x1b[31m", "\x7f", "a\r\nb", "\t"):
        found = refused(post(url, operation, body_with(operation, field, text)), 422)
        assert [error["field"] for error in found["errors"]] == [field]


@pytest.mark.parametrize(("operation", "field"), [pair for pair in TEXTS if pair[1] != "to"])
@pytest.mark.parametrize("tail", ["\n", "\r\n", "\n\n"])
def test_a_newline_at_the_end(url: str, operation: str, field: str, tail: str) -> None:
    """A pattern that ends in `$` alone would let it through."""
    found = refused(post(url, operation, body_with(operation, field, VALUES.get(field, "login") + tail)), 422)
    assert [error["field"] for error in found["errors"]] == [field]


ADDRESSES = (
    "1.1.1.1\n",
    "\0",
    "",
    "1.1.1",
    "::g",
    "1.1.1.1/32",
    "fe80::1%\n",
    "fe80::1%<b>",
    "٤.1.1.1",
    "0x7f.1.1.1",
    "01.1.1.1",
)


@pytest.mark.parametrize("ip", ADDRESSES)
def test_what_is_no_address(url: str, ip: str) -> None:
    found = refused(post(url, "start", body_with("start", "client", {"ip": ip})), 422)
    assert found["errors"][0]["field"] == "client.ip"


BEYOND = (
    ("to", ""), ("to", "+" + "7" * 40), ("to", "7" * 60_000), ("purpose", "a" * 33), ("purpose", "A"), ("purpose", ""),
    ("purpose", "логин"), ("purpose", "p" * 60_000), ("reference", "r" * 129), ("reference", "r" * 60_000),
    ("channel", ""), ("channel", "SMS"), ("channel", "s" * 60_000), ("locale", "ru RU"), ("locale", "l" * 60_000),
)  # fmt: skip


@pytest.mark.parametrize(("field", "text"), BEYOND, ids=lambda value: value[:12])
def test_texts_out_of_bounds(url: str, field: str, text: str) -> None:
    found = refused(post(url, "start", body_with("start", field, text)), 422)
    assert found["errors"][0]["field"] == field
    assert len(json.dumps(found)) < 1000  # what was sent is not sent back


NAMES = ("phone", "To", " to", "to ", "__proto__", "constructor", "$ref", "", "a" * 1000, "\0", "иное")


@pytest.mark.parametrize("operation", BODIES)
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_unknown_fields(url: str, operation: str, name: str) -> None:
    refused(post(url, operation, body_with(operation, name, "x")), 422, code="validation_failed")


# Paths and methods


UNKNOWN = (
    b"/", b"/v1", b"/v2/verifications", b"/v1/verification", b"/v1/verifications/A/approve", b"/V1/verifications",
    b"/v1/verifications;x=1", b"/x/../v1/verifications", b"/v1/verifications/A/check/", b"/v1/verifications/A/check/x",
    b"/.git/config", b"/consoles", b"/openapi.json", b"/health", b"/health/dead", b"/metrics/x", b"*",
    b"/schema/nowhere", b"/schema/swagger", b"/schema/openapi.yaml.bak", b"/schema/assets", b"/schema/assets/",
    b"/schema/assets/nothing.js", b"/schema/assets/%00", b"/schema/assets/%ff%fe", b"/schema/assets/%ed%a0%80",
    b"/schema/assets/" + b"a" * 300, b"/schema/assets/" + b"a" * 5000, b"/schema/assets/..%2f..%2fetc%2fpasswd",
    b"/schema/assets/../../../../../../etc/passwd", b"/schema/assets/%2e%2e/%2e%2e/%2e%2e/pyproject.toml",
    b"/schema/assets//etc/passwd", b"/schema/assets/%2fetc%2fpasswd",
)  # fmt: skip


@pytest.mark.parametrize("path", UNKNOWN, ids=lambda path: path[:30].decode())
def test_unknown_paths(url: str, path: bytes) -> None:
    found = refused(exchange(url, request(method=b"GET", path=path)), 404, 405)
    assert found["code"] in ("not_found", "method_not_allowed")


IDS = (
    "x", "%00", "%ff%fe", "%2e%2e", "%2f", "%ED%A0%80", "%0a", "A" * 35 + "%0a", "A" * 36, "A" * 37, "A" * 5000,
    "A" * 20_000, "%D0%B0" * 36, "null", "-1", "%7b0%7d", "{0}", "*", "..", "A%20B", "'", "%22", "%25s", "$(id)",
    "A" * 35 + "=",
)  # fmt: skip


@pytest.mark.parametrize("written", IDS, ids=lambda written: written[:12])
def test_odd_ids(url: str, written: str) -> None:
    refused(exchange(url, request(method=b"GET", path=f"{STARTS}/{written}".encode())), 404, 405)
    for last, body in (("check", b'{"code": "123456"}'), ("resend", b""), ("cancel", b"")):
        refused(exchange(url, request(body, path=f"{STARTS}/{written}/{last}".encode())), 404, 405)


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_endless_paths(url: str, size: int) -> None:
    for path in (b"/" + b"a" * size, b"/v1/verifications/" + b"A" * size, b"/health/live?" + b"a" * size, b"/" * size):
        refused(exchange(url, request(method=b"GET", path=path)))


METHODS = {
    **dict.fromkeys(("/health/live", "/health/ready", "/metrics", "/schema", "/schema/openapi.json"), "GET HEAD"),
    "/schema/assets/swagger-ui.css": "GET HEAD", **dict.fromkeys(PATHS.values(), "POST"), PATHS["status"]: "GET HEAD",
}  # fmt: skip
OTHER_METHODS = [
    (path, method)
    for path, allowed in METHODS.items()
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "PROPFIND")
    if method not in allowed.split()
]


@pytest.mark.parametrize(("path", "method"), OTHER_METHODS, ids=lambda value: value.replace(ID, "id"))
def test_other_methods(url: str, path: str, method: str) -> None:
    answer = exchange(url, request(method=method.encode(), path=path.encode()))
    if method == "HEAD":
        assert answer.status_code == 405
        marked(answer)
        return
    found = refused(answer, 405, code="method_not_allowed")
    assert found["detail"]
    assert method not in answer.headers["allow"].replace(" ", "").split(",")


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.replace(ID, "id"))
def test_options_tells_the_methods_and_nothing_else(url: str, path: str) -> None:
    usual = (b"Host: x", b"Origin: https://evil.example", b"Access-Control-Request-Method: POST")
    answer = exchange(url, request(method=b"OPTIONS", path=path.encode(), usual=usual))
    assert answer.status_code in (204, 401, 405)
    marked(answer)
    assert answer.status_code != 204 or not answer.content
    assert not [name for name in answer.headers if name.startswith("access-control-")]


# Framing: two readings of one request are how requests are smuggled (A27, S-23)

SMUGGLED = (
    b"POST /v1/verifications HTTP/1.1\r\nHost: x\r\n" + KEY + b"\r\n" + JSON + b"\r\nContent-Length: 22\r\n\r\n" + GOOD
)
FRAMING = {
    "length and chunks": request(chunked(GOOD), headers=[b"Transfer-Encoding: chunked"]),
    "chunks and length 0": request(
        chunked(GOOD) + SMUGGLED, headers=[b"Content-Length: 0", b"Transfer-Encoding: chunked"], length=False
    ),
    "two equal lengths": request(GOOD, headers=[b"Content-Length: 22"]),
    "two lengths": request(GOOD + SMUGGLED, headers=[b"Content-Length: 3"]),
    "a list of lengths": request(GOOD, headers=[b"Content-Length: 22, 22"], length=False),
    "a negative length": request(GOOD, headers=[b"Content-Length: -22"], length=False),
    "a length with a plus": request(GOOD, headers=[b"Content-Length: +22"], length=False),
    "a hexadecimal length": request(GOOD, headers=[b"Content-Length: 0x16"], length=False),
    "a length in words": request(GOOD, headers=[b"Content-Length: many"], length=False),
    "an empty length": request(GOOD, headers=[b"Content-Length:"], length=False),
    "a length beyond 64 bits": request(GOOD, headers=[b"Content-Length: " + b"9" * 40], length=False),
    "an unknown coding": request(chunked(GOOD), headers=[b"Transfer-Encoding: gzip"], length=False),
    "chunked twice": request(chunked(GOOD), headers=[b"Transfer-Encoding: chunked"] * 2, length=False),
    "chunked, then another": request(chunked(GOOD), headers=[b"Transfer-Encoding: chunked, identity"], length=False),
    "a misspelt coding": request(chunked(GOOD), headers=[b"Transfer-Encoding: xchunked"], length=False),
    "a chunk without a size": request(b"zz\r\n", headers=[b"Transfer-Encoding: chunked"], length=False),
    "a chunk beyond 64 bits": request(b"F" * 40 + b"\r\n", headers=[b"Transfer-Encoding: chunked"], length=False),
    "a folded header": request(GOOD, headers=[b"X-Folded: a\r\n b"]),
    "a folded coding": request(chunked(GOOD), headers=[b"Transfer-Encoding:\r\n chunked"], length=False),
    "a space before the colon": request(chunked(GOOD), headers=[b"Transfer-Encoding : chunked"], length=False),
    "a space in a name": request(GOOD, headers=[b"X Y: 1"]),
    "NUL in a value": request(GOOD, headers=[b"X-Y: \0"]),
    "NUL in the key": request(GOOD, usual=(b"Host: x", KEY + b"\0", JSON)),
    "a header without a colon": request(GOOD, headers=[b"X-Y"]),
    "line feeds only": request(GOOD).replace(b"\r\n", b"\n"),
    "a carriage return inside": request(GOOD, headers=[b"X-Y: a\rContent-Length: 0"]),
    "HTTP/3.0": request(GOOD).replace(b"HTTP/1.1", b"HTTP/3.0"),
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
    "an unknown method": request(GOOD, method=b"FROBNICATE"),
    "a small method": request(GOOD, method=b"post"),
    "CONNECT": request(method=b"CONNECT", path=b"example.org:443"),
    "a path with bytes": request(method=b"GET", path=b"/v1/verifications/\xff\xfe"),
    "a path in Cyrillic": request(method=b"GET", path="/v1/verifications/ы".encode()),
    "NUL in the path": request(method=b"GET", path=b"/v1/\0"),
    "a space in the path": request(method=b"GET", path=b"/v1/verifications/a b"),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMING)
def test_s23_framing(url: str, name: str) -> None:
    refused(exchange(url, FRAMING[name]), 400, code="malformed_request")


def test_s23_after_two_lengths_the_connection_is_closed(url: str) -> None:
    """Whatever stands behind such a request is not read as another one."""
    with connected(url) as peer:
        peer.sendall(FRAMING["chunks and length 0"])
        received = b""
        while chunk := peer.recv(65536):
            received += chunk
    assert received.count(b"HTTP/1.1 ") == 1


# Headers


def test_absurd_headers(url: str) -> None:
    for headers in (
        [b"X-Forwarded-For: " + b"1.1.1.1, " * 500],
        [b"Forwarded: for=_gazonk"] * 100,
        [b"Accept: " + b"a/b," * 1000],
        [b"Accept: \xff"],
        [b"Accept-Encoding: " + b"x;q=nan, " * 100],
        [b"Accept-Language: \xff\xfe"],
        [b"Cookie: " + b"a=b; " * 1000],
        [b"Cookie: \xff\xfe=\xff; ;;;==="],
        [b"Expect: something"],
        [b"Range: bytes=0-,0-,0-,0-"],
        [b"If-None-Match: *", b"If-Match: *"],
        [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"],
        [b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
        [b"Origin: null"],
        [b"X-HTTP-Method-Override: DELETE"],
        [b"X-Original-URL: /metrics"],
        [b"Host: a", b"Host: b"],
        [b"Content-Encoding: gzip"],
        [b"X-%d: 1" % n for n in range(50)],
    ):  # fmt: skip
        refused(exchange(url, request(b'{"to": "nobody"}', headers=headers)), 400, 415, 422, 431)


@pytest.mark.parametrize(
    "headers", [[b"X-Big: " + b"a" * 1_000_000], [b"X-%d: 1" % n for n in range(20_000)]], ids=["one", "many"]
)
def test_headers_without_end_are_not_collected(url: str, headers: list[bytes]) -> None:
    refused(exchange(url, request(b'{"to": "nobody"}', headers=headers)), 400, 431)


MINE = API_KEY.encode()


def strangers(key: bytes) -> tuple[bytes | None, ...]:
    """What is not `Bearer` and the key of an application."""
    return (
        None, b"", b"Bearer", b"Bearer ",
        b"Bearer  ", b"Bearer\t", b"Basic dXNlcjpwYXNz", b"Token " + key, key, b"Digest x",
        b"Bearer" + key, b"Bearer x", b"Bearer " + key + b"x", b"Bearer " + key[:-1], b"Bearer " + key.upper(),
        b"Bearer " + key + b", Bearer x", b"Bearer " + b"A" * 10_000, b"Bearer \xff\xfe", b"Bearer \xed\xa0\x80",
        "Bearer ключ".encode(), b"Bearer otp_00000000_" + b"a" * 32, b"Bearer ' OR 1=1", b"Bearer *", b"Bearer %00",
        b"Bearer {0}", b"Bearer " + key.hex().encode(),
    )  # fmt: skip


@pytest.mark.parametrize("authorization", strangers(MINE), ids=[repr(given)[:24] for given in strangers(b"our-key")])
@pytest.mark.parametrize("operation", PATHS)
def test_strangers(url: str, operation: str, authorization: bytes | None) -> None:
    usual = (b"Host: x", JSON, *([b"Authorization: " + authorization] if authorization is not None else []))
    body = json.dumps(BODIES[operation]).encode() if operation in BODIES else b""
    method = b"GET" if operation == "status" else b"POST"
    refused(post(url, operation, body, method=method, usual=usual), 401, code="unauthorized")


def test_two_keys_are_one_too_many(url: str) -> None:
    for other in (b"Authorization: Bearer x", b"Authorization: Basic eDp5"):
        for usual in ((b"Host: x", JSON, KEY, other), (b"Host: x", JSON, other, KEY)):
            refused(post(url, "start", GOOD, usual=usual), 400, 401)


def test_a_stranger_learns_nothing_about_fields(url: str) -> None:
    bodies = (GOOD, b"{}", b'{"nope": 1}', b"[]", b"")
    assert len({post(url, "start", body, usual=(b"Host: x", JSON)).text for body in bodies}) == 1


def test_the_key_is_taken_from_nowhere_else(url: str) -> None:
    for path in (b"?api_key=" + MINE, b"?access_token=" + MINE, b"?authorization=Bearer%20" + MINE):
        refused(exchange(url, request(GOOD, path=STARTS.encode() + path, usual=(b"Host: x", JSON))), 401)
    for header in (b"X-Api-Key: " + MINE, b"Cookie: token=" + MINE, b"Proxy-Authorization: Bearer " + MINE):
        refused(exchange(url, request(GOOD, usual=(b"Host: x", JSON, header))), 401)


NO_KEYS = (b"", b" ", b"a b", b"a" * 256, b"a" * 10_000, b"\xff", "ключ".encode(), b"a\tb", b'"a b"')


@pytest.mark.parametrize("key", NO_KEYS, ids=lambda key: repr(key)[:16])
@pytest.mark.parametrize("operation", ["start", "check", "resend", "cancel"])
def test_what_is_no_idempotency_key(url: str, operation: str, key: bytes) -> None:
    body = json.dumps(BODIES[operation]).encode() if operation in BODIES else b""
    found = refused(post(url, operation, body, headers=[b"Idempotency-Key: " + key]), 422, code="validation_failed")
    assert [error["field"].lower() for error in found["errors"]] == ["idempotency-key"]


# Request ids


@pytest.mark.parametrize("given", ["harmless-id.1_A", "12345678", "a" * 128])
def test_a_harmless_request_id_is_echoed(url: str, given: str) -> None:
    for path in ("/health/live", "/nowhere", STARTS):
        answer = exchange(url, request(method=b"GET", path=path.encode(), headers=[b"X-Request-Id: " + given.encode()]))
        assert answer.headers.get_list("x-request-id") == [given]


HARMFUL = (
    b"", b"short", b"a" * 129, b"a" * 10_000, b"with spaces", b'quote"quote', b"{json: 1}", b"\xff" * 10,
    "кириллица".encode(), b"semi;colon", b"<script>", b"%0d%0aX-Evil:1", b"a\tb\tc\td\te",
)  # fmt: skip


@pytest.mark.parametrize("given", HARMFUL, ids=lambda given: repr(given)[:16])
def test_any_other_request_id_is_replaced(url: str, given: bytes) -> None:
    answer = exchange(url, request(method=b"GET", path=b"/nowhere", headers=[b"X-Request-Id: " + given]))
    refused(answer, 404)
    (made,) = answer.headers.get_list("x-request-id")
    assert made.encode() != given
    assert len(made) == 16


# The connection


def test_a_caller_that_hangs_up_in_the_middle(url: str) -> None:
    for _ in range(20):
        with connected(url) as peer:
            peer.sendall(request(headers=[b"Content-Length: 22"], length=False) + b'{"to": ')
    refused(exchange(url, request(method=b"GET", path=b"/nowhere")), 404)


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.5, 30])
def test_s22_a_body_slower_than_5_s(url: str, pause: float) -> None:
    """A silent sender and one that drips are both cut off in time."""
    with connected(url) as peer:
        peer.sendall(request(headers=[b"Content-Length: 1000"], length=False))
        began = time.monotonic()
        peer.settimeout(pause)
        while time.monotonic() - began < 20:
            try:
                peer.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                peer.sendall(b" ")
        took = time.monotonic() - began
        peer.settimeout(5)
        answer = read_answer(peer)
        refused(answer, 408, code="request_timeout")
        assert 4.5 < took < 6.5
        assert closed(peer)
