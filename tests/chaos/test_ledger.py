"""The ledger of money under faults, in short; `make ledger` runs it in full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def begun(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.chaos.ledger", *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_nothing_leaves_that_is_not_allowed_and_a_planted_fault_is_caught() -> None:
    """Both at once: most of their time is waiting. The planted fault: what is unclear counts as not sent."""
    with (
        begun("--walks", "400", "--seed", "1") as shipped,
        begun("--walks", "300", "--seed", "2", "--plant") as planted,
    ):
        try:
            told, found = (child.communicate(timeout=400)[0] for child in (shipped, planted))
        finally:
            shipped.kill()
            planted.kill()
    assert shipped.returncode == 0, told
    assert "nothing left that was not allowed" in told
    assert planted.returncode == 0, found
    assert "roubles left, " in found
    assert "messages to one phone, " in found or "messages in one block, " in found
