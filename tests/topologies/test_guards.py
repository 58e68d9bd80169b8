"""R-12: what refuses to start, and in which words. Real servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from otp_service import settings
from otp_service.domain.keyring import Keyring
from otp_service.errors import SettingsError, WrongRedisError
from otp_service.storage import preflight
from otp_service.storage.connection import Database, open_database
from otp_service.storage.install import load_names
from tests.clock import LIBRARIES
from tests.running import SECRET
from tests.topologies.network import known
from tests.topologies.servers import Single, binaries, binary, running, until


async def start(url: str, *, confirm_replicas: int = 0, allow_no_persistence: bool = False) -> None:
    """What a process does with Redis before it serves."""
    config = settings.Redis(url=url, confirm_replicas=confirm_replicas, timeout_seconds=0.3)
    async with open_database(config) as database:
        await preflight.wait_until_there(database, patience=0.5)
        keyring = Keyring(["a root secret of 32 characters, or more"])
        await preflight.refuse_unfit(database, keyring, ["web"], allow_no_persistence=allow_no_persistence)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Single]:
    with running("single", binary(), tmp_path_factory.mktemp("single")) as (servers, _):
        yield servers


@pytest.mark.parametrize(
    ("option", "value", "usual", "sentence"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "maxmemory-policy is allkeys-lru"),
        ("appendonly", "no", "yes", "appendonly is off"),
    ],
)
async def test_r12_a_server_that_forgets(single: Single, option: str, value: str, usual: str, sentence: str) -> None:
    await start(single.url)
    single.nodes[0].ask("CONFIG", "SET", option, value)
    try:
        with pytest.raises(SettingsError, match=sentence):
            await start(single.url)
        if option == "appendonly":
            await start(single.url, allow_no_persistence=True)
    finally:
        single.nodes[0].ask("CONFIG", "SET", option, usual)


async def test_processes_that_start_together_on_an_empty_redis_take_each_other_for_no_stranger(single: Single) -> None:
    single.nodes[0].ask("FLUSHALL")
    keyring = Keyring([SECRET])

    class Beside(Database):
        """One of two: while it looks for keys of strangers, the other draws the index key."""

        async def names(self, pattern: str) -> AsyncIterator[str]:
            await load_names(self, keyring)
            async for name in super().names(pattern):
                yield name

    async with Redis.from_url(single.url, protocol=2) as redis:
        await preflight.refuse_foreign(Beside(redis), ["web"])
        assert await redis.delete("otp:install") == 1
        await redis.set("otp:session:42", "x")
        with pytest.raises(WrongRedisError, match="otp:session:42 is there"):
            await preflight.refuse_foreign(Database(redis), ["web"])
    single.nodes[0].ask("FLUSHALL")


@pytest.mark.parametrize("offset", [-300.0, 300.0, 2.5, 1.5])
async def test_r12_our_own_clock_is_wrong(single: Single, offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """It warns and goes on: lives follow the clock of Redis."""
    warned = structlog.testing.CapturingLogger()
    monkeypatch.setattr(preflight, "log", warned)
    monkeypatch.setattr(preflight, "time", SimpleNamespace(time=lambda: time.time() + offset))
    await start(single.url)
    told = " ".join(call.kwargs["text"] for call in warned.calls)
    assert ("ahead of" if offset > 0 else "behind") in told if offset != 1.5 else told == ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
async def test_r12_servers_whose_clocks_disagree(kind: str, tmp_path: Path) -> None:
    """A replica that is three minutes ahead refuses the start: after a failover codes would die at once."""
    if not LIBRARIES:
        pytest.skip("libfaketime is missing: apt-get install faketime")
    ahead = {"LD_PRELOAD": LIBRARIES[0], "FAKETIME": "+180", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with running(kind, binaries()["valkey"], tmp_path) as (servers, _):
        await start(servers.url, confirm_replicas=1)
        replica = next(node for node in servers.nodes if node.role == "slave")
        replica.kill()
        replica.start(ahead)
        if kind == "sentinel":
            await asyncio.to_thread(until, lambda: replica.ask("REPLICAOF", known(1), replica.port))
        await asyncio.to_thread(until, replica.in_step)
        await asyncio.sleep(1)  # a cluster tells of it again once the others have heard from it
        with pytest.raises(SettingsError, match=r"clock at .* is 180 s ahead of that at .*; set them by NTP"):
            await start(servers.url)


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        ({"redis_version": "6.2.14"}, "Redis 6.2.14 is too old; 7.0"),
        ({"redis_version": "7.2.4", "valkey_version": "7.0.1"}, "Valkey 7.0.1 is too old; 7.2"),
    ],
)
def test_r12_a_version_that_is_too_old(info: dict[str, Any], sentence: str) -> None:
    (found,) = preflight._version_and_policy({**info, "aof_enabled": 1}, allow_no_persistence=False)
    assert sentence in found


async def test_addresses_that_are_something_else(single: Single) -> None:
    port = single.nodes[0].port
    for url, sentence in {
        f"redis+cluster://{known(1)}:{port}": "no cluster; write redis://",
        f"redis+sentinel://{known(1)}:{port}/0?service=otp": "are no Sentinels",
        f"redis://{known(9)}:{port}/0": "nobody listens at",
        f"redis+cluster://{known(9)}:{port}": "no primary is there",
        f"redis+sentinel://{known(9)}:{port}/0?service=otp": "no primary is there",
        f"redis://:wrong@{known(1)}:{port}/0": "the login or password in redis.url is not that of",
    }.items():
        with pytest.raises(SettingsError, match=sentence):
            await start(url)


async def test_replicas_that_are_missing(single: Single) -> None:
    with pytest.raises(SettingsError, match="0 of the 1 replicas"):
        await start(single.url, confirm_replicas=1)


@pytest.mark.slow
async def test_r12_a_cluster_with_a_gap(tmp_path: Path) -> None:
    with running("cluster", binary(), tmp_path) as (servers, _):
        await start(servers.url, confirm_replicas=1)
        with pytest.raises(SettingsError, match="belongs to a Cluster"):
            await start(f"redis://{known(1)}:{servers.port}/0")
        for node in servers.nodes:
            node.ask("CLUSTER", "DELSLOTS", 7)
        await asyncio.sleep(0.2)
        with pytest.raises(SettingsError, match="1 of the cluster's 16384 slots have no primary"):
            await start(servers.url)


@pytest.mark.slow
async def test_sentinels_that_know_another_name(tmp_path: Path) -> None:
    with running("sentinel", binary(), tmp_path) as (servers, _):
        await start(servers.url, confirm_replicas=1)
        with pytest.raises(SettingsError, match="know no primary 'other'; they know: otp"):
            await start(servers.url.replace("service=otp", "service=other"))
        with pytest.raises(SettingsError, match="it is a replica"):
            await start(f"redis://{known(2)}:{servers.nodes[1].port}/0")
