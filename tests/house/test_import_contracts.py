"""Every import contract of pyproject.toml breaks when somebody breaks it, wherever that is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONTRACTS = {contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"]}
PLANTED = {
    "Imports point inwards": [("storage/keys.py", "from otp_service.verifications import verifications")],
    "The domain does no I/O and knows no framework": [("domain/codes.py", "import structlog")],
    "The sandbox knows nothing of the service but its errors": [
        ("sandbox/clock.py", "from otp_service.domain import phone"),
    ],
    "Gateways do not know each other": [
        ("gateways/smska/gateway.py", "from otp_service.gateways.targetsms import errors"),
    ],
    "Only storage knows Redis": [
        (module, "from redis.asyncio import Redis")
        for module in (
            "app.py", "runtime.py", "refusals.py", "hash_pool.py", "api/problems.py", "api/routes/system.py",
            "cli/doctor.py", "delivery/dispatch.py", "verifications/lookup.py", "factors/judge.py", "worker/jobs.py",
            "webhooks/delivery.py", "schemas/events.py", "telemetry/logs.py", "admission/admission.py",
        )
    ],
    "Only `outbound` speaks HTTP to the outside, and gateways over it": [
        (module, f"import {library}")
        for library in ("httpx", "aiohttp")
        for module in ("delivery/dispatch.py", "webhooks/delivery.py", "storage/keys.py", "gateways/wire.py")
    ],
}  # fmt: skip


def lint(folder: Path) -> str:
    """What lint-imports says of the package in a folder, without a cache."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100)
    return re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout + ran.stderr)


def planted_in(where: str) -> str:
    return "otp_service." + where.removesuffix(".py").replace("/", ".")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """All violations at once, one copy of the package: linting takes seconds."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "otp_service", folder / "otp_service", ignore=shutil.ignore_patterns("__pycache__"))
    for places in PLANTED.values():
        for where, line in places:
            module = folder / "otp_service" / where
            module.write_text(f"{module.read_text('utf-8')}\n{line}\n", "utf-8")
    return lint(folder)


def test_every_contract_is_tried() -> None:
    assert set(PLANTED) == CONTRACTS


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_violation_is_caught(said: str, contract: str) -> None:
    heading = f"{contract}\n{'-' * len(contract)}"
    assert f"{contract} BROKEN" in said, said[-2000:]
    broken = said[said.index(heading) + len(heading) :]
    for where, _ in PLANTED[contract]:
        assert f"{planted_in(where)} ->" in broken, where
