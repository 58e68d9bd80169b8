"""All that the image installs comes as wheels for both architectures: it has no compiler."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.deploy.charts import ROOT

pytestmark = pytest.mark.slow
LOCKS = ("base.txt", "tracing.txt")


def test_every_locked_package_has_a_wheel(tmp_path: Path) -> None:
    """By the registry's own answers; files are not fetched where it tells their metadata apart. A wheel that is pure
    Python is good for both, so the second is asked about the others alone."""
    told = "".join((ROOT / "requirements" / lock).read_text("utf-8") for lock in LOCKS)
    locked = {name: block for block, name in re.findall(r"^(([\w.-]+)==.*\n(?: .*\n)*)", told, re.MULTILINE)}
    everywhere = {name for name, block in locked.items() if ";" not in block.partition("\n")[0]}
    found = wheels("x86_64", locked.values(), tmp_path / "x86_64")
    assert len(found) >= len(everywhere) > 50
    built = {name for name, url in found.items() if not url.endswith("-none-any.whl")}
    others = wheels("aarch64", [locked[name] for name in built], tmp_path / "aarch64")
    assert others.keys() == built != set()
    assert all("aarch64" in url for url in others.values())


def wheels(machine: str, locked: Iterable[str], folder: Path) -> dict[str, str]:
    """What pip would install of that on the image's Python of such a machine: name and address of each wheel."""
    folder.mkdir()
    (folder / "locked.txt").write_text("".join(locked))
    (version,) = re.findall(
        r"^ARG PYTHON_IMAGE=python:(3\.\d+)-", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    words = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"),
        *("--require-hashes", "--only-binary", ":all:", "--implementation", "cp", "--python-version", version),
        *(f"--platform=manylinux_2_{glibc}_{machine}" for glibc in range(36, 16, -1)),  # of Debian 12, and older
        f"--platform=manylinux2014_{machine}",
        *("--requirement", str(folder / "locked.txt")),
        *("--target", str(folder), "--report", str(folder / "report.json")),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and re.search("connection|timed out|resolve", done.stderr, re.IGNORECASE):
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((folder / "report.json").read_text())
    found = {
        re.sub("[-_.]+", "-", one["metadata"]["name"]).lower(): one["download_info"]["url"] for one in report["install"]
    }
    assert all(url.endswith(".whl") for url in found.values())
    return found
