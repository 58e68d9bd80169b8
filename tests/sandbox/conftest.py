"""A real sandbox process for the whole session; each test begins with a reset one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.running import free_port, process, wait_for

from .receiver import Receiver, receiving
from .speak import Sandbox
from .stub_service import API_KEY, StubService, start_stub

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    stub = start_stub()
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {
        "PYTHONWARNINGS": "error",
        "OTP_SANDBOX_SEED": "tests",
        "OTP_SANDBOX_API_KEY": API_KEY,
        "OTP_SANDBOX_SERVICE_URL": f"http://127.0.0.1:{stub.server_address[1]}",
    }
    log = tmp_path_factory.mktemp("sandbox") / "sandbox.log"
    with process(["otp_service.sandbox", "--port", str(port)], environment, log) as child:
        wait_for(f"{url}/_sim/requests", child, log)
        yield url
    assert child.returncode == 0, log.read_text()
    stub.shutdown()
    stub.server_close()


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
