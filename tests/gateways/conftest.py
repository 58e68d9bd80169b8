from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.gateways.stub import Stub


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with Stub() as running:
        yield running
