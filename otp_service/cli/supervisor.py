"""Several processes on one machine behind one listening socket, watched and restarted by their parent.

They share the socket and not only its port, so a connection that waits in its queue when one of them dies is taken by
another. The parent serves nothing; it holds what must outlive each of them: the socket, the embedded store, the folder
of the metrics.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from otp_service.child_process import die_with_us
from otp_service.cli.listening import bind, url_of
from otp_service.errors import SettingsError
from otp_service.settings import Settings
from otp_service.telemetry import multiprocess

POLL_SECONDS = 0.05
PAUSES = (0.1, 5.0)
"""Seconds before a restart: the first, doubling up to the last."""
STEADY_SECONDS = 10.0
"""A process that worked for so long was not one of a row of failures."""
STOP_SECONDS = 15.0
"""Beyond the delay of a stop, until SIGKILL."""

log = structlog.get_logger()


class _Folder:
    """Where the processes write their metrics, and how many connections they have: one for temporary files, which who
    sweeps those may delete under us."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._made = tempfile.TemporaryDirectory(prefix="otp-metrics-")
        self.path = Path(self._made.name)
        self._hold()

    def _hold(self) -> None:
        self._held = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._held, fcntl.LOCK_SH)  # systemd-tmpfiles leaves what is locked, however old it is

    def restore(self) -> None:
        """Where it was deleted: a process could not begin without it. Raises OSError if another took its name."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self.path.stat(), os.fstat(self._held)):
                return
        os.close(self._held)
        self.path.mkdir(0o700)
        self._hold()

    def close(self) -> None:
        os.close(self._held)
        self._made.cleanup()


class _Seat:
    """One of the processes, and whoever sits there after it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.child: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.starts_at = 0.0
        self.pause = PAUSES[0]

    def start(self, listener: socket.socket, ready: int, folder: Path, environ: Mapping[str, str], count: int) -> None:
        words = [str(listener.fileno()), str(ready), str(self.number), str(folder), str(count)]
        self.child = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-m", "otp_service.cli.child", *words],
            env=dict(environ),
            pass_fds=[listener.fileno(), ready],
            start_new_session=True,  # Ctrl-C reaches the parent alone
            preexec_fn=die_with_us(),
        )
        self.started_at = time.monotonic()


class _Supervisor:
    def __init__(self, found: Settings, environ: Mapping[str, str], count: int, folder: _Folder) -> None:
        self._settings = found
        self._environ = environ
        self._folder = folder
        self._seats = [_Seat(number) for number in range(count)]
        self._stopping = asyncio.Event()

    async def run(self, listener: socket.socket) -> int:
        """Until a signal comes, or no process can be started. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        heard, ready = os.pipe()
        os.set_blocking(heard, False)
        serving: set[int] = set()
        announced = False
        try:
            while not self._stopping.is_set():
                with contextlib.suppress(BlockingIOError):
                    serving |= {int(line) for line in os.read(heard, 65536).split()}
                if len(serving) == len(self._seats) and not announced:
                    announced = True
                    names = [*self._settings.applications]
                    log.info("serving", url=url_of(listener), applications=names, workers=len(self._seats))
                for seat in self._seats:
                    if seat.child is None:
                        if time.monotonic() >= seat.starts_at:
                            self._folder.restore()
                            seat.start(listener, ready, self._folder.path, self._environ, len(self._seats))
                    elif (status := seat.child.poll()) is not None:
                        if not serving:
                            return status if status > 0 else 1  # it has said why
                        if time.monotonic() - seat.started_at > STEADY_SECONDS:
                            seat.pause = PAUSES[0]
                        log.warning("process_died", place=seat.number, exit_status=status, restart_in=seat.pause)
                        multiprocess.leave(self._folder.path, seat.number)
                        seat.child, seat.starts_at = None, time.monotonic() + seat.pause
                        seat.pause = min(2 * seat.pause, PAUSES[1])
                await asyncio.sleep(POLL_SECONDS)
            listener.close()
            log.info("stopped")
        finally:
            os.close(heard)
            os.close(ready)
            await self._stop()
        return 0

    async def _stop(self) -> None:
        """All at once, each as gracefully as one alone."""
        children = [seat.child for seat in self._seats if seat.child]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS + self._settings.service.stop_delay_seconds
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(child.wait, max(0.0, deadline - time.monotonic()))
            child.kill()
            await asyncio.to_thread(child.wait)


def supervise(found: Settings, environ: Mapping[str, str], count: int) -> int:
    """Run so many processes until SIGINT or SIGTERM. Raises SettingsError; returns the exit code."""
    with bind(environ) as listener, asyncio.Runner() as runner:
        return runner.run(_supervise(found, environ, count, listener))


async def _supervise(found: Settings, environ: Mapping[str, str], count: int, listener: socket.socket) -> int:
    try:
        folder = _Folder()
    except OSError as error:
        raise SettingsError(f"--workers: needs a folder for temporary files (TMPDIR): {error.strerror}") from None
    with contextlib.closing(folder):
        async with _store(found):
            return await _Supervisor(found, environ, count, folder).run(listener)


@asynccontextmanager
async def _store(found: Settings) -> AsyncIterator[None]:
    """The embedded store is the parent's, so that it ends after the last of the processes that use it."""
    if not found.redis.url.startswith("embedded:"):
        yield
        return
    from otp_service.storage.embedded import embedded_server

    async with embedded_server(Path(found.redis.url.removeprefix("embedded:"))):
        yield
