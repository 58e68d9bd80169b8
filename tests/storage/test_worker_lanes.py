"""Which lanes a worker claims from: those whose first job is due. All are peeked at now and then, at little cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from otp_service import settings
from otp_service.app import open_service
from otp_service.domain.keyring import Names
from otp_service.errors import StorageUnavailable
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.embedded import embedded_server
from otp_service.storage.schedule import Job, Schedule
from otp_service.storage.topology import Call, Reply, Server, Single
from otp_service.worker import jobs
from otp_service.worker.worker import MANY_LANES, SLEEP_SECONDS, SPARING_SECONDS, SWEEP_SECONDS, Worker
from tests.clock import faked_server
from tests.running import service_environ

NAMES = Names(b"test", 256)


@asynccontextmanager
async def working(schedule: Any, patience: float = 0) -> AsyncIterator[list[Job]]:
    """A worker of this schedule; the jobs that it has run."""
    ran: list[Job] = []
    stopping = asyncio.Event()

    async def note(jobs: Sequence[Job]) -> None:
        ran.extend(jobs)
        await schedule.done(*jobs)

    running = asyncio.create_task(Worker(schedule, {"note": note}, stopping, patience).run())
    yield ran
    stopping.set()
    await running


async def until_ran(ran: list[Job], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not ran:
            await asyncio.sleep(0.01)


class Lanes:
    """A schedule in which one lane always has a job in 0.1 s, one a job in an hour, and the others none."""

    def __init__(self, *faults: bool) -> None:
        self.peeks = 0
        self.claimed: list[Sequence[str]] = []
        self._faults = list(faults)

    async def peek(self) -> dict[str, float]:
        self.peeks += 1
        return {"busy": 0.1, "late": 3600}

    async def claim(self, lanes: Sequence[str]) -> tuple[list[Job], dict[str, float]]:
        self.claimed += [lanes] if lanes else []
        if lanes and self._faults and self._faults.pop():
            raise StorageUnavailable
        return [], dict.fromkeys(lanes, 0.1)


async def test_lanes_are_claimed_from_when_they_are_due_and_all_peeked_at_now_and_then() -> None:
    schedule = Lanes()
    async with working(schedule):
        await asyncio.sleep(SWEEP_SECONDS * 1.5)
    assert 2 <= schedule.peeks <= 3
    assert 3 <= len(schedule.claimed) <= SWEEP_SECONDS * 2 / SLEEP_SECONDS
    assert all(lanes == ["busy"] for lanes in schedule.claimed)


class Crowd(Lanes):
    """A schedule in which many lanes always have a job, some of them more than are claimed together."""

    def __init__(self, left: float) -> None:
        super().__init__()
        self._left = left

    async def peek(self) -> dict[str, float]:
        self.peeks += 1
        return {str(number): 0.0 for number in range(MANY_LANES)}

    async def claim(self, lanes: Sequence[str]) -> tuple[list[Job], dict[str, float]]:
        self.claimed += [lanes] if lanes else []
        return [], {lane: 0.1 if int(lane) else self._left for lane in lanes}


@pytest.mark.parametrize(("left", "least", "most"), [(0.1, 2, 2), (0.0, 5, 20)])
async def test_many_lanes_are_claimed_from_at_sweeps_alone_but_for_what_is_left_of_a_batch(
    left: float, least: int, most: int
) -> None:
    schedule = Crowd(left)
    async with working(schedule):
        await asyncio.sleep(SPARING_SECONDS * 1.2)
    assert schedule.peeks == 2
    assert least <= len(schedule.claimed) <= most


async def test_a_lane_whose_claim_was_not_answered_is_asked_again() -> None:
    schedule = Lanes(True)
    async with working(schedule):
        await asyncio.sleep(1)
    assert len(schedule.claimed) >= 2


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    """A server that nobody else asks anything."""
    async with embedded_server(tmp_path / "redis") as url, Redis.from_url(url, protocol=2) as client:
        yield client


async def test_an_idle_worker_asks_one_plain_command_of_each_lane_twice_a_second(redis: Redis) -> None:
    schedule = Schedule(Database(redis), NAMES, ["web"])
    for lane in schedule.lanes[::2]:
        await schedule.put(lane, "note", "x", 3600)
    async with working(schedule):
        await asyncio.sleep(SWEEP_SECONDS)
        before = await redis.info("commandstats")
        await asyncio.sleep(4 * SWEEP_SECONDS)
        after = await redis.info("commandstats")
    asked = {name: told["calls"] - before.get(name, {"calls": 0})["calls"] for name, told in after.items()}
    assert asked.get("cmdstat_evalsha", 0) == 0
    assert 2 <= asked["cmdstat_zrange"] / len(schedule.lanes) <= 4
    assert sum(asked.values()) <= 4 * (len(schedule.lanes) + 1) + 10


async def test_what_another_puts_is_run_at_the_next_sweep(redis: Redis) -> None:
    schedule = Schedule(Database(redis), NAMES, ["web"])
    other = Schedule(Database(redis), NAMES, ["web"])
    for lane in schedule.lanes:
        await schedule.put(lane, "note", "later", 3600)
    async with working(schedule) as ran:
        await asyncio.sleep(SWEEP_SECONDS / 2)
        await other.put("200", "note", "now")
        await until_ran(ran, 1)
        assert [job.name for job in ran] == ["note:now"]
        ran.clear()
        await other.put(keys.GATEWAYS, "note", "soon", 0.8)
        await until_ran(ran, 1.5)
        assert ran[0].late_seconds < 3 * SLEEP_SECONDS, "it was seen before it was due"


async def test_jobs_are_due_by_the_clock_of_redis_also_where_that_is_moved(tmp_path: Path) -> None:
    with faked_server(tmp_path) as server:
        async with Redis.from_url(server.url, protocol=2) as client:
            schedule = Schedule(Database(client), NAMES, [])
            await schedule.put("7", "note", "x", 3600)
            async with working(schedule) as ran:
                await asyncio.sleep(SWEEP_SECONDS)
                assert not ran
                server.clock.move(hours=1)
                await until_ran(ran, 1)


class Shards(Single):
    """Primaries of which one may be away, and with it some of the keys."""

    away: frozenset[str] = frozenset()
    clocks: tuple[Reply, ...] = ()

    async def send(self, calls: Sequence[Call]) -> list[list[Reply]]:
        replies = await super().send(calls)
        return [[RedisConnectionError()] if c.key in self.away else r for c, r in zip(calls, replies, strict=True)]

    async def send_everywhere(self, commands: Any) -> dict[str, list[Reply]]:
        found = await super().send_everywhere(commands)
        return found | {str(n): [clock] for n, clock in enumerate(self.clocks)}


async def test_lanes_of_a_primary_that_is_away_are_left_out_and_asked_again(redis: Redis) -> None:
    shards = Shards(Server(redis))
    schedule = Schedule(Database(shards), NAMES, [])
    for lane in ("1", "2"):
        await schedule.put(lane, "note", lane)
    shards.away, shards.clocks = frozenset([keys.due("1")]), (RedisConnectionError(),)
    assert set(await schedule.peek()) == {"2"}
    async with working(schedule) as ran:
        await until_ran(ran, 1)
        assert [job.lane for job in ran] == ["2"]
        await asyncio.sleep(SWEEP_SECONDS)
        ran.clear()
        shards.away = frozenset()
        await until_ran(ran, 1)
        assert [job.lane for job in ran] == ["1"]
    shards.away = frozenset(map(keys.due, schedule.lanes))
    with pytest.raises(StorageUnavailable):
        await schedule.peek()


async def test_a_primary_whose_clock_is_behind_makes_no_job_late(redis: Redis) -> None:
    """Lanes are compared with the clock that is ahead; the claim goes by that of the lane."""
    shards = Shards(Server(redis))
    schedule = Schedule(Database(shards), NAMES, [])
    await schedule.put("1", "note", "x", 1)
    seconds, micros = await redis.time()
    for apart, least, most in ((-100, 0.5, 1), (100, -100, -99)):
        shards.clocks = ((seconds + apart, micros),)
        assert least <= (await schedule.peek())["1"] <= most
    assert (await schedule.claim(["1"]))[0] == []


async def test_a_patient_worker_runs_what_the_others_leave(redis: Redis) -> None:
    schedule = Schedule(Database(redis), NAMES, [])
    async with working(schedule, patience=0.8) as patient, working(schedule) as first:
        await schedule.put("1", "note", "x")
        await until_ran(first, 1)
        assert patient == []
    async with working(schedule, patience=0.8) as patient:
        began = time.monotonic()
        await schedule.put("1", "note", "y")
        await until_ran(patient, 3)
        assert time.monotonic() - began > 0.7
    assert [job.subject for job in (*first, *patient)] == ["x", "y"]


async def test_repeated_jobs_that_a_worker_of_another_version_ended_come_back(
    tmp_path: Path, sandbox_process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PLAN_SECONDS", 0.1)
    repeated = {
        keys.due(keys.GATEWAYS): {"balance:targetsms-xml", "incoming:targetsms-xml"},
        keys.due(keys.application_lane("web")): {"report:web"},
    }
    async with embedded_server(tmp_path / "redis") as url:
        environ = service_environ(tmp_path, url, sandbox_process, OTP__GATEWAYS__TARGETSMS_XML__INCOMING_SECONDS="300")
        async with open_service(settings.load(environ)), Redis.from_url(url, protocol=2) as redis, asyncio.timeout(9):
            for action in ("planned", "ended", "planned again"):
                for due, names in repeated.items():
                    if action == "ended":
                        assert await redis.zrem(due, *names) == len(names)
                    while action != "ended" and not names <= {each.decode() for each in await redis.zrange(due, 0, -1)}:
                        await asyncio.sleep(0.05)
