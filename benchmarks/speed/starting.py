"""How long the package takes to import, and what of that its dependencies take by themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.speed.samples import Sample

_IMPORT = """
import time
began = time.perf_counter()
import otp_service.cli.server
print(began, time.perf_counter())
"""
_NAMES = """
import json, sys
import otp_service.cli.server
foreign = [name for name in sys.modules if name.partition(".")[0] not in {"__main__", "otp_service"}]
print(json.dumps([name for name in foreign if name.partition(".")[0] not in sys.stdlib_module_names]))
"""
# In the order in which the package loads them. Some names are no modules of their own (lazy ones, aliases).
_ALONE = """
import contextlib, importlib, json, sys, time
names = json.loads(sys.argv[1])
began = time.perf_counter()
for name in names:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
print(time.perf_counter() - began)
"""


def dependencies() -> list[str]:
    """Names of all modules of others that `otp-service serve` has loaded before it does anything."""
    found: list[str] = json.loads(_said(_NAMES))
    return found


def imports(names: Sequence[str]) -> Sample:
    """Seconds. whole: from the spawn of a Python until it has imported what `serve` needs."""
    spawned = time.perf_counter()  # the same clock in all processes of the machine
    began, ended = map(float, _said(_IMPORT).split())
    alone = float(_said(_ALONE, json.dumps(names)))
    return Sample("import", 0, 0, "", {"package": ended - began, "dependencies": alone, "whole": ended - spawned})


def _said(code: str, *words: str) -> str:
    """By a Python that keeps what it has compiled, as an installed package has it: the first call makes it so."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True, text=True).stdout
