"""The grammar of requests: what is read of good ones however they are cut, and that llhttp reads the same."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_service.api.edge.http1 import MAX_HEAD_BYTES, MAX_HEADERS, Body, Head, head_in
from otp_service.errors import Refused

Read = tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]
"""Method, target, headers, body."""


def ours(wire: bytes, *cuts: int) -> Read | None:
    """The first request of what comes in these pieces; None where it is not complete. Raises Refused."""
    buffer, seen = bytearray(), 0
    head: Head | None = None
    body: Body | None = None
    taken = b""
    for begin, end in zip((0, *cuts), (*cuts, len(wire)), strict=True):
        buffer += wire[begin:end]
        if head is None:
            head = head_in(buffer, seen)
            seen = len(buffer)
            body = Body(head.length) if head else None
        if body and not body.complete:
            taken += body.take(buffer)
    if head is None or body is None or not body.complete:
        return None
    target = head.raw_path + (b"?" + head.query if head.query else b"")
    return head.method.encode(), target, list(head.headers), taken


class Heard:
    """What llhttp calls back of the first request."""

    def __init__(self) -> None:
        self.url = self.body = self.method = b""
        self.parser = httptools.HttpRequestParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.in_head = True
        self.complete = False

    def on_url(self, url: bytes) -> None:
        if not self.complete:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head and not self.complete:
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        if not self.complete:
            self.method = self.parser.get_method()
        self.in_head = False

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def llhttp(wire: bytes) -> Read | None:
    heard = Heard()
    try:
        heard.parser.feed_data(wire)
    except httptools.HttpParserError:
        if not heard.complete:  # what comes behind the first request is not judged here
            raise
    return (heard.method, heard.url, heard.headers, heard.body) if heard.complete else None


TOKENS = [
    b"GET", b"POST", b"get", b"CONNECT", b"PRI", b" ", b"  ", b"\t", b"/", b"/path?q=1", b"/a%41", b"*",
    b"http://x/y", b"#", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"\r\n", b"\n", b"\r", b"\r\n\r\n",
    b":", b": ", b",", b";", b"Host", b"Host: x", b"Content-Length", b"Content-Length: 3", b"Content-Length: 0",
    b"Content-Length: +3", b"3", b"0", b"Transfer-Encoding: chunked", b"Transfer-Encoding", b"chunked", b"Chunked",
    b"gzip, chunked", b"identity", b"X-A", b"x", b"Connection: close", b"Expect: 100-continue", b"abc",
    b"3\r\nabc\r\n", b"0\r\n\r\n", b"3;a=b\r\nabc\r\n", b"0\r\nX: y\r\n\r\n", b"\0", b"\x7f", b"\x80", b"\xff",
    b"\x0b", b"'", b'"', b"(", b"{", b"-", b"_", b"+", b"0x3", b"00003", b"3 ", b" 3",
]  # fmt: skip
GOOD = [
    b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/verifications?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;e=f\r\nd\r\n0\r\nT: u\r\n\r\n",
    b"\r\nPUT /x HTTP/1.0\r\nX-A:\t b \r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nz",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good request in which some pieces are replaced, taken away or put in."""
    wire = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(wire)))
        end = draw(st.integers(begin, min(len(wire), begin + 12)))
        wire = wire[:begin] + draw(st.sampled_from([*TOKENS, b""])) + wire[end:]
    return wire


@pytest.mark.slow
@settings(max_examples=4000)
@given(wire=mutated() | st.lists(st.sampled_from(TOKENS), max_size=20).map(b"".join) | st.binary(max_size=60))
def test_s23_what_we_accept_llhttp_accepts_and_reads_the_same(wire: bytes) -> None:
    try:
        read = ours(wire)
    except Refused:
        return
    if read is None:
        return
    try:
        same = llhttp(wire)
    except httptools.HttpParserUpgrade:
        return
    assert same is not None, wire
    target = same[1]
    if not target.startswith((b"/", b"*")):
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]  # absolute: we keep the path
    assert (read[0], read[2], read[3]) == (same[0], same[2], same[3]), wire
    assert read[1] in (target, target.partition(b"#")[0], target.rstrip(b"?")), wire


@settings(max_examples=500)
@given(wire=mutated(), data=st.data())
def test_how_a_request_is_cut_changes_nothing(wire: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))

    def outcome(*cuts: int) -> object:
        try:
            return ours(wire, *cuts)
        except Refused as refusal:
            return refusal.code

    assert outcome(*cuts) == outcome()


@pytest.mark.parametrize(
    "wire",
    [
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\t\r\n\r\nabc",
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunkedT: u\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\ncontent-length: 3\r\n\r\n",
    ],
)
def test_what_frames_a_message_is_said_once_and_plainly(wire: bytes) -> None:
    with pytest.raises(Refused):
        ours(wire)


@pytest.mark.parametrize("wire", GOOD)
def test_good_requests_byte_by_byte(wire: bytes) -> None:
    assert ours(wire, *range(1, len(wire))) == ours(wire) is not None


def test_bounds_of_a_head() -> None:
    begun = b"GET / HTTP/1.1\r\nHost: x\r\n"
    assert ours(begun + b"X-A: 1\r\n" * (MAX_HEADERS - 1) + b"\r\n")
    for wire in (begun + b"X-A: 1\r\n" * MAX_HEADERS + b"\r\n", begun + b"X-A: " + b"a" * MAX_HEAD_BYTES):
        with pytest.raises(Refused) as caught:
            ours(wire)
        assert caught.value.code == "head_too_large"


@pytest.mark.parametrize(
    "wire", [b"\x16\x03\x01", b"hello", b"GET / HTTP/1.1\nHost: x\n", b"PRI * HTTP/2.0\r\n\r\n", b"GET /\0", b"\n"]
)
def test_what_cannot_become_a_request_is_refused_at_once(wire: bytes) -> None:
    with pytest.raises(Refused):
        ours(wire)


def test_lines_between_chunks_have_a_bound() -> None:
    """So that one byte each, or long extensions, do not cost more than a head may."""
    for chunk in (b"1\r\nx\r\n", b"1;" + b"e" * 200 + b"\r\nx\r\n"):
        body, buffer = Body(None), bytearray(chunk * 20_000)
        with pytest.raises(Refused):
            body.take(buffer)
    body, buffer = Body(None), bytearray(b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n")
    assert body.take(buffer) == b"x" * 5000
    assert body.complete
