"""Litestar under uvicorn as the service is run, with handlers that do nothing.

    python -m benchmarks.speed.empty --port N

It has the service's routes for a start and a status, so that the same load can be put on it. With `--file`, a recording
of statuses, and `--redis`, each GET runs the commands of one of them by redis-py: what a status cannot do without.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop
from litestar import Litestar, get, post
from redis.asyncio import Redis

from benchmarks.rig.recording import Recording, Trip

CONNECTIONS = 256
"""As many as the service may open to Redis."""


class Client(msgspec.Struct):
    ip: str


class Start(msgspec.Struct):
    to: str
    purpose: str
    client: Client


class Started(msgspec.Struct):
    id: str
    status: str


_STARTED = Started("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "pending")


@post("/v1/verifications")
async def start(data: Start) -> Started:
    return _STARTED


@get("/v1/verifications/{verification_id:str}")
async def status(verification_id: str) -> Started:
    return _STARTED


def asking(redis: Redis, operations: Iterator[list[Trip]]) -> Any:
    """A status that asks Redis what a recorded one asked."""

    @get("/v1/verifications/{verification_id:str}")
    async def status(verification_id: str) -> Started:
        for trip in next(operations):
            for command in trip.commands:
                await redis.execute_command(*command)  # type: ignore[no-untyped-call]
        return _STARTED

    return status


async def serve(port: int, redis: int, file: str) -> None:
    handlers: list[Any] = [start, status]
    if file:
        operations = itertools.cycle([list(one) for one in Recording.load(Path(file)).usual])
        handlers[1] = asking(Redis(port=redis, protocol=2, max_connections=CONNECTIONS), operations)
    app = Litestar(handlers, openapi_config=None, logging_config=None)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, http="httptools", lifespan="off", log_config=None, access_log=False,
        server_header=False, date_header=False, proxy_headers=False, timeout_keep_alive=30,
    )  # fmt: skip
    await uvicorn.Server(config).serve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.empty", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis", type=int, default=0)
    parser.add_argument("--file", default="")
    told = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(told.port, told.redis, told.file))


if __name__ == "__main__":
    main()
