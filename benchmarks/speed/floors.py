"""The limits under a round: each part of a request by itself, on the same machine, a moment before the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from benchmarks.rig.load import measured, metered, place, wrk
from benchmarks.rig.recorder import Recorded
from benchmarks.rig.recording import restore
from benchmarks.rig.servers import World
from benchmarks.speed.samples import Sample
from tests.running import free_port, process, wait_for

WARM_UP = 100
NO_IDS = ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",)


@dataclass(frozen=True)
class Floors:
    """seconds: for each. empty, asking: servers whose handlers do nothing, and only ask Redis what a status asks."""

    seconds: float
    recorded: Recorded
    gateway: int
    empty: World
    asking: World


@contextmanager
def laid(seconds: float, recorded: Recorded, gateway: int, folder: Path) -> Iterator[Floors]:
    """gateway: the port of a stub that answers at once."""
    ask = ["--redis", str(recorded.world.port), "--file", str(recorded.files["status"])]
    with _server([], folder, recorded) as empty, _server(ask, folder, recorded) as asking:
        yield Floors(seconds, recorded, gateway, empty, asking)


def hashes(seconds: float, cost: str) -> Sample:
    """argon2id alone, in as many threads as there are cores."""
    threads = len(os.sched_getaffinity(0))
    return Sample("hash", 0, threads, cost, alone("hash", seconds=seconds, cost=cost))


def lua(floors: Floors, operation: str, concurrency: int) -> Sample:
    """What one operation asks of Redis, asked by redis-py alone."""
    recorded = floors.recorded
    figures = alone(
        "replay",
        seconds=floors.seconds,
        concurrency=concurrency,
        port=recorded.world.port,
        pid=recorded.pid,
        file=recorded.files[operation],
    )
    trips = recorded.recordings[operation].usual
    figures["trips"] = sum(map(len, trips)) / len(trips)
    figures["commands"] = sum(len(trip.commands) for each in trips for trip in each) / len(trips)
    return Sample(f"lua {operation}", 0, concurrency, "", figures, int(figures.pop("wrong")))


def gateway(floors: Floors, concurrency: int) -> Sample:
    """The package's own gateway client against the stub."""
    figures = alone("gateway", seconds=floors.seconds, concurrency=concurrency, port=floors.gateway)
    return Sample("gateway", 0, concurrency, "", figures)


def handler(floors: Floors, script: str, concurrency: int) -> Sample:
    """An empty handler under the load of a start or a status."""
    return _loaded(floors.empty, f"empty {script}", script, concurrency, floors.seconds)


def asking(floors: Floors, concurrency: int) -> Sample:
    """An empty GET handler that asks Redis what a status asks."""
    recorded = floors.recorded
    restore(recorded.world.redis, recorded.recordings["status"].state)
    return _loaded(floors.asking, "empty status, asking Redis", "status", concurrency, floors.seconds)


def alone(part: str, **options: object) -> dict[str, float]:
    """Run one part in a process of its own."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "benchmarks.speed.alone", part, *words]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def _loaded(world: World, name: str, script: str, concurrency: int, seconds: float) -> Sample:
    environ: Mapping[str, str] = {"BENCH_FIRST": str(place(0))}
    before = metered(world)
    run = wrk(script, world.url, concurrency, seconds, environ, NO_IDS)
    figures = measured(world, run, before)
    return Sample(name, 0, concurrency, "", {"cpu": figures["cpu_service"], **figures}, run.bad)


def _warm_up(url: str) -> None:
    """Its first requests are slower than any later one."""
    order = {"to": "+79161234567", "purpose": "login", "client": {"ip": "10.0.0.1"}}
    with httpx.Client(base_url=url, trust_env=False) as client:
        for _ in range(WARM_UP):
            client.post("/v1/verifications", json=order)
            client.get(f"/v1/verifications/{NO_IDS[0]}")


@contextmanager
def _server(words: list[str], folder: Path, recorded: Recorded) -> Iterator[World]:
    port = free_port()
    log = folder / "empty.log"
    with process(["benchmarks.speed.empty", "--port", str(port), *words], {}, log) as child:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/", child, log)
        _warm_up(url)
        pids = {"service": child.pid, "redis": recorded.pid}
        yield replace(recorded.world, url=url, pids=pids)
