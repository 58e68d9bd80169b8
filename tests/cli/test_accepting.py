"""Connections among the processes of one machine: evenly, and nobody waits for one that hangs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
import uvloop

from benchmarks.rig import meter
from otp_service import settings
from otp_service.api.edge.connections import Door
from otp_service.api.edge.protocol import served_by
from otp_service.app import open_service
from otp_service.cli.accepting import Acceptor, Shares
from otp_service.cli.server import _Server
from tests.edge.test_uvicorn import app
from tests.running import free_port, process, service_environ, wait_for

CROWD = 16


class Peers(list[asyncio.BaseTransport]):
    """The connections of one process."""

    def protocol(self) -> asyncio.Protocol:
        peers = self

        class Peer(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                peers.append(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                peers.pop()

        return Peer()


@asynccontextmanager
async def serving(listener: socket.socket, folder: Path, seats: int, *, hanging: int = 0) -> AsyncIterator[list[Peers]]:
    """hanging: so many of the seats accept nothing."""
    crowds = [Peers() for _ in range(seats - hanging)]
    servers = [
        Acceptor(listener.dup(), CROWD, each.protocol, each.__len__, Shares(folder, seat, seats))
        for seat, each in enumerate(crowds)
    ]
    yield crowds
    for server in servers:
        await server.close()


async def opened(listener: socket.socket, crowds: list[Peers], stack: ExitStack) -> None:
    """So many at once; until all are accepted."""
    for _ in range(CROWD):
        stack.enter_context(socket.create_connection(listener.getsockname()))
    async with asyncio.timeout(2):
        while sum(map(len, crowds)) < CROWD:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize(("seats", "hanging"), [(2, 0), (4, 0), (2, 1)])
def test_a_crowd_is_shared_out(tmp_path: Path, loop: object, seats: int, hanging: int) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
            async with serving(listener, tmp_path, seats, hanging=hanging) as crowds:
                await opened(listener, crowds, stack)
                assert max(map(len, crowds)) - min(map(len, crowds)) <= 3

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(story())


def test_one_that_begins_anew_has_none(tmp_path: Path) -> None:
    first, second = Shares(tmp_path, 0, 2), Shares(tmp_path, 1, 2)
    second.tell(5)
    assert not first.has_more(6)
    assert first.has_more(7)
    Shares(tmp_path, 1, 2)
    assert first.has_more(2)
    assert not first.has_more(1)


async def test_nothing_is_accepted_after_the_end(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    async with serving(listener, tmp_path, 2):
        address = listener.getsockname()
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("turns", range(5))
async def test_who_comes_with_the_end_is_answered_and_told_of_it(
    tmp_path: Path, redis_url: str, turns: int, alone: bool
) -> None:
    """Or its process would wait for it until the time for requests under way is over."""
    found = settings.load(service_environ(tmp_path, redis_url, "http://127.0.0.1:9"))
    door = Door(max_connections=16, per_address=0, keep_alive_seconds=30)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    async with open_service(found, worker=False) as service:
        config = uvicorn.Config(app, http=served_by(door), ws="none", lifespan="off", log_config=None)
        config.load()
        shares = None if alone else Shares(tmp_path, 0, 2)
        server = _Server(config, service, lambda *_: None, listener, shares)
        server.lifespan = config.lifespan_class(config)
        server.servers = []
        server._accept()  # of `startup`, which sets up the interpreter, too
        with socket.create_connection(address) as asking, socket.create_connection(address):
            asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.wait_for(server.shutdown(), 2)
            assert asking.recv(1024).startswith(b"HTTP/1.1 204 ")


def sockets_of(pid: int, port: int) -> int:
    """Established connections of a process to this port."""
    inodes = set()
    for entry in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = entry.split()
        if fields[3] == "01" and int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    held = []
    for name in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.append(str(name.readlink()))
        except OSError:
            continue
    return sum(each in inodes for each in held)


@pytest.mark.slow
async def test_processes_share_the_connections_of_one_caller(
    tmp_path: Path, redis_url: str, sandbox_process: str
) -> None:
    port = free_port()
    environ = service_environ(tmp_path, redis_url, sandbox_process, OTP_PORT=str(port))
    log = tmp_path / "log"
    with process(["otp_service", "serve", "--workers", "2"], environ, log) as child:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/health/ready", child, log)
        while '"serving"' not in log.read_text() and "serving " not in log.read_text():
            await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=CROWD)) as http:
            answers = await asyncio.gather(*(http.get("/health/ready") for _ in range(CROWD)))
            assert {answer.status_code for answer in answers} == {200}
            _, *children = meter.tree(child.pid)
            counts = [sockets_of(pid, port) for pid in children]
            assert sum(counts) >= CROWD - 2
            assert max(counts) - min(counts) <= 4, counts


@pytest.mark.slow
async def test_processes_come_back_although_their_folder_was_swept(
    tmp_path: Path, redis_url: str, sandbox_process: str
) -> None:
    """Each that died stayed away, until nobody answered at a port that was still open."""
    environ = service_environ(tmp_path, redis_url, sandbox_process, TMPDIR=str(tmp_path))
    log = tmp_path / "log"
    with process(["otp_service", "serve", "--workers", "2"], environ, log) as child:
        url = f"http://127.0.0.1:{environ['OTP_PORT']}"
        wait_for(f"{url}/health/ready", child, log)
        while log.read_text().count('"serving"') < 1:
            await asyncio.sleep(0.05)
        (folder,) = tmp_path.glob("otp-metrics-*")
        with pytest.raises(BlockingIOError):  # so systemd-tmpfiles leaves it, as all that is locked
            lock(folder)
        shutil.rmtree(folder)
        _, *children = meter.tree(child.pid)
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=url, timeout=60) as http:
            assert (await http.get("/metrics")).status_code == 200
            while len(meter.tree(child.pid)) < 3:
                await asyncio.sleep(0.05)
        with pytest.raises(BlockingIOError):
            lock(folder)
    assert not folder.exists()


def lock(folder: Path) -> None:
    """As one does that is about to delete it."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(held)
