"""Starts that come whether or not others were answered, by a generator that costs next to nothing: a client that parses
and pools as libraries do takes as much of two cores as the service, and then measures how late it is itself."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.rig.load import phones
from tests.running import API_KEY

KEPT = 64
"""Connections that are open before the first start."""
PATIENCE_SECONDS = 30.0
"""For answers that are not there when the last start was asked for."""
STEP_SECONDS = 0.002
"""Starts that are due within it are asked for together."""


@dataclass
class Flooded:
    """Milliseconds until each answer: of those answered 201, and 503. bad: any other answer, or none."""

    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    bad: int = 0
    seconds: float = 0.0
    own_seconds: float = 0.0
    """Of processor, that the generator took."""

    @property
    def asked(self) -> int:
        return len(self.taken) + len(self.refused) + self.bad

    def note(self, status: int, seconds: float) -> None:
        if status in (201, 503):
            (self.taken if status == 201 else self.refused).append(1000 * seconds)
        else:
            self.bad += 1


class _Line(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[int] | None = None
        self.alive = True
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[int]:
        self._unread = b""
        self.answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self._unread += data
        end = self._unread.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._unread[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : (head + b"\r\n").index(b"\r\n", at)])
        if len(self._unread) >= end + 4 + length:
            if b"connection: close" in head:
                self.alive = False
            self._settle(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        self._settle(0)

    def close(self) -> None:
        self._transport.abort()

    def _settle(self, status: int) -> None:
        if self.answer and not self.answer.done():
            self.answer.set_result(status)


class _Client:
    def __init__(self, url: str, segment: int) -> None:
        where = urlsplit(url)
        self._host, self._port = str(where.hostname), int(where.port or 0)
        self._people = iter(phones(segment))
        self._idle: list[_Line] = []

    async def warm(self, count: int) -> None:
        self._idle = list(await asyncio.gather(*(self._opened() for _ in range(count))))

    async def start(self) -> tuple[int, float]:
        """Status (0: none), and seconds from wanting it, the opening of a connection included."""
        began = time.perf_counter()
        line = None
        while self._idle and line is None:
            found = self._idle.pop()
            line = found if found.alive else None
        try:
            line = line or await self._opened()
            status = await line.ask(self._request(next(self._people)))
        except OSError:
            return 0, time.perf_counter() - began
        if line.alive:
            self._idle.append(line)
        return status, time.perf_counter() - began

    def close(self) -> None:
        for line in self._idle:
            line.close()

    async def _opened(self) -> _Line:
        _, line = await asyncio.get_running_loop().create_connection(_Line, self._host, self._port)
        return line

    def _request(self, who: tuple[str, str]) -> bytes:
        phone, address = who
        body = json.dumps({"to": phone, "purpose": "login", "client": {"ip": address, "trusted": True}}).encode()
        head = f"POST /v1/verifications HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer {API_KEY}\r\n"
        return head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def at_rate(url: str, segment: int, rate: float, seconds: float, warm_seconds: float = 0.0) -> Flooded:
    """So many starts a second, evenly. Those of the first `warm_seconds` are not measured."""

    async def run(client: _Client, found: Flooded) -> None:
        loop, asked = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        async def one(counts: bool) -> None:
            answer = await client.start()
            if counts:
                found.note(*answer)

        began, sent = loop.time(), 0
        while (passed := loop.time() - began) < warm_seconds + seconds:
            for _ in range(int(passed * rate) - sent):
                task = loop.create_task(one(passed >= warm_seconds))
                asked.add(task)
                task.add_done_callback(asked.discard)
                sent += 1
            await asyncio.sleep(STEP_SECONDS)
        if asked:
            _, late = await asyncio.wait(asked, timeout=PATIENCE_SECONDS)
            found.bad += len(late)

    return _flooded(url, segment, seconds, run)


def by_callers(url: str, segment: int, callers: int, seconds: float, pause_seconds: float = 1.0) -> Flooded:
    """So many callers who ask again at once when they were served, and after a pause when they were refused."""

    async def run(client: _Client, found: Flooded) -> None:
        end = asyncio.get_running_loop().time() + seconds

        async def call(number: int) -> None:
            await asyncio.sleep(pause_seconds * number / callers)
            while asyncio.get_running_loop().time() < end:
                status, took = await client.start()
                found.note(status, took)
                if status != 201:
                    await asyncio.sleep(pause_seconds)

        await asyncio.gather(*map(call, range(callers)))

    return _flooded(url, segment, seconds, run)


def _flooded(url: str, segment: int, seconds: float, run: Callable[[_Client, Flooded], Awaitable[None]]) -> Flooded:
    found = Flooded(seconds=seconds)

    async def flood() -> None:
        client = _Client(url, segment)
        await client.warm(KEPT)
        try:
            await run(client, found)
        finally:
            client.close()

    before = os.times()
    uvloop.run(flood())
    after = os.times()
    found.own_seconds = after.user + after.system - before.user - before.system
    return found
