"""The short form of `make soak`."""

from __future__ import annotations

import pytest

from tests.sizes import sized
from tests.soak import REDIS_FAULTS, soak


@pytest.mark.slow
async def test_a_minute_of_people_and_faults_leaks_nothing() -> None:
    assert await soak(sized(60, 40), seed=1, redis_faults=REDIS_FAULTS) == []
