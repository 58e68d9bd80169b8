"""What is installed is what was locked, to the byte, and there is a list of it (S-27)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.test_project import ROOT

FOLDER = ROOT / "requirements"
LOCKS = sorted(FOLDER.glob("*.txt"))


def blocks(lock: Path) -> list[str]:
    """Each requirement with its hashes, on one line."""
    joined = re.sub(r"\s*\\\n\s*", " ", lock.read_text("utf-8"))
    return [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_s27_every_package_is_pinned_with_hashes(lock: Path) -> None:
    """And nothing says where it comes from: no index, no URL, no path, no editable."""
    found = blocks(lock)
    assert found
    for block in found:
        assert re.match(
            r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z,]+\])?==[0-9][^\s;]*( ; .*?)?( --hash=sha256:[0-9a-f]{64})+$", block
        ), block


def test_s27_whatever_is_asked_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["embedded"]]
    locked = {re.split(r"[=\[ ]", block)[0].lower() for block in blocks(FOLDER / "base.txt")}
    assert {re.split(r"[><=;\[ ]", one)[0].lower() for one in asked} <= locked


def test_s27_everything_is_installed_by_its_hash() -> None:
    """Our own package is built from here, without fetching what builds it."""
    for line in (ROOT / "Makefile").read_text("utf-8").splitlines():
        if "$(PIP) install" in line and "install uv" not in line:
            assert "--require-hashes -r" in line or "--no-deps --no-build-isolation --editable ." in line, line


def test_s27_the_bill_of_materials() -> None:
    made = subprocess.run([sys.executable, FOLDER / "sbom.py"], capture_output=True, text=True, check=True).stdout
    bill: dict[str, Any] = json.loads(made)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "otp-service"
    locked = {tuple(re.split(r"==|[ ;]", block, maxsplit=2)[:2]) for block in blocks(FOLDER / "base.txt")}
    assert {(one["name"], one["version"]) for one in bill["components"]} == {
        (re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in locked
    }
    references = {one["bom-ref"] for one in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    for entry in bill["dependencies"]:
        assert {entry["ref"], *entry["dependsOn"]} <= references
    (own,) = [entry for entry in bill["dependencies"] if entry["ref"].startswith("pkg:pypi/otp-service@")]
    assert len(own["dependsOn"]) >= 15
    with_licence = [one for one in bill["components"] if one.get("licenses")]
    assert len(with_licence) >= len(bill["components"]) * 0.8
