"""The connections to one server: whom the pool trusts, how long callers wait, and what many of them share."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from otp_service import settings
from otp_service.storage.topology import Call, Server, pool, server
from tests.topologies.network import Network
from tests.topologies.servers import Single, binary, running

PING = [Call("", [("PING",)])]
ALONE = [Call("", [("PING",), ("PING",)])]
"""Several commands in one call, as with WAIT: it has a connection for itself."""
CONFIG = settings.Redis(max_connections=4, timeout_seconds=0.6)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Single, Network, Server]]:
    with running("single", binary(), tmp_path) as (servers, net):
        found = Server.at(CONFIG, servers.url)
        yield servers, net, found
        await found.aclose()


async def asked(found: Server, times: int = 1, calls: Sequence[Call] = ALONE) -> list[Any]:
    replies = await asyncio.gather(*(found.exchange(calls) for _ in range(times)))
    return [reply for ((reply, *_), *_) in replies]


async def connections(found: Server) -> int:
    ((clients,),) = await found.exchange([Call("", [("INFO", "clients")])])
    return int(clients["connected_clients"]) - 1  # the fixture's own


async def test_more_callers_than_connections_wait_and_nothing_is_distrusted(
    place: tuple[Single, Network, Server],
) -> None:
    servers, _, found = place
    assert await asked(found, 40) == [True] * 40
    servers.nodes[0].signal(signal.SIGSTOP)
    replies = await asked(found, 8)
    assert all(isinstance(reply, Exception) for reply in replies)
    servers.nodes[0].signal(signal.SIGCONT)
    assert await asked(found) == [True]
    assert await asked(found, 40) == [True] * 40
    assert not any(server._busy(reply) for reply in replies[:4])
    assert await connections(found) <= 4


@pytest.mark.parametrize("calls", [ALONE, PING], ids=["alone", "shared"])
async def test_a_server_that_hangs_is_not_waited_for_twice(
    place: tuple[Single, Network, Server], calls: Sequence[Call]
) -> None:
    servers, _, found = place
    servers.nodes[0].signal(signal.SIGSTOP)
    await asked(found, 4, calls)
    began = time.monotonic()
    await asked(found, 12, calls)
    assert time.monotonic() - began < CONFIG.timeout_seconds * (1 + pool.SHARE_OF_WAITING) + 0.4
    servers.nodes[0].signal(signal.SIGCONT)
    assert await asked(found, calls=calls) == [True]
    assert isinstance(found.redis.connection_pool, pool.Pool)
    assert found.redis.connection_pool.timeout == CONFIG.timeout_seconds


async def test_one_fault_and_all_idle_connections_are_opened_anew(place: tuple[Single, Network, Server]) -> None:
    _, net, found = place
    await asked(found, 4)
    assert net.freeze_wires(lambda wire: 0 in wire.ends and wire.idle < 1) >= 4
    assert [type(reply).__name__ for reply in await asked(found)] == ["TimeoutError"]
    assert await asked(found, 4) == [True] * 4
    assert await asked(found, 4, PING) == [True] * 4


@pytest.mark.parametrize("calls", [ALONE, PING], ids=["alone", "shared"])
async def test_connections_idle_for_long_are_opened_anew(
    place: tuple[Single, Network, Server], calls: Sequence[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, net, found = place
    await asked(found, 4, calls)
    net.freeze_wires()
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.0)
    assert await asked(found, 4, calls) == [True] * 4


async def test_short_calls_share_one_connection_and_each_hears_its_own_answers(
    place: tuple[Single, Network, Server],
) -> None:
    _, _, found = place
    calls = [[Call("", [("ECHO", f"{caller}-{number}")]) for number in range(1 + caller % 3)] for caller in range(200)]
    replies = await asyncio.gather(*map(found.exchange, calls))
    for caller, answered in enumerate(replies):
        assert answered == [[f"{caller}-{number}".encode()] for number in range(1 + caller % 3)]
    assert await connections(found) == 1


@pytest.mark.parametrize("on_its_way", [True, False])
async def test_a_caller_that_leaves_takes_nothing_from_the_others(
    place: tuple[Single, Network, Server], on_its_way: bool
) -> None:
    """What it asked for is done if it has left already, and everybody else's answer is its own."""
    _, _, found = place
    leaving = [asyncio.create_task(found.exchange([Call("", [("INCR", "left")])])) for _ in range(20)]
    staying = [asyncio.create_task(found.exchange([Call("", [("ECHO", str(n))])])) for n in range(20)]
    await asyncio.sleep(0)
    while on_its_way and found._waiting:
        await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    assert await asyncio.gather(*staying) == [[[str(n).encode()]] for n in range(20)]
    assert await asyncio.gather(*leaving, return_exceptions=True)
    assert await found.exchange([Call("", [("GET", "left")])]) == [[b"20" if on_its_way else None]]


async def test_an_error_is_the_answer_of_its_own_call_only(place: tuple[Single, Network, Server]) -> None:
    _, _, found = place
    wrong = [Call("", [("HGET", "nothing")])]
    replies = await asyncio.gather(found.exchange(PING), found.exchange(wrong), found.exchange(PING))
    assert [type(reply[0][0]).__name__ for reply in replies] == ["bool", "ResponseError", "bool"]


async def test_a_lost_connection_fails_those_under_way_and_nobody_else(place: tuple[Single, Network, Server]) -> None:
    servers, _, found = place
    assert await asked(found, calls=PING) == [True]
    servers.nodes[0].signal(signal.SIGSTOP)
    under_way = asyncio.create_task(asked(found, 5, PING))
    await asyncio.sleep(0.05)
    servers.nodes[0].kill()
    assert all(isinstance(reply, Exception) for reply in await under_way)
    servers.nodes[0].start()
    async with asyncio.timeout(5):
        while await asked(found, calls=PING) != [True]:
            await asyncio.sleep(0.05)
    assert await asked(found, 5, PING) == [True] * 5


async def test_a_silent_connection_is_left_to_those_who_wait_for_it(place: tuple[Single, Network, Server]) -> None:
    """Who comes while it is silent is served by another; nobody waits longer than the time for an answer."""
    _, net, found = place
    assert await asked(found, calls=PING) == [True]
    net.freeze_wires()
    began = time.monotonic()
    lost = asyncio.create_task(asked(found, 3, PING))
    await asyncio.sleep(0.05)
    assert await asked(found, 5, PING) == [True] * 5
    assert time.monotonic() - began < server.SHARE_OF_SILENCE * CONFIG.timeout_seconds + 0.2
    assert await asked(found, 5, PING) == [True] * 5
    assert [type(reply).__name__ for reply in await lost] == ["TimeoutError"] * 3
    assert time.monotonic() - began < CONFIG.timeout_seconds + 0.2
    assert await asked(found, 5, PING) == [True] * 5
    assert await connections(found) <= 2  # the server may not know yet that one is gone


async def test_an_answer_that_is_late_arrives_all_the_same(place: tuple[Single, Network, Server]) -> None:
    servers, _, found = place
    assert await asked(found, calls=PING) == [True]
    servers.nodes[0].signal(signal.SIGSTOP)
    asking = [asyncio.create_task(asked(found, 3, PING)) for _ in range(3)]
    await asyncio.sleep(server.SHARE_OF_SILENCE * CONFIG.timeout_seconds + 0.1)
    asking += [asyncio.create_task(asked(found, 3, PING)) for _ in range(3)]
    servers.nodes[0].signal(signal.SIGCONT)
    assert await asyncio.gather(*asking) == [[True] * 3] * 6
    assert await connections(found) <= 2


async def test_who_waits_when_it_is_closed_hears_of_it(place: tuple[Single, Network, Server]) -> None:
    servers, _, found = place
    assert await asked(found, calls=PING) == [True]
    servers.nodes[0].signal(signal.SIGSTOP)
    asking = [asyncio.create_task(found.exchange(PING)) for _ in range(3)]
    await asyncio.sleep(0.02)
    asking += [asyncio.create_task(found.exchange(PING)) for _ in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(CONFIG.timeout_seconds / 2):
        await found.aclose()
        faults = await asyncio.gather(*asking, return_exceptions=True)
    told = [fault[0][0] if isinstance(fault, list) else fault for fault in faults]  # a fault is a reply, or raised
    assert [type(fault).__name__ for fault in told] == ["ConnectionError"] * 6
    servers.nodes[0].signal(signal.SIGCONT)


async def test_what_cannot_be_sent_is_the_fault_of_its_caller_alone(place: tuple[Single, Network, Server]) -> None:
    _, _, found = place
    wrong: Any = [Call("", [("ECHO", object())])]
    replies = await asyncio.gather(*map(found.exchange, (PING, wrong, PING)), return_exceptions=True)
    assert replies[0] == replies[2] == [[True]]
    assert isinstance(replies[1], TypeError)


async def test_a_bug_on_the_shared_connection_is_heard_by_all_who_wait_for_it(
    place: tuple[Single, Network, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, and who comes after that is served."""
    _, _, found = place
    with monkeypatch.context() as patch:
        patch.setattr(server, "_read", broken)
        replies = await asyncio.gather(*(found.exchange(PING) for _ in range(5)), return_exceptions=True)
        assert [str(reply) for reply in replies] == ["a bug"] * 5
    assert await found.exchange(PING) == [[True]]


def broken(*_: Any) -> None:
    raise RuntimeError("a bug")
