"""django-allauth's login by phone and django-two-factor-auth, in a real Django project, over our adapters."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api import Gateways
from tests.clients.conftest import CLIENTS
from tests.running import API_KEY

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parent / "django_project.py"


async def run(folder: Path, url: str, *words: str) -> str:
    """The story of the project, in a process of its own: Django has settings once in a process."""
    path = ":".join(str(CLIENTS / name / "src") for name in ("python", "django"))
    environ = {"PYTHONPATH": path, "OTP_URL": url, "OTP_KEY": API_KEY, "PATH": "/usr/bin:/bin"}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(PROJECT), *words], env=environ, cwd=folder, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


async def test_allauth_logs_in_by_phone(
    tmp_path: Path, service_urls: list[str], gateways: Gateways, phone: str
) -> None:
    told = await run(tmp_path, service_urls[0], "request", phone)
    assert "asked for the code" in told
    (message,) = await gateways.messages(phone)
    code = re.match(r"[A-Z0-9-]+", message["text"])
    assert code
    assert re.fullmatch(r"[A-Z0-9]{4}-[A-Z0-9]{4}|[A-Z0-9]{6,9}", code[0]), message["text"]
    assert "logged in as anna" in await run(tmp_path, service_urls[0], "confirm", code[0])


async def test_allauth_tells_the_person_what_they_can_mend(
    tmp_path: Path, service_urls: list[str], gateways: Gateways
) -> None:
    told = await run(tmp_path, service_urls[0], "refused", "+4915123456789")
    assert told == "/accounts/login/code/ No message can be sent to this phone number.\n"


async def test_two_factor_sends_its_token(
    tmp_path: Path, service_urls: list[str], gateways: Gateways, phone: str
) -> None:
    told = await run(tmp_path, service_urls[0], "two-factor", phone)
    assert re.fullmatch(r"[0-9]{6} [0-9]{6}\n", told)
    text = (await gateways.messages(phone))[0]["text"]
    assert any(token in text for token in told.split()), text
