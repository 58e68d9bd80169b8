"""A-1: whatever reads bytes of others takes time in proportion to them, also where they are made to cost the most."""

from __future__ import annotations

import ast
import gc
import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import otp_service
from otp_service.api.edge import http1
from otp_service.api.edge.client_address import find_client_address
from otp_service.api.edge.edge import Edge
from otp_service.api.edge.json_syntax import parse_json
from otp_service.api.requests import parse_idempotency_key as bare
from otp_service.domain import phone, texts, totp_import
from otp_service.domain.networks import Network, address
from otp_service.domain.totp_exports import UnreadableError
from otp_service.errors import Refused
from otp_service.gateways.base import GatewayError
from otp_service.gateways.http import decode
from otp_service.gateways.targetsms.get import php
from otp_service.gateways.targetsms.xml import wire as xml
from otp_service.outbound.receiver import retry_after
from otp_service.telemetry.logs import Redaction
from tests.sizes import sized

KB = 1024
FLOOR = 0.0005
"""Seconds: below it a clock says little, and nobody is held up."""
STEPS = 8
"""The size is doubled three times."""
SLACK = 3.0

Make = Callable[[int], Any]


def seconds(read: Callable[[Any], object], given: Any) -> float:
    """The least of a few runs: others share the processor. Without the garbage collector, which walks through all that
    the tests before this one have left, and only where there is enough to collect."""
    least = float("inf")
    gc.disable()
    try:
        for _ in range(3):
            began = time.process_time()
            with suppress(Refused, GatewayError, ValueError):
                read(given)
            least = min(least, time.process_time() - began)
            if least > 2:
                break
    finally:
        gc.enable()
    return least


def grows_no_faster(read: Callable[[Any], object], make: Make, most: int) -> None:
    """make: of a size in bytes. most: what can come at once."""
    small, large = seconds(read, make(most // STEPS)), seconds(read, make(most))
    assert large < STEPS * SLACK * max(small, FLOOR), f"{small * 1000:.1f} ms, then {large * 1000:.1f} ms"


def repeated(unit: str, before: str = "", after: str = "") -> Make:
    return lambda size: before + unit * (size // len(unit)) + after


def as_bytes(make: Make) -> Make:
    return lambda size: make(size).encode()


JSON = {
    "escaped quotes": repeated('\\"', "[" * 17),
    "quotes": repeated('"', "[" * 17),
    "an open string": repeated('\\"', "[" * 17 + '"'),
    "backslashes": repeated("\\", "[" * 17 + '"'),
    "brackets in strings": repeated('"[[["', "[" * 17),
    "unicode escapes": repeated("\\u00e9", '["', '"]'),
    "surrogates": repeated("\\ud83d\\ude00", '["', '"]'),
    "half surrogates": repeated("\\ud800", '["', '"]'),
    "digits": repeated("7", "[", "]"),
    "a fraction": repeated("7", "[0.", "]"),
    "an exponent": repeated("9", "[1e", "]"),
    "spaces": repeated(" ", "[", "]"),
    "line breaks and an error": repeated("\n", "[", "x"),
    "empty lists": repeated("[],", "[", "[]]"),
    "empty objects": repeated('{"":0},', "[", "{}]"),
    "names": lambda size: "{" + ",".join(f'"{n}":0' for n in range(size // 9)) + ',"x":0}',
    "the same name": repeated('"a":0,', "{", '"a":0}'),
}


@pytest.mark.parametrize("name", JSON)
def test_a1_json(name: str) -> None:
    grows_no_faster(parse_json, as_bytes(JSON[name]), 64 * KB)


HEADS = {
    "spaces before a value": repeated(" ", "GET / HTTP/1.1\r\nHost: x\r\nX-A:", "\0\r\n\r\n"),
    "spaces behind a value": repeated(" ", "GET / HTTP/1.1\r\nHost: x\r\nX-A: a", "\0\r\n\r\n"),
    "a name": repeated("a", "GET / HTTP/1.1\r\nHost: x\r\n", " \r\n\r\n"),
    "commas": repeated(",", "GET / HTTP/1.1\r\nHost: x\r\nConnection: ", "\r\n\r\n"),
    "escapes": repeated("%", "GET /", " HTTP/1.1\r\nHost: x\r\n\r\n"),
    "good escapes": repeated("%41", "GET /", " HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a host": repeated("[", "GET / HTTP/1.1\r\nHost: ", "@\r\n\r\n"),
    "an absolute target": repeated("a", "GET http://", "@ HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a request line": repeated("A", "", " / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "spaces in the request line": repeated(" ", "GET", "/ HTTP/1.1\r\n\r\n"),
    "line breaks first": repeated("\r\n", "", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "carriage returns": repeated("\r", "GET / HTTP/1.1", "\r\n\r\n"),
    "short lines": repeated("a:\r\n", "GET / HTTP/1.1\r\nHost: x\r\n", "\r\n"),
}


@pytest.mark.parametrize("name", HEADS)
def test_a1_heads(name: str) -> None:
    grows_no_faster(lambda wire: http1.head_in(bytearray(wire), 0), as_bytes(HEADS[name]), 32 * KB)


def test_a1_a_head_byte_by_byte() -> None:
    def read(wire: bytes) -> None:
        buffer, seen = bytearray(), 0
        for byte in wire:
            buffer.append(byte)
            http1.head_in(buffer, seen)
            seen = len(buffer)

    grows_no_faster(read, as_bytes(repeated("a", "GET / HTTP/1.1\r\nX-A: ")), 32 * KB)


CHUNKS = {
    "of one byte": repeated("1\r\nx\r\n"),
    "with extensions": repeated("1;a=b\r\nx\r\n"),
    "an extension": repeated("a", "1;"),
    "a size": repeated("0"),
    "trailers": repeated("a:\r\n", "0\r\n"),
    "line breaks": repeated("\r\n"),
    "spaces": repeated(" ", "1"),
}


@pytest.mark.parametrize("step", [1, 100, 16 * KB])
@pytest.mark.parametrize("name", CHUNKS)
def test_a1_chunks(name: str, step: int) -> None:
    def read(wire: bytes) -> None:
        body, buffer = http1.Body(None), bytearray()
        for begin in range(0, len(wire), step):
            buffer += wire[begin : begin + step]
            body.take(buffer)

    grows_no_faster(read, as_bytes(CHUNKS[name]), 64 * KB)


FORWARDED = {
    "addresses": repeated("10.0.0.1, "),
    "commas": repeated(","),
    "digits": repeated("1"),
    "dots": repeated("1."),
    "colons": repeated(":"),
    "brackets": repeated("["),
    "spaces": repeated(" "),
}


@pytest.mark.parametrize("name", FORWARDED)
def test_a1_addresses(name: str) -> None:
    trusted = [Network.parse("10.0.0.0/8")]

    def read(text: str) -> None:
        address(text)
        scope: Any = {"client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", text.encode())]}
        find_client_address(scope, trusted)

    grows_no_faster(read, FORWARDED[name], 32 * KB)


def imported(text: str) -> None:
    with suppress(UnreadableError):
        list(itertools.islice(totp_import.rows(text), 500))


TEXTS = {
    "JSON": repeated("[", "[", "]"),
    "a JSON export": repeated(
        '{"secret":"A","label":"a:b"},', '[{"secret":"A","label":"a:b"},', '{"secret":"A","label":"a"}]'
    ),
    "a migration": repeated("CgAKAAoA", "otpauth-migration://offline?data="),
    "an OATH CSV": repeated("a,b,TOTP,6,30\n"),
    "digits": repeated("7"),
    "plus signs": repeated("+"),
    "digits apart": repeated("7 "),
    "eleven digits": repeated("79161234567 "),
    "spaces": repeated(" ", "7", "7"),
    "brackets": repeated("("),
    "braces": repeated("{"),
    "braces that close": repeated("{код"),
    "letters": repeated("а"),
    "letters of two scripts": repeated("аa"),
    "quotes": repeated('"'),
    "commas": repeated(","),
    "line breaks": repeated("\n"),
    "columns and lines": lambda size: ",".join(f"a{n}" for n in range(size // 14)) + "\n" + "x\n" * (size // 4),
    "known columns and lines": lambda size: "subject,secret\n" + "a,b\n" * (size // 4),
    "the same column": lambda size: "subject," * (size // 16) + "\n" + "x\n" * (size // 4),
    "URIs": repeated("otpauth://totp/a?secret=A&b=c\n"),
    "a URI of many fields": repeated("&a=b", "otpauth://totp/a?secret=A"),
    "a URI of escapes": repeated("%41", "otpauth://totp/"),
    "a URI of colons": repeated(":", "otpauth://totp/"),
}
READERS: dict[str, Callable[[str], object]] = {
    "phones": lambda text: phone.normalise(text, "RU"),
    "CSV and URIs": lambda text: imported(text),
    "the log": lambda text: Redaction(["credential-one", "credential-two"])(None, "", {"event": text, "n": [text]}),
    "texts": lambda text: (texts.template_fault(text), texts.brand_fault(text), texts.character_fault(text)),
    "Retry-After": retry_after,
    "idempotency keys": bare,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", TEXTS)
def test_a1_texts(reader: str, name: str) -> None:
    grows_no_faster(READERS[reader], TEXTS[name], 60_000)


PHP = {
    "arrays": repeated("a:1:{i:0;"),
    "integers": lambda size: f"a:{min(9999, size // 8)}:{{" + "i:0;i:0;" * (size // 8) + "}",
    "a length": repeated("9", "s:"),
    "strings": lambda size: f"a:{size // 14}:{{" + 'i:0;s:1:"x";' * (size // 14) + "}",
    "digits": repeated("1", "i:"),
    "a decimal": repeated("1", "d:0."),
}


@pytest.mark.parametrize("name", PHP)
def test_a1_php(name: str) -> None:
    grows_no_faster(php.read, as_bytes(PHP[name]), 16 * KB)


XML = {
    "elements": repeated("<a/>", "<response>", "</response>"),
    "depth": lambda size: "<response>" + "<a>" * (size // 7) + "</a>" * (size // 7) + "</response>",
    "attributes": lambda size: "<response " + " ".join(f"a{n}=''" for n in range(size // 9)) + "/>",
    "the same attribute": repeated("a='' ", "<response ", "/>"),
    "characters by number": repeated("&#49;", "<response>", "</response>"),
    "entities": repeated("&a;", "<response>", "</response>"),
    "comments": repeated("<!---->", "<response>", "</response>"),
    "an open comment": repeated("-", "<response><!--"),
    "instructions": repeated("<?a?>", "<response>", "</response>"),
    "a declaration": repeated("?", "<?xml "),
    "spaces": repeated(" ", "<?xml?>", "<"),
    "open brackets": repeated("<"),
    "slashes": repeated("</ ", "<response>"),
    "a data section": repeated("]", "<response><![CDATA["),
    "namespaces": lambda size: "<response " + " ".join(f"xmlns:a{n}='b'" for n in range(size // 16)) + "/>",
}


@pytest.mark.parametrize("name", XML)
def test_a1_xml(name: str) -> None:
    grows_no_faster(lambda body: xml.parse(decode(body), "response"), as_bytes(XML[name]), 256 * KB)


@pytest.mark.parametrize("name", JSON)
async def test_a1_the_whole_edge(name: str) -> None:
    """A body meets nothing else before its key is looked at."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    body = JSON[name](64 * KB).encode()[: 64 * KB]

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: Any) -> None:
        pass

    scope: Any = {
        "type": "http", "method": "POST", "path": "/v1/verifications", "raw_path": b"/v1/verifications",
        "headers": [(b"content-type", b"application/json")], "client": ("192.0.2.1", 4711),
    }  # fmt: skip
    took = []
    for _ in range(3):
        began = time.process_time()
        await Edge(app)(scope, receive, send)
        took.append(time.process_time() - began)
    assert min(took) < 0.1


# Every regular expression of the product, whatever it is for: found in the source, fed with what its kind chokes on

ALPHABET = " \t\n,.:;/\\\"'[]{}()<>=+-_|@%&?!0a1Ая"
WORST = sized(6000, 2000)
LONGEST_MS = float(sized(30, 3))
"""What grows with the square takes longer for so much, and what grows with it a hundredth."""
OPERATIONS = {"match", "fullmatch", "search", "sub", "split", "findall", "finditer"}


def expressions() -> Iterator[tuple[str, str | bytes, int, set[str]]]:
    """Place, pattern, flags and what is done with each that stands in the source as a literal; `+ END` is `\\Z`."""
    package = Path(otp_service.__file__).parent
    for file in sorted(package.rglob("*.py")):
        tree = ast.parse(file.read_text())
        done: dict[str, set[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                done.setdefault(node.value.id, set()).add(node.attr)
        for node in ast.walk(tree):
            name = node.targets[0] if isinstance(node, ast.Assign) else None
            call = node.value if isinstance(node, ast.Assign) else node
            if not isinstance(call, ast.Call):
                continue
            how = call.func.attr if isinstance(call.func, ast.Attribute) and ast.unparse(call.func)[:3] == "re." else ""
            found = call.args[0] if how in OPERATIONS | {"compile"} and call.args else None
            if how == "compile":
                if not isinstance(node, ast.Assign):
                    continue
                used = done.get(name.id, OPERATIONS) & OPERATIONS if isinstance(name, ast.Name) else OPERATIONS
            else:
                used = {how} if how else {"search"}
            if found is None:
                found = next((keyword.value for keyword in call.keywords if keyword.arg == "pattern"), None)
            end = r"\Z" if isinstance(found, ast.BinOp) else ""
            found = found.left if isinstance(found, ast.BinOp) else found
            if isinstance(found, ast.Constant) and isinstance(found.value, str | bytes):
                text = found.value + end if isinstance(found.value, str) else found.value
                flags = re.DOTALL if "DOTALL" in ast.unparse(call) else 0
                yield f"{file.relative_to(package)}:{call.lineno}", text, flags, used


@pytest.mark.slow
def test_a1_every_regular_expression() -> None:
    slow = {
        f"{place} {text!r}": found for place, text, flags, used in expressions() if (found := chokes(text, flags, used))
    }
    assert not slow


def chokes(text: str | bytes, flags: int, used: set[str]) -> list[tuple[str, str, str]]:
    """On which runs of one or two characters, behind what it may begin with and before what it cannot end with."""
    pattern: re.Pattern[Any] = re.compile(text, flags)
    operations = [pattern.fullmatch] if used == {"fullmatch"} else [pattern.match] if used == {"match"} else None
    units = [*ALPHABET, *map("".join, itertools.permutations(ALPHABET[:20] + "0a", 2))]
    slow = []
    for unit in units:
        for before in ("", "a", "1", '"', "<", "https://", "{"):
            made = before + unit * (WORST // len(unit)) + "\0"
            given: Any = made.encode() if isinstance(text, bytes) else made
            for operation in operations or [pattern.fullmatch, pattern.search]:
                began = time.process_time()
                operation(given)
                if (time.process_time() - began) * 1000 > LONGEST_MS and seconds(operation, given) * 1000 > LONGEST_MS:
                    slow.append((before, unit, operation.__name__))
        if len(slow) > 3:
            break
    return slow


def test_a1_most_expressions_are_found() -> None:
    found = list(expressions())
    places = {place.partition(":")[0] for place, *_ in found}
    assert len(found) > 60
    assert {"api/edge/json_syntax.py", "domain/phone.py", "gateways/wire.py", "telemetry/logs.py"} <= places
