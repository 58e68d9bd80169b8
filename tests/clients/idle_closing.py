"""An HTTP server that closes idle connections just as the next request comes, as proxies do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

FOUND = {
    "id": "v1", "status": "pending", "to": "+79161234567", "channel": "sms", "purpose": "login", "locale": "ru",
    "reference": None, "subject": None, "operator": None, "operator_region": None,
    "created_at": "2026-01-01T12:00:00Z", "expires_at": "2026-01-01T12:05:00Z", "attempts_left": 5, "sends_left": 4,
    "resend_at": "2026-01-01T12:00:30Z", "messages": [], "timeline": [], "guard": None, "test": False,
}  # fmt: skip


@dataclass
class IdleClosing:
    """answered: how many requests a connection is answered; the next one meets its end. keys: as they came."""

    url: str
    answered: int
    keys: list[str] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for number in range(self.answered + 1):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                await reader.readexactly(int(fields.get("content-length", "0")))
                self.keys.append(fields.get("idempotency-key", ""))
                if number == self.answered:
                    return
                body = json.dumps(FOUND).encode()
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                             % len(body) + body)  # fmt: skip
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def closing_idle_connections(answered: int) -> AsyncIterator[IdleClosing]:
    found = IdleClosing("", answered)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    address: Any = server.sockets[0].getsockname()
    found.url = f"http://127.0.0.1:{address[1]}"
    async with server:
        yield found
