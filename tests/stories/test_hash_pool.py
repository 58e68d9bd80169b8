"""A flood of checks: what cannot be hashed soon hears 503 before anything is counted, and nothing else suffers."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path

import pytest
from argon2.exceptions import HashingError
from redis.asyncio import Redis

from otp_service import hash_pool
from otp_service.domain import codes
from otp_service.domain.codes import HASH_BYTES, Compute, Cost, Scope, keyed, stretch
from otp_service.domain.keyring import Keyring
from otp_service.hash_pool import NICER, HashPool
from otp_service.settings import Hashing
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.install import load_names
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, SECRET, running_service

SCOPE = Scope("web", "login", "+79161234567", "id")
SLOW = Cost(memory_kib=32768, time_cost=3, parallelism=1)
LEAVES_DURING_A_HASH = """
import asyncio, os
from otp_service.domain.codes import Cost, Scope
from otp_service.hash_pool import HashPool
from otp_service.settings import Hashing

async def main():
    pool = HashPool(Hashing(threads=1))
    minutes = pool.digest(b"p" * 32, Scope("web", "login", "", "id"), "1", b"s" * 16, Cost(65536, 5000, 1))
    asyncio.ensure_future(minutes)
    await asyncio.sleep(0.2)
    pool.close()

asyncio.run(main())
"""
ONE_SLOW_THREAD = {
    "OTP__HASHING__THREADS": "1",
    "OTP__HASHING__QUEUE": "3",
    "OTP__HASHING__MEMORY_KIB": "32768",
    "OTP__HASHING__TIME_COST": "3",
}


@pytest.fixture
def pool() -> Iterator[HashPool]:
    """One thread."""
    made = HashPool(Hashing(memory_kib=1024, threads=1))
    yield made
    made.close()


def digest(pool: HashPool, cost: Cost | None = None) -> Coroutine[None, None, bytes]:
    return pool.digest(b"p" * 32, SCOPE, "123456", b"s" * 16, cost or pool.cost)


async def until_idle(pool: HashPool) -> None:
    """Whatever was asked for before is done, or was passed over."""
    await digest(pool)


async def test_a_hash_is_that_of_argon2id(pool: HashPool) -> None:
    expected = stretch(keyed(b"p" * 32, SCOPE, "123456"), b"s" * 16, pool.cost)

    assert await asyncio.gather(*(digest(pool) for _ in range(5))) == [expected] * 5


@pytest.mark.parametrize("slow", ["by_libsodium", "by_argon2_cffi"])
def test_the_library_that_is_quicker_here_computes(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = {name: getattr(codes, name) for name in ("by_libsodium", "by_argon2_cffi")}

    def slower(mac: bytes, salt: bytes, cost: Cost) -> bytes:
        return [computed[slow](mac, salt, cost) for _ in range(20)][-1]

    monkeypatch.setattr(codes, slow, slower)
    (quick,) = computed.keys() - {slow}
    assert hash_pool.quicker() is computed[quick]


@pytest.mark.parametrize(("lanes", "error"), [(1, (ValueError, HashingError)), (2, HashingError)])
async def test_what_argon2_says_reaches_the_caller(pool: HashPool, lanes: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        await digest(pool, Cost(memory_kib=1, time_cost=1, parallelism=lanes))

    await until_idle(pool)


async def test_nothing_is_hashed_for_one_who_has_left(pool: HashPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one who leaves while the hash is computed troubles nobody."""
    computed: list[Cost] = []

    def counted(mac: bytes, salt: bytes, cost: Cost, compute: Compute) -> bytes:
        computed.append(cost)
        return stretch(mac, salt, cost, compute)

    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    monkeypatch.setattr(hash_pool, "stretch", counted)
    asked = [asyncio.ensure_future(digest(pool, SLOW)) for _ in range(5)]
    while not computed:
        await asyncio.sleep(0)
    for one in asked:
        one.cancel()

    await until_idle(pool)

    assert [one.cancelled() for one in asked] == [True] * 5
    assert computed == [SLOW, pool.cost]
    assert complaints == []


async def test_a_closed_pool_lets_its_threads_and_waiters_go() -> None:
    pool = HashPool(Hashing(memory_kib=1024, threads=1))
    await until_idle(pool)  # its thread has chosen its library
    asked = [asyncio.ensure_future(digest(pool, SLOW)) for _ in range(3)]
    await asyncio.sleep(0.02)
    (thread,) = [thread for thread in threading.enumerate() if thread.name.startswith("argon2")]

    pool.close()

    await asyncio.wait(asked, timeout=5)
    assert [one.cancelled() for one in asked] == [False, True, True]
    assert len(asked[0].result()) == HASH_BYTES
    thread.join(5)
    assert not thread.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        await digest(pool)


def test_a_loop_that_ends_before_its_hash_leaves_a_sound_pool(pool: HashPool) -> None:
    async def left_alone() -> None:
        asyncio.ensure_future(digest(pool, SLOW))  # noqa: RUF006
        await asyncio.sleep(0.01)

    asyncio.run(left_alone())
    asyncio.run(asyncio.wait_for(until_idle(pool), 10))


def test_a_process_that_ends_does_not_wait_for_a_hash() -> None:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", LEAVES_DURING_A_HASH], check=True, timeout=30)
    assert time.monotonic() - began < 10


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
async def test_the_cost_may_change_under_live_codes(
    tmp_path: Path, redis_url: str, sandbox_process: str, api: Api, gateways: Gateways, phone: str
) -> None:
    """A code hashed at one cost is judged at that cost by a process that has another."""
    started = await api.started(phone)
    (code,) = await gateways.codes(phone)
    with running_service(tmp_path, redis_url, sandbox_process, OTP__HASHING__MEMORY_KIB="1024") as (url, _, _):
        async with Api(url, API_KEY) as cheaper:
            assert await cheaper.outcome(started["id"], code) == "approved"
