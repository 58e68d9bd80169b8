"""Whatever bytes come back, an operation reads them or raises `GatewayError`: no crash, no hostile byte passed on."""

from __future__ import annotations

import gc
import random
import re
import time
import tracemalloc
from collections.abc import Awaitable, Iterator
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, Delivery, GatewayError
from otp_service.gateways.http import decode
from tests.gateways.operations import OPERATIONS, Answering
from tests.sizes import sized

QUICK, MANY = 400, sized(10_000, 2_000)
MOST_SECONDS = 0.05
MOST_BYTES = 5_000_000

ID = re.compile(r"[!-~]{0,128}")
WRITTEN = re.compile(r"[0-9: -]*")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


async def outcome(call: Awaitable[object]) -> object:
    """A `GatewayError` is an outcome, which must not drag another exception along."""
    try:
        return await call
    except GatewayError as error:
        caught = error
    assert caught.__context__ is None
    return caught


def check(value: object) -> None:
    """Nothing that a provider wrote gets through unchecked, however deep it lies in a result."""
    match value:
        case Accepted() | Delivery():
            assert ID.fullmatch(value.provider_id)
            assert 0 <= value.parts < 10**9
    match value:
        case Accepted():
            assert re.fullmatch(r"([0-9]{8})?", value.code)
        case Delivery():
            assert ID.fullmatch(value.provider_code)
            assert WRITTEN.fullmatch(value.changed_at)
        case str():
            assert not CONTROL.search(value)
        case datetime() | GatewayError() | timedelta():
            pass
        case None | int() | Decimal() | date() | clock():
            pass
        case list() | tuple():
            for item in value:
                check(item)
        case dict():
            for item in (*value, *value.values()):
                check(item)
        case _:
            for item in astuple(value):
                check(item)


NASTY = (
    b"",
    b"\0",
    b"\xff",
    b"&#0;",
    b"&#7;",
    b"&lol;",
    b"<!DOCTYPE a>",
    b'<!ENTITY a "b">',
    b"]]>",
    b"<![CDATA[",
    b"</ base>",
    b'" x="',
    b"|",
    b",",
    b"-1",
    b"9" * 5_000,
    b"1e999999999",
    b"NaN",
    b"null",
    b"\\ud800",
    b"\\u0000",
    b"[" * 2_000,
    b'{"error":' * 100,
    b"_0|",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    "٣".encode(),
    b'<?xml version="1.0" encoding="utf-16"?>',
    b'<?xml version="1.0" encoding="no-such"?>',
    b"<a>" * 1_000,
    b'O:8:"stdClass":0:{}',
    b"a:9999:{",
    b"R:1;",
    b's:99999:"',
    b"i:99999999999999999999;",
    b"2020-02-31 25:61",
)


def mutated(seed: bytes, draw: random.Random) -> bytes:
    """Bits flipped, pieces cut, doubled, moved or replaced by what parsers dislike."""
    body = bytearray(seed)
    for _ in range(draw.randint(1, 6)):
        start = draw.randrange(len(body) + 1)
        end = min(len(body), start + draw.randint(0, 24))
        match draw.randrange(5):
            case 0 if start < len(body):
                body[start] ^= 1 << draw.randrange(8)
            case 1:
                del body[start:end]
            case 2:
                body[start:start] = body[start:end] * draw.randint(1, 3)
            case 3:
                body[start:end] = draw.choice(NASTY)
            case 4:
                body[start:start] = draw.randbytes(draw.randint(1, 8))
    return bytes(body)


def mutations(name: str, number: int) -> Iterator[bytes]:
    seeds = OPERATIONS[name].seeds()
    draw = random.Random(f"{name} 20260301")
    for _ in range(number):
        yield mutated(draw.choice(seeds), draw)


def test_every_sample_is_there() -> None:
    for name, operation in OPERATIONS.items():
        assert len(operation.paths()) == len(operation.samples), name


@pytest.mark.parametrize("name", OPERATIONS)
async def test_mutated_samples(name: str) -> None:
    client = Answering()
    for client.body in mutations(name, QUICK):
        check(await outcome(OPERATIONS[name].call(client)))


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
async def test_many_mutated_samples_cost_little(name: str) -> None:
    """The time is that of the processor, without collecting the garbage of other tests: only the parser decides."""
    client = Answering()
    for client.body in mutations(name, MANY):
        gc.disable()
        tracemalloc.start()
        began = time.thread_time()
        result = await outcome(OPERATIONS[name].call(client))
        spent, (_, peak) = time.thread_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        gc.enable()
        check(result)
        assert spent < MOST_SECONDS, client.body
        assert peak < MOST_BYTES, client.body


DOCTYPES = (
    b"<!DOCTYPE response>",
    b'<!DOCTYPE response SYSTEM "file:///etc/passwd">',
    b'<!DOCTYPE response [<!ENTITY a "send">]>',
    b'<!DOCTYPE response [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_doctype_is_always_refused(name: str) -> None:
    """Whether it stands before the document, after its declaration, or a blank further."""
    for doctype in DOCTYPES:
        for seed in OPERATIONS[name].seeds():
            head, mark, tail = seed.partition(b"?>")
            for body in (doctype + seed, head + mark + doctype + tail if mark else b" " + doctype + seed):
                refusal = await outcome(OPERATIONS[name].call(Answering(body)))
                assert isinstance(refusal, GatewayError)
                assert refusal.reason is Reason.BROKEN_ANSWER


ANY_TEXT = st.text(max_size=60)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["id_sms", "code", "status", "parts", "time", "price", "num_parts", "err", "state", "area", "phone", "page"]
    ),
    st.text(max_size=40),
    max_size=6,
)
TAGS = st.sampled_from(
    ["error", "success", "information", "state", "money", "sms", "time", "scheduled", "phone", "base", "stats", "stat"]
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Well-formed answers with any values in the places that are read."""

    def quoted(value: str) -> str:
        return "".join(f"&#{ord(char)};" if char in '<>&"' or not char.isprintable() else char for char in value)

    def one() -> str:
        attributes = "".join(f' {name}="{quoted(value)}"' for name, value in draw(ATTRIBUTES).items())
        tag = draw(TAGS)
        return f"<{tag}{attributes}>{quoted(draw(ANY_TEXT))}</{tag}>"

    return f"<response>{''.join(one() for _ in range(draw(st.integers(0, 4))))}</response>"


FORMS = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["0", "_0", "-1", "4", "Message sent"])), max_size=6)
BODY = st.one_of(
    st.binary(max_size=300),
    ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")),
    documents().map(lambda text: text.encode("utf-8", "surrogatepass")),
    FORMS.map(lambda parts: "|".join(parts).encode("utf-8", "surrogatepass")),
)


@settings(max_examples=50)
@given(body=BODY)
async def test_any_answer(body: bytes) -> None:
    for operation in OPERATIONS.values():
        check(await outcome(operation.call(Answering(body))))


@given(st.binary(max_size=300))
def test_every_body_decodes(body: bytes) -> None:
    text = decode(body)

    assert text == text.strip("\0 \r\n\t")
