"""Operators of the session's service, made as they are in production: with a link."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.console.desk import Desk, link_in
from tests.running import service_environ

Invite = Callable[..., str]


def command(folder: Path, redis_url: str, sandbox: str, *words: str) -> subprocess.CompletedProcess[str]:
    environ = dict(os.environ) | service_environ(folder, redis_url, sandbox)
    return subprocess.run(
        [sys.executable, "-m", "otp_service", *words], env=environ, capture_output=True, text=True, check=False
    )


def named() -> str:
    return f"op-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def first_admin(folder: Path, redis_url: str, sandbox_process: str, service_urls: list[str]) -> Desk:
    """Signed in; made as the first of an installation is, by the command line."""
    name = named()
    done = command(folder, redis_url, sandbox_process, "operators", "add", name, "--role", "admin")
    assert done.returncode == 0, done.stderr
    return _signed_in(service_urls[0], done.stdout.strip(), name)


@pytest.fixture(scope="session")
def invite(first_admin: Desk) -> Invite:
    """By the page: a command is a process each time, and takes twenty times as long."""

    def made(role: str, name: str = "") -> str:
        """The link of a new operator."""
        shown = first_admin.send("/console/operators", name=name or named(), role=role)
        return link_in(shown.text)

    return made


@pytest.fixture(scope="session")
def desks(first_admin: Desk, invite: Invite, service_urls: list[str]) -> Mapping[str, Desk]:
    """An operator of each role who has signed in."""
    others = {role: named() for role in ("viewer", "support")}
    found = {role: _signed_in(service_urls[0], invite(role, name), name) for role, name in others.items()}
    return found | {"admin": first_admin}


def _signed_in(url: str, link: str, name: str) -> Desk:
    desk = Desk(url)
    desk.name = name
    assert desk.enrol(link).status_code == 200
    assert desk.sign_in(name).headers["location"] == "/console"
    return desk


@pytest.fixture
def admin_desk(desks: Mapping[str, Desk]) -> Desk:
    return desks["admin"]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client
