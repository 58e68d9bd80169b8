"""C-12: a Redis that is away at the start is waited for as the settings say, and the log says what is missing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from structlog.testing import CapturingLogger

from otp_service import settings
from otp_service.errors import SettingsError
from otp_service.storage import preflight
from otp_service.storage.connection import open_database
from tests.running import API_KEY, free_port, process, service_environ, wait_for
from tests.topologies.servers import binary


async def waited(url: str, patience: float) -> tuple[float, str]:
    """For how long, and what was said at last."""
    began = time.monotonic()
    async with open_database(settings.Redis(url=url, timeout_seconds=0.2)) as database:
        with pytest.raises(SettingsError) as refused:
            await preflight.wait_until_there(database, patience)
    return time.monotonic() - began, str(refused.value)


async def test_c12_the_log_says_what_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "FIRST_WORD_SECONDS", 0.2)
    monkeypatch.setattr(preflight, "WORD_EACH_SECONDS", 0.5)
    monkeypatch.setattr(preflight, "log", written := CapturingLogger())  # whatever a test before has configured
    port = free_port()
    took, sentence = await waited(f"redis://127.0.0.1:{port}", 1.0)
    assert 1.0 < took < 2.5
    assert sentence.startswith(f"redis.url: nobody listens at 127.0.0.1:{port}, not even after 1 s")
    told = [call.kwargs for call in written.calls if call.args == ("waiting_for_redis",)]
    assert len(told) == 2
    assert told[0]["text"].startswith(f"nobody listens at 127.0.0.1:{port}, not even after 0 s; check the port")
    assert told[0]["of_seconds"] == 1.0


async def test_c12_a_name_is_waited_for_by_whoever_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A headless Service has no address before its first pod is ready."""
    url = "redis://no.such.host.invalid:6379"
    assert (await waited(url, 10))[0] < 2
    monkeypatch.setattr(preflight, "PATIENCE_SECONDS", 0.5)
    took, sentence = await waited(url, 0.8)
    assert took > 0.8
    assert "has no address (DNS)" in sentence


@pytest.mark.slow
async def test_c12_a_service_outlasts_a_redis_that_comes_late(tmp_path: Path) -> None:
    """Longer than the ten seconds of the default; nothing is answered before, not even that it lives."""
    port = free_port()
    environ = service_environ(tmp_path, f"redis://127.0.0.1:{port}/0", "http://127.0.0.1:9")
    environ |= {"OTP__REDIS__WAIT_AT_START_SECONDS": "60"}
    url, log = f"http://127.0.0.1:{environ['OTP_PORT']}", tmp_path / "service.log"
    with process(["otp_service", "serve"], environ, log) as child:
        await asyncio.sleep(13)
        assert child.poll() is None
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health/live", trust_env=False)
        waiting = [
            line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "waiting_for_redis"
        ]
        assert len(waiting) == 1
        assert f"127.0.0.1:{port}" in waiting[0]["text"]
        words = [binary(), "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""]
        with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL) as redis:
            try:
                wait_for(f"{url}/health/live", child, log)
                head = {"Authorization": f"Bearer {API_KEY}"}
                assert httpx.get(f"{url}/v1/gateways", headers=head, trust_env=False).status_code == 200
                child.terminate()
                assert child.wait(20) == 0
            finally:
                redis.kill()
