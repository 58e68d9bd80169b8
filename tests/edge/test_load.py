"""More than a process can do: it says so at once, and what it takes it answers in time."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import socket
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from otp_service import load as load_of
from otp_service import settings
from otp_service.api.edge.edge import Edge
from otp_service.app import create_app, open_service
from otp_service.cli.accepting import ACCEPTED_AT_ONCE, Acceptor
from otp_service.load import (
    BUSY_SHARE,
    IN_TIME_SECONDS,
    LATE_SECONDS,
    LEAST_UNDER_WAY,
    STRAINED_TICKS,
    TICK_SECONDS,
    TICKS,
    Load,
    Visit,
)
from tests.api import problem
from tests.running import API_KEY, service_environ

LATE = 2 * LATE_SECONDS
CROWD = 10 * LEAST_UNDER_WAY


def rows(load: Load, lags: list[float], *, busy: float = 0.0, ended: int = 0) -> None:
    """Ticks, one after the other. busy: share of a core that the loop has meanwhile. ended: requests in each."""
    for lag in lags:
        load.ended = ended
        now = load._noted_at + TICK_SECONDS + lag
        load.note(lag, now, load._worked + busy * (TICK_SECONDS + lag))


def test_a_late_moment_refuses_nobody_and_a_row_of_them_does() -> None:
    load = Load()
    load.under_way = CROWD
    rows(load, [LATE] * (STRAINED_TICKS - 1) + [0.0] * TICKS)
    assert not load.is_too_much()
    rows(load, [LATE] * STRAINED_TICKS)
    assert load.is_too_much()
    load.under_way = LEAST_UNDER_WAY
    assert not load.is_too_much(), "so many it always takes"


def test_a_loop_that_is_always_at_work_is_behind_however_punctual_it_is() -> None:
    load = Load()
    load.under_way = CROWD
    rows(load, [0.001] * TICKS, busy=BUSY_SHARE - 0.05)
    assert not load.is_too_much()
    rows(load, [0.001] * TICKS, busy=BUSY_SHARE + 0.05)
    assert load.is_too_much()


def test_as_many_are_taken_as_it_ends_in_time() -> None:
    load = Load()
    load.under_way = CROWD
    rows(load, [LATE] * 200, ended=45)  # in 25 ms, and the 20 that each tick comes late: 1,000 a second
    load.under_way = int(999 * IN_TIME_SECONDS)
    assert not load.is_too_much()
    load.under_way += 2
    assert load.is_too_much()


def test_a_quiet_time_says_nothing_of_what_it_can_do() -> None:
    load = Load()
    load.under_way = CROWD
    rows(load, [LATE] * 200, ended=45)
    rows(load, [0.0] * 1000, ended=1)
    load.under_way = 1
    rows(load, [LATE] * 200)  # held up by strangers, who are not counted
    load.under_way = CROWD
    rows(load, [LATE] * STRAINED_TICKS, ended=45)
    load.under_way = int(999 * IN_TIME_SECONDS)
    assert not load.is_too_much()


def test_it_takes_all_again_once_it_keeps_up() -> None:
    load = Load()
    load.under_way = CROWD
    rows(load, [LATE] * TICKS)
    assert load.is_too_much()
    rows(load, [0.0] * (TICKS - STRAINED_TICKS + 1))
    assert not load.is_too_much()


def test_who_waits_for_somebody_else_is_not_counted_meanwhile() -> None:
    load, other = Load(), contextvars.copy_context()
    with load_of.away():  # outside any request
        pass
    visit = Visit(load)
    visit.begin()
    other.run(load_of.visit.set, visit)

    def wait() -> None:
        with load_of.away():
            assert load.under_way == 0
            visit.end(taken=True)  # it was answered while what it began goes on
        assert load.under_way == 0

    assert load.under_way == 1
    other.run(wait)
    assert (load.under_way, load.ended) == (0, 1)


def test_who_has_no_key_takes_nobodys_place() -> None:
    load, other = Load(), contextvars.copy_context()
    visit = Visit(load)
    other.run(load_of.visit.set, visit)
    assert load.under_way == 0
    for _ in range(2):
        other.run(load_of.begin)
        assert load.under_way == 1
    visit.end(taken=True)
    stranger = Visit(load)
    other.run(load_of.visit.set, stranger)

    def wait() -> None:
        with load_of.away():
            pass
        assert load.under_way == 0

    other.run(wait)
    stranger.end(taken=True)
    assert (load.under_way, load.ended) == (0, 1)


def test_a_crowd_is_accepted_in_a_few_turns_of_the_loop() -> None:
    """A loop that is at work all the time takes turns of some milliseconds: one connection in each would leave the
    others in the kernel's queue."""
    crowd, came, turns = 64, [0], [0]

    class Peer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            came[0] += 1
            transport.close()

    async def serve(listener: socket.socket) -> None:
        acceptor = Acceptor(listener, crowd, Peer, lambda: 0)
        peers = [socket.create_connection(listener.getsockname()) for _ in range(crowd)]
        while came[0] < crowd:
            turns[0] += 1
            await asyncio.sleep(0)
        for peer in peers:
            peer.close()
        await acceptor.close()

    with (
        socket.create_server(("127.0.0.1", 0), backlog=crowd) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(serve(listener))
    assert turns[0] < 1.5 * crowd / ACCEPTED_AT_ONCE


async def test_what_costs_is_refused_before_anything_is_done_and_the_rest_is_not(
    tmp_path: Path, redis_url: str, sandbox_process: str
) -> None:
    """In this process, with a loop that is held up."""
    found = settings.load(service_environ(tmp_path, redis_url, sandbox_process))
    async with open_service(found, worker=False) as service:
        transport = httpx.ASGITransport(create_app(service))  # type: ignore[arg-type]
        async with httpx.AsyncClient(base_url="http://service", transport=transport) as http:
            http.headers["Authorization"] = f"Bearer {API_KEY}"
            service.load.follow()
            await http.get("/v1/verifications/unknown", headers={"Authorization": "Bearer nobody's"})
            assert service.load.ended == 0, "strangers say nothing of how much is done, and take nobody's place"
            for path in ("unknown", "A" * 30):  # by the framework, and past it
                await http.get(f"/v1/verifications/{path}")
            assert (service.load.under_way, service.load.ended) == (0, 2)
            service.load.ended = 0
            for _ in range(TICKS + 2):
                await asyncio.sleep(0)
                time.sleep(TICK_SECONDS + LATE)
                await asyncio.sleep(0.001)
            service.load.under_way += 1000
            refused = await http.post("/v1/verifications", json={"to": "no phone at all"})
            problem(refused, 503, "busy")
            assert refused.headers["retry-after"] == "1"
            assert "connection" not in refused.headers
            answer = await http.post("/twilio/v2/Services/web/Verifications", data={"To": "x", "Channel": "sms"})
            assert answer.status_code == 503
            assert (await http.get("/v1/verifications/unknown")).status_code == 503
            assert (await http.get("/health/live")).status_code == 200
            assert (await http.post("/callbacks/nobody/token")).status_code != 503
            assert (service.load.under_way, service.load.ended) == (1000, 0), "each has left, and none was done"


async def test_who_is_refused_leaves_nothing_behind() -> None:
    load = Load()
    load.under_way = CROWD
    rows(load, [LATE] * TICKS)
    told: list[Any] = []

    async def ask() -> weakref.ref[Any]:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Any) -> None:
            told.append(message.get("status"))

        scope: Any = {"type": "http", "method": "POST", "path": "/v1/verifications", "raw_path": b"/v1/verifications"}
        await Edge(httpx.ASGITransport, load=load)(scope | {"headers": [], "client": None}, receive, send)  # type: ignore[arg-type]
        return weakref.ref(receive)

    asked = [await ask() for _ in range(3)]
    gc.collect()
    assert told == [503, None] * 3
    assert not any(each() for each in asked), "else an overload fills the memory, with bodies of strangers"


@pytest.mark.slow
def test_twice_the_capacity_is_refused_early() -> None:
    """How long the rest waits depends on the machine: `python -m benchmarks.overload`."""
    command = [sys.executable, "-m", "benchmarks.overload"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for row in (found["starts at a rate"], found["callers"]):
        assert row["taken"] + row["refused"] == row["asked"], row
        assert row["refused"] > 0.2 * row["asked"], row
        assert row["refused p50"] < 0.5 * row["taken p50"], row
        assert row["refused p99"] < row["taken p99"], row
        assert row["taken a second"] > 0.4 * found["32 callers"]["taken a second"], row
