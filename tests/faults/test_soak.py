"""The short form of `make soak-faults`."""

from __future__ import annotations

import pytest

from tests.faults.soak import soak
from tests.sizes import sized


@pytest.mark.slow
async def test_minutes_of_faults_stop_nothing_but_what_they_are_about() -> None:
    """In half the time twice as fast: as many faults among as many people."""
    assert await soak(sized(120, 60), seed=7, rate=sized(3, 6), each=sized(10, 5)) == []
