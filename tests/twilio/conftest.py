from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from tests.running import API_KEY
from tests.twilio.facade import Twilio

WEB = "VA" + hashlib.sha256(b"service:web").hexdigest()[:32]


@pytest.fixture
async def twilio(service_urls: list[str]) -> AsyncIterator[Twilio]:
    async with Twilio(service_urls[0], API_KEY, WEB) as client:
        yield client


@pytest.fixture
async def twilio_strict(service_urls: list[str], keys: dict[str, str]) -> AsyncIterator[Twilio]:
    async with Twilio(service_urls[0], keys["strict"], "strict") as client:
        yield client


@pytest.fixture
async def twilio_theirs(service_urls: list[str], keys: dict[str, str]) -> AsyncIterator[Twilio]:
    async with Twilio(service_urls[0], keys["theirs"], "theirs") as client:
        yield client


@pytest.fixture
async def twilio_admin(service_urls: list[str], keys: dict[str, str]) -> AsyncIterator[Twilio]:
    """Of `web`, with a key that may do everything."""
    async with Twilio(service_urls[0], keys["everything"], WEB) as client:
        yield client
