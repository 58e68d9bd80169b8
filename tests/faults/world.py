"""Two service processes, a Redis of their own on TCP, the sandbox and a receiver of webhooks, to be troubled."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from redis.asyncio import Redis

from tests.api import Api, Gateways
from tests.hooks import Receiver, receiving, written
from tests.running import API_KEY, RedisServer, running_sandbox, running_service

CIRCUITS = {
    f"OTP__GATEWAYS__{name}__CIRCUIT_BREAKER": "true" for name in ("TARGETSMS_PASSWORD", "TARGETSMS_XML", "SMSKA")
}


@dataclass(frozen=True)
class World:
    first: Api
    second: Api
    gateways: Gateways
    receiver: Receiver
    server: RedisServer
    redis: Redis
    logs: list[Path]
    folder: Path
    sandbox: str
    config: str
    pids: list[int]

    @property
    def both(self) -> tuple[Api, Api]:
        return self.first, self.second

    async def signed_up(self, api: Api, phone: str = "", *, patient: bool = False) -> str:
        """One person proves a phone; returns the id. patient: asks again where it hears 503, or 409 while its
        first try is under way, as callers do."""
        phone = phone or number()
        key = f"person-{random.getrandbits(64)}"

        async def asked(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
            for _ in range(40 if patient else 1):
                answer = await ask()
                if answer.status_code not in (409, 503):
                    break
                await asyncio.sleep(0.25)
            return answer

        started = await asked(lambda: api.start(phone, key=key))
        assert started.status_code == 201, started.text
        found: str = started.json()["id"]
        code = (await self.gateways.codes(phone))[0]
        checked = await asked(lambda: api.check(found, code, key=key))
        assert checked.json().get("outcome") == "approved", checked.text
        return found

    async def told(self, verification: str, kind: str = "verification.approved", seconds: float = 20) -> None:
        """The receiver hears of it."""
        await self.receiver.until(
            lambda: any(post.about == verification and post.body["type"] == kind for post in self.receiver.taken("/w")),
            seconds,
        )

    async def metric(self, api: Api, name: str) -> float:
        """The sum of a metric's samples whose line begins so."""
        page = (await api.http.get("/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name))

    def tracebacks(self) -> list[str]:
        """But those of a call about a record that cannot be read."""
        lines = [line for log in self.logs for line in log.read_text().splitlines()]
        return [line for line in lines if "Traceback" in line and "Unreadable" not in line]

    def logged(self, event: str) -> list[str]:
        return [line for log in self.logs for line in log.read_text().splitlines() if event in line]


def number() -> str:
    return f"+7916{random.randrange(10_000, 100_000)}{random.randrange(12, 20)}"


async def until(happened: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    """What it returns, once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := await happened()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def opened(
    folder: Path, webhooks: Mapping[str, Mapping[str, Any]] | None = None, **environ: str
) -> AsyncIterator[World]:
    """webhooks: receivers by their paths. environ: more settings of both processes."""
    with running_sandbox(folder) as sandbox:
        server = RedisServer(folder)
        async with receiving() as receiver:
            config = written(folder, receiver.url, webhooks or {"/w": {"events": ["*"]}})
            settings = {
                **CIRCUITS,
                "OTP_CONFIG": config,
                "OTP_LOG_LEVEL": "INFO",
                "OTP__GUARD__WRONG_CODES_FLOOR": "100",
                **environ,
            }
            with (
                running_service(folder, server.url, sandbox, **settings) as (first, process, one),
                running_service(folder, server.url, sandbox, **settings) as (second, other_process, two),
            ):
                async with (
                    Api(first, API_KEY) as api,
                    Api(second, API_KEY) as other,
                    httpx.AsyncClient(base_url=sandbox, trust_env=False, verify=False, timeout=30) as http,
                    Redis.from_url(server.url, protocol=2) as redis,
                ):
                    yield World(
                        api,
                        other,
                        Gateways(http),
                        receiver,
                        server,
                        redis,
                        [one, two],
                        folder,
                        sandbox,
                        config,
                        [process.pid, other_process.pid],
                    )
        server.kill()
