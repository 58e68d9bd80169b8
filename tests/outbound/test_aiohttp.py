"""What our transport takes from aiohttp's inside: each of these fails when it moves (docs/adr/0008)."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from otp_service.gateways.http import HttpClient
from otp_service.outbound.transport import HEAD_PIECE, MAX_HEAD, _Connector, _Protocol


async def test_what_is_overridden_and_read_is_there() -> None:
    assert {"set_response_params", "data_received"} <= set(vars(ResponseHandler))
    assert [*inspect.signature(ResponseHandler.data_received).parameters] == ["self", "data"]
    assert [*inspect.signature(ResponseHandler.feed_data).parameters] == ["self", "data", "size"]
    handler = ResponseHandler(asyncio.get_running_loop())
    assert {"_parser", "_exception", "transport"} <= {
        *vars(handler), *(name for kind in type(handler).__mro__ for name in getattr(kind, "__slots__", ())),
    }  # fmt: skip
    async with aiohttp.TCPConnector() as connector:
        assert connector._factory.func is ResponseHandler, "what makes connections"
    async with _Connector() as connector:
        assert connector._factory.func is _Protocol


async def test_each_answer_on_one_connection_may_have_a_head_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """`set_response_params` is called once for each exchange; the bytes of its head are counted anew there."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + b"X-A: %b\r\n" % (b"a" * 5000) * 4 + b"\r\nok"
    assert len(head) < MAX_HEAD < 6 * len(head)
    connections, begun = 0, []
    own = _Protocol.set_response_params

    def begin(protocol: _Protocol, **params: Any) -> None:
        own(protocol, **params)
        begun.append((protocol._has_head, protocol._head_bytes, protocol._informational))

    monkeypatch.setattr(_Protocol, "set_response_params", begin)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(head)

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(f"http://127.0.0.1:{port}", max_parallel=1, connect_seconds=1)
        for _ in range(6):
            assert (await client.exchange("GET", "/", seconds=5)).text() == "ok"
        assert connections == 1
        assert begun == [(False, 0, 0)] * 6
        await client.close()
        server.close()


async def test_a_head_that_comes_in_one_piece_is_parsed_in_small_ones() -> None:
    """`data_received` is what the socket's bytes come by, and what was parsed tells when to leave."""
    parsed: list[int] = []

    class Parser:
        def feed_data(self, data: bytes) -> tuple[list[object], bool, bytes]:
            parsed.append(len(data))
            return [], False, b""

    protocol = _Protocol(asyncio.get_running_loop())
    protocol._parser = Parser()  # type: ignore[assignment]
    protocol.data_received(b"a" * 10 * MAX_HEAD)
    assert max(parsed) <= HEAD_PIECE
    assert sum(parsed) <= MAX_HEAD + HEAD_PIECE
    assert protocol.exception() is not None
