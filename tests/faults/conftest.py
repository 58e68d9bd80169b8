"""A world of faults for each module: what one test breaks, it mends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faults.world import World, opened


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(tmp_path_factory.mktemp("faults")) as found:
        yield found
