"""The hash pool: a few threads that compute argon2id, and a bounded number of checks that may wait for them.

Argon2 releases the GIL, so as many threads as cores reach the machine's limit; more only cost memory. The bound keeps
a flood of checks from growing a queue that nobody can work off (docs/adr/0003).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from otp_service import metrics
from otp_service.domain.codes import Cost, Scope, keyed, stretch
from otp_service.errors import Refused
from otp_service.settings import Hashing

NICER = 10
"""By so much than the event loop, which everybody waits for, are the threads that hash."""


class HashPool:
    def __init__(self, config: Hashing) -> None:
        self.cost = Cost(config.memory_kib, config.time_cost, config.parallelism)
        threads = config.threads or _cores()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_step_back)
        self.places = threads + config.queue

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for one check. Raises Refused `busy` when none is free, before anything was counted."""
        if self.places <= 0:
            raise Refused("busy", "Too many codes are being checked at once; ask again.", retry_after=1)
        self.places -= 1
        try:
            yield
        finally:
            self.places += 1

    async def digest(self, pepper: bytes, scope: Scope, code: str, salt: bytes, cost: Cost) -> bytes:
        """One argon2id computation. Waits for a thread as long as it takes."""
        loop, mac, asked = asyncio.get_running_loop(), keyed(pepper, scope, code), time.perf_counter()
        began, found, ended = await loop.run_in_executor(self._executor, _timed, mac, salt, cost)
        metrics.HASH_WAIT_SECONDS.observe(began - asked)
        metrics.HASH_SECONDS.observe(ended - began)
        return found

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _step_back() -> None:
    """Let a thread that computes give way to the one that answers, and to Redis where that is beside it."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        with contextlib.suppress(OSError):  # a sandbox that forbids it shall not keep us from hashing
            niceness = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, niceness + NICER))


def _timed(mac: bytes, salt: bytes, cost: Cost) -> tuple[float, bytes, float]:
    """As little Python as can be: while a nicer thread holds the interpreter, everybody waits for it."""
    return time.perf_counter(), stretch(mac, salt, cost), time.perf_counter()


def _cores() -> int:
    """Those that this process may use; a container is often given fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
