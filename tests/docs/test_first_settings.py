"""The least that works, of README.md: its settings, examined, given a key and served, against the simulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import ROOT, blocks_of
from tests.running import free_port, wait_for

README = blocks_of(ROOT / "README.md")


@pytest.mark.slow
def test_the_settings_of_the_readme_serve(tmp_path: Path, sandbox_process: str) -> None:
    (settings,) = [block.text for block in README if block.language == "toml"]
    (commands,) = [block.text for block in README if "otp-service serve" in block.text]
    (tmp_path / "otp-service.toml").write_text(settings, "utf-8")
    told, doctor, key, serve = commands.splitlines()
    assert told == "export OTP_SECRET=… TARGETSMS_LOGIN=… TARGETSMS_PASSWORD=…"
    environ = {
        "OTP_SECRET": "x" * 32,
        "TARGETSMS_LOGIN": "demo",
        "TARGETSMS_PASSWORD": "demo-password",
        "OTP_PORT": str(free_port()),
        "OTP__GATEWAYS__TARGETSMS_PASSWORD__BASE_URL": sandbox_process,  # never the provider itself
        "OTP__GATEWAYS__TARGETSMS_PASSWORD__STATE_BASE_URL": sandbox_process,
        "OTP__GATEWAYS__TARGETSMS_XML__BASE_URL": sandbox_process,
    }

    def run(line: str) -> str:
        words = line.partition("#")[0].split()
        assert words[0] == ".venv/bin/otp-service"
        command = [sys.executable, "-m", "otp_service", *words[1:]]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "PROBLEM" not in run(doctor)
    made = run(key).split()[0]
    assert serve.split("#")[0].split() == [".venv/bin/otp-service", "serve"]
    url, log = f"http://127.0.0.1:{environ['OTP_PORT']}", tmp_path / "serve.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "otp_service", "serve"]
        child = subprocess.Popen(command, cwd=tmp_path, env=os.environ | environ, stdout=output, stderr=output)
    try:
        wait_for(f"{url}/health/live", child, log)
        headers = {"Authorization": f"Bearer {made}"}
        body = {"to": "+79161234567"}
        answer = httpx.post(f"{url}/v1/verifications", json=body, headers=headers, trust_env=False, timeout=30)
        assert (answer.status_code, answer.json()["status"]) == (201, "pending")
    finally:
        child.terminate()
        assert child.wait(20) == 0
