"""A real sandbox process for the whole session; each test begins with a reset one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from otp_service.child_process import die_with_us
from tests.running import free_port

from .receiver import Receiver, receiving
from .speak import Sandbox
from .stub_service import API_KEY, StubService, start_stub

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    stub = start_stub()
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | {
        "OTP_SANDBOX_SEED": "tests",
        "OTP_SANDBOX_API_KEY": API_KEY,
        "OTP_SANDBOX_SERVICE_URL": f"http://127.0.0.1:{stub.server_address[1]}",
    }
    environment.pop("OTP__SERVICE__ENVIRONMENT", None)
    command = [sys.executable, "-W", "error", "-m", "otp_service.sandbox", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, preexec_fn=die_with_us()) as process:
        wait_until_up(url, process)
        yield url
        process.terminate()
        assert process.wait(timeout=5) == 0
    stub.shutdown()
    stub.server_close()


def wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "the sandbox ended at once"
        try:
            httpx.get(f"{url}/_sim/requests", timeout=1, verify=False)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the sandbox does not come up")


@pytest.fixture
async def sandbox(sandbox_url: str) -> AsyncIterator[Sandbox]:
    async with httpx.AsyncClient(base_url=sandbox_url, timeout=5, verify=False) as client:
        await client.post("/_sim/reset")
        StubService.asked.clear()
        yield Sandbox(client)


@pytest.fixture
def sample() -> Iterator[object]:
    return lambda name: (FIXTURES / name).read_text("utf-8")


@pytest.fixture
async def receiver(sandbox: Sandbox) -> AsyncIterator[Receiver]:
    async with receiving() as made:
        await sandbox.account(callback_url=made.url)
        yield made
        await sandbox.http.post("/_sim/reset")
