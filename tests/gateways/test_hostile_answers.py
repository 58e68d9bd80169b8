"""Whatever bytes come back, an adapter accepts them or raises `GatewayError`: no crash, no hostile byte passed on."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Iterator, Mapping
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_service.gateways.base import Gateway, GatewayError, Outgoing
from otp_service.gateways.http import HttpClient, Reply, decode
from tests.gateways.kinds import KINDS, Kind

BODIES = 2_000
IDS = list("12345678")
ID = re.compile(r"[0-9A-Za-z_-]{0,64}")
WRITTEN = re.compile(r"[0-9: -]*")

T = TypeVar("T")


class Answering(HttpClient):
    """In place of the network: every exchange is answered with one body."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def exchange(
        self, method: str, path: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None, seconds: float
    ) -> Reply:
        return Reply(200, self.body)


@pytest.fixture(scope="module")
def adapters() -> Iterator[dict[str, tuple[Gateway, Answering]]]:
    built = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, kind in KINDS.items():
            client = Answering(b"")
            patch.setattr("otp_service.gateways.config.HttpClient", lambda *_, client=client, **__: client)
            built[name] = kind.build("https://127.0.0.1"), client
        yield built


async def outcome(call: Awaitable[T]) -> T | None:
    """None for a `GatewayError`, which must not drag another exception along."""
    failure = None
    try:
        return await call
    except GatewayError as error:
        failure = error
    assert failure.__context__ is None
    return None


async def survive_sending(gateway: Gateway, message: Outgoing) -> None:
    accepted = await outcome(gateway.send(message, 1.0))
    if accepted is not None:
        assert ID.fullmatch(accepted.provider_id)
        assert accepted.code == "" or re.fullmatch(r"[0-9]{8}", accepted.code)
        assert 0 <= accepted.parts < 10**9


async def survive_asking(gateway: Gateway) -> None:
    for delivery in await outcome(gateway.deliveries(IDS)) or []:
        assert delivery.provider_id in IDS
        assert ID.fullmatch(delivery.provider_code)
        assert WRITTEN.fullmatch(delivery.changed_at)


async def survive_the_rest(gateway: Gateway) -> None:
    await outcome(gateway.withdraw("1234"))
    assert all(finding.text.isprintable() for finding in await gateway.examine())


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


NASTY = (
    b"",
    b"\0",
    b"\xff",
    b"&#0;",
    b"&lol;",
    b"<!DOCTYPE a>",
    b'<!ENTITY a "b">',
    b"]]>",
    b"<![CDATA[",
    b"</ base>",
    b'" x="',
    b"|",
    b"-1",
    b"9" * 5_000,
    b"_0|",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    "٣".encode(),
    b'<?xml version="1.0" encoding="utf-16"?>',
    b'<?xml version="1.0" encoding="no-such"?>',
    b"<a>" * 1_000,
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_mutated_samples(adapters: dict[str, tuple[Gateway, Answering]], kind: Kind) -> None:
    gateway, client = adapters[kind.name]
    seeds = [path.read_bytes() for path in kind.fixtures()]
    draw = random.Random(20_260_301)
    for _ in range(BODIES):
        client.body = mutated(draw.choice(seeds), draw)
        await survive_sending(gateway, kind.message())
        await draw.choice((survive_asking, survive_the_rest))(gateway)


ANY_TEXT = st.text(max_size=60)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["id_sms", "code", "status", "parts", "time", "price", "num_parts", "err", "state", "area"]),
    st.text(max_size=40),
    max_size=6,
)
TAGS = st.sampled_from(["response", "error", "success", "information", "state", "money", "sms", "time", "scheduled"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Well-formed answers with any values in the places that the adapters read."""

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


@given(body=BODY)
async def test_any_answer(adapters: dict[str, tuple[Gateway, Answering]], body: bytes) -> None:
    for name, (gateway, client) in adapters.items():
        client.body = body
        await survive_sending(gateway, KINDS[name].message())
        await survive_asking(gateway)
        await survive_the_rest(gateway)


@given(st.binary(max_size=300))
def test_every_body_decodes(body: bytes) -> None:
    text = decode(body)

    assert text == text.strip("\0 \r\n\t")
