"""`otp-service run` in an empty folder: what it prints is true, Ctrl-C ends all of it, and the data stay."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.commands import clean
from tests.running import code_in, free_port

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
PHONE = "+79161234567"
README = Path(__file__).parents[2] / "README.md"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Run:
    """One `otp-service run`, in a process group of its own as a terminal makes it."""

    process: subprocess.Popen[bytes]
    log: Path
    service: str
    sandbox: str

    @property
    def printed(self) -> str:
        return self.log.read_text()

    @property
    def key(self) -> str:
        found = re.search(r"Authorization: Bearer ([^']+)'", self.printed)
        assert found, self.printed
        return found[1]

    def children(self) -> dict[int, str]:
        """pid → command line of every process that it started."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and parent_of(int(entry.name)) == self.process.pid:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def http(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.service, trust_env=False, verify=False, headers={"Authorization": f"Bearer {self.key}"}
        )

    def inbox(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.sandbox}/_sim/messages", trust_env=False, verify=False)
        messages: list[dict[str, Any]] = answer.json()
        return messages

    def interrupt(self) -> None:
        """What Ctrl-C in a terminal does: SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)


def parent_of(pid: int) -> int:
    """0 if there is no such process any more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[1])


def until(true: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) == 0


def started(folder: Path, log: Path, **environ: str) -> Run:
    ports = {"OTP_PORT": str(free_port()), "OTP_SANDBOX_PORT": str(free_port())} | environ
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "otp_service", "run"],
            env=clean(ports), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    return Run(child, log, f"http://127.0.0.1:{ports['OTP_PORT']}", f"http://127.0.0.1:{ports['OTP_SANDBOX_PORT']}")


@contextmanager
def running(folder: Path, log: Path, **environ: str) -> Iterator[Run]:
    """A run that has said that it is ready; whatever happens, nothing of it is left."""
    run = started(folder, log, **environ)
    children: dict[int, str] = {}
    try:
        until(lambda: "Ctrl-C ends everything." in run.printed or run.process.poll() is not None, 60)
        assert run.process.poll() is None, run.printed
        children = run.children()
        yield run
    finally:
        if run.process.poll() is None:
            run.process.terminate()
            try:
                run.process.wait(15)
            except subprocess.TimeoutExpired:
                run.process.kill()
                run.process.wait()
        for pid, command in children.items():
            if parent_of(pid) and Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() == command:
                os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_p15_a_code_expires_in_seconds(tmp_path: Path) -> None:
    """Short lives are for development: the whole end of a code can be watched, and a resend prolongs it."""
    short = {"OTP__APPLICATIONS__WEB__TTL_SECONDS": "5", "OTP__APPLICATIONS__WEB__RESEND_PAUSE_SECONDS": "0"}
    with running(tmp_path, tmp_path.with_suffix(".log"), **short) as run, run.http() as api:
        started = api.post("/v1/verifications", json={"to": PHONE}).json()
        code = code_in(run.inbox()[0]["text"])
        time.sleep(2)
        resent = api.post(f"/v1/verifications/{started['id']}/resend")
        assert resent.status_code == 200, resent.text
        assert resent.json()["expires_at"] > started["expires_at"]
        until(lambda: api.get(f"/v1/verifications/{started['id']}").json()["status"] == "expired", 10)
        checked = api.post(f"/v1/verifications/{started['id']}/check", json={"code": code}).json()
        assert checked["outcome"] == "expired"


@pytest.mark.slow
def test_the_life_of_a_run(tmp_path: Path) -> None:
    """From the first start in an empty folder through Ctrl-C, kill -9 and two restarts, as a person would do it."""
    home = tmp_path / "home"
    home.mkdir()

    with running(home, tmp_path / "first.log") as run:
        looks_right(run, home)
        verification, code = sent_by_the_printed_line(run)
        checked_and_seen(run, verification, code)
        other_printed_lines_work(run)
        a_second_run_is_told_what_is_wrong(run, home, tmp_path / "second.log")
        pending = pending_verification(run, "+79160000033")
        interrupted_ends_all(run)
    key = run.key

    with running(home, tmp_path / "third.log") as run:
        assert run.key == key  # scripts and pasted curl lines go on working
        with run.http() as http:
            assert http.get(f"/v1/verifications/{verification}").json()["status"] == "approved"
            assert http.post(f"/v1/verifications/{pending[0]}/check", json={"code": pending[1]}).json()["approved"]
        pending = pending_verification(run, "+79160000034")
        time.sleep(1.1)  # appendfsync everysec: what is older than a second is on the disk
        killed_leaves_no_orphan(run)

    with running(home, tmp_path / "fourth.log") as run:
        survived(run, pending)
        pending = pending_verification(run, "+79160000035")
        time.sleep(1.1)
        for pid in [run.process.pid, *run.children()]:  # everything at once, the store in the middle of its work
            os.kill(pid, signal.SIGKILL)
        run.process.wait()

    with running(home, tmp_path / "fifth.log") as run:
        survived(run, pending)


def survived(run: Run, pending: tuple[str, str]) -> None:
    with run.http() as http:
        assert http.get(f"/v1/verifications/{pending[0]}").json()["status"] == "pending"
        assert http.post(f"/v1/verifications/{pending[0]}/check", json={"code": pending[1]}).json()["approved"]


def looks_right(run: Run, home: Path) -> None:
    printed = run.printed
    assert "Traceback" not in printed
    urls = re.findall(r"^ +(Everything|Sign-up demo|Phone inbox|Try the API) +(http://\S+)$", printed, re.MULTILINE)
    assert [name for name, _ in urls] == ["Everything", "Sign-up demo", "Phone inbox", "Try the API"]
    for _, url in urls:
        answer = httpx.get(url, trust_env=False, verify=False)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
    front = httpx.get(f"{run.service}/", trust_env=False, verify=False)
    assert front.headers["content-type"].startswith("text/html")
    assert front.headers["content-security-policy"]
    for link in re.findall(r'href="((?:http|/)[^"]*)"', front.text):
        shown = httpx.get(httpx.URL(run.service).join(link), trust_env=False, verify=False, follow_redirects=True)
        assert shown.status_code == 200, link  # the console leads to its sign-in
    assert f"{run.sandbox}/demo" in front.text
    data = re.search(r"^ +Data +(\S+) ", printed, re.MULTILINE)
    assert data
    assert (home / data[1]).is_dir()
    assert [entry.name for entry in home.iterdir()] == ["data"]  # it writes nowhere else
    assert (home / "data").stat().st_mode & 0o077 == 0
    for secret in ("root-secret", "api-key"):
        assert (home / "data" / secret).stat().st_mode & 0o077 == 0
    commands = " ".join(run.children().values())
    assert "otp_service sandbox" in commands
    assert re.search(r"(valkey|redis)-?server", commands), commands
    assert (home / "data" / "root-secret").read_text() not in printed + commands


def sent_by_the_printed_line(run: Run) -> tuple[str, str]:
    """id and code of the verification that the printed curl line starts."""
    found = re.search(r"^ +(curl -sS (?:.*\\\n)*.*)$", run.printed, re.MULTILINE)
    assert found, run.printed
    output = subprocess.run(["sh", "-c", found[1]], capture_output=True, text=True, check=True, timeout=20).stdout
    assert output.endswith("}\n")
    answer = httpx.Response(201, text=output).json()
    assert answer["status"] == "pending"
    (message,) = run.inbox()
    assert f"+{message['phone']}" == answer["to"]
    return answer["id"], code_in(message["text"])


def other_printed_lines_work(run: Run) -> None:
    """A hook, and the Twilio SDK, as they stand."""
    hook = re.search(r"^ +(curl -sS (?:.*\\\n)*.*24681.*)$", run.printed, re.MULTILINE)
    assert hook, run.printed
    assert (
        subprocess.run(["sh", "-c", hook[1]], capture_output=True, text=True, check=True, timeout=20).stdout == "{}\n"
    )
    assert "246810" in run.inbox()[0]["text"]
    sdk = re.search(r"^ +(python3 -c (?:.*\\\n)*.*)$", run.printed, re.MULTILINE)
    assert sdk, run.printed
    line = sdk[1].replace("python3", sys.executable, 1)
    assert (
        subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=20).stdout == "pending\n"
    )


def checked_and_seen(run: Run, verification: str, code: str) -> None:
    assert code in httpx.get(f"{run.sandbox}/", trust_env=False, verify=False).text
    with run.http() as http:
        assert http.post(f"/v1/verifications/{verification}/check", json={"code": code}).json()["approved"] is True
        assert http.get("/health/ready").status_code == 200


def a_second_run_is_told_what_is_wrong(run: Run, home: Path, log: Path) -> None:
    ports = {"OTP_PORT": run.service.rsplit(":", 1)[1], "OTP_SANDBOX_PORT": run.sandbox.rsplit(":", 1)[1]}
    for again in (ports, ports | {"OTP_SANDBOX_PORT": str(free_port())}):
        other = started(home, log, **again)
        assert other.process.wait(20) == 2, other.printed
        assert "Traceback" not in other.printed
        sentence = other.printed.strip().splitlines()[-1]
        taken = "OTP_SANDBOX_PORT" if again is ports else "OTP_PORT"
        assert sentence.startswith(f"otp-service: {taken}: "), other.printed
        assert again[taken] in sentence
        assert not listens(other.sandbox) or again is ports
    with run.http() as http:
        assert http.get("/health/ready").status_code == 200  # the first goes on


def pending_verification(run: Run, phone: str) -> tuple[str, str]:
    with run.http() as http:
        answer = http.post("/v1/verifications", json={"to": phone})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], code_in(run.inbox()[0]["text"])


def interrupted_ends_all(run: Run) -> None:
    children = run.children()
    assert len(children) >= 2
    began = time.monotonic()
    run.interrupt()
    code = run.process.wait(20)
    assert time.monotonic() - began < 6
    until(lambda: not any(parent_of(pid) for pid in children), 3)
    assert not listens(run.service)
    assert not listens(run.sandbox)
    assert "Traceback" not in run.printed
    assert code == 0, run.printed


def killed_leaves_no_orphan(run: Run) -> None:
    children = run.children()
    assert len(children) >= 2
    run.process.kill()
    run.process.wait()
    until(lambda: not any(parent_of(pid) for pid in children), 8)
    assert not listens(run.service)
    assert not listens(run.sandbox)


def test_sigterm_ends_all_too(tmp_path: Path) -> None:
    with running(tmp_path, tmp_path.with_suffix(".log")) as run:
        children = run.children()
        run.process.terminate()
        assert run.process.wait(15) == 0, run.printed
        until(lambda: not any(parent_of(pid) for pid in children), 3)
        assert not listens(run.sandbox)
        assert "Traceback" not in run.printed


def test_run_is_not_for_production(tmp_path: Path) -> None:
    run = started(tmp_path, tmp_path.with_suffix(".log"), OTP__SERVICE__ENVIRONMENT="production")
    assert run.process.wait(20) == 2
    assert run.printed.startswith("otp-service: service.environment: ")
    assert not listens(run.sandbox)


@pytest.mark.slow
def test_p7_what_is_pasted_works_twice_and_in_any_order(tmp_path: Path) -> None:
    (story,) = [block for block in SHELL.findall(README.read_text("utf-8")) if "story()" in block]
    home = tmp_path / "home"
    home.mkdir()
    with running(home, tmp_path / "run.log") as run:
        line = re.search(r"^ +(curl -sS (?:.*\\\n)*.*)$", run.printed, re.MULTILINE)
        assert line, run.printed
        for address, port in (("127.0.0.1:8000", run.service), ("127.0.0.1:8001", run.sandbox)):
            story = story.replace(address, port.removeprefix("http://"))

        for pasted in (story, line[1], story, line[1]):
            told = subprocess.run(
                ["bash", "-c", pasted], cwd=home, capture_output=True, text=True, timeout=30, check=True
            )
            assert (told.stderr, told.stdout[-2:]) == ("", "}\n")
            assert '"status":"pending"' in told.stdout
            if pasted == story:
                assert re.findall(r'"outcome":"(\w+)"', told.stdout) == ["wrong_code", "approved"]
                assert told.stdout.count('"status":"approved"') == 2
            time.sleep(1.1)  # nobody pastes faster

        (home / "data" / "api-key").write_text("x" * 40)
        told = subprocess.run(["bash", "-c", story], cwd=home, capture_output=True, text=True, timeout=30, check=False)
        assert told.returncode != 0
        assert '"detail":' in told.stdout.splitlines()[-1]
        assert "2." not in told.stdout


@pytest.mark.slow
def test_p6_a_file_beside_a_run_lies_above_its_settings_for_every_command(tmp_path: Path) -> None:
    """What the file leaves open the run says, for its children and for every command; the environment is above both."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "otp-service.toml").write_text(
        '[applications.shop]\nbrand = "Tea Corner"\ncode_length = 4\n\n'
        "[[applications.shop.webhooks]]\n"
        f'url = "https://hooks.example.com/otp"\nsecret = "whsec_{"QUJD" * 8}"\n\n'
        "[routes.sms]\nfailover_after_seconds = 0\ngateways = "
        '["targetsms-xml"]\n'
    )
    with running(home, tmp_path / "run.log", OTP__APPLICATIONS__SHOP__BRAND="Above") as run:
        with run.http() as http:
            started = http.post("/v1/verifications", json={"to": PHONE}).json()
        (message,) = run.inbox()
        assert re.fullmatch(r"[0-9]{4}", code_in(message["text"]))
        assert "Above" in message["text"]
        assert started["messages"][0]["gateway"] == "targetsms-xml"
        ports = {"OTP_PORT": run.service.rpartition(":")[2], "OTP_SANDBOX_PORT": run.sandbox.rpartition(":")[2]}
        for words, named in (
            (["keys", "create", "--application", "shop"], "otp_"),
            (["keys", "list"], "shop"),
            (["webhooks", "list"], "hooks.example.com"),
            (["verifications", "show", "--application", "shop", "--phone", PHONE], started["id"]),
            (["doctor"], "applications: shop"),
        ):
            told = subprocess.run(
                [sys.executable, "-m", "otp_service", *words],
                env=clean(ports), cwd=home, capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert named in told.stdout, (words, told)
            assert told.returncode == 0, (words, told)


@pytest.mark.parametrize(
    "file",
    ['[service]\nenvironment = "production"\n', f'[service]\nsecret = "{"s" * 32}"\n[applications.web]\nbrand = "B"\n'],
)
def test_p6_a_file_for_production_says_what_to_write(tmp_path: Path, file: str) -> None:
    (tmp_path / "otp-service.toml").write_text(file)
    run = started(tmp_path, tmp_path.with_suffix(".log"))
    assert run.process.wait(20) == 2
    assert 'environment = "development"' in run.printed
    assert "OTP_CONFIG" in run.printed
