"""A client that openapi-python-client makes of our document: it is made without a warning, is typed, and works."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api import Gateways
from tests.running import API_KEY

pytestmark = pytest.mark.slow


async def test_a_generated_client_works(
    tmp_path: Path, service_urls: list[str], gateways: Gateways, phone: str
) -> None:
    tool = str(Path(sys.executable).with_name("openapi-python-client"))
    address = f"{service_urls[0]}/schema/openapi.json"
    made = subprocess.run(
        [tool, "generate", "--url", address, "--meta", "none", "--output-path", "made", "--overwrite"],
        cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    assert "unsupported" not in made.stdout.lower(), made.stdout
    enums, kinds = enums_and_kinds(tmp_path / "made" / "models")
    assert len(set(enums.values())) == len(enums) > 20, enums  # no two say the same
    senseless = {name: found for name, found in kinds.items() if len(found - {"None", "Unset"}) != 1}
    assert not senseless
    program = f"""
from made import AuthenticatedClient
from made.api.deliveries import deliver
from made.api.verifications import start_verification, check_phone
from made.models import CheckPhone, Deliver, DeliveryView, Problem, StartVerification, VerificationView

client = AuthenticatedClient(base_url={service_urls[0]!r}, token={API_KEY!r})
started = start_verification.sync(client=client, body=StartVerification(to={phone!r}))
assert isinstance(started, VerificationView), started
delivery = deliver.sync(client=client, body=Deliver(to={phone!r}, code="AB12-CD34"))
assert isinstance(delivery, DeliveryView), delivery
refused = check_phone.sync(client=client, body=CheckPhone(to="+79160000009", code="123456"))
assert isinstance(refused, Problem) and refused.code == "not_found", refused
print(started.status, delivery.status)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "pending"
    assert len(await gateways.messages(phone)) == 2


def enums_and_kinds(models: Path) -> tuple[dict[str, frozenset[object]], dict[str, set[str]]]:
    """The words of each enum of a generated client, and for each field of a model the types that its union has."""
    enums: dict[str, frozenset[object]] = {}
    kinds: dict[str, set[str]] = {}
    for module in sorted(models.glob("*.py")):
        for made in ast.parse(module.read_text()).body:
            if not isinstance(made, ast.ClassDef):
                continue
            if any(isinstance(base, ast.Name) and base.id.endswith("Enum") for base in made.bases):
                values = [one.value for one in made.body if isinstance(one, ast.Assign)]
                enums[made.name] = frozenset(one.value for one in values if isinstance(one, ast.Constant))
            for field in made.body:
                if isinstance(field, ast.AnnAssign):
                    kinds[f"{made.name}.{ast.unparse(field.target)}"] = set(ast.unparse(field.annotation).split(" | "))
    return enums, kinds
