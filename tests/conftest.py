"""One real Valkey, one sandbox and two service processes for the whole session; tests tell them apart by phone.

With pytest-xdist each worker is a session with all of these of its own: its folder, its ports, its secrets.
The workers compare what they collected, so nothing drawn at random may get into the name of a test.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest

from otp_service.storage.embedded import embedded_server
from tests.api import Api, Gateways
from tests.running import API_KEY, TOPOLOGY, running_sandbox, running_service, service_environ
from tests.topologies import servers as topologies

# An example that takes so long is a fault; the 200 ms of the default may pass while other tests have the processors.
hypothesis.settings.register_profile("beside others", deadline=2000)
hypothesis.settings.load_profile("beside others")


LONG = ("test_fuzz", "test_delivery_benchmark", "test_soak", "test_pumping_day", "test_one_server", "test_poison",
        "test_flood", "test_partition", "test_webhooks_failing")  # fmt: skip
"""Files that take minutes: they begin first, or one worker would be at the last of them when all others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--no-loadscope-reorder` workers take files in this order."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("session")


@pytest.fixture(scope="session")
async def redis_url(folder: Path) -> AsyncIterator[str]:
    """The embedded server; with TEST_TOPOLOGY, what `tests/topologies` runs of that name."""
    if TOPOLOGY:
        with topologies.running(TOPOLOGY, topologies.binary(), folder) as (servers, _):
            yield servers.url
        return
    async with embedded_server(folder / "redis") as url:
        yield url


@pytest.fixture(scope="session")
def sandbox_process(folder: Path) -> Iterator[str]:
    with running_sandbox(folder) as url:
        yield url


@pytest.fixture(scope="session")
def service_urls(folder: Path, redis_url: str, sandbox_process: str) -> Iterator[list[str]]:
    with (
        running_service(folder, redis_url, sandbox_process) as (first, _, _),
        running_service(folder, redis_url, sandbox_process) as (second, _, _),
    ):
        yield [first, second]


@pytest.fixture
async def api(service_urls: list[str]) -> AsyncIterator[Api]:
    """The application without pauses, by the first process."""
    async with Api(service_urls[0], API_KEY) as client:
        yield client


@pytest.fixture
async def second(service_urls: list[str]) -> AsyncIterator[Api]:
    """The same application by the other process."""
    async with Api(service_urls[1], API_KEY) as client:
        yield client


@pytest.fixture(scope="session")
def keys(folder: Path, redis_url: str, sandbox_process: str, service_urls: list[str]) -> dict[str, str]:
    """An API key of every other application, made as an operator makes them; `admin`: of `web`, with that scope."""
    environ = dict(os.environ) | service_environ(folder, redis_url, sandbox_process)

    def create(application: str, *options: str) -> str:
        command = [sys.executable, "-m", "otp_service", "keys", "create", "--application", application, *options]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split()[0]

    found = {application: create(application) for application in ("strict", "other", "theirs")}
    everything = [word for scope in ("send", "check", "read", "admin") for word in ("--scope", scope)]
    return found | {"admin": create("web", "--scope", "admin"), "everything": create("web", *everything)}


@pytest.fixture
async def strict(service_urls: list[str], keys: dict[str, str]) -> AsyncIterator[Api]:
    """An application with the shipped pauses."""
    async with Api(service_urls[0], keys["strict"]) as client:
        yield client


@pytest.fixture
async def other(service_urls: list[str], keys: dict[str, str]) -> AsyncIterator[Api]:
    async with Api(service_urls[0], keys["other"]) as client:
        yield client


@pytest.fixture
async def theirs(service_urls: list[str], keys: dict[str, str]) -> AsyncIterator[Api]:
    """An application that may do what the others may not: hand over texts, codes of its own to the Twilio facade."""
    async with Api(service_urls[0], keys["theirs"]) as client:
        yield client


@pytest.fixture
async def admin(service_urls: list[str], keys: dict[str, str]) -> AsyncIterator[Api]:
    """The application of `api`, with a key for what operators do."""
    async with Api(service_urls[0], keys["admin"]) as client:
        yield client


@pytest.fixture
async def gateways(sandbox_process: str) -> AsyncIterator[Gateways]:
    """The sandbox as a fresh one; afterwards nothing of the test is left in it."""
    async with httpx.AsyncClient(base_url=sandbox_process, trust_env=False, verify=False, timeout=30) as http:
        found = Gateways(http)
        await found.reset()
        yield found
        await found.reset()


@pytest.fixture
def phone() -> str:
    """A mobile number of its own for each test. Not a magic ending of the sandbox; 20 to 99 are left for its family."""
    return f"+7916{random.randrange(10_000, 100_000)}{random.randrange(13, 20)}"
