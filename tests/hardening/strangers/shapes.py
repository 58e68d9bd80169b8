"""Shapes of hostile traffic, each by a few connections from an address of its own, for so many seconds.

python -m tests.hardening.strangers.shapes URL SECONDS [CONNECTIONS]     prints how often each shape was begun
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

GET = b"GET %b HTTP/1.1\r\nHost: service\r\n\r\n"
POST = b"POST /v1/verifications HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
PAUSE = 0.05
"""Between two of one connection's, so that the attack costs the machine less than what it attacks."""


class Peer:
    """One connection of a stranger. Whatever the service does to it is no news."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self._loop = asyncio.get_running_loop()

    async def say(self, wire: bytes) -> None:
        await self._loop.sock_sendall(self.socket, wire)

    async def hear(self, size: int = 65_536) -> bytes:
        return await asyncio.wait_for(self._loop.sock_recv(self.socket, size), 5)

    async def ask(self, wire: bytes) -> None:
        """And read the answer, or as much of it as comes at once."""
        await self.say(wire)
        await self.hear()

    async def drip(self, wire: bytes, seconds: float = 0.3) -> None:
        for byte in wire:
            await self.say(bytes([byte]))
            await asyncio.sleep(seconds)

    async def pour(self, wire: bytes, times: int = 200) -> None:
        """More and more, without reading."""
        for _ in range(times):
            await asyncio.wait_for(self.say(wire), 5)
            await asyncio.sleep(PAUSE)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


Shape = Callable[[Peer], Awaitable[None]]


async def silent(peer: Peer) -> None:
    await asyncio.sleep(20)


async def idle_after_one(peer: Peer) -> None:
    await peer.ask(GET % b"/health/live")
    await asyncio.sleep(30)


async def dripped_head(peer: Peer) -> None:
    await peer.drip(POST + b"X-Slow: " + b"a" * 60)


async def dripped_body(peer: Peer) -> None:
    await peer.say(POST + b"Content-Length: 60\r\n\r\n")
    await peer.drip(b"[" * 60)


async def dripped_lines(peer: Peer) -> None:
    await peer.drip(b"\r\n" * 40)


async def endless_header(peer: Peer) -> None:
    await peer.say(POST + b"X-Long: ")
    await peer.pour(b"a" * 60_000)


async def many_headers(peer: Peer) -> None:
    await peer.say(POST)
    await peer.pour(b"X-A: 1\r\n" * 5000)


async def endless_line(peer: Peer) -> None:
    await peer.say(b"GET /")
    await peer.pour(b"a" * 60_000)


async def pipelined(peer: Peer) -> None:
    await peer.pour(GET % b"/" * 1000)


async def pipelined_documents(peer: Peer) -> None:
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    await peer.pour(GET % b"/schema/openapi.json" * 60, times=20)
    await asyncio.sleep(20)


async def unread_asset(peer: Peer) -> None:
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    await peer.say(GET % b"/schema/assets/swagger-ui-bundle.js")
    while await peer.hear(64):
        await asyncio.sleep(0.2)


async def upgraded(peer: Peer) -> None:
    body = GET % b"/metrics"
    head = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
    await peer.say(head + b"Content-Length: %d\r\n\r\n" % len(body))
    await asyncio.sleep(PAUSE)
    await peer.ask(body)


async def websocket(peer: Peer) -> None:
    await peer.say(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    await peer.pour(b"\x82\xfe\xff\xff" + os.urandom(4000))


async def smuggled(peer: Peer) -> None:
    await peer.ask(POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET % b"/metrics")


async def chunks_of_one_byte(peer: Peer) -> None:
    await peer.say(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    await peer.pour(b"1\r\n[\r\n" * 5000)


async def chunk_extensions(peer: Peer) -> None:
    await peer.say(POST + b"Transfer-Encoding: chunked\r\n\r\n1;")
    await peer.pour(b"a" * 60_000)


async def endless_trailer(peer: Peer) -> None:
    await peer.say(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
    await peer.pour(b"X-A: 1\r\n" * 5000)


async def escaped_quotes(peer: Peer) -> None:
    body = b"[" * 17 + b'\\"' * 32_000
    await peer.ask(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def deep(peer: Peer) -> None:
    await peer.ask(POST + b"Content-Length: 60000\r\n\r\n" + b"[" * 60_000)


async def many_names(peer: Peer) -> None:
    body = b"{" + b",".join(b'"%d":0' % n for n in range(6000)) + b"}"
    await peer.ask(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def a_terabyte(peer: Peer) -> None:
    await peer.say(POST + b"Content-Length: 1099511627776\r\n\r\n")
    await peer.pour(b" " * 60_000)


async def tls(peer: Peer) -> None:
    await peer.ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500))


async def http2(peer: Peer) -> None:
    await peer.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" * 500)


async def rubbish(peer: Peer) -> None:
    await peer.ask(os.urandom(4000))


async def reset(peer: Peer) -> None:
    await peer.say(GET % b"/schema/openapi.json")
    peer.reset()


async def come_and_go(peer: Peer) -> None:
    """Nothing is said at all."""


async def nothing_there(peer: Peer) -> None:
    for _ in range(50):
        await peer.ask(GET % b"/%016x" % random.getrandbits(64))


async def wrong_keys(peer: Peer) -> None:
    for _ in range(50):
        key = b"Authorization: Bearer otp_%08x_%032x\r\n" % (random.getrandbits(32), random.getrandbits(128))
        await peer.ask(POST + key + b"Content-Length: 2\r\n\r\n{}")


async def forged_callbacks(peer: Peer) -> None:
    body = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "' + b"c" * 10_000 + b'">]><request>' + b"&b;" * 1000
    head = b"POST /callbacks/targetsms/%032x HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n" % random.getrandbits(
        128
    )
    for _ in range(20):
        await peer.ask(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def readiness(peer: Peer) -> None:
    for _ in range(50):
        await peer.ask(GET % b"/health/ready")


async def metrics(peer: Peer) -> None:
    for _ in range(20):
        await peer.ask(GET % b"/metrics")


async def documents(peer: Peer) -> None:
    for _ in range(20):
        await peer.ask(GET % b"/schema/openapi.json")


async def lies_about_hops(peer: Peer) -> None:
    lies = b"X-Forwarded-For: " + b", ".join(b"10.%d.0.1" % (n % 256) for n in range(2500)) + b"\r\n"
    await peer.ask(POST + lies + b"Content-Length: 2\r\n\r\n{}")


async def half_closed(peer: Peer) -> None:
    await peer.say(POST + b"Content-Length: 100\r\n\r\n{")
    peer.socket.shutdown(socket.SHUT_WR)
    await peer.hear()


SHAPES: tuple[Shape, ...] = (
    silent, idle_after_one, dripped_head, dripped_body, dripped_lines, endless_header, many_headers, endless_line,
    pipelined, pipelined_documents, unread_asset, upgraded, websocket, smuggled, chunks_of_one_byte, chunk_extensions,
    endless_trailer, escaped_quotes, deep, many_names, a_terabyte, tls, http2, rubbish, reset, come_and_go,
    nothing_there, wrong_keys, forged_callbacks, readiness, metrics, documents, lies_about_hops, half_closed,
)  # fmt: skip
FIRST_ADDRESS = 11
"""Each shape has 127.0.0.N, so that the bound of one address is not what stops them."""


@asynccontextmanager
async def connected(port: int, address: str) -> AsyncIterator[Peer]:
    with socket.socket() as opened:
        opened.setblocking(False)
        opened.bind((address, 0))
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port)), 5)
        yield Peer(opened)


async def repeat(shape: Shape, port: int, address: str, until: float, begun: Counter[str]) -> None:
    """Again and again, whatever becomes of it."""
    while (left := until - time.monotonic()) > 0:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(left), connected(port, address) as peer:
                begun[shape.__name__] += 1
                await shape(peer)
        await asyncio.sleep(PAUSE)


async def attack(url: str, seconds: float, connections: int) -> Counter[str]:
    """All shapes at once, each by so many connections."""
    begun: Counter[str] = Counter()
    until = time.monotonic() + seconds
    port = urlsplit(url).port or 0
    attackers = [
        asyncio.create_task(repeat(shape, port, f"127.0.0.{FIRST_ADDRESS + number}", until, begun))
        for number, shape in enumerate(SHAPES)
        for _ in range(connections)
    ]
    # Before Python 3.12 `wait_for` may swallow the end of its time; who goes on then is ended with the loop.
    await asyncio.wait(attackers, timeout=seconds + 2)
    return begun


if __name__ == "__main__":
    address, length, *how_many = sys.argv[1:]
    os.nice(10)  # a real one brings its own processors
    for name, times in asyncio.run(attack(address, float(length), int(how_many[0]) if how_many else 8)).items():
        print(name, times)
