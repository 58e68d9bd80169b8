"""All that the image installs comes as wheels for both architectures: it has no compiler."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.charts import ROOT

pytestmark = pytest.mark.slow
LOCKS = ("base.txt", "tracing.txt")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_locked_package_has_a_wheel(machine: str, tmp_path: Path) -> None:
    """By the registry's own answers; files are not fetched where it tells their metadata apart."""
    (version,) = re.findall(
        r"^ARG PYTHON_IMAGE=python:(3\.\d+)-", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    words = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"),
        *("--require-hashes", "--only-binary", ":all:", "--implementation", "cp", "--python-version", version),
        *(f"--platform=manylinux_2_{glibc}_{machine}" for glibc in range(36, 16, -1)),  # of Debian 12, and older
        f"--platform=manylinux2014_{machine}",
        *(f"--requirement={ROOT / 'requirements' / lock}" for lock in LOCKS),
        *("--target", str(tmp_path), "--report", str(tmp_path / "report.json")),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and re.search("connection|timed out|resolve", done.stderr, re.IGNORECASE):
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    found = [each["download_info"]["url"] for each in json.loads((tmp_path / "report.json").read_text())["install"]]
    locked = {
        name
        for lock in LOCKS
        for name in re.findall(r"^([\w.-]+)==[^;\n]*$", (ROOT / "requirements" / lock).read_text("utf-8"), re.MULTILINE)
    }
    assert len(found) >= len(locked) > 50
    assert all(url.endswith(".whl") for url in found)
    assert [url for url in found if machine in url], "some are not pure Python"
