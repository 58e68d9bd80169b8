"""Processes of the version before beside those of this one, on the same data, in both directions: a rolling upgrade."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api import Answer, Api, Gateways
from tests.running import API_KEY, RedisServer, running_service

pytestmark = pytest.mark.slow
EARLIER = os.environ.get("OTP_TEST_EARLIER", "204f8aa").split()
"""Commits whose processes are run beside ours: the last before the rooms were put in order."""
ROOT = Path(__file__).parents[2]
QUICK = {"OTP__ROUTES__SMS__DEADLINE_SECONDS": "2", "OTP__ROUTES__SMS__RESERVE_SECONDS": "0.4"}


def unpacked(commit: str, folder: Path) -> dict[str, str]:
    """The environment in which `python -m otp_service` is what it was at a commit; skips where that is unknown."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit, "otp_service", "tests"], capture_output=True)
    if archive.returncode:
        pytest.skip(f"{commit} is not in the history here")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as found:
        found.extractall(folder, filter="data")
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


@pytest.fixture(params=EARLIER)
def earlier(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a process of the earlier version."""
    environ = unpacked(request.param, tmp_path / "earlier")
    settings = re.search(r'^SETTINGS = """$(.*?)^"""', (tmp_path / "earlier/tests/running.py").read_text(), re.M | re.S)
    assert settings
    config = tmp_path / "earlier.toml"  # it refuses keys that it does not know
    config.write_text(settings[1])
    return {"OTP_CONFIG": str(config), **environ}


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.kill()


async def persist(api: Api, phone: str, key: str) -> Answer:
    deadline = time.monotonic() + 20
    while (answer := await api.start(phone, key=key)).status_code in (409, 503) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return answer


async def test_two_versions_serve_the_same_verifications(
    tmp_path: Path, earlier: dict[str, str], redis_server: RedisServer, sandbox_process: str, gateways: Gateways,
    phone: str,
) -> None:  # fmt: skip
    """Each begins what the other goes on with: resends, fail-overs, checks, take-overs of the dead."""
    with (
        running_service(tmp_path, redis_server.url, sandbox_process, **QUICK, **earlier) as (old_url, old, old_log),
        running_service(tmp_path, redis_server.url, sandbox_process, **QUICK) as (new_url, new, new_log),
    ):
        async with Api(old_url, API_KEY) as before, Api(new_url, API_KEY) as after:
            for n, (one, other) in enumerate(((before, after), (after, before))):
                number = f"{phone[:-2]}{20 + n}"
                started = await one.started(number)
                assert (await other.resend(started["id"], key=f"r-{number}")).status_code == 200
                assert (await one.resend(started["id"])).status_code == 200
                newest, _, oldest = await gateways.codes(number)
                assert await other.outcome(started["id"], "0" * 6 if oldest[0] != "0" else "1" * 6) == "wrong_code"
                assert await one.outcome(started["id"], newest) == "approved"
                assert await other.outcome(started["id"], oldest) == "already_approved"
            for n, (child, one, other) in enumerate(((old, before, after), (new, after, before))):
                number = f"{phone[:-2]}{30 + n}"
                await gateways.fail("password", "stall", times=1)
                first = asyncio.create_task(one.start(number, key=f"t-{number}"))
                await asyncio.sleep(0.5)
                child.send_signal(signal.SIGSTOP)
                answer = await persist(other, number, f"t-{number}")
                assert answer.status_code == 201, answer.text
                if one is after:  # an older process is not told that another has taken over: it goes on walking
                    await gateways.fail("*", "status", status=404)
                child.send_signal(signal.SIGCONT)
                await first
                await asyncio.sleep(2)
                await gateways.http.delete("/_sim/faults")
                assert (await other.status(answer.json()["id"])).json()["status"] == "pending"
                assert await other.outcome(answer.json()["id"], (await gateways.codes(number))[0]) == "approved"
        for log in (old_log, new_log):
            assert "Traceback" not in log.read_text(), log.read_text()[-3000:]
