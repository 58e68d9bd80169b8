"""`otp-service run` in an empty folder: what it prints is true, Ctrl-C ends all of it, and the data stay."""

from __future__ import annotations

import os
import re
import shlex
import shutil
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
        until(lambda: "Ctrl-C ends everything." in run.printed or run.process.poll() is not None, 20)
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
def test_the_life_of_a_run(tmp_path: Path) -> None:
    """From the first start in an empty folder through Ctrl-C, kill -9 and two restarts, as a person would do it."""
    home = tmp_path / "home"
    home.mkdir()

    with running(home, tmp_path / "first.log") as run:
        looks_right(run, home)
        verification, code = sent_by_the_printed_line(run)
        checked_and_seen(run, verification, code)
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
    urls = re.findall(r"^ +(Sign-up demo|Phone inbox|Try the API) +(http://\S+)$", printed, re.MULTILINE)
    assert [name for name, _ in urls] == ["Sign-up demo", "Phone inbox", "Try the API"]
    for _, url in urls:
        answer = httpx.get(url, trust_env=False, verify=False)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
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
    found = re.search(r"^ +(curl -s (?:.*\\\n)*.*)$", run.printed, re.MULTILINE)
    assert found, run.printed
    line = found[1]
    if shutil.which("curl"):
        output = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=20).stdout
        answer = httpx.Response(201, text=output).json()
    else:
        words = [word for word in shlex.split(line.replace("\\\n", " ")) if word.strip()]
        headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
        body = words[words.index("-d") + 1]
        answer = httpx.post(words[2], headers=headers, content=body, trust_env=False, verify=False).json()
    assert (answer["status"], answer["to"]) == ("pending", PHONE)
    (message,) = run.inbox()
    assert message["phone"] == PHONE.removeprefix("+")
    return answer["id"], code_in(message["text"])


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
