"""What one request asks of Redis: taken down on the wire, so that it can be asked again without the service.

A tap stands between the service and Redis. It hands on every byte, and of each round trip it keeps the commands and
what kind of answer came. Nothing here knows which scripts there are: whatever the service asks is what is repeated.
"""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hiredis
from redis import Redis

Command = tuple[bytes, ...]
OF_CONNECTION = frozenset({b"AUTH", b"CLIENT", b"HELLO", b"SELECT"})
"""Asked once when a connection is made."""


@dataclass
class Trip:
    """Commands that went out together, and the first word of each answer, or its type where that is no word."""

    commands: list[Command]
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recording:
    """Some operations of one kind, and all keys as they were before the first: (name, ms to live or 0, DUMP)."""

    state: Sequence[tuple[bytes, int, bytes]]
    operations: Sequence[Sequence[Trip]]

    @property
    def usual(self) -> list[Sequence[Trip]]:
        """Those that were told what most were told; while others were recorded, a timer of the service asked too."""
        told = [tuple(tuple(trip.words) for trip in operation) for operation in self.operations]
        ((most, _),) = Counter(told).most_common(1)
        return [operation for operation, words in zip(self.operations, told, strict=True) if words == most]

    def save(self, path: Path) -> Path:
        path.write_bytes(pickle.dumps(self))
        return path

    @staticmethod
    def load(path: Path) -> Recording:
        found = pickle.loads(path.read_bytes())
        assert isinstance(found, Recording)
        return found


def word(reply: Any) -> str:
    first = reply[0] if isinstance(reply, list) and reply else reply
    if isinstance(reply, Exception):
        return f"error {reply}"
    if isinstance(reply, list) and isinstance(first, bytes) and first.replace(b"_", b"").isalpha():
        return first.decode()
    return type(reply).__name__


def everything(redis: Redis) -> list[tuple[bytes, int, bytes]]:
    """All keys with their lives and contents."""
    names = list(redis.scan_iter(count=1000))
    pipeline = redis.pipeline(transaction=False)
    for name in names:
        pipeline.pttl(name)
        pipeline.dump(name)
    found = pipeline.execute()
    return [
        (name, max(0, life), content)
        for name, life, content in zip(names, found[::2], found[1::2], strict=True)
        if content is not None
    ]


def restore(redis: Redis, state: Sequence[tuple[bytes, int, bytes]]) -> None:
    """Make the keys what they were, and no others. Scripts stay loaded."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.flushall()
    for name, life, content in state:
        pipeline.restore(name, life, content)
    pipeline.execute()


class Tap:
    """Listens on `port` for `redis_port`. trips: what came since it was last emptied."""

    def __init__(self, port: int, redis_port: int) -> None:
        self._port = port
        self._redis_port = redis_port
        self.trips: list[Trip] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Tap]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=512):
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await asyncio.open_connection("127.0.0.1", self._redis_port)
        waiting: deque[Trip | None] = deque()
        await asyncio.gather(
            _handed_on(reader, server[1], self._asked(waiting)),
            _handed_on(server[0], writer, _answered(waiting)),
        )

    def _asked(self, waiting: deque[Trip | None]) -> Callable[[list[Any]], None]:
        def note(found: list[Any]) -> None:
            commands = [tuple(each) for each in found]
            ours = [command for command in commands if command[0].upper() not in OF_CONNECTION]
            trip = Trip(ours)
            waiting.extend(trip if command in ours else None for command in commands)
            if ours:
                self.trips.append(trip)

        return note


def _answered(waiting: deque[Trip | None]) -> Callable[[list[Any]], None]:
    def note(found: list[Any]) -> None:
        for reply in found:
            trip = waiting.popleft()
            if trip:
                trip.words.append(word(reply))

    return note


async def _handed_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[list[Any]], None]
) -> None:
    parser = hiredis.Reader()
    try:
        while data := await reader.read(1 << 16):
            parser.feed(data)
            found = []
            while (each := parser.gets()) is not False:
                found.append(each)
            if found:
                note(found)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def taken_down(
    tap: Tap, redis: Redis, operations: Sequence[Callable[[], Awaitable[Any]]], warm_up: int = 0
) -> Recording:
    """Do one after the other. warm_up: so many of the first are done before, so that all scripts are loaded."""
    for operation in operations[:warm_up]:
        await operation()
    state = everything(redis)
    found = []
    for operation in operations[warm_up:]:
        tap.trips.clear()
        await operation()
        found.append(list(tap.trips))
    return Recording(state, found)
