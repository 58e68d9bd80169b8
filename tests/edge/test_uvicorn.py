"""What our protocol and server take from uvicorn's inside: each of these fails when it moves (docs/adr/0018)."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from otp_service.api.edge.connections import Door
from otp_service.api.edge.protocol import served_by


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_its_server_makes_our_connections_and_waits_for_them() -> None:
    door = Door(max_connections=16, per_address=0, keep_alive_seconds=30)
    config = uvicorn.Config(app, port=0, http=served_by(door), ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 No Content\r\n")
    assert len(server.server_state.connections) == 1
    server.should_exit = True
    await asyncio.wait_for(serving, 5)  # it calls `shutdown` of each connection, and waits until none is left
    assert await reader.read() == b""
    assert not server.server_state.connections
    assert not server.server_state.tasks
    writer.close()


def test_what_is_overridden_and_read_is_there() -> None:
    assert {"startup", "shutdown", "on_tick", "handle_exit"} <= set(vars(uvicorn.Server))
    assert [*inspect.signature(uvicorn.Server.on_tick).parameters] == ["self", "counter"]
    assert [*inspect.signature(uvicorn.Server.handle_exit).parameters] == ["self", "sig", "frame"]
    assert {"connections", "tasks"} <= vars(ServerState()).keys()
    assert inspect.iscoroutinefunction(uvicorn.Server.on_tick)
