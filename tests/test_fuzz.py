"""Schemathesis reads the OpenAPI document and tries to prove it wrong, against a running service."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.api import Api, Gateways
from tests.authenticator import enrolled
from tests.running import API_KEY, RedisServer, code_in, running_sandbox, running_service
from tests.sizes import sized

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not importlib.util.find_spec("schemathesis") and not os.environ.get("CI"),
        reason="schemathesis is missing: make .venv/.slow",
    ),
]
EXAMPLES = sized(250, 80)
"""Cases for each operation (S-26)."""
SECONDS = 3000
"""Three minutes are usual on two idle cores; a busy machine took more than thirteen."""
HALVES = ("--include-path-regex", "--exclude-path-regex")
"""Of the operations, each for a process with one worker: threads of one share an interpreter, and before Python 3.13
their parsers of Python (which hypothesis uses) disturb each other."""

ONE = "/v1/verifications/{verification_id}"
TOTP = "/v1/factors/totp"
REACHED = {
    ("/v1/verifications", 201), ("/v1/verifications", 422), (ONE, 200), (f"{ONE}/check", 200), (f"{ONE}/check", 422),
    (f"{ONE}/resend", 200), (f"{ONE}/resend", 409), (f"{ONE}/cancel", 200),
    (TOTP, 201), (TOTP, 422), (f"{TOTP}/{{factor_id}}/confirm", 200), (f"{TOTP}/{{factor_id}}/check", 409),
    (f"{TOTP}/import", 200), (f"{TOTP}/search", 200), ("/v1/factors/backup-codes", 201),
    ("/v1/subjects/{subject}", 200), ("/v1/subjects/{subject}/check", 200), ("/v1/subjects/{subject}/check", 422),
}  # fmt: skip
"""Route and status: fewer would mean that it has only knocked at the doors."""


SETTINGS = """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]
"""
"""A body over 64 KiB hears 413, which schemathesis does not take for a refusal by itself."""


async def test_s26_the_document_is_true(tmp_path: Path) -> None:
    """No 5xx, nothing undocumented, wrong data refused, right data accepted: all checks that schemathesis has."""
    server = RedisServer(tmp_path)
    try:
        with running_sandbox(tmp_path) as sandbox, running_service(tmp_path, server.url, sandbox) as (url, _, log):
            known = tmp_path / "verifications.json"
            known.write_text(json.dumps(await started(url, sandbox)))
            halves = await asyncio.gather(*(asyncio.to_thread(fuzz, url, known, half) for half in HALVES))
            lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    finally:
        server.kill()
    for found in halves:
        assert found.returncode == 0, found.stdout[-30_000:] + found.stderr[-2000:]
    assert not [line for line in lines if "exception" in line]
    reached = {(line["route"].replace(":str", ""), line["status"]) for line in lines if line["event"] == "request"}
    assert reached >= REACHED, REACHED - reached


def fuzz(url: str, known: Path, half: str) -> subprocess.CompletedProcess[str]:
    options = {
        half: "^/(health|v1/(verifications|subjects|phones))",
        "--checks": "all",
        "--phases": "examples,coverage,fuzzing,stateful",
        "--max-examples": str(EXAMPLES),
        "--workers": "1",
        "--request-timeout": "35",  # a long poll takes up to 30 s
        "--max-response-time": "35",
        "--warnings": "off",
        "--suppress-health-check": "all",
        "--header": f"Authorization: Bearer {API_KEY}",
    }
    folder = known.with_name(half.strip("-"))
    folder.mkdir()
    (folder / "schemathesis.toml").write_text(SETTINGS)
    schemathesis = str(Path(sys.executable).with_name("schemathesis"))
    flat = [word for pair in options.items() for word in pair]
    return subprocess.run(
        [schemathesis, "run", f"{url}/schema/openapi.json", *flat, "--continue-on-failure", "--no-color"],
        env=os.environ
        | {
            "SCHEMATHESIS_HOOKS": "tests.fuzz_hooks",
            "FUZZ_FILE": str(known),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


async def started(url: str, sandbox: str) -> dict[str, list[object]]:
    """Pending verifications with their codes, and authenticators."""
    found: list[object] = []
    async with Api(url, API_KEY) as api, httpx.AsyncClient(base_url=sandbox, trust_env=False, verify=False) as http:
        for n in range(60):
            phone = f"+791655500{n + 30}"
            pending = await api.started(phone)
            found.append({"id": pending["id"], "code": code_in((await Gateways(http).messages(phone))[0]["text"])})
        enrolments = [await enrolled(api, f"person-{n}") for n in range(30)]
    return {"verifications": found, "factors": [factor["id"] for factor, _ in enrolments]}
