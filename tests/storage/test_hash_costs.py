"""What codes and what lasts longer are hashed at, and that a set of another cost is neither lost nor told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from otp_service import hash_pool, settings
from otp_service.app import open_service
from otp_service.domain.codes import OWASP, Cost
from otp_service.hash_pool import HashPool
from otp_service.settings import Hashing
from tests.running import service_environ

EARLIER = Cost(4096, 1, 1)
"""As before there were profiles."""


@pytest.mark.parametrize(
    ("set_to", "codes"),
    [
        ({}, Cost(1024, 1, 1)),
        ({"profile": "owasp"}, OWASP),
        ({"memory_kib": 4096, "time_cost": 1, "parallelism": 1}, EARLIER),
        ({"profile": "owasp", "time_cost": 3}, Cost(19_456, 3, 1)),
    ],
    ids=["as shipped", "owasp", "explicit", "explicit wins"],
)
def test_a_profile_and_what_wins_over_it(set_to: dict[str, Any], codes: Cost) -> None:
    assert Hashing(**set_to).cost == codes


@pytest.mark.parametrize(
    ("config", "lasting"),
    [(Hashing(threads=1), OWASP), (Hashing(threads=1, memory_kib=65_536, time_cost=3), Cost(65_536, 3, 1))],
    ids=["as shipped", "dearer by setting"],
)
def test_what_lasts_costs_no_less_than_owasp_s(config: Hashing, lasting: Cost) -> None:
    pool = HashPool(config)
    pool.close()
    assert pool.lasting_cost == lasting


def test_processes_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings.load(service_environ(tmp_path, "redis://127.0.0.1:1/0", "http://127.0.0.1:1"))
    monkeypatch.setattr(hash_pool, "cores", lambda: 5)
    assert [hash_pool.sharing_cores(found, count).hashing.threads for count in (1, 2, 5, 8)] == [5, 2, 1, 1]
    own = replace(found, hashing=Hashing(threads=3))
    assert hash_pool.sharing_cores(own, 2).hashing == own.hashing


@pytest.mark.slow
async def test_backup_codes_of_another_cost_stay_good_and_take_as_long(
    tmp_path: Path, redis_url: str, redis: Redis, sandbox_process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = settings.load(service_environ(tmp_path, redis_url, sandbox_process))
    with monkeypatch.context() as earlier:
        earlier.setattr(hash_pool, "OWASP", EARLIER)
        async with open_service(loaded, worker=False) as service:
            codes, _ = await service.factors.issue_backup_codes("web", "costs-old", "test")
    asked: list[Cost] = []
    digest = HashPool.digest

    async def noted(self: HashPool, pepper: bytes, scope: Any, code: str, salt: bytes, cost: Cost) -> bytes:
        asked.append(cost)
        return await digest(self, pepper, scope, code, salt, cost)

    monkeypatch.setattr(HashPool, "digest", noted)
    async with open_service(loaded, worker=False) as service:
        found = await service.factors.check_subject("web", "costs-old", codes[0])
        assert (found.outcome, asked) == ("approved", [EARLIER, OWASP])
        asked.clear()
        await service.factors.check_subject("web", "costs-nobody", codes[0])
        assert asked == [OWASP]
        asked.clear()
        await service.factors.issue_backup_codes("web", "costs-new", "test")
        assert asked == 10 * [OWASP]
    sets = [await redis.hget(name, "b") async for name in redis.scan_iter("otp:sub:*")]
    assert str(OWASP) in {json.loads(kept)["cost"] for kept in sets if kept}
