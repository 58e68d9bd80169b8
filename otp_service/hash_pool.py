"""The hash pool: a few threads that compute argon2id, and a bounded number of checks that may wait for them.

Argon2 releases the GIL, so as many threads as cores reach the machine's limit; more only cost memory. The bound keeps
a flood of checks from growing a queue that nobody can work off (docs/adr/0003, 0021).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from msgspec.structs import replace

from otp_service.domain import codes
from otp_service.domain.codes import OF_CODES, OWASP, SALT_BYTES, Compute, Cost, Scope, keyed, stretch
from otp_service.errors import Refused
from otp_service.settings import Hashing, Settings
from otp_service.telemetry import metrics

NICER = 10
"""Niceness of the hashing threads: they give way to the event loop, which every request waits for."""

TRIALS = 4
"""Hashes by each library when a thread begins: some milliseconds in all."""

_Answer = asyncio.Future[tuple[float, bytes, float]]
"""When a computation began, what it found, when it ended."""
_Work = tuple[_Answer, bytes, bytes, Cost]


class HashPool:
    """Its threads live until `close`. They are daemons: a process that ends does not wait for a hash."""

    def __init__(self, config: Hashing) -> None:
        self.cost = config.cost
        self.lasting_cost = max(OWASP, config.cost, key=lambda cost: cost.memory_kib * cost.time_cost)
        """For what lasts longer than a code: OWASP's, or the settings' where that is dearer."""
        self._threads = config.threads or cores()
        self.tickets = self._threads + config.queue
        # Not a ThreadPoolExecutor: its two futures, locks and semaphore for each hash cost more than the rest of it.
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._closed = False
        for number in range(self._threads):
            threading.Thread(target=_serve, args=(self._queue,), name=f"argon2_{number}", daemon=True).start()

    @contextmanager
    def ticket(self) -> Iterator[None]:
        """Hold a ticket for one check. Raises Refused `busy` when none is free, before anything was counted."""
        if self.tickets <= 0:
            raise Refused("busy", "Too many codes are being checked at once; try again.", retry_after=1)
        self.tickets -= 1
        try:
            yield
        finally:
            self.tickets += 1

    async def digest(self, pepper: bytes, scope: Scope, code: str, salt: bytes, cost: Cost) -> bytes:
        """One argon2id computation. Waits for a thread as long as it takes. Raises RuntimeError after `close`."""
        if self._closed:
            raise RuntimeError("the hash pool is closed")
        answer: _Answer = asyncio.get_running_loop().create_future()
        mac, asked = keyed(pepper, scope, code), time.perf_counter()
        self._queue.put((answer, mac, salt, cost))
        began, found, ended = await answer
        metrics.HASH_WAIT_SECONDS.observe(began - asked)
        metrics.HASH_SECONDS.observe(ended - began)
        return found

    def close(self) -> None:
        """Who still waits for a thread is cancelled; a computation under way is done, and then the threads end."""
        self._closed = True
        with contextlib.suppress(Empty):
            while work := self._queue.get_nowait():
                work[0].cancel()
        for _ in range(self._threads):
            self._queue.put(None)


def _serve(queue: SimpleQueue[_Work | None]) -> None:
    _lower_priority()
    compute = quicker()
    for work in iter(queue.get, None):
        _hash(*work, compute)
        del work  # nothing of a code stays while the next one is waited for


def quicker() -> Compute:
    """The library that takes less of this processor: by half either one, as vector units and the kernel's clearing of
    memory are quick or slow here (docs/adr/0021)."""
    spent: dict[Compute, float] = {}
    for compute in (codes.by_libsodium, codes.by_argon2_cffi):
        compute(b"", bytes(SALT_BYTES), OF_CODES)  # what it does for the first time is no part of it
        began = time.thread_time()
        for _ in range(TRIALS):
            compute(b"", bytes(SALT_BYTES), OF_CODES)
        spent[compute] = time.thread_time() - began
    return min(spent, key=lambda one: spent[one])


def _lower_priority() -> None:
    """Let a thread that computes give way to the one that answers, and to Redis where that is beside it."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        with contextlib.suppress(OSError):  # a sandbox that forbids it shall not keep us from hashing
            niceness = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, niceness + NICER))


def _hash(answer: _Answer, mac: bytes, salt: bytes, cost: Cost, compute: Compute) -> None:
    """As little Python as possible: while a thread of low priority holds the interpreter, everybody waits for it."""
    if answer.cancelled():
        return
    try:
        found = time.perf_counter(), stretch(mac, salt, cost, compute), time.perf_counter()
    except BaseException as error:  # whatever it is, it is for the one who waits
        _tell(answer, answer.set_exception, error)
    else:
        _tell(answer, answer.set_result, found)


def _tell(answer: _Answer, settle: Callable[[Any], None], what: object) -> None:
    def settled() -> None:
        if not answer.done():  # else the one who waited was cancelled
            settle(what)

    with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
        answer.get_loop().call_soon_threadsafe(settled)


def sharing_cores(found: Settings, processes: int) -> Settings:
    """As many threads for so many processes as one alone would have, where the settings leave it to us: more than there
    are cores only wait for each other, and take the cores' caches from the loops."""
    threads = found.hashing.threads or max(1, cores() // processes)
    return replace(found, hashing=replace(found.hashing, threads=threads))


def cores() -> int:
    """Those that this process may use; a container is often given fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
