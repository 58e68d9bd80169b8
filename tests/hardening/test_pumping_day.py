"""S-08: a simulated day of pumping beside normal traffic, in small; benchmarks/pumping.py runs it in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pumping import BLOCK, missed, simulate
from tests.sizes import sized

pytestmark = pytest.mark.slow

ATTACKS, PEOPLE = sized(2_000, 600), sized(500, 250)


@pytest.mark.parametrize(("attack", "most"), [("row", 20), ("spread", 200), ("slow", 200)])
async def test_a8_as_shipped_an_attack_gets_little_and_people_notice_nothing(
    tmp_path: Path, attack: str, most: int
) -> None:
    day = await simulate(tmp_path / attack, "", 1, ATTACKS if attack == "row" else None, PEOPLE, attack)
    assert 0 < day.sms <= most
    assert missed(day) == []
    assert day.people["approved"] > PEOPLE * 0.35
    reasons = {found["reason"] for found in day.report["found"]}
    assert reasons >= ({"adjacent_numbers"} if attack == "row" else {"strangers"})


async def test_s08_enforce_stops_it_and_refuses_no_person(tmp_path: Path) -> None:
    day = await simulate(tmp_path / "enforce", "enforce", 1, ATTACKS, PEOPLE)
    assert day.sms <= 10
    assert day.refused_people == []
    assert day.people["approved"] > PEOPLE * 0.35
    assert BLOCK in {found["value"] for found in day.report["found"]}


async def test_s08_shadow_names_the_same_block(tmp_path: Path) -> None:
    day = await simulate(tmp_path / "shadow", "shadow", 1, ATTACKS, PEOPLE)
    assert day.sms > ATTACKS * 0.9
    assert BLOCK in {found["value"] for found in day.report["found"]}
    assert day.report["total"]["would_refuse"] > ATTACKS * 0.9
