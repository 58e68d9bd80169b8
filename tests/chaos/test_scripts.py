"""R-05 and R-06: scripts are flushed, and slots move, while people submit their codes. Nobody notices."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from tests.api import Gateways
from tests.chaos.conftest import stage
from tests.chaos.crowd import SIZE
from tests.topologies.resharding import move_all

pytestmark = pytest.mark.slow
PATIENT = {"OTP__REDIS__TIMEOUT_SECONDS": "5"}
"""A Redis that a busy machine lets wait for 0.8 s would disturb people too, and is not what is looked at here."""


@pytest.mark.parametrize("kind", ["single", "sentinel", "cluster"])
async def test_r05_script_flush_under_load(kind: str, tmp_path: Path, sandbox_process: str, gateways: Gateways) -> None:
    async with stage(kind, tmp_path, sandbox_process, gateways, **PATIENT) as found:
        crowd, stop, flushes = found.crowd, threading.Event(), 0

        def flush() -> None:
            nonlocal flushes
            while not stop.wait(0.05):
                for primary in found.servers.primaries:
                    primary.ask("SCRIPT", "FLUSH")
                flushes += 1

        flushing = asyncio.create_task(asyncio.to_thread(flush))
        cases = await crowd.started(SIZE)
        await crowd.submit(cases, 2)
        await crowd.sweep(cases)
        stop.set()
        await flushing
        print(f"R-05 {kind}: {flushes} flushes, {len(crowd.history.events)} requests")
        assert flushes > 20
        found.undisturbed()
        found.judged()


async def test_r06_all_slots_move_under_load(tmp_path: Path, sandbox_process: str, gateways: Gateways) -> None:
    """Every slot goes to another primary: MOVED, ASK and TRYAGAIN happen, and are followed."""
    async with stage("cluster", tmp_path, sandbox_process, gateways, **PATIENT) as found:
        crowd, servers = found.crowd, found.servers
        moving = asyncio.create_task(asyncio.to_thread(move_all, servers, servers.nodes[:3]))
        began = time.monotonic()
        while not moving.done():
            cases = await crowd.started(SIZE)
            await crowd.submit(cases)
            await crowd.sweep(cases)
        keys = await moving
        took = sorted(event.heard - event.asked for event in crowd.history.events)
        usual, slowest = took[len(took) // 2], took[-1]
        print(
            f"R-06: 16384 slots with {keys} keys moved in {time.monotonic() - began:.0f} s, "
            f"{len(crowd.history.events)} requests, the slowest took {slowest:.2f} s ({usual:.2f} s is usual)"
        )
        assert keys > SIZE
        assert slowest < 3 + 5 * usual  # 1 s on a machine that does nothing else
        found.undisturbed()
        found.judged()
