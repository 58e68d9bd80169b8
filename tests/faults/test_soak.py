"""The short form of `make soak-faults`."""

from __future__ import annotations

import pytest

from tests.faults.soak import soak


@pytest.mark.slow
async def test_two_minutes_of_faults_stop_nothing_but_what_they_are_about() -> None:
    assert await soak(120, seed=7) == []
