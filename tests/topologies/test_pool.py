"""The pool of connections to one server: whom it trusts, and how long it lets callers wait."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from otp_service import settings
from otp_service.storage.topology import exchange
from otp_service.storage.topology.exchange import Call, Pool, client
from tests.topologies.network import Network
from tests.topologies.servers import Single, binary, running

PING = [Call("", [("PING",)])]
CONFIG = settings.Redis(max_connections=4, timeout_seconds=0.6)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Single, Network, Redis]]:
    with running("single", binary(), tmp_path) as (servers, net):
        server = client(CONFIG, servers.url)
        yield servers, net, server
        await server.aclose()
        await server.connection_pool.disconnect()


async def asked(server: Redis, times: int = 1) -> list[Any]:
    found = await asyncio.gather(*(exchange.exchange(server, PING) for _ in range(times)))
    return [reply for ((reply,),) in found]


async def test_more_callers_than_connections_wait_and_nothing_is_distrusted(
    place: tuple[Single, Network, Redis],
) -> None:
    servers, _, server = place
    assert await asked(server, 40) == [True] * 40
    servers.nodes[0].signal(signal.SIGSTOP)
    replies = await asked(server, 8)
    assert all(isinstance(reply, Exception) for reply in replies)
    servers.nodes[0].signal(signal.SIGCONT)
    assert await asked(server) == [True]
    assert await asked(server, 40) == [True] * 40
    assert not any(exchange._busy(reply) for reply in replies[:4])
    assert int((await server.info("clients"))["connected_clients"]) <= 4 + 1  # and the fixture's own


async def test_a_server_that_hangs_is_not_waited_for_twice(place: tuple[Single, Network, Redis]) -> None:
    servers, _, server = place
    servers.nodes[0].signal(signal.SIGSTOP)
    await asked(server, 4)
    began = time.monotonic()
    await asked(server, 12)
    assert time.monotonic() - began < CONFIG.timeout_seconds * (1 + exchange.SHARE_OF_WAITING) + 0.4
    servers.nodes[0].signal(signal.SIGCONT)
    assert await asked(server) == [True]
    assert isinstance(server.connection_pool, Pool)
    assert server.connection_pool.timeout == CONFIG.timeout_seconds


async def test_one_fault_and_all_idle_connections_are_opened_anew(place: tuple[Single, Network, Redis]) -> None:
    _, net, server = place
    await asked(server, 4)
    assert net.freeze_wires(lambda wire: 0 in wire.ends and wire.idle < 1) >= 4
    assert [type(reply).__name__ for reply in await asked(server)] == ["TimeoutError"]
    assert await asked(server, 4) == [True] * 4


async def test_connections_idle_for_long_are_opened_anew(
    place: tuple[Single, Network, Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, net, server = place
    await asked(server, 4)
    net.freeze_wires()
    monkeypatch.setattr(exchange, "IDLE_SECONDS", 0.0)
    assert await asked(server, 4) == [True] * 4
