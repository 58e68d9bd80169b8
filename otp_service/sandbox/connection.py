"""Ending a connection without an answer: what no ASGI application can do, so uvicorn's protocol lends a hand."""

from __future__ import annotations

import asyncio
import socket
import struct

from litestar.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_KEY = "sandbox_connection"


class SandboxProtocol(HttpToolsProtocol):
    """Gives each request a handle on the connection that it came by."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][_KEY] = self.transport


async def reset_connection(scope: Scope) -> None:
    """The client sees a TCP reset: SO_LINGER with zero seconds turns the close into an RST."""
    transport = _transport(scope)
    peer: socket.socket = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _until_lost()


async def close_connection(scope: Scope) -> None:
    """The client sees the end of the stream, after what was written."""
    _transport(scope).close()
    await _until_lost()


async def _until_lost() -> None:
    """uvicorn must hear of the loss before the application returns, or it answers 500 in its place."""
    await asyncio.sleep(0.01)


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope["state"].get(_KEY)
    if transport is None:  # in-process (httpx.ASGITransport): there is no connection to break
        raise ConnectionResetError("The sandbox breaks this connection.")
    found: asyncio.Transport = transport
    return found
