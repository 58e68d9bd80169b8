"""Real processes for tests: the service and the sandbox, on ports of their own, told by environment and one file."""

from __future__ import annotations

import asyncio
import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import httpx
from redis.asyncio import Redis

from otp_service.child_process import die_with_us

API_KEY = "test-key-" + secrets.token_hex(16)
SECRET = "test-secret-" + secrets.token_hex(16)
TOPOLOGY = os.environ.get("TEST_TOPOLOGY", "")
"""`sentinel` or `cluster`: the stories run on that, and verdicts wait for a replica."""
SEVERAL = ("redis+sentinel:", "redis+cluster:")

# Short deadlines, so that a silent gateway costs a second and not four; no pauses, except in "strict"; no circuit
# breakers, so that the faults of one test do not reach the next.
SETTINGS = """
[service]
environment = "production"
public_url = "https://otp.example.ru"
secret = "env:TEST_SECRET"
stop_delay_seconds = 0
[redis]
url = "env:TEST_REDIS"
[gateways.targetsms-password]
kind = "targetsms-password"
prices = {"*" = "4.50"}
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "target"
state_base_url = "env:TEST_SANDBOX"
attempt_seconds = 1.0
connect_seconds = 0.5
circuit_breaker = false
[gateways.targetsms-xml]
kind = "targetsms-xml"
prices = {"*" = "3.00"}
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "DEMO"
time_zone = "Europe/Moscow"
attempt_seconds = 1.0
connect_seconds = 0.5
circuit_breaker = false
[gateways.smska]
kind = "smska"
prices = {"*" = "2.50"}
base_url = "env:TEST_SANDBOX"
api_key = "demo"
api_password = "demo-password"
sender = "DEMO"
attempt_seconds = 1.0
connect_seconds = 0.5
circuit_breaker = false
[guard]
mode = "shadow"
[routes.sms]
gateways = ["targetsms-password", "targetsms-xml", "smska"]
deadline_seconds = 4
reserve_seconds = 0.9
[[testing.numbers]]
phone = "+79990000055"
code = "424242"
until = 2099-12-31
[[testing.numbers]]
phone = "+79990000056"
code = "424242"
until = 2020-12-31
[applications.web]
brand = "Example"
resend_pause_seconds = [0]
[applications.web.hooks.supabase]
secret = ["v1,whsec_bmV3LXNlY3JldC1vZi10aGUtaG9vay0xMjM0NTY=", "whsec_b2xkLXNlY3JldC1vZi10aGUtaG9vay0xMjM0NTY="]
ttl_seconds = 60
[applications.web.hooks.zitadel]
signing_key = ["zitadel-new-key", "zitadel-old-key"]
[applications.web.hooks.kratos]
[applications.web.hooks.authentik]
[applications.web.hooks.keycloak]
[applications.web.hooks.logto]
[applications.web.hooks.supertokens]
[applications.web.hooks.privacyidea]
[applications.web.hooks.linotp]
[applications.theirs]
brand = "Theirs"
resend_pause_seconds = [0]
deliveries = {text = true, conversions = true}
[applications.theirs.hooks]
kratos = {text = "theirs"}
authentik = {text = "theirs"}
zitadel = {text = "theirs"}
supertokens = {text = "theirs"}
[applications.theirs.twilio]
account_sid = "AC0123456789abcdef0123456789abcdef"
service_sid = "VA0123456789abcdef0123456789abcdef"
custom_code = true
custom_friendly_name = true
risk_check_disable = true
auth_token = "twilio-auth-token-of-theirs"
[applications.strict]
brand = "Strict"
[applications.other]
brand = "Other"
resend_pause_seconds = [0]
"""

_OF_THE_ROUTE = ("TARGETSMS_PASSWORD", "TARGETSMS_XML", "SMSKA")
PATIENT = {
    **{f"OTP__GATEWAYS__{name}__ATTEMPT_SECONDS": "10" for name in _OF_THE_ROUTE},
    **{f"OTP__GATEWAYS__{name}__CONNECT_SECONDS": "5" for name in _OF_THE_ROUTE},
    "OTP__ROUTES__SMS__DEADLINE_SECONDS": "40",
}
"""For stories in which no gateway is silent: one that a busy machine holds up for a second is not passed over."""

_PORTS = range(10_000, 32_768)  # below those that Linux and macOS give to outgoing connections
_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has; never the same twice, and each worker of pytest-xdist draws from its own.

    Seconds may pass until it is used, and where a port is to stay closed it is never used: the others must not get it.
    """
    worker, workers = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), os.environ.get("PYTEST_XDIST_WORKER_COUNT")
    mine = [port for port in _PORTS[worker :: int(workers or 1)] if port not in _given]
    while True:
        port = random.choice(mine)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


@contextmanager
def process(arguments: list[str], environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child of the test, ended with SIGTERM and, if need be, SIGKILL. Its output goes to a file."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTP_")}
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=clean | dict(environ), stdout=output, stderr=subprocess.STDOUT,
            preexec_fn=die_with_us(),
        )  # fmt: skip
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(url: str, child: subprocess.Popen[bytes], log: Path, seconds: float = 180) -> None:
    """Until it answers. The time is for a busy machine; one that dies is not waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert child.poll() is None, f"ended at once:\n{log.read_text()}"
        try:
            httpx.get(url, timeout=1, trust_env=False, verify=False)
        except httpx.HTTPError:
            time.sleep(0.03)
        else:
            return
    raise AssertionError(f"no answer from {url}:\n{log.read_text()}")


@contextmanager
def running_sandbox(folder: Path, **environ: str) -> Iterator[str]:
    port = free_port()
    log = folder / "sandbox.log"
    with process(["otp_service.sandbox", "--port", str(port)], environ, log) as child:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/_sim/requests", child, log)
        yield url


def service_environ(folder: Path, redis: str, sandbox: str, **overrides: str) -> dict[str, str]:
    config = folder / "otp-service.toml"
    config.write_text(SETTINGS)
    return {
        "OTP_CONFIG": str(config),
        "OTP_PORT": str(free_port()),
        "OTP_BOOTSTRAP_API_KEY": API_KEY,
        "OTP_LOG_LEVEL": "DEBUG",
        "TEST_SECRET": SECRET,
        "TEST_REDIS": redis,
        "TEST_SANDBOX": sandbox,
        **({"OTP__REDIS__CONFIRM_REPLICAS": "1"} if redis.startswith(SEVERAL) else {}),
        **overrides,
    }


@contextmanager
def running_service(
    folder: Path, redis: str, sandbox: str, command: str = "serve", **overrides: str
) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """`otp-service serve`, or another command that serves: its URL, the process and its log."""
    environ = service_environ(folder, redis, sandbox, **overrides)
    log = folder / f"service-{environ['OTP_PORT']}.log"
    with process(["otp_service", command], environ, log) as child:
        url = f"http://127.0.0.1:{environ['OTP_PORT']}"
        wait_for(f"{url}/health/live", child, log)
        yield url, child, log


def create_key(
    folder: Path,
    redis: str,
    sandbox: str,
    application: str,
    *words: str,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """An API key, made as an operator makes it. environ: what the service is told beside the file."""
    environ = dict(os.environ) | service_environ(folder, redis, sandbox, **environ)
    command = [sys.executable, "-m", "otp_service", "keys", "create", "--application", application, *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split()[0]


def code_in(text: str) -> str:
    found = re.search(r"(?<![0-9])[0-9]{4,10}(?![0-9])", text)
    assert found, text
    return found[0]


async def written(redis: Redis) -> None:
    """Return when all that Redis has answered stands in its append-only file, so that a kill -9 loses none of it.

    With `appendfsync everysec` a write is put off for up to 2 s while the fsync before it is slow
    (Redis, aof.c, flushAppendOnlyFile).
    """
    while (await redis.info("persistence"))["aof_buffer_length"]:
        await asyncio.sleep(0.01)


class RedisServer:
    """A Valkey or Redis of a test's own, on TCP, that can be killed, frozen and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        from otp_service.storage.embedded import _find_server

        self._child = subprocess.Popen(
            [
                _find_server(), "--port", str(self._port), "--bind", "127.0.0.1", "--appendonly", "yes",
                "--save", "", "--dir", str(self._folder), "--logfile", str(self._folder / "redis.log"),
            ],
            preexec_fn=die_with_us(),
        )  # fmt: skip
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("redis does not listen")

    @property
    def pid(self) -> int:
        return self._child.pid

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()

    def freeze(self) -> None:
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._child.send_signal(signal.SIGCONT)
