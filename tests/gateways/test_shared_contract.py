"""The contract that others import, over every kind, every ready table, and a plug-in from a wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Gateway, Then
from otp_service.gateways.registry import build
from otp_service.testing.gateway_contract import Answer, GatewayContract, Subject
from tests.gateways.kinds import KINDS, LOGIN, PASSWORD
from tests.gateways.test_providers import PROVIDERS

OTHERS = ("http", "telegram")


def of_kind(name: str) -> Subject:
    kind = KINDS[name]
    return Subject(
        build=kind.build,
        accepted=Answer(kind.fixture("accepted")),
        accepted_id=kind.accepted_id,
        refusals={each: (Answer(kind.fixture(each)), *meaning) for each, meaning in kind.refusals.items()},
        unclear=tuple(Answer(kind.fixture(each)) for each in kind.unclear),
        canaries=(LOGIN, PASSWORD),
        outgoing={"phone": "+79001234567", "text": kind.text, **kind.extra},
    )


def builder(name: str) -> Callable[[str], Gateway]:
    return lambda url: PROVIDERS[name].build(name, url)


def of_provider(name: str) -> Subject:
    provider = PROVIDERS[name]
    first = next((status, body) for status, body, meaning in provider.sent if not isinstance(meaning, tuple))
    refusals = {
        str(number): (Answer(json.dumps(body).encode(), status), *meaning)
        for number, (status, body, meaning) in enumerate(provider.sent)
        if isinstance(meaning, tuple)
    }
    return Subject(
        build=builder(name),
        accepted=Answer(json.dumps(first[1]).encode(), first[0]),
        accepted_id=provider.id,
        refusals=refusals,
        canaries=tuple(value for value in provider.secrets.values() if value.startswith("canary")),
    )


TELEGRAM = Subject(
    build=lambda url: build("tested", {"kind": "telegram", "base_url": url, "token": "canary-token"}),
    accepted=Answer(b'{"ok": true, "result": {"request_id": "req-1", "request_cost": 0.01}}'),
    accepted_id="req-1",
    refusals={
        "token": (Answer(b'{"ok": false, "error": "ACCESS_TOKEN_INVALID"}'), Reason.CREDENTIALS, Then.NEXT),
        "unknown": (Answer(b'{"ok": false, "error": "canary-token"}'), Reason.UNKNOWN_ERROR, Then.NEXT),
    },
    canaries=("canary-token",),
)
SUBJECTS = (
    {"telegram": TELEGRAM}
    | {name: of_kind(name) for name in KINDS}
    | {f"http {name}": of_provider(name) for name in PROVIDERS}
)


QUICK = {"telegram", *KINDS, "http twilio", "http whatsapp"}


@pytest.fixture(params=[name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SUBJECTS])
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[request.param]


class TestEveryKind(GatewayContract):
    @pytest.fixture(autouse=True)
    def choose(self, subject: Subject) -> None:
        type(self).subject = subject


PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-gateway.md").read_text("utf-8")
REFUSED = """

def test_a_broken_one_is_refused_with_a_sentence():
    import pytest
    from otp_service.errors import SettingsError
    for kind, sentence in (("broken", "cannot be loaded"), ("nobody", "must be one of .*elsewhere")):
        with pytest.raises(SettingsError, match=sentence):
            registry.build("mine", {"kind": kind})
"""


def written(language: str) -> list[str]:
    """The blocks of the page, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_a_plug_in_from_a_wheel_adds_a_kind(tmp_path: Path) -> None:
    """That of the page: built as its author builds it, unpacked as an installer does, found by its entry point."""
    (project,) = written("toml")
    plug_in, test = written("python")
    (tmp_path / "otp_elsewhere.py").write_text(plug_in)
    (tmp_path / "pyproject.toml").write_text(f'{project}broken = "otp_elsewhere:NOBODY"\n')
    (tmp_path / "test_elsewhere.py").write_text(test + REFUSED)
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    site = tmp_path / "site"
    made = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    wheel = tmp_path / made.stdout.split()[-1]
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True)
    (tmp_path / "otp_elsewhere.py").unlink()
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(Path(__file__).parents[2])])}
    arguments = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_elsewhere.py"]

    found = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout
    assert " passed" in found.stdout
