"""The service's own stories on Sentinel and Cluster, where every verdict waits for a replica."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORIES = [f"tests/stories/test_{name}.py" for name in ("check", "fallback", "totp", "backup_codes")]


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["sentinel", "cluster"])
def test_stories(topology: str, tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", f"--basetemp={tmp_path / 'stories'}", *STORIES],
        env=dict(os.environ) | {"TEST_TOPOLOGY": topology},
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-5000:] + found.stderr[-2000:]
    assert " passed" in found.stdout
