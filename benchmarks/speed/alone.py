"""Parts of the service alone, each in a process of its own that prints its figures: the floors under what is measured.

python -m benchmarks.speed.alone hash --seconds 4 --cost 1024,1,1
python -m benchmarks.speed.alone gateway --seconds 4 --concurrency 16 --port N
python -m benchmarks.speed.alone replay --seconds 4 --concurrency 16 --port N --pid N --file F
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import socket
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

Figures = dict[str, float]


def hashes(told: argparse.Namespace) -> Figures:
    """argon2id and nothing else, in as many threads as there are cores: what the service's pool does."""
    from otp_service.domain.codes import Cost, stretch
    from otp_service.hash_pool import quicker

    cost = Cost.parse(told.cost)
    threads = len(os.sched_getaffinity(0))
    done = [0] * threads
    compute = quicker()

    def work(number: int) -> None:
        while not done[number] or time.perf_counter() < end:
            stretch(b"x" * 32, b"s" * 16, cost, compute)
            done[number] += 1

    began, spent = time.perf_counter(), time.process_time()
    end = began + told.seconds
    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return _figures(sum(done), time.perf_counter() - began, time.process_time() - spent)


def gateway(told: argparse.Namespace) -> Figures:
    """The package's own client against the stub. answer_ms: what the stub itself takes, by a bare socket."""
    from benchmarks.rig.servers import GATEWAY, gateway_table
    from otp_service.gateways.base import Outgoing
    from otp_service.gateways.registry import build

    asked = Outgoing("+79161234567", "Код: {код}", "", datetime.now(UTC) + timedelta(seconds=300), 6)
    answer_ms = _answer_ms(told.port)

    async def run() -> Figures:
        one = build(GATEWAY, gateway_table(told.port))

        async def send() -> None:
            await one.send(asked, 4.0)

        try:
            return await _closed_loop(send, told.concurrency, told.seconds)
        finally:
            await one.close()

    return {**uvloop.run(run()), "answer_ms": answer_ms}


def replay(told: argparse.Namespace) -> Figures:
    """The recorded commands by redis-py with hiredis, a connection for each caller, again and again from one state.

    Putting the state back is not counted. cpu_redis: of Valkey. wrong: answers of another kind than when recorded.
    """
    from redis import Redis

    from benchmarks.rig import meter
    from benchmarks.rig.recording import Recording, restore

    recording = Recording.load(Path(told.file))
    operations = recording.usual
    redis = Redis(port=told.port, protocol=2)

    async def run() -> Figures:
        callers = [await _connected(told.port) for _ in range(told.concurrency)]
        seconds = client = server = 0.0
        passes, wrong = 0, 0
        while not passes or seconds < told.seconds:
            restore(redis, recording.state)
            todo = iter(operations)
            before, spent, began = meter.used(told.pid), time.process_time(), time.perf_counter()
            wrong += sum(await asyncio.gather(*(_repeated(caller, todo) for caller in callers)))
            seconds += time.perf_counter() - began
            client += time.process_time() - spent
            server += meter.since(before, meter.used(told.pid))
            passes += 1
        for caller in callers:
            await caller.aclose()
        count = passes * len(operations)
        return {**_figures(count, seconds, client), "cpu_redis": 1000 * server / count, "wrong": wrong}

    return uvloop.run(run())


async def _connected(port: int):  # type: ignore[no-untyped-def]  # the class of redis-py is imported where it is used
    from redis.asyncio import Redis

    return await Redis(port=port, protocol=2, single_connection_client=True).initialize()


async def _repeated(caller, operations) -> int:  # type: ignore[no-untyped-def]
    """Take operations as long as there are some; how many answers were of another kind."""
    from benchmarks.rig.recording import word

    wrong = 0
    for operation in operations:
        for trip in operation:
            if len(trip.commands) == 1:
                replies = [await caller.execute_command(*trip.commands[0])]
            else:
                pipeline = caller.pipeline(transaction=False)
                for command in trip.commands:
                    pipeline.execute_command(*command)
                replies = await pipeline.execute(raise_on_error=False)
            # A walk's lease is a time, so a recorded step of it is refused as another's: a floor that does a little
            # less, beside which the service looks worse than it is.
            wrong += sum(word(reply) not in (before, "lost") for reply, before in zip(replies, trip.words, strict=True))
    return wrong


async def _closed_loop(act: Callable[[], Awaitable[None]], concurrency: int, seconds: float) -> Figures:
    for _ in range(3):
        await act()
    took: list[float] = []
    began, spent = time.perf_counter(), time.process_time()
    end = began + seconds

    async def work() -> None:
        while (asked := time.perf_counter()) < end:
            await act()
            took.append(time.perf_counter() - asked)

    await asyncio.gather(*(work() for _ in range(concurrency)))
    figures = _figures(len(took), time.perf_counter() - began, time.process_time() - spent)
    return {**figures, "p50": 1000 * statistics.median(took)}


def _figures(count: int, seconds: float, spent: float) -> Figures:
    return {"rate": count / seconds, "cpu": 1000 * spent / max(1, count), "requests": count}


def _answer_ms(port: int, times: int = 200) -> float:
    """Median of one exchange after the other on one connection, without any client's work."""
    body = b"<request/>"
    request = b"POST /password_generation/api.php HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    took = []
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in itertools.repeat(None, times):
            began = time.perf_counter()
            wire.sendall(request)
            wire.recv(4096)
            took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.alone", description=__doc__)
    parser.add_argument("part", choices=["hash", "gateway", "replay"])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--cost", default="1024,1,1", help="argon2id: KiB, passes, lanes")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pid", type=int, default=0, help="of the Valkey at that port")
    parser.add_argument("--file", default="", help="a recording")
    told = parser.parse_args()
    print(json.dumps({"hash": hashes, "gateway": gateway, "replay": replay}[told.part](told)))


if __name__ == "__main__":
    main()
