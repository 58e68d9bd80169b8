"""The service's own stories on Sentinel and Cluster, where every verdict waits for a replica."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORIES = [f"tests/stories/test_{name}.py" for name in ("check", "fallback", "totp", "backup_codes")]


@pytest.mark.slow
def test_stories(tmp_path: Path) -> None:
    """Both topologies at once: much of their time is waiting."""
    with ExitStack() as stack:
        running = {topology: stack.enter_context(begun(topology, tmp_path)) for topology in ("sentinel", "cluster")}
        try:
            told = {topology: child.communicate(timeout=400)[0] for topology, child in running.items()}
        finally:
            for child in running.values():
                child.terminate()  # by which pytest ends what it has started
    for topology, child in running.items():
        assert child.returncode == 0, f"{topology}: {told[topology][-5000:]}"
        assert " passed" in told[topology]


def begun(topology: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-x", f"--basetemp={folder / topology}", *STORIES],
        env=dict(os.environ) | {"TEST_TOPOLOGY": topology},
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
