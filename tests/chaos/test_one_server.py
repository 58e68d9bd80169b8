"""One server that dies, hangs, loses its answers, or whose idle connections die unseen: R-01, R-03, R-14, R-15."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Sequence
from itertools import chain
from pathlib import Path

import pytest

from tests.api import Answer, Gateways, problem
from tests.chaos.conftest import stage
from tests.chaos.crowd import SEEDS, SIZE, Case, Crowd

pytestmark = pytest.mark.slow
KILLS = 4
LOSSY_SECONDS = 10.0
"""At least; and until everybody has a verdict."""
UNLIMITED = {f"OTP__LIMITS__{name}__QUOTA": "0" for name in ("PHONE_BURST", "PHONE_DAY", "IP_HOUR", "NETWORK_HOUR")}
"""A start whose answer was lost counts, and so does its repeat: who repeats dozens of times would meet a limit."""


@pytest.mark.parametrize("fsync", ["everysec", "always"])
async def test_r01_kill_9_under_load(
    fsync: str, binary: str, tmp_path: Path, sandbox_process: str, gateways: Gateways
) -> None:
    options = {"fsync": fsync}
    async with stage("single", tmp_path, sandbox_process, gateways, binary=binary, options=options) as found:
        crowd, server, rng = found.crowd, found.servers.nodes[0], random.Random(fsync)
        for _ in range(SEEDS):
            cases = await crowd.started(SIZE)
            submitting = asyncio.gather(crowd.submit(cases, KILLS * 0.6), crowd.arrive(SIZE // 2, KILLS * 0.6))
            for _ in range(KILLS):
                await asyncio.sleep(rng.uniform(0.2, 0.8))
                server.kill()
                server.start()
            await submitting
            await crowd.sweep(cases)
            found.judged()
        print(
            f"R-01 {fsync}: {KILLS * SEEDS} kills, {len(crowd.history.approved())} codes, none used twice; {found.sent}"
        )


@pytest.mark.parametrize("kind", ["single", "sentinel", "cluster"])
async def test_r03_replies_are_lost(kind: str, tmp_path: Path, sandbox_process: str, gateways: Gateways) -> None:
    """30 % of Redis' answers never arrive, after the work was done."""
    async with stage(kind, tmp_path, sandbox_process, gateways, **UNLIMITED) as found:
        crowd, net = found.crowd, found.net
        for _ in range(SEEDS):
            cases = await crowd.started(SIZE)
            net.lost_replies = 0.3
            # A start is many calls, none of which is repeated: one in fifty tries has all its answers, so some people
            # would ask for minutes. They hear theirs when answers arrive again.
            starting = asyncio.create_task(crowd.arrive(SIZE // 2, 1))
            await asyncio.gather(crowd.submit(cases), asyncio.sleep(LOSSY_SECONDS))
            net.lost_replies = 0.0
            await starting
            await crowd.sweep(cases)
            found.judged()
        tries = crowd.tries
        within = sum(tries[n] for n in (1, 2, 3, 4)) / tries.total()
        print(
            f"R-03 {kind}: {net.lost} answers lost, {within:.1%} verdicts within 3 repeats, {dict(tries)}; {found.sent}"
        )
        assert net.lost > SIZE


async def timed(ask: Awaitable[Answer]) -> tuple[float, Answer]:
    began = time.monotonic()
    answer = await ask
    return time.monotonic() - began, answer


async def asked_at_once(crowd: Crowd, cases: Sequence[Case], phones: str) -> list[tuple[float, Answer]]:
    """40 starts, and a wrong code for each of 40 verifications. phones: all digits but the last two."""
    starts = [timed(crowd.apis[n % 2].start(f"{phones}{20 + n}")) for n in range(40)]
    checks = [timed(crowd.apis[n % 2].check(case.verification, case.wrong)) for n, case in enumerate(cases)]
    return list(await asyncio.gather(*starts, *checks))


def p99(answered: Sequence[tuple[float, Answer]]) -> float:
    """In seconds."""
    return sorted(seconds for seconds, _ in answered)[int(len(answered) * 0.99)]


async def test_r14_redis_is_down(tmp_path: Path, sandbox_process: str, gateways: Gateways) -> None:
    """Killed or frozen: everybody hears 503 within a second, and work goes on within two of its return."""
    async with stage("single", tmp_path, sandbox_process, gateways) as found:
        crowd, server = found.crowd, found.servers.nodes[0]
        cases = await crowd.started(40)
        for fault, fresh in (("freeze", 11), ("kill", 12)):
            # What the same 80 at once take on this machine, however busy it is, while nothing is wrong.
            well = await asked_at_once(crowd, cases, f"+7916701{fresh}")
            assert {answer.status_code for _, answer in well} == {200, 201}
            server.signal(signal.SIGSTOP) if fault == "freeze" else server.kill()
            ill = [await asked_at_once(crowd, cases, "+791670000") for _ in range(3)]
            for _, answer in chain(*ill):
                problem(answer, 503, "storage_unavailable")
            server.signal(signal.SIGCONT) if fault == "freeze" else server.start()
            back = time.monotonic()
            while (await crowd.apis[0].status(cases[0].verification)).status_code != 200:
                await asyncio.sleep(0.02)
            recovered = time.monotonic() - back
            usual, slowest = p99(well), p99([*chain(*ill)])
            print(
                f"R-14 {fault}: p99 {slowest:.2f} s until the 503 ({usual:.2f} s when well), back in {recovered:.2f} s"
            )
            assert slowest < 1 + 3 * usual
            assert recovered < 2


async def test_r15_idle_connections_that_died_unseen(tmp_path: Path, sandbox_process: str, gateways: Gateways) -> None:
    """A firewall forgot what was idle. Of a burst that finds only such connections, everybody is served.

    What all calls share is never idle for long; those that wait for a replica take connections of their own.
    """
    async with stage("sentinel", tmp_path, sandbox_process, gateways) as found:
        crowd = found.crowd
        cases = await crowd.started(60)
        began = time.monotonic()
        await asyncio.gather(*(crowd.check(case, "first", right=False) for case in cases))
        usual = time.monotonic() - began
        await asyncio.sleep(17)
        forgotten = found.net.freeze_wires(lambda wire: wire.idle > 15.5)
        began = time.monotonic()
        await asyncio.gather(*(crowd.check(case, "once", right=True) for case in cases))
        took = time.monotonic() - began
        print(f"R-15: {forgotten} idle connections forgotten, a burst took {took:.2f} s ({usual:.2f} s when well)")
        assert forgotten > 10
        assert took < 2 + 2 * usual
        assert {event.http for event in crowd.history.events} == {200}
