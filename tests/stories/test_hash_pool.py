"""A flood of checks: what cannot be hashed soon hears 503 before anything is counted, and nothing else suffers."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from redis.asyncio import Redis

from otp_service.domain.codes import Scope
from otp_service.domain.keyring import Keyring
from otp_service.hashing import NICER, HashPool
from otp_service.settings import Hashing
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.install import load_names
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, SECRET, running_service

SCOPE = Scope("web", "login", "+79161234567", "id")
ONE_SLOW_THREAD = {
    "OTP__HASHING__THREADS": "1",
    "OTP__HASHING__QUEUE": "3",
    "OTP__HASHING__MEMORY_KIB": "32768",
    "OTP__HASHING__TIME_COST": "3",
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has threads of different niceness")
async def test_threads_that_hash_give_way_to_the_one_that_answers() -> None:
    pool = HashPool(Hashing(memory_kib=1024, threads=2))
    try:
        await asyncio.gather(*(pool.digest(b"p" * 32, SCOPE, "123456", b"s" * 16, pool.cost) for _ in range(8)))
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("argon2")]
        niceness = {os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) for thread in threads}
        assert niceness == {min(19, os.getpriority(os.PRIO_PROCESS, os.getpid()) + NICER)}
    finally:
        pool.close()


async def test_a_full_pool_refuses_without_counting(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    with running_service(tmp_path, redis_url, sandbox_process, **ONE_SLOW_THREAD) as (url, _, _):
        async with Api(url, API_KEY) as api:
            numbers = [f"{phone[:-2]}{n}" for n in range(30, 39)]
            started = [(await api.started(number))["id"] for number in numbers]

            checks = asyncio.gather(*(api.check(verification, "000000") for verification in started))
            await asyncio.sleep(0.05)
            began = time.monotonic()
            assert (await api.status(started[0])).status_code == 200
            assert time.monotonic() - began < 0.5
            answers = await checks

            counted = Counter(answer.status_code for answer in answers)
            assert counted[200] >= 4  # one at the hash and three that wait
            assert counted[503] >= 1
            for verification, answer in zip(started, answers, strict=True):
                left = (await api.status(verification)).json()["attempts_left"]
                if answer.status_code == 503:
                    problem(answer, 503, "busy")
                    assert left == 5
                else:
                    assert left == 4


async def test_s20_backup_codes_share_the_pool(tmp_path: Path, redis_url: str, sandbox_process: str) -> None:
    """Also codes of people who have none: what is refused is not counted against them."""
    people = [f"pool-{secrets.token_hex(6)}" for _ in range(10)]
    with running_service(tmp_path, redis_url, sandbox_process, **ONE_SLOW_THREAD) as (url, _, _):
        async with Api(url, API_KEY) as api:
            path = "/v1/subjects/{}/check"
            answers = await asyncio.gather(*(api.post(path.format(one), {"code": "2222-2222-2222"}) for one in people))

    counted = Counter(answer.status_code for answer in answers)
    assert counted[200] >= 4
    assert counted[503] >= 1
    async with Redis.from_url(redis_url, protocol=2) as redis:
        names = await load_names(Database(redis), Keyring([SECRET]))
        for one, answer in zip(people, answers, strict=True):
            place = names.subject("web", one)
            assert await redis.exists(keys.decoy(place.partition, place.index)) == (answer.status_code == 200)
            if answer.status_code == 503:
                problem(answer, 503, "busy")


async def test_the_cost_may_change_under_live_codes(
    tmp_path: Path, redis_url: str, sandbox_process: str, api: Api, gateways: Gateways, phone: str
) -> None:
    """A code hashed at one cost is judged at that cost by a process that has another."""
    started = await api.started(phone)
    (code,) = await gateways.codes(phone)
    with running_service(tmp_path, redis_url, sandbox_process, OTP__HASHING__MEMORY_KIB="1024") as (url, _, _):
        async with Api(url, API_KEY) as cheaper:
            assert await cheaper.outcome(started["id"], code) == "approved"
