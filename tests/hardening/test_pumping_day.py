"""S-08: a simulated day of pumping beside normal traffic, in small; benchmarks/pumping.py runs it in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pumping import BLOCK, simulate

pytestmark = pytest.mark.slow

ATTACKS, PEOPLE = 2_000, 500


@pytest.mark.parametrize("seed", [1, 2])
async def test_s08_enforce_stops_it_and_refuses_no_person(tmp_path: Path, seed: int) -> None:
    day = await simulate(tmp_path / "enforce", "enforce", seed, ATTACKS, PEOPLE)
    assert day.paid_to_attacker <= 20
    assert day.refused_people == []
    assert day.people["approved"] > PEOPLE * 0.35
    assert BLOCK in {found["value"] for found in day.report["found"]}


async def test_s08_shadow_names_the_same_block(tmp_path: Path) -> None:
    day = await simulate(tmp_path / "shadow", "shadow", 1, ATTACKS, PEOPLE)
    assert day.paid_to_attacker > ATTACKS * 0.9
    assert {found["value"] for found in day.report["found"]} == {BLOCK}
    assert day.report["total"]["would_refuse"] > ATTACKS * 0.9
    assert day.report["total"]["converted"] == 0
