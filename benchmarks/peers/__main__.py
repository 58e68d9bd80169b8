"""`make bench-peers`: sends and checks of right codes beside another self-hosted server, in interleaved rounds.

better-auth's phone plugin, in memory and on SQLite, from the npm registry in a temporary folder; the service with its
shipped settings on a real Valkey, asked by a Unix socket as the embedded one is, as one process and as two. The same
stub is everybody's gateway. Processor time is the kernel's, of a server with its store, divided by requests; `later` is
what is left to do once all is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from benchmarks.rig import meter
from benchmarks.rig.load import phones
from benchmarks.rig.machine import RESULTS, machine
from benchmarks.rig.servers import Plan, opened, settle, stubbed
from benchmarks.rig.stub import CODE
from benchmarks.speed import tables
from otp_service.child_process import die_with_us
from tests.running import API_KEY, free_port, wait_for

PACKAGES = ("better-auth@1.7", "better-sqlite3@12")
NAMES = {
    "1": "the service, 1 process",
    "2": "the service, 2 processes",
    "memory": "better-auth, memory",
    "sqlite": "better-auth, SQLite",
}
FIGURES = ("sends", "send p50", "send cpu", "checks", "check p50", "check cpu", "later", "memory")
HEAD = ("", "sends/s", "p50 ms", "processor ms", "checks/s", "p50 ms", "processor ms", "later, ms", "MiB")
BESIDE = ("memory", "sqlite")
SECONDS_LATER = 6.5
"""A message is looked after 5 s after its start."""

Ask = Callable[[aiohttp.ClientSession, str, str], Awaitable[str]]
"""Of a phone, and what is known of it; returns what has to be known to check its code."""


@dataclass(frozen=True)
class Server:
    """url: where it listens. pids: of the roots of its processes, the store's with them."""

    url: str
    pids: Sequence[int]
    send: Ask
    check: Ask


async def _send_ours(client: aiohttp.ClientSession, phone: str, address: str) -> str:
    order = {"to": phone, "purpose": "login", "client": {"ip": address, "trusted": True}}
    return str((await _answered(client, "/v1/verifications", order, 201))["id"])


async def _check_ours(client: aiohttp.ClientSession, phone: str, verification: str) -> str:
    found = await _answered(client, f"/v1/verifications/{verification}/check", {"code": CODE}, 200)
    assert found["approved"], found
    return phone


async def _send_theirs(client: aiohttp.ClientSession, phone: str, _: str) -> str:
    await _answered(client, "/api/auth/phone-number/send-otp", {"phoneNumber": phone}, 200)
    return phone


async def _check_theirs(client: aiohttp.ClientSession, phone: str, code: str) -> str:
    found = await _answered(client, "/api/auth/phone-number/verify", {"phoneNumber": phone, "code": code}, 200)
    assert found["status"] is True, found
    return phone


async def _answered(client: aiohttp.ClientSession, path: str, body: Mapping[str, Any], status: int) -> Any:
    async with client.post(path, json=body) as answer:
        found = await answer.json(content_type=None)
        assert answer.status == status, (path, answer.status, found)
        return found


@contextmanager
def ours(processes: int) -> Iterator[Server]:
    plan = Plan(processes, unix=True)
    with tempfile.TemporaryDirectory(prefix="otp-bench-") as name, opened(plan, Path(name)) as world:
        yield Server(world.url, (world.pids["service"], world.pids["redis"]), _send_ours, _check_ours)


@contextmanager
def theirs(store: str, installed: Path) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="otp-bench-") as name:
        folder, port = Path(name), free_port()
        with stubbed(Plan(), folder) as (gateway, _), (folder / "log").open("w") as log:
            where = "memory" if store == "memory" else str(folder / "auth.sqlite")
            child = subprocess.Popen(
                ["node", "better_auth.mjs", str(port), f"http://127.0.0.1:{gateway}/sms", where],
                cwd=installed, env=os.environ | {"NODE_ENV": "production"}, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=die_with_us(),
            )  # fmt: skip
            try:
                url = f"http://127.0.0.1:{port}"
                wait_for(f"{url}/codes", child, folder / "log")
                yield Server(url, (child.pid,), _send_theirs, _check_theirs)
            finally:
                child.terminate()
                child.wait()


def install(folder: Path) -> None:
    """Raises SystemExit where npm cannot: there is no peer to measure then."""
    script = Path(__file__).with_name("better_auth.mjs")
    (folder / script.name).write_text(script.read_text())
    if (folder / "node_modules").is_dir():
        return
    for words in (["install", "--no-audit", "--no-fund", *PACKAGES], ["rebuild", "better-sqlite3"]):
        done = subprocess.run(["npm", *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise SystemExit(f"npm {words[0]}: {done.stderr}")


async def measured(server: Server, segment: int, told: argparse.Namespace) -> dict[str, float]:
    """One round of one server: so many sends, then the right code of each."""
    connector = aiohttp.TCPConnector(limit=told.callers)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(server.url, connector=connector, headers=headers, timeout=timeout) as client:
        people = list(itertools.islice(phones(segment), told.warm + told.requests))
        await _checked(server, client, (await _all(client, server.send, people[: told.warm], told.callers))[0], told)
        before = _used(server)
        sent, sends, send_p50 = await _all(client, server.send, people[told.warm :], told.callers)
        after = _used(server)
        checks, check_p50 = await _checked(server, client, sent, told)
        end = _used(server)
    memory = sum(meter.memory(pid).rss for root in server.pids for pid in meter.tree(root))
    if server.check is _check_ours:  # its worker goes on; the others have nothing left to do
        for pid in server.pids:
            await asyncio.to_thread(settle, pid, SECONDS_LATER if pid == server.pids[0] else 0)
    each = [1000 * (b - a) / told.requests for a, b in itertools.pairwise((before, after, end, _used(server)))]
    return dict(zip(FIGURES, (sends, send_p50, each[0], checks, check_p50, each[1], each[2], memory), strict=True))


async def _checked(
    server: Server, client: aiohttp.ClientSession, sent: Sequence[tuple[str, str]], told: argparse.Namespace
) -> tuple[float, float]:
    if server.check is _check_theirs:
        async with client.get("/codes") as answer:
            codes = await answer.json(content_type=None)
        sent = [(phone, codes[phone]) for phone, _ in sent]
    _, rate, p50 = await _all(client, server.check, sent, told.callers)
    return rate, p50


async def _all(
    client: aiohttp.ClientSession, ask: Ask, asked: Sequence[tuple[str, str]], callers: int
) -> tuple[list[tuple[str, str]], float, float]:
    """What is known of each phone now, how many a second, and the median of the times in ms."""
    todo = iter(asked)
    found, times = [], []

    async def call() -> None:
        for phone, known in todo:
            began = time.perf_counter()
            found.append((phone, await ask(client, phone, known)))
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return found, len(found) / (time.perf_counter() - began), 1000 * statistics.median(times)


def _used(server: Server) -> float:
    return sum(sum(meter.used(pid).values()) for pid in server.pids)


def rounds(told: argparse.Namespace, installed: Path) -> dict[str, list[dict[str, float]]]:
    found = defaultdict[str, list[dict[str, float]]](list)
    for number in range(told.rounds):
        # Whoever comes first finds a cooler machine: the order turns.
        names = told.servers[number % len(told.servers) :] + told.servers[: number % len(told.servers)]
        for name in names:
            with theirs(name, installed) if name in BESIDE else ours(int(name)) as server:
                found[name].append(uvloop.run(measured(server, number, told)))
            row = " ".join(f"{value:.1f}" for value in found[name][-1].values())
            print(number + 1, name, row, file=sys.stderr, flush=True)
    return found


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in FIGURES}


def verdicts(found: Mapping[str, Mapping[str, float]]) -> str:
    """The better of one process and two beside the better of the peers."""
    mine, peers = ([found[name] for name in found if (name in BESIDE) is beside] for beside in (False, True))
    if not mine or not peers:
        return ""
    lines = []
    for what, wanted in (("sends", 1.25), ("checks", 2.5)):
        ratio = max(row[what] for row in mine) / max(row[what] for row in peers)
        lines.append(
            [f"{what}: multiple of the better peer", tables.number(ratio), f"≥ {wanted}", _kept(ratio >= wanted)]
        )
    spent, theirs = min(row["send cpu"] for row in mine), min(row["send cpu"] for row in peers)
    lines.append(["processor time of a send", f"{spent:.2f} ms", f"≤ {theirs:.2f} ms", _kept(spent <= theirs)])
    return tables.table(("what it must show", "measured", "bound", ""), lines)


def _kept(kept: bool) -> str:
    return "kept" if kept else "**missed**"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=4, help="(4)")
    parser.add_argument("--requests", type=int, default=400, help="sends, and as many checks, of each round (400)")
    parser.add_argument("--warm", type=int, default=50, help="the same beforehand, not measured (50)")
    parser.add_argument("--callers", type=int, default=16, help="(16)")
    parser.add_argument(
        "--servers", type=lambda text: text.split(","), default=list(NAMES), help=f"({','.join(NAMES)})"
    )
    parser.add_argument("--installed", type=Path, metavar="FOLDER", help="where npm installs; kept for the next run")
    parser.add_argument("--json", type=Path, default=RESULTS / "peers.json", metavar="FILE", help="where all goes")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otp-peers-") as name:
        installed = told.installed or Path(name)
        installed.mkdir(parents=True, exist_ok=True)
        if set(told.servers) & set(BESIDE):
            install(installed)
        rows = rounds(told, installed)
    told.json.parent.mkdir(parents=True, exist_ok=True)
    told.json.write_text(json.dumps({"machine": machine(), "rounds": rows}, indent=1))
    found = {name: medians(rows[name]) for name in told.servers}
    lines = ([NAMES[name], *(tables.number(row[figure]) for figure in FIGURES)] for name, row in found.items())
    part = {"peers": tables.table(HEAD, lines), "peers verdicts": verdicts(found)}
    if told.write_docs:
        tables.put(part)
    print("\n\n".join(tables.marked(part)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
