"""A provider on a real socket that answers what it is told, or fails in one of the ways that networks fail.

Use: `async with Stub() as stub: stub.body = b"…"; stub.fault = "stall"`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

FAULTS = (
    "reset at accept",
    "reset after reading",
    "processed, then reset",
    "processed, then closed",
    "stall",
    "cut",
    "drip",
    "garbage",
)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Stub:
    """fault: "" for none. from_request: the fault strikes only from this request of a connection on.

    answer_of: makes the body from the request.
    read: requests that arrived. processed: those that the gateway acted upon. connections: accepted ones.
    """

    body: bytes = b"ok"
    status: int = 200
    headers: tuple[str, ...] = ()
    fault: str = ""
    from_request: int = 1
    drip_seconds: float = 0.05
    close_after_seconds: float | None = None
    tls: ssl.SSLContext | None = None
    answer_of: Callable[[Request], bytes] | None = None
    read: list[Request] = field(default_factory=list)
    processed: list[Request] = field(default_factory=list)
    connections: int = 0

    async def __aenter__(self) -> Stub:
        self._open: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._talk(reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError, RuntimeError):
            pass  # the client went away; uvloop says so with a RuntimeError
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault == "reset at accept":
            return reset(writer)
        number = 0
        while True:
            request = await self._next(reader)
            if request is None:
                return None
            number += 1
            self.read.append(request)
            fault = self.fault if number >= self.from_request else ""
            if fault == "reset after reading":
                return reset(writer)
            self.processed.append(request)
            if self.answer_of is not None:
                self.body = self.answer_of(request)
            if not await self._answer(fault, writer):
                return None

    async def _next(self, reader: asyncio.StreamReader) -> Request | None:
        """None: the connection was idle too long."""
        try:
            async with asyncio.timeout(self.close_after_seconds):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            return None
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, path, _ = first.split(" ")
        return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))

    async def _answer(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        lines = [f"HTTP/1.1 {self.status} -", f"Content-Length: {len(self.body)}", *self.headers, "", ""]
        head = "\r\n".join(lines).encode()
        match fault:
            case "processed, then reset":
                reset(writer)
            case "processed, then closed":
                writer.close()
            case "stall":
                await asyncio.sleep(60)
            case "cut":
                writer.write(head + self.body[: len(self.body) // 2])
                await writer.drain()
                writer.close()
            case "drip":
                for byte in head + self.body:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(self.drip_seconds)
            case "garbage":
                writer.write(b"\x16\x03\x01\xff\xfe not http at all\r\n\r\n")
                await writer.drain()
                writer.close()
            case "":
                writer.write(head + self.body)
                await writer.drain()
                return True
        return False


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
