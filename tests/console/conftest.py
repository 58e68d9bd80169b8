"""Operators of the session's service, made as they are in production: by the command line, with a link."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.console.desk import Desk
from tests.running import service_environ

Invite = Callable[..., str]


def command(folder: Path, redis_url: str, sandbox: str, *words: str) -> subprocess.CompletedProcess[str]:
    environ = dict(os.environ) | service_environ(folder, redis_url, sandbox)
    return subprocess.run(
        [sys.executable, "-m", "otp_service", *words], env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def invite(folder: Path, redis_url: str, sandbox_process: str, service_urls: list[str]) -> Invite:
    def made(role: str, name: str = "") -> str:
        """The link of a new operator."""
        done = command(folder, redis_url, sandbox_process, "operators", "add", name or named(), "--role", role)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return made


def named() -> str:
    return f"op-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def desks(invite: Invite, service_urls: list[str]) -> Mapping[str, Desk]:
    """An operator of each role who has signed in."""
    found = {}
    for role in ("viewer", "support", "admin"):
        name = named()
        desk = found[role] = Desk(service_urls[0])
        desk.name = name
        assert desk.enrol(invite(role, name)).status_code == 200
        assert desk.sign_in(name).headers["location"] == "/console"
    return found


@pytest.fixture
def admin_desk(desks: Mapping[str, Desk]) -> Desk:
    return desks["admin"]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client
