"""What the security tests share: an operator's commands, and one more process that trusts a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.api import Api
from tests.cli.commands import Commands, Result
from tests.clock import faked_server
from tests.hardening.attacked import WIDE, Attacked
from tests.running import API_KEY, running_service, service_environ

PROXY = "127.0.0.1"
"""Trusted by `guarded`; any other address of loopback is a stranger's."""
CONNECTIONS = 24

Operator = Callable[..., Result]


@pytest.fixture(scope="session")
def operator(tmp_path_factory: pytest.TempPathFactory, redis_url: str, sandbox_process: str) -> Iterator[Operator]:
    """Runs `otp-service …` with the settings of the session's service."""
    folder = tmp_path_factory.mktemp("operator")
    environ = service_environ(folder, redis_url, sandbox_process)
    commands = Commands()
    yield lambda *words: commands.run(*words, environ=environ, folder=folder)
    commands.close()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, redis_url: str, sandbox_process: str) -> Iterator[str]:
    """A process behind a proxy, with few connections."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    settings = {"OTP__HTTP__TRUSTED_PROXIES": f"{PROXY}/32,10.0.0.0/8", "OTP__HTTP__MAX_CONNECTIONS": str(CONNECTIONS)}
    with running_service(folder, redis_url, sandbox_process, **settings) as (url, _, _):
        yield url


def make_key(operator: Operator, *words: str, application: str = "web") -> tuple[str, str]:
    """id and secret of a new key."""
    made = operator("keys", "create", "--application", application, *words)
    assert made.code == 0, made
    return made.err.split()[1], made.out.strip()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, sandbox_process: str) -> Iterator[Attacked]:
    """For what takes days by the clock, or would meet limits that are not looked at."""
    folder = tmp_path_factory.mktemp("attacked")
    with (
        faked_server(folder / "redis") as server,
        running_service(folder, server.url, sandbox_process, **WIDE) as (first, _, _),
        running_service(folder, server.url, sandbox_process, **WIDE) as (second, _, _),
    ):
        yield Attacked(folder, [first, second], server.url, server.clock)


@pytest.fixture
async def apis(attacked: Attacked) -> AsyncIterator[list[Api]]:
    """One caller for each process."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Api(url, API_KEY)) for url in attacked.urls]
