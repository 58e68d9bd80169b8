"""The software bill of materials: what is installed for the service, as CycloneDX 1.6 JSON on standard output.

Names and versions are those of the lock (base.txt, which has the hashes), licences and dependencies those that the
installed packages state. Needs no network and no other package: python requirements/sbom.py > sbom.json
"""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

LOCK = Path(__file__).with_name("base.txt")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
_REQUIRED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def canonical(name: str) -> str:
    """As package registries compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """Every package of the lock and its version."""
    return {canonical(name): version for name, version in _PIN.findall(LOCK.read_text("utf-8"))}


def bill() -> dict[str, Any]:
    """Packages of the lock that are not for this platform are listed without what only an installed one states."""
    locked = pins()
    ours = metadata.distribution("otp-service")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**_named("otp-service", ours.version), "type": "application", **_licence(ours)}},
        "components": [_component(name, version) for name, version in sorted(locked.items())],
        "dependencies": [
            {"ref": _url(name, version), "dependsOn": sorted(_url(needed, locked[needed]) for needed in _needs(name))}
            for name, version in sorted({**locked, "otp-service": ours.version}.items())
        ],
    }


def _component(name: str, version: str) -> dict[str, Any]:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return _named(name, version)
    return {**_named(name, version), **_licence(found)}


def _named(name: str, version: str) -> dict[str, Any]:
    url = _url(name, version)
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def _url(name: str, version: str) -> str:
    """A package URL (ECMA-427)."""
    return f"pkg:pypi/{name}@{version}"


def _licence(found: metadata.Distribution) -> dict[str, Any]:
    """What the package itself says: an SPDX expression, else its classifiers, else its short text."""
    expression = found.metadata.get("License-Expression")
    if expression:
        return {"licenses": [{"expression": expression}]}
    classifiers = found.metadata.get_all("Classifier") or []
    named = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::")]
    text = (found.metadata.get("License") or "").strip()
    if not named and text and "\n" not in text:
        named = [text]
    return {"licenses": [{"license": {"name": name}} for name in named]} if named else {}


def _needs(name: str) -> set[str]:
    try:
        required = metadata.distribution(name).requires or []
    except metadata.PackageNotFoundError:
        return set()
    named = {canonical(match[0]) for line in required if "extra ==" not in line and (match := _REQUIRED.match(line))}
    return named & pins().keys()


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
