"""P-9: what `serve` is refused for `doctor` finds, in the same words; and what is certain is said within a second.

Settings that are wrong by themselves are in test_settings_refused.py, which compares both for each of its cases.
"""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cli.commands import Commands
from tests.running import SECRET, free_port, service_environ
from tests.sizes import sized
from tests.topologies.servers import binary

pytestmark = pytest.mark.slow

Environ = dict[str, str]


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """A port where something else answers each connection so, or nothing at all."""
    listener = socket.create_server(("127.0.0.1", 0))
    links: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            links.append(link)
            if reply:
                link.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for link in links:
            link.close()
        thread.join(5)


@contextmanager
def redis(folder: Path, *options: str) -> Iterator[str]:
    """host:port of a server of its own."""
    port = free_port()
    words = [binary(), "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", *options]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            while not listens(port):
                assert child.poll() is None
                time.sleep(0.02)
            yield f"127.0.0.1:{port}"
        finally:
            child.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def environ(tmp_path: Path, redis_url: str, sandbox_process: str, service_urls: list[str]) -> Environ:
    """Beside the session's service, so that its Redis is set up."""
    return service_environ(tmp_path, redis_url, sandbox_process) | {"OTP_LOG_LEVEL": "WARNING"}


Broken = Callable[[ExitStack, Path, Environ], None]
SET_UPS: dict[str, tuple[Broken, str, bool]] = {}
"""name → what breaks it, the sentence, whether waiting could help (then it takes its time)."""
WAIT = sized(10, 4)
"""Seconds: `redis.wait_at_start_seconds`, 10 as shipped."""


def set_up(name: str, sentence: str, *, waits: bool = False) -> Callable[[Broken], Broken]:
    def keep(broken: Broken) -> Broken:
        SET_UPS[name] = (broken, sentence, waits)
        return broken

    return keep


@set_up("another root secret", r"service\.secret: this Redis was set up under another root secret")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_SECRET"] = "another root secret, of 32 characters and more"


@set_up("a port that is taken", r"OTP_PORT: cannot listen on 127\.0\.0\.1:\d+: Address already in use")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP_PORT"] = str(stack.enter_context(answering(b"")))


@set_up("no address", "OTP_HOST: 'no.such.host.invalid' is no address of this machine")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP_HOST"] = "no.such.host.invalid"


@set_up("no port", "OTP_PORT: must be a port number, not 'eighty'")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP_PORT"] = "eighty"


@set_up("a socket where no folder is", "OTP_HOST: cannot listen on .*: No such file")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP_HOST"] = f"unix:{folder}/none/otp.sock"


@set_up("a misspelt log level", "OTP_LOG_LEVEL: must be one of DEBUG, INFO, .* not 'LOUD'")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP_LOG_LEVEL"] = "LOUD"


@set_up("a settings file that is not there", "OTP_CONFIG: cannot read .*: No such file")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP_CONFIG"] = str(folder / "none.toml")


@set_up("a folder for data that is a file", r"redis\.url: the data folder .* cannot be used")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    (folder / "file").write_text("")
    environ["TEST_REDIS"] = f"embedded:{folder}/file"


@set_up("a folder that nobody may make", r"redis\.url: the data folder .* cannot be used")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = "embedded:/proc/otp"


@set_up("a name without an address", r"the name in no\.such\.host\.invalid:6379 has no address \(DNS\)")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = "redis://no.such.host.invalid:6379/0"


@set_up("nobody listens", r"nobody listens at 127\.0\.0\.1:\d+, not even after", waits=True)
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"redis://127.0.0.1:{free_port()}/0"


@set_up("a socket that is not there", r"the socket unix:///.* cannot be opened: No such file", waits=True)
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"unix://{folder}/none.sock"


@set_up("silence", r"no Redis answers at 127\.0\.0\.1:\d+ within", waits=True)
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"redis://127.0.0.1:{stack.enter_context(answering(b''))}/0"


@set_up("a web server", r"what answers at 127\.0\.0\.1:\d+ is not Redis")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    port = stack.enter_context(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50))
    environ["TEST_REDIS"] = f"redis://127.0.0.1:{port}/0"


@set_up("a wrong password", r"the login or password in redis\.url is not that of 127\.0\.0\.1:\d+")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    where = stack.enter_context(redis(folder, "--requirepass", "right"))
    environ["TEST_REDIS"] = f"redis://:wrong-7f3a@{where}/0"


@set_up("a password that is missing", r"the login or password in redis\.url is not that of 127\.0\.0\.1:\d+")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    where = stack.enter_context(redis(folder, "--requirepass", "right"))
    environ["TEST_REDIS"] = f"redis://{where}/0"


@set_up("a password that nobody asked for", r"the login or password in redis\.url is not that of 127\.0\.0\.1:\d+")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"redis://:wrong-7f3a@{stack.enter_context(redis(folder))}/0"


@set_up("TLS where there is none", r"no Redis answers at 127\.0\.0\.1:\d+ .* both sides speak TLS", waits=True)
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"rediss://{stack.enter_context(redis(folder))}/0"


@set_up("TLS where a web server is", r"127\.0\.0\.1:\d+ does not speak TLS; write redis://")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    port = stack.enter_context(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50))
    environ["TEST_REDIS"] = f"rediss://127.0.0.1:{port}/0"


@set_up("Redis that keeps nothing", "appendonly is off, so used codes could be used again")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"redis://{stack.enter_context(redis(folder, '--appendonly', 'no'))}/0"


@set_up("Redis that evicts", "maxmemory-policy is allkeys-lru")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"redis://{stack.enter_context(redis(folder, '--maxmemory-policy', 'allkeys-lru'))}/0"


@set_up("a member of a Cluster", r"it belongs to a Cluster; write redis\+cluster://")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"redis://{stack.enter_context(redis(folder, '--cluster-enabled', 'yes'))}/0"


@set_up("a replica", "it is a replica; name the primary")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    port = str(free_port())
    environ["TEST_REDIS"] = f"redis://{stack.enter_context(redis(folder, '--replicaof', '127.0.0.1', port))}/0"


@set_up("replicas that are missing", "it has 0 of the 1 replicas of redis.confirm_replicas", waits=True)
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP__REDIS__CONFIRM_REPLICAS"] = "1"


@set_up("no Sentinels", r"the servers of redis\+sentinel:// are no Sentinels")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"redis+sentinel://{stack.enter_context(redis(folder))}/0?service=otp"


@set_up("no cluster", r"the servers of redis\+cluster:// have no cluster")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = f"redis+cluster://{stack.enter_context(redis(folder))}"


@set_up("a test number without its country", r"testing\.numbers\[2\]\.phone: write it with its country code")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    file = Path(environ["OTP_CONFIG"])
    file.write_text(file.read_text() + '\n[[testing.numbers]]\nphone = "8 916 1"\ncode = "1234"\nuntil = 2999-01-01\n')


@set_up("a gateway of another kind for number_info", r"applications\.web\.number_info: 'smska' is no gateway that can")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP__APPLICATIONS__WEB__NUMBER_INFO"] = "smska"


@set_up("a line for browsers that no gateway can send", r"applications\.web\.webotp_origin: its line repeats the code")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP__APPLICATIONS__WEB__WEBOTP_ORIGIN"] = "https://example.ru"
    environ["OTP__ROUTES__SMS__GATEWAYS"] = "targetsms-password"


@set_up("plain http to a gateway", r"gateways\.smska\.base_url")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP__GATEWAYS__SMSKA__BASE_URL"] = "http://gateway.example.ru"


@set_up("a file that is no TOML", r"otp-service\.toml: not valid TOML: .*line \d+")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    file = Path(environ["OTP_CONFIG"])
    file.write_text(file.read_text() + "\n[tracing]\nendpoint = http://127.0.0.1:4318\n")


@set_up("a table that stands twice", r"otp-service\.toml: not valid TOML: .*line \d+")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    file = Path(environ["OTP_CONFIG"])
    file.write_text(file.read_text() + '\n[routes.sms]\ngateways = ["smska"]\n')


@set_up("a section in the singular", "gateway: there is no such section; the sections are .*gateways")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    file = Path(environ["OTP_CONFIG"])
    file.write_text(file.read_text() + '\n[gateway.second]\nkind = "smska"\n')


@set_up("a variable that nobody set", r"service\.secret: the environment variable TEST_SECRET is not set")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    del environ["TEST_SECRET"]


@set_up(
    "a secret's file that is not mounted", r"gateways\.smska\.api_password: cannot read /run/secrets/none: No such file"
)
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP__GATEWAYS__SMSKA__API_PASSWORD"] = "file:/run/secrets/none"


@set_up("a secret that is a word", r"service\.secret: must have 32 characters or more")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_SECRET"] = "changeme"


@set_up("Redis without its scheme", r"redis\.url: must begin with")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["TEST_REDIS"] = "127.0.0.1:6379"


@set_up("a public address by http", r"service\.public_url: must be https://")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP__SERVICE__PUBLIC_URL"] = "http://otp.example.ru"


@set_up("an IPv6 address with half a bracket", r"OTP_HOST: '\[::1' is no address of this machine")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP_HOST"] = "[::1"


@set_up("a user who may not run scripts", r"redis\.url: the user of this URL may not do there: EVAL")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    acl = folder / "users.acl"
    acl.write_text("user default on nopass ~* &* +@all -@scripting\n")
    environ["TEST_REDIS"] = f"redis://{stack.enter_context(redis(folder, '--aclfile', str(acl)))}/0"


@set_up("Redis that is full", "its memory is full, so it takes nothing new; raise maxmemory")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    where = stack.enter_context(redis(folder, "--maxmemory", "1", "--maxmemory-policy", "noeviction"))
    environ["TEST_REDIS"] = f"redis://{where}/0"


@set_up("a short life in production", r"applications\.web\.ttl_seconds: must be 120 or more; shorter lives are for")
def _(stack: ExitStack, folder: Path, environ: Environ) -> None:
    environ["OTP__APPLICATIONS__WEB__TTL_SECONDS"] = "30"


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if waits else ()) for name, (_, _, waits) in SET_UPS.items()],
)
def test_p9_both_say_the_same(commands: Commands, environ: Environ, tmp_path: Path, name: str) -> None:
    broken, sentence, waits = SET_UPS[name]
    environ["OTP__REDIS__WAIT_AT_START_SECONDS"] = str(WAIT)
    with ExitStack() as stack:
        broken(stack, tmp_path, environ)
        began = time.monotonic()
        served = commands.run("serve", environ=environ, folder=tmp_path, seconds=20)
        took = time.monotonic() - began
        examined = commands.run("doctor", environ=environ, folder=tmp_path)

    assert served.code == 2, served
    assert re.search(sentence, served.err), served
    assert examined.code in (1, 2), examined
    assert re.search(sentence, examined.text), examined
    assert len(served.err.strip().splitlines()) == 1, served.err
    refused = examined.err or "\n".join(line for line in examined.out.splitlines() if line.startswith("PROBLEM"))
    assert len(refused.strip().splitlines()) == 1, examined.text
    for secret in (SECRET, "wrong-7f3a"):
        assert secret not in served.text + examined.text
    assert "Traceback" not in served.text + examined.text
    assert took > WAIT - 1 if waits else took < max(2.5, 3 * a_start_takes(commands, tmp_path)), took


def a_start_takes(commands: Commands, folder: Path) -> float:
    """What this machine needs now for a start that is refused before it asks anybody: more, where others are busy."""
    began = time.monotonic()
    commands.run("serve", environ={"OTP_LOG_LEVEL": "LOUD"}, folder=folder)
    return time.monotonic() - began


def test_p9_a_secret_that_was_retired(commands: Commands, environ: Environ, tmp_path: Path) -> None:
    with redis(tmp_path) as where:
        environ["TEST_REDIS"] = f"redis://{where}/0"
        old, new = SECRET, "n" * 40
        first = commands.run("keys", "list", environ=environ, folder=tmp_path)
        assert first.code == 0
        assert commands.run("doctor", environ=environ, folder=tmp_path).code == 0  # it writes nothing
        assert commands.run("rotate-secrets", environ=environ, folder=tmp_path).code == 0
        environ["OTP__SERVICE__SECRET"] = f"{new},{old}"
        rotated = commands.run("rotate-secrets", environ=environ, folder=tmp_path)
        assert rotated.code == 0, rotated
        environ["OTP__SERVICE__SECRET"] = old
        for command in ("serve", "doctor"):
            found = commands.run(command, environ=environ, folder=tmp_path)
            assert "this root secret was retired by `rotate-secrets`" in found.text, found


def test_p9_doctor_beside_a_running_service(
    commands: Commands, environ: Environ, tmp_path: Path, service_urls: list[str], gateways: object
) -> None:
    environ["OTP_PORT"] = service_urls[0].rpartition(":")[2]
    found = commands.run("doctor", environ=environ, folder=tmp_path)
    assert found.code == 0, found
    assert re.search(r"^ok +address +a service of ours serves at 127\.0\.0\.1:\d+$", found.out, re.MULTILINE)
    assert re.search(
        rf"^ok +settings are from +{re.escape(environ['OTP_CONFIG'])}; \d+ variables", found.out, re.MULTILINE
    )
    assert re.search(r"^ok +redis +\S+ answers, keeps its data, evicts nothing$", found.out, re.MULTILINE)


def test_p9_no_settings_say_where_was_looked(commands: Commands, tmp_path: Path) -> None:
    for command in ("serve", "doctor", "keys list"):
        found = commands.run(*command.split(), environ={}, folder=tmp_path)
        assert found.code == 2
        assert f"{tmp_path}/otp-service.toml is not there" in found.err


def test_p9_one_line_for_one_cause(commands: Commands, environ: Environ, gateways: object, tmp_path: Path) -> None:
    environ["OTP__GATEWAYS__TARGETSMS_XML__PASSWORD"] = "wrong-7f3a"
    found = commands.run("doctor", environ=environ, folder=tmp_path)
    (line,) = [line for line in found.out.splitlines() if line.startswith("PROBLEM")]
    assert "login or password of [gateways.targetsms-xml] is wrong" in line
    assert "wrong-7f3a" not in found.text
