"""A peer that floods any part of an HTTP answer is left soon, and stalls nobody else meanwhile."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import GatewayError, Then
from otp_service.gateways.http import HttpClient
from otp_service.outbound.address_guard import AddressGuard
from otp_service.outbound.receiver import Receiver
from otp_service.settings.values import Network
from tests.soak import usage

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "103 without end": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"),
    "100 without end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "199 without a reason": (b"", b"HTTP/1.1 199 \r\n\r\n"),
    "a status line": (b"HTTP/1.1 200 ", b"A" * 64),
    "line breaks": (b"", b"\r\n"),
    "not HTTP": (b"", b"220 mail.example.org ESMTP ready\r\n"),
    "a header": (OK + b"X-A: ", b"a" * 64),
    "a header's name": (OK, b"X" * 64),
    "headers": (OK, b"X-A: 1\r\n"),
    "headers of one letter": (OK, b"a:\r\n"),
    "folded headers": (OK + b"X-A: 1\r\n", b" x\r\n"),
    "a body": (OK + b"Content-Length: 1000000000000\r\n\r\n", b"x" * 64),
    "a body to the end": (OK + b"\r\n", b"x" * 64),
    "chunks": (CHUNKED, b"40\r\n" + b"x" * 64 + b"\r\n"),
    "chunks of one byte": (CHUNKED, b"1\r\nx\r\n"),
    "a chunk's size": (CHUNKED, b"0" * 64),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * 64),
    "chunks with extensions": (CHUNKED, b"1;a=b\r\nx\r\n"),
    "a trailer": (CHUNKED + b"0\r\nX-A: ", b"a" * 64),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: 1\r\n"),
    "answers that nobody asked for": (b"", OK + b"Content-Length: 0\r\n\r\n"),
}  # fmt: skip
SECONDS = 3.0
LONGEST_STALL = 0.25
MOST_KIB = 24 * 1024


@contextmanager
def flooding(begin: bytes, endless: bytes) -> Iterator[str]:
    """A server that answers each request with `begin` and then without end, as fast as the socket takes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    wire = endless * (1 + 256 * 1024 // len(endless))
    until = time.monotonic() + SECONDS + 2

    def speak(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.settimeout(SECONDS)
            peer.recv(65536)
            peer.sendall(begin)
            while time.monotonic() < until:
                peer.sendall(wire)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=speak, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


@asynccontextmanager
async def nobody_stalls() -> AsyncIterator[None]:
    """Other tasks of this loop go on meanwhile, and memory does not grow.

    Counted is what this thread computes between two turns of a task: time on the wall also tells how busy a machine is.
    """
    stalls: list[float] = []

    async def tick() -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.005)
            stalls.append(time.thread_time() - began)

    gc.disable()  # it would walk what all tests before have left
    before, _ = usage(os.getpid())
    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield
        await asyncio.sleep(0.02)
    finally:
        ticking.cancel()
        gc.enable()
    most, _ = usage(os.getpid())
    assert max(stalls) < LONGEST_STALL, f"{max(stalls):.2f} s"
    assert most - before < MOST_KIB, f"{(most - before) // 1024} MiB"


@pytest.mark.parametrize("part", FLOODS)
async def test_h2_a_gateway_that_floods(part: str) -> None:
    with flooding(*FLOODS[part]) as url:
        client = HttpClient(url)
        try:
            async with nobody_stalls():
                if part == "answers that nobody asked for":
                    await client.exchange("POST", "/x", content=b"hello", seconds=SECONDS)
                    await asyncio.sleep(1)
                else:
                    with pytest.raises(GatewayError) as caught:
                        await client.exchange("POST", "/x", content=b"hello", seconds=SECONDS)
                    assert caught.value.then is Then.UNCLEAR
                    assert caught.value.reason in (Reason.BROKEN_ANSWER, Reason.TIMEOUT)
        finally:
            await client.close()


@pytest.mark.parametrize("part", FLOODS)
async def test_h2_a_receiver_that_floods(part: str) -> None:
    with flooding(*FLOODS[part]) as url:
        receiver = Receiver(url, AddressGuard([Network.parse("127.0.0.0/8")]))
        try:
            async with nobody_stalls():
                answer = await receiver.post(b"{}", {}, seconds=SECONDS)
                await asyncio.sleep(0.2)
            assert answer.status in (0, 200)
            if part.startswith("1"):
                assert answer.why == "broken"
        finally:
            await receiver.close()


async def test_h2_a_few_informational_answers_are_passed_over() -> None:
    """RFC 9110 §15.2: a client must be able to read them."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 4
    with flooding(hints + OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nok", b"\r\n") as url:
        client = HttpClient(url)
        try:
            reply = await client.exchange("POST", "/x", content=b"hello", seconds=SECONDS)
            assert (reply.status, reply.body) == (200, b"ok")
        finally:
            await client.close()
