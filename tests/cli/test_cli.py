"""The command line as an operator meets it: help, keys, doctor, and `serve` from its start to its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from otp_service import __version__
from tests.api import Api, Gateways, problem
from tests.cli.commands import Commands, clean
from tests.running import API_KEY, RedisServer, free_port, process, service_environ, wait_for

STARTED_WITHIN = 3.0
STOPPED_WITHIN = 5.0
COMMANDS = ("run", "serve", "sandbox", "doctor", "keys", "phones", "audit", "factors", "rotate-secrets")


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, redis_url: str, sandbox_process: str) -> dict[str, str]:
    """The settings of the session's service: what a command needs to work beside it."""
    folder = tmp_path_factory.mktemp("operator")
    return service_environ(folder, redis_url, sandbox_process) | {"OTP_LOG_LEVEL": "WARNING"}


# Help


@pytest.mark.usefixtures("lonely")
def test_help(commands: Commands, tmp_path: Path) -> None:
    found = commands.run("--help", environ={}, folder=tmp_path)
    assert (found.code, found.err) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^ +{command}\s+\S", found.out, re.MULTILINE)
    assert commands.run("--version", environ={}, folder=tmp_path).out == f"{__version__}\n"


SUBCOMMANDS = (
    ["keys", "create"],
    ["keys", "list"],
    ["keys", "rotate"],
    ["keys", "revoke"],
    ["phones", "unlock"],
    ["audit", "export"],
    ["factors", "import"],
    ["factors", "unlock"],
)


@pytest.mark.parametrize("words", [*([command] for command in COMMANDS), *SUBCOMMANDS])
def test_help_of_each_command(commands: Commands, tmp_path: Path, words: list[str]) -> None:
    found = commands.run(*words, "--help", environ={}, folder=tmp_path)
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith(f"usage: otp-service {' '.join(words)}")


@pytest.mark.parametrize(
    "words",
    [[], ["start"], ["keys"], ["keys", "show"], ["keys", "create"], ["keys", "revoke"], ["serve", "--port", "1"]],
)
def test_what_is_no_command(commands: Commands, tmp_path: Path, words: list[str]) -> None:
    found = commands.run(*words, environ={}, folder=tmp_path)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("usage: otp-service")
    assert "Traceback" not in found.err


def test_the_installed_program_is_the_same() -> None:
    program = Path(sys.executable).with_name("otp-service")
    for command in ([str(program)], [sys.executable, "-m", "otp_service"]):
        found = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert found.stdout == f"{__version__}\n"


# Keys


def created(commands: Commands, environ: dict[str, str], folder: Path, *words: str) -> tuple[str, str]:
    """id and secret of a new key. Only the secret is on stdout, so that a script can take it."""
    found = commands.run("keys", "create", "--application", "web", *words, environ=environ, folder=folder)
    assert found.code == 0, found
    assert re.fullmatch(r"otp_[0-9a-f]{8}_[a-z2-7]{32}\n", found.out)
    key_id = re.fullmatch(r"Key ([0-9a-f]{8}) for web\. .*\n", found.err)
    assert key_id
    return key_id[1], found.out.strip()


async def test_a_key_works_at_once_and_is_listed_without_its_secret(
    commands: Commands, environ: dict[str, str], tmp_path: Path, service_urls: list[str], phone: str
) -> None:
    key_id, secret = created(commands, environ, tmp_path, "--name", "бэкенд, CI")

    async with Api(service_urls[0], secret) as api:
        assert (await api.started(phone))["to"] == phone

    table = commands.run("keys", "list", environ=environ, folder=tmp_path)
    rows = commands.run("keys", "list", "--json", environ=environ, folder=tmp_path)
    assert (table.code, rows.code) == (0, 0)
    assert secret not in table.text + rows.text
    assert re.search(
        rf"^{key_id} +web( +\d{{4}}-\d\d-\d\d \d\d:\d\d UTC){{2}} +never +check,read,send +any +бэкенд, CI$",
        table.out,
        re.MULTILINE,
    )
    (row,) = [row for row in json.loads(rows.out) if row["id"] == key_id]
    assert (row["application"], row["name"]) == ("web", "бэкенд, CI")
    assert abs(row["created_at"] - time.time()) < 60


async def test_s18_a_key_is_stored_nowhere_in_clear(
    commands: Commands, environ: dict[str, str], tmp_path: Path, redis_url: str, folder: Path
) -> None:
    _, secret = created(commands, environ, tmp_path)
    random = secret.rsplit("_", 1)[1]
    async with Redis.from_url(redis_url) as redis:
        found = b"".join([key + (await redis.dump(key) or b"") async for key in redis.scan_iter(count=1000)])
    assert secret.encode() not in found
    assert random.encode() not in found
    for file in folder.rglob("*"):
        if file.is_file():
            assert random.encode() not in file.read_bytes(), file


def test_keys_for_nobody(commands: Commands, environ: dict[str, str], tmp_path: Path) -> None:
    found = commands.run("keys", "create", "--application", "nobody", environ=environ, folder=tmp_path)
    assert found.code == 2
    assert found.err == (
        "otp-service: --application: there is no application 'nobody'; there are: web, theirs, strict, other\n"
    )
    found = commands.run("keys", "revoke", "00000000", environ=environ, folder=tmp_path)
    assert found.code == 1
    assert "00000000" in found.out


@pytest.mark.slow
async def test_a_revoked_key_is_useless_within_6_s(
    commands: Commands, environ: dict[str, str], tmp_path: Path, service_urls: list[str]
) -> None:
    key_id, secret = created(commands, environ, tmp_path)
    async with Api(service_urls[0], secret) as first, Api(service_urls[1], secret) as second:
        for api in (first, second):
            problem(await api.status("A" * 36), 404, "not_found")  # both know the key now
        revoked = commands.run("keys", "revoke", key_id, environ=environ, folder=tmp_path)
        assert revoked.code == 0
        deadline = time.monotonic() + 6
        for api in (first, second):
            while (answer := await api.status("A" * 36)).status_code != 401 and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
            problem(answer, 401, "unauthorized")
    assert key_id not in commands.run("keys", "list", environ=environ, folder=tmp_path).out


# Doctor


def test_doctor_is_content(commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path) -> None:
    found = commands.run("doctor", environ=environ, folder=tmp_path)

    assert (found.code, found.err) == (0, ""), found.text
    assert "PROBLEM" not in found.out
    for name in ("settings", "redis", "targetsms-xml sender", "targetsms-xml clock", "smska balance"):
        assert re.search(rf"^ok +{name}", found.out, re.MULTILINE), found.out


async def test_doctor_sends_nothing(
    commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path
) -> None:
    assert commands.run("doctor", environ=environ, folder=tmp_path).code == 0
    assert (await gateways.http.get("/_sim/messages")).json() == []


UNWELL = {  # the settings that are wrong, the finding, a word of its sentence
    "password": ({"SMSKA__API_PASSWORD": "wrong-7f3a"}, "smska balance", "credentials"),
    "password of XML": (
        {"TARGETSMS_XML__PASSWORD": "wrong-7f3a"},
        "targetsms-xml balance, sender, clock",
        "credentials",
    ),
    "password of the password API": (
        {"TARGETSMS_PASSWORD__PASSWORD": "wrong-7f3a"},
        "targetsms-password balance",
        "credentials",
    ),
    "sender not approved yet": ({"TARGETSMS_XML__SENDER": "NEW"}, "targetsms-xml sender", "NEW: order"),
    "unknown sender": ({"TARGETSMS_XML__SENDER": "Nobody"}, "targetsms-xml sender", "not in the list"),
    "time zone": ({"TARGETSMS_XML__TIME_ZONE": "Asia/Tokyo"}, "targetsms-xml clock", "-360 minutes"),
    "gateway away": ({"SMSKA__BASE_URL": "http://127.0.0.1:9"}, "smska balance", "unreachable"),
}


def test_doctor_counts_parts(commands: Commands, environ: dict[str, str], tmp_path: Path) -> None:
    changed = environ | {"OTP__APPLICATIONS__WEB__BRAND": "Очень длинное название для короткого SMS"}
    found = commands.run("doctor", environ=changed, folder=tmp_path)
    assert found.code == 1
    assert re.search(
        r"^PROBLEM +text web ru +2 SMS parts \(UCS-2, 83 units .*: 2 times the price$", found.out, re.MULTILINE
    )


@pytest.mark.parametrize("name", UNWELL)
def test_doctor_finds(
    commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path, name: str
) -> None:
    changed, what, why = UNWELL[name]
    changed = environ | {f"OTP__GATEWAYS__{key}": value for key, value in changed.items()}
    found = commands.run("doctor", environ=changed, folder=tmp_path)

    assert (found.code, found.err) == (1, ""), found.text
    problems = [line for line in found.out.splitlines() if line.startswith("PROBLEM")]
    assert any(re.match(rf"PROBLEM +{what} .*{why}", line) for line in problems), found.out
    assert "wrong-7f3a" not in found.text
    assert re.search(r"^ok +redis ", found.out, re.MULTILINE)  # it goes on to the end


async def test_doctor_finds_an_empty_account(
    commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path
) -> None:
    await gateways.account(money=0)
    found = commands.run("doctor", environ=environ, folder=tmp_path)
    assert found.code == 1
    assert re.search(r"^PROBLEM +targetsms-xml balance +0", found.out, re.MULTILINE), found.out


def test_doctor_finds_no_redis(commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path) -> None:
    changed = environ | {"TEST_REDIS": f"redis://:redis-password-7f3a@127.0.0.1:{free_port()}/0"}
    found = commands.run("doctor", environ=changed, folder=tmp_path)
    assert (found.code, found.err) == (1, "")
    assert re.search(r"^PROBLEM +redis +.*nobody listens at", found.out, re.MULTILINE), found.out
    assert all(re.match(r"(ok|PROBLEM) ", line) for line in found.out.splitlines()), found.out
    assert re.search(r"^ok +smska balance", found.out, re.MULTILINE)
    assert "redis-password-7f3a" not in found.text


@contextmanager
def redis_with(folder: Path, *settings: str) -> Iterator[str]:
    """A server with settings that are wrong for us, changed while it runs."""
    server = RedisServer(folder)
    try:
        with socket.create_connection(("127.0.0.1", int(server.url.split(":")[2].split("/")[0]))) as peer:
            for setting in settings:
                peer.sendall(f"CONFIG SET {setting}\r\n".encode())
                assert peer.recv(100) == b"+OK\r\n"
        yield server.url
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("setting", "named"),
    [("appendonly no", "appendonly is off"), ("maxmemory-policy allkeys-lru", "maxmemory-policy is allkeys-lru")],
)
def test_an_unfit_redis(
    commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path, setting: str, named: str
) -> None:
    with redis_with(tmp_path, setting) as url:
        changed = environ | {"TEST_REDIS": url, "OTP_PORT": str(free_port())}
        examined = commands.run("doctor", environ=changed, folder=tmp_path)
        served = commands.run("serve", environ=changed, folder=tmp_path)

    assert (examined.code, examined.err) == (1, "")
    assert re.search(rf"^PROBLEM +redis +{named}", examined.out, re.MULTILINE), examined.out
    assert served.code == 2
    assert served.err.startswith(f"otp-service: redis: {named}")
    assert "Traceback" not in served.text


def test_losing_data_may_be_accepted(
    commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path
) -> None:
    with redis_with(tmp_path, "appendonly no") as url:
        changed = environ | {"TEST_REDIS": url, "OTP__REDIS__ALLOW_NO_PERSISTENCE": "true"}
        found = commands.run("doctor", environ=changed, folder=tmp_path)
    assert found.code == 0, found.text


# Serve


def test_a_port_that_is_taken(commands: Commands, environ: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        found = commands.run("serve", environ=environ | {"OTP_PORT": port}, folder=tmp_path)
    assert found.code == 2
    assert re.match(rf"otp-service: OTP_PORT: cannot listen on 127\.0\.0\.1:{port}: ", found.err)
    assert "Traceback" not in found.text


@pytest.fixture(scope="module")
def lonely(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """`serve` on a Redis that is not there. It waits 10 s for one, so it does that while all the other tests run."""
    redis = f"redis://:redis-password-7f3a@127.0.0.1:{free_port()}/0"
    with subprocess.Popen(
        [sys.executable, "-m", "otp_service", "serve"],
        env=clean(environ | {"TEST_REDIS": redis, "OTP_PORT": str(free_port())}),
        cwd=tmp_path_factory.mktemp("lonely"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        yield child
        child.kill()


@contextmanager
def serving(folder: Path, environ: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    log = folder / "serve.log"
    with process(["otp_service", "serve"], environ, log) as child:
        url = f"http://127.0.0.1:{environ['OTP_PORT']}"
        wait_for(f"{url}/health/ready", child, log)
        yield url, child, log


def ended(child: subprocess.Popen[bytes], log: Path, number: signal.Signals) -> float:
    """Seconds from a signal to a clean end."""
    began = time.monotonic()
    child.send_signal(number)
    code = child.wait(30)
    assert code == 0, f"{code}:\n{log.read_text()}"
    assert "Traceback" not in log.read_text()
    assert '"stopped"' in log.read_text()
    return time.monotonic() - began


def test_start_and_end(environ: dict[str, str], tmp_path: Path) -> None:
    """With a store of its own: the first answer within 3 s, and a clean end by either signal.

    Measured from the start of the process to the first answer of /health/ready, less what it waited for a processor
    that others had, the best of three. On a machine with more to do than it has cores that still says little; there the
    processor time of the service is measured instead.
    """
    took: list[float] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        if len(took) == 2 and min(took) < STARTED_WITHIN:
            break
        changed = environ | {"OTP_PORT": str(free_port()), "TEST_REDIS": f"embedded:{tmp_path / 'store'}"}
        began = time.monotonic()
        with serving(tmp_path, changed | {"OTP_LOG_LEVEL": "INFO"}) as (url, child, log):
            took.append(time.monotonic() - began - waited_seconds(child.pid))
            if os.getloadavg()[0] > (os.cpu_count() or 1):
                took[-1] = min(took[-1], processor_seconds(child.pid))
            assert httpx.get(f"{url}/health/ready", trust_env=False, verify=False).status_code == 200
            assert ended(child, log, number) < STOPPED_WITHIN
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(changed["OTP_PORT"]))) != 0
    assert min(took) < STARTED_WITHIN, took


def waited_seconds(pid: int) -> float:
    """That the main thread of a process was ready to run and had no processor (Linux; 0.0 where it is not told)."""
    told = Path(f"/proc/{pid}/schedstat")  # nanoseconds on a processor, nanoseconds waited, turns
    return int(told.read_text().split()[1]) / 1e9 if told.exists() else 0.0


def processor_seconds(pid: int) -> float:
    """Used by a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_request_under_way_is_finished(
    environ: dict[str, str], gateways: Gateways, tmp_path: Path, phone: str
) -> None:
    """SIGTERM in the middle of a send: the caller has its answer, a newcomer is told to go elsewhere."""
    await gateways.fail("password", "latency", seconds=0.8)
    changed = environ | {"OTP_PORT": str(free_port()), "OTP_LOG_LEVEL": "INFO"}
    with serving(tmp_path, changed) as (url, child, log):
        async with Api(url, API_KEY) as api:
            under_way = asyncio.create_task(api.start(phone))
            while await gateways.asked("password") == 0:
                await asyncio.sleep(0.01)
            child.send_signal(signal.SIGTERM)
            answer = await under_way
        assert answer.status_code == 201, answer.text
        assert child.wait(10) == 0
        assert "Traceback" not in log.read_text()
    assert len(await gateways.codes(phone)) == 1


def test_serve_where_no_redis_is(lonely: subprocess.Popen[str]) -> None:
    out, err = lonely.communicate(timeout=30)
    assert lonely.returncode == 2
    assert re.match(r"otp-service: redis\.url: nobody listens at 127\.0\.0\.1:\d+, not even after 10 s", err)
    assert "Traceback" not in out + err
    assert "redis-password-7f3a" not in out + err
