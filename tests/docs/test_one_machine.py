"""The guide for one machine, deploy/README.md, step by step as it stands there, in folders of the test's own.

systemd is played by a small program: it starts what the unit says, with the unit's variables and credentials.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api import Api
from tests.cli.test_run import parent_of, until
from tests.docs.blocks import ROOT, blocks_of
from tests.running import free_port

FOLDERS = ("/etc", "/opt", "/usr/local/bin", "/var/lib", "/var/backups")
SYSTEMCTL = """
import os, re, subprocess, sys
from pathlib import Path
root, words = Path(os.environ["MACHINE"]), sys.argv[1:]
if words[0] == "enable":
    assert words == ["enable", "--now", "otp-service"]
    unit = (root / "etc/systemd/system/otp-service.service").read_text()
    unit = re.sub(r"(?<![\\w.])(?=/(?:etc|opt|var)/)", str(root), unit)
    held = root / "run/credentials"
    held.mkdir(parents=True)
    for name, path in re.findall("^LoadCredential=([^:]+):(.+)$", unit, re.MULTILINE):
        (held / name).write_bytes(Path(path).read_bytes())
    told = " ".join(re.findall("^Environment=(.*)$", unit, re.MULTILINE)).replace("%d", str(held)).split()
    environ = dict(word.split("=", 1) for word in told) | {"OTP_PORT": os.environ["PORT"]}
    folder = root / "var/lib" / re.search("^StateDirectory=(.*)$", unit, re.MULTILINE)[1]
    folder.mkdir(mode=0o700)
    command = re.search("^ExecStart=(.*)$", unit, re.MULTILINE)[1].split()
    log = (root / "run/log").open("wb")
    child = subprocess.Popen(
        command, cwd=folder, env=os.environ | environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    (root / "run/pid").write_text(str(child.pid))
else:
    assert words == ["daemon-reload"], words
"""


@pytest.fixture
def machine() -> Iterator[Path]:
    """A short path: the socket of a store has room for some 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="otp-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.slow
async def test_the_guide_for_one_machine(machine: Path, sandbox_process: str) -> None:
    port = str(free_port())
    for folder in (*FOLDERS, "/etc/systemd/system", "/etc/cron.d", "/opt/otp-service/.venv/bin", "/run", "/bin"):
        (machine / folder[1:]).mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "deploy", machine / "opt/otp-service/deploy")  # what step 1 does
    (machine / "opt/otp-service/.venv/bin/python").symlink_to(sys.executable)
    programs = {
        "bin/systemctl": f"#!{sys.executable}\n{SYSTEMCTL}",
        "opt/otp-service/.venv/bin/otp-service": f'#!/bin/sh\nexec {sys.executable} -m otp_service "$@"\n',
    }
    for name, text in programs.items():
        (machine / name).write_text(text)
        (machine / name).chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTP_")} | {
        "MACHINE": str(machine), "PORT": port,
        "PATH": f"{machine}/bin:{machine}/usr/local/bin:{os.environ['PATH']}",
        "OTP__GATEWAYS__TARGETSMS__BASE_URL": sandbox_process,  # never the provider itself
    }  # fmt: skip

    def here(text: str) -> str:
        text = re.sub(rf"(?<![\w.:])(?=(?:{'|'.join(FOLDERS)})/)", str(machine), text)
        return re.sub(r"\b8000\b", port, text).replace("'LOGIN'", "demo").replace("'PASSWORD'", "demo-password")

    def pasted(text: str) -> str:
        words = ["bash", "-euo", "pipefail", "-c", here(text)]
        folder = machine / "opt/otp-service"
        done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    page = (ROOT / "deploy/README.md").read_text("utf-8")
    compose = page.index("## docker compose")
    steps = [
        block.text for block in blocks_of(ROOT / "deploy/README.md")
        if block.language == "sh" and not block.not_run and len(block.before) < compose
    ]  # fmt: skip
    assert [step.split()[0] for step in steps] == ["install"] * 4
    try:
        secrets, start, command, copy = steps
        pasted(secrets)
        for held in (machine / "etc/otp-service/secrets").iterdir():
            assert held.stat().st_mode & 0o077 == 0
        pasted(start)
        operator = machine / "usr/local/bin/otp"
        printed = pasted(command.replace("otp doctor\n", f"sed -i '{rules(machine, port)}' {operator}\notp doctor\n"))
        assert "PROBLEM" not in printed
        (key,) = re.findall(r"^(\w\S{30,})", printed, re.MULTILINE)[-1:]
        async with Api(f"http://127.0.0.1:{port}", key) as api:
            assert (await api.start("+79161234567")).status_code == 201
        pasted(copy)
        with tarfile.open(machine / "var/backups/otp-service/first.tar") as packed:
            assert any(name.endswith(".manifest") for name in packed.getnames())
        (nightly,) = (machine / "etc/cron.d/otp-service").read_text().splitlines()
        pasted(nightly.partition(" root ")[2].replace("\\%", "%").replace(str(machine), ""))
        assert len(list((machine / "var/backups/otp-service").glob("[1-7].tar"))) == 1
    finally:
        if (machine / "run/pid").exists():
            pid = int((machine / "run/pid").read_text())
            os.kill(pid, signal.SIGTERM)
            until(lambda: not parent_of(pid), 20)
        log = (machine / "run/log").read_text() if (machine / "run/log").exists() else ""
    assert "Traceback" not in log
    assert json.loads(log.splitlines()[0])["event"]


def rules(machine: Path, port: str) -> str:
    """For sed: the paths and the port of the test in place of the machine's, in a program that was installed."""
    return f's#\\([ =:"]\\)/\\(etc\\|opt\\|var\\)/#\\1{machine}/\\2/#g; s#=/etc/#={machine}/etc/#; s#8000#{port}#'


@pytest.mark.slow
def test_the_secrets_for_compose(tmp_path: Path) -> None:
    (block,) = [one for one in blocks_of(ROOT / "deploy/README.md") if "mkdir -p secrets" in one.text]
    text = block.text.replace("sudo chown 10001", "true")  # the one line that wants to be root
    subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, check=True)
    compose = (ROOT / "deploy/compose.yaml").read_text("utf-8")
    assert {f"secrets/{path.name}" for path in (tmp_path / "secrets").iterdir()} == set(
        re.findall(r"file: \./(secrets/[\w-]+)", compose)
    )
