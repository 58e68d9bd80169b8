"""C-13: `http.max_connections` is held against `ulimit -n` at the start, by `serve` and by `doctor`, in a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.running import free_port, service_environ, wait_for

pytestmark = pytest.mark.slow

UNDER = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); sys.argv[0] = 'otp-service'; \
from otp_service.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture
def environ(tmp_path: Path, redis_url: str) -> dict[str, str]:
    return service_environ(tmp_path, redis_url, f"http://127.0.0.1:{free_port()}")


def under(soft: int, hard: int, words: Sequence[str], environ: dict[str, str]) -> str:
    """What a command says that may open so many files."""
    code = [sys.executable, "-c", UNDER.format(soft=soft, hard=hard)]
    clean = {"PATH": "/usr/bin:/bin", **environ}
    done = subprocess.run([*code, *words], env=clean, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_c13_the_limit_is_raised_as_far_as_it_may(environ: dict[str, str]) -> None:
    assert "ok       open files             room for 1024 connections" in under(256, 4096, ["doctor"], environ)


def test_c13_too_few_are_told_with_what_to_raise(environ: dict[str, str]) -> None:
    told = under(256, 1024, ["doctor"], environ)
    assert (
        "PROBLEM  open files             http.max_connections is 1024, and `ulimit -n` of 1024 has room for 468" in told
    )
    assert "Raise it to 1580 (LimitNOFILE= of systemd, --ulimit nofile= of a container), or lower the setting" in told


def test_c13_requests_to_gateways_have_room_beside_callers(environ: dict[str, str]) -> None:
    """Where all of them wait for a gateway that is slow: the last ones heard that none can be reached."""
    slow = {f"OTP__GATEWAYS__{name}__MAX_PARALLEL": "400" for name in ("TARGETSMS_XML", "SMSKA")}
    told = under(256, 2048, ["doctor"], environ | slow)
    assert "and `ulimit -n` of 2048 has room for 821: only so many are taken. Raise it to 2280" in told


def test_c13_hardly_any_is_refused(environ: dict[str, str]) -> None:
    sentence = "http.max_connections: `ulimit -n` is 430, and 406 files are our own: hardly any connection has room."
    assert f"PROBLEM  open files             {sentence}" in under(256, 430, ["doctor"], environ)
    assert f"otp-service: {sentence}" in under(256, 430, ["serve"], environ)


def test_c13_a_service_takes_as_many_as_fit(environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {"OTP__REDIS__MAX_CONNECTIONS": "4", "OTP__HTTP__MAX_CONNECTIONS": "200"}
    log, url = tmp_path / "service.log", f"http://127.0.0.1:{environ['OTP_PORT']}"
    words = ["-c", UNDER.format(soft=202, hard=202), "serve"]
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, *words], env={"PATH": "/usr/bin:/bin", **environ}, stdout=output, stderr=output
        )  # fmt: skip
    try:
        wait_for(f"{url}/health/live", child, log)
        (short,) = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "few_open_files"]
        assert (
            "http.max_connections is 200, and `ulimit -n` of 202 has room for 24: only so many are taken."
            in short["text"]
        )
        clients = [httpx.Client(trust_env=False) for _ in range(26)]
        try:
            statuses = [client.get(f"{url}/health/ready").status_code for client in clients]
        finally:
            for client in clients:
                client.close()
        assert statuses.count(503) >= 26 - 24
        assert statuses.count(200) >= 18, "strangers have three quarters"
    finally:
        child.terminate()
        assert child.wait(20) == 0
