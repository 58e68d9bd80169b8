"""The ledger of money under faults, in short; `make ledger` runs it in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.ledger import run

pytestmark = pytest.mark.slow


async def test_nothing_leaves_that_limits_guard_and_budget_do_not_allow(tmp_path: Path) -> None:
    assert await run(tmp_path, 400, 1) == []


async def test_a_planted_fault_is_caught(tmp_path: Path) -> None:
    """What is unclear counts as not sent."""
    wrong = await run(tmp_path, 300, 2, plant=True)
    assert any("roubles left" in one for one in wrong), wrong
    assert any("messages" in one for one in wrong), wrong
