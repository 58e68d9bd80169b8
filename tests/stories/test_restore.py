"""Backup and restore as docs/operations.md describes them, on a real server of one's own and on the embedded store."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from otp_service.storage.embedded import _find_server
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, RedisServer, free_port, running_service

pytestmark = pytest.mark.slow


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Redis]:
    port = str(free_port())
    words = [_find_server(), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options]
    child = subprocess.Popen([*words, "--logfile", str(folder / "redis.log")])
    client = Redis(host="127.0.0.1", port=int(port))
    try:
        yield client
    finally:
        client.close()
        child.terminate()
        child.wait(10)


async def until_it_answers(client: Redis) -> None:
    for _ in range(200):
        try:
            client.ping()
        except RedisError:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("no answer")


async def test_a_snapshot_of_a_running_redis_is_restored(
    tmp_path: Path, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """BGSAVE while it serves; the copy is loaded without append-only file, which is then switched on."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    redis = RedisServer(first)
    try:
        with running_service(tmp_path, redis.url, sandbox_process) as (url, _, _):
            async with Api(url, API_KEY) as api:
                pending = await api.started(phone)
                code = (await gateways.codes(phone))[0]
                with Redis.from_url(redis.url) as client:
                    client.bgsave()
                    while client.info("persistence")["rdb_bgsave_in_progress"]:
                        await asyncio.sleep(0.05)
    finally:
        redis.kill()
    snapshot = first / "dump.rdb"

    shutil.copy(snapshot, second)
    with server(second, "--appendonly", "yes") as client:
        await until_it_answers(client)
        assert client.dbsize() == 0, "with appendonly on a server does not look at the snapshot: the trap"
    shutil.rmtree(second)
    second.mkdir()

    shutil.copy(snapshot, second)
    with server(second, "--appendonly", "no") as client:
        await until_it_answers(client)
        client.config_set("appendonly", "yes")
        while (
            client.info("persistence")["aof_rewrite_in_progress"] or client.info("persistence")["aof_rewrite_scheduled"]
        ):
            await asyncio.sleep(0.05)
        found = client.connection_pool.connection_kwargs
        restored = f"redis://127.0.0.1:{found['port']}/0"
        with running_service(tmp_path, restored, sandbox_process) as (url, _, _):
            async with Api(url, API_KEY) as api:
                assert await api.outcome(pending["id"], code) == "approved"


async def test_the_folder_of_a_stopped_embedded_store_is_restored(
    tmp_path: Path, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    with running_service(tmp_path, f"embedded:{data}", sandbox_process) as (url, _, _):
        async with Api(url, API_KEY) as api:
            pending = await api.started(phone)
            code = (await gateways.codes(phone))[0]
    shutil.copytree(data / "appendonlydir", copy / "appendonlydir")
    shutil.rmtree(data)
    with running_service(tmp_path, f"embedded:{copy}", sandbox_process) as (url, _, _):
        async with Api(url, API_KEY) as api:
            assert await api.outcome(pending["id"], code) == "approved"
    with running_service(tmp_path, f"embedded:{data}", sandbox_process) as (url, _, _):
        async with Api(url, API_KEY) as api:  # the bootstrap key is made again, all else is gone
            problem(await api.status(pending["id"]), 404, "not_found")
