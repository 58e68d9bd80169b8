"""R-09: workers are killed at random points. Every message and verification comes to its end; nobody is sent more."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.api import Api, Gateways
from tests.clock import FakedServer, faked_server
from tests.running import API_KEY, process, running_sandbox, running_service, service_environ
from tests.sizes import sized

KILLS = sized(200, 15)
ENDINGS = ("02", "03", "04", "05", *(str(ordinary) for ordinary in range(20, 32)))
FAULTS = ({"fault": "reset"}, {"fault": "processed_then_reset"}, {"fault": "latency", "seconds": 0.5})


@dataclass
class Run:
    """started: verification id to phone."""

    api: Api
    gateways: Gateways
    server: FakedServer
    rng: random.Random
    kills: int = 0
    started: dict[str, str] = field(default_factory=dict)
    codes_out: Counter[str] = field(default_factory=Counter)

    @property
    def over(self) -> bool:
        return self.kills >= KILLS


async def people(run: Run) -> None:
    while not run.over:
        phone = f"+7916{run.rng.randrange(10_000, 100_000)}{run.rng.choice(ENDINGS)}"
        if phone not in run.started.values():
            answer = await run.api.start(phone)
            if answer.status_code == 201:
                run.started[answer.json()["id"]] = phone
                if run.rng.random() < 0.3:
                    for code in await run.gateways.codes(phone):
                        await run.api.check(answer.json()["id"], code)
        await asyncio.sleep(0.1)


async def trouble(run: Run) -> None:
    while not run.over:
        await run.gateways.fail(run.rng.choice(("password", "xml", "smska")), times=2, **run.rng.choice(FAULTS))
        await asyncio.sleep(0.7)


async def time_flies(run: Run) -> None:
    """Three times as fast, so that looks, fail-overs and leases come while workers die."""
    while not run.over:
        await asyncio.to_thread(run.server.clock.move, seconds=2)
        await asyncio.sleep(1)


async def doomed(run: Run, environ: dict[str, str], log: Path) -> None:
    """One worker after another, each killed at a random point of its life."""
    while not run.over:
        with process(["otp_service", "worker"], environ, log) as child:
            await asyncio.sleep(run.rng.uniform(0.7, 2.5))
            child.send_signal(signal.SIGKILL)
            run.kills += 1


def unfinished(found: dict[str, Any]) -> bool:
    final = ("delivered", "undelivered", "expired", "rejected", "unknown", "canceled")
    return found["status"] == "pending" or any(message["status"] not in final for message in found["messages"])


@pytest.mark.slow
async def test_r09_killed_workers_leave_nothing_unfinished(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    settings = {"OTP__WORKER__IN_SERVE": "false", "OTP__ROUTES__SMS__FAILOVER_AFTER_SECONDS": "10"}
    with (
        faked_server(tmp_path / "redis") as server,
        running_sandbox(tmp_path) as sandbox,
        running_service(tmp_path, server.url, sandbox, **settings) as (url, _, _),
    ):
        async with (
            Api(url, API_KEY) as api,
            httpx.AsyncClient(base_url=sandbox, trust_env=False, verify=False, timeout=30) as http,
            Redis.from_url(server.url, protocol=2) as redis,
        ):
            run = Run(api, Gateways(http), server, random.Random(seed))
            environs = [service_environ(tmp_path, server.url, sandbox, **settings) for _ in range(2)]
            await asyncio.gather(
                people(run), trouble(run), time_flies(run),
                *(doomed(run, environ, tmp_path / f"worker-{n}.log") for n, environ in enumerate(environs)),
            )  # fmt: skip
            assert len(run.started) > KILLS

            await http.delete("/_sim/faults")
            with process(["otp_service", "worker"], environs[0], tmp_path / "last.log"):
                await all_ends(run, redis)

            extra = 0
            for verification_id, phone in run.started.items():
                found = (await api.status(verification_id)).json()
                assert not unfinished(found), (f"seed {seed}", found)
                assert len(found["messages"]) <= 15, found["messages"]
                extra += max(0, len(await run.gateways.messages(phone)) - len(found["messages"]))
            assert extra <= run.kills, f"seed {seed}: {extra} SMS without a record"
            log = (tmp_path / "last.log").read_text()
            assert "jobs_failed" not in log
            assert "worker_round_failed" not in log


async def all_ends(run: Run, redis: Redis) -> None:
    """Let the last lives run out, until no job is left that is about a verification."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        await asyncio.to_thread(run.server.clock.move, seconds=60)
        await asyncio.sleep(1)
        jobs = [
            job
            async for key in redis.scan_iter(match="otp:due:*", count=1000)
            for job in await redis.zrange(key, 0, -1)
        ]
        if not [job for job in jobs if job.startswith((b"look:", b"relay:"))]:
            return
    raise AssertionError(jobs)
