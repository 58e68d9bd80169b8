"""A day of verifications by the clock of Redis, while workers are killed: statistics agree with what happened."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from otp_service import settings
from otp_service.domain.codes import Cost
from otp_service.domain.messages import CodeSource, MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.requests import StartRequest
from otp_service.settings import Settings
from otp_service.statistics.reading import Step, read
from otp_service.storage import keys
from otp_service.storage.records import MessageResult, NewMessage, Repeat, Stored, WalkId
from otp_service.storage.reports import Look, Report
from otp_service.storage.stores import Stores, open_stores
from tests.clock import FakedServer, faked_server
from tests.running import process, running_sandbox, service_environ

DAY = int(os.environ.get("OTP_TEST_DAY", "1000"))
"""Verifications; 20000 for the whole figure, which wants two idle cores: a Valkey under libfaketime is slow."""
AT_ONCE = 20
KILLS = 2
GATEWAYS = ("targetsms-password", "targetsms-xml", "smska")


class Day:
    """expected: what statistics should say, counted here as each step is answered."""

    def __init__(self, found: Settings, stores: Stores, rng: random.Random) -> None:
        self.settings = found
        self.stores = stores
        self.rng = rng
        self.expected: Counter[str] = Counter()

    async def one(self, number: int) -> None:
        """A start, a message, what became of it, and how it ended: by the scripts that the service runs, in its order.
        Whoever is left pending expires, which is for the worker to find."""
        draw = self.rng.random
        phone, gateway = f"+7916{number:07d}", self.rng.choice(GATEWAYS)
        opened = NewMessage(1, gateway, "sms", CodeSource.GATEWAY, "")
        identity = self.stores.names.new_id("web", phone)
        await self.stores.verifications.start(
            identity, "web", self.settings.applications["web"], phone, StartRequest(phone), number=Number("МТС"),
            country="RU", cost=Cost(1024, 1, 1), lease_seconds=5, first=opened, remembered={},
        )  # fmt: skip
        self.expected["started"] += 1
        if draw() < 0.02:
            await self.sent(WalkId(identity, 1, 0), MessageStatus.REJECTED, "fail")
            self.expected["unsent"] += 1
            return
        unclear = draw() < 0.05
        status = MessageStatus.UNCLEAR if unclear else MessageStatus.ACCEPTED
        stored = await self.sent(WalkId(identity, 1, 0), status, "done")
        self.expected["sends"] += 1
        self.expected["sent_to"] += 1
        end = self.rng.choices([MessageStatus.DELIVERED, MessageStatus.UNDELIVERED, MessageStatus.UNKNOWN], [90, 7, 3])[
            0
        ]
        await self.stores.reports.write([Look(stored, [Report(1, end, 1)], None)])
        name = {"delivered": "delivered", "undelivered": "failed", "unknown": "unknown"}[end]
        self.expected[name] += 1
        if end is MessageStatus.DELIVERED:
            self.expected["reached"] += 1
        if end is MessageStatus.UNKNOWN and draw() < 0.5:  # it becomes known after all
            await self.stores.reports.write([Look(stored, [Report(1, MessageStatus.DELIVERED, 2)], None)])
            self.expected.update(unknown=-1, delivered=1, parts=1, reached=1)
        self.expected["parts"] += 1
        how = draw()
        if how < 0.8:
            await self.stores.verifications.settle(stored, how < 0.75, Repeat(), 0)
            self.expected["approved" if how < 0.75 else "expired"] += 1
        elif how < 0.85:
            await self.stores.verifications.cancel(identity, "web")
            self.expected["canceled"] += 1
        else:
            self.expected["expired"] += 1

    async def sent(self, walk: WalkId, status: MessageStatus, then: Any) -> Stored:
        return await self.stores.sends.progress(walk, settled=MessageResult(1, status, "", 1), then=then)

    async def so_far(self, step: Step = "hour") -> dict[str, int]:
        at = datetime.fromtimestamp(await self.stores.ledger.now_ms() / 1000, UTC) + timedelta(hours=1)
        by = ("gateway", "operator")
        rows = await read(self.stores.statistics, "web", start=at - timedelta(days=3), end=at, step=step, by=by)
        assert {row.group.gateway for row in rows if row["sends"]} <= set(GATEWAYS)
        return {name: sum(row[name] for row in rows) for name in self.expected}


@asynccontextmanager
async def a_day(folder: Path, server: FakedServer) -> AsyncIterator[tuple[Day, dict[str, str]]]:
    with running_sandbox(folder) as sandbox:
        environ = service_environ(folder, server.url, sandbox, OTP__REDIS__TIMEOUT_SECONDS="10")
        found = settings.load({**os.environ, **environ})
        async with open_stores(found) as stores:
            yield Day(found, stores, random.Random(7)), environ


async def workers(environ: dict[str, str], log: Path, killed: asyncio.Event, done: asyncio.Event) -> None:
    """Two are killed with work in their hands; the last stays until all is passed on."""
    for _ in range(KILLS):
        with process(["otp_service", "worker"], environ, log) as child:
            await asyncio.sleep(6)
            child.send_signal(signal.SIGKILL)
    killed.set()
    with process(["otp_service", "worker"], environ, log):
        await done.wait()


async def agree(folder: Path, verifications: int, hours: int) -> None:
    """hours: less than a record is kept, where they pass before a worker has begun."""
    with faked_server(folder / "redis") as server:
        async with a_day(folder, server) as (day, environ), Redis.from_url(server.url, protocol=2) as redis:
            killed, done = asyncio.Event(), asyncio.Event()
            working = asyncio.create_task(workers(environ, folder / "worker.log", killed, done))
            try:
                batches = max(1, verifications // AT_ONCE)
                for batch in range(batches):
                    await asyncio.gather(*(day.one(batch * AT_ONCE + n) for n in range(AT_ONCE)))
                    if batch % (hop := max(1, batches // 48)) == 0:
                        with suppress(AssertionError):  # it looks whether Redis follows, which a busy machine delays
                            await asyncio.to_thread(server.clock.move, minutes=60 * hours * hop / batches)
                await asyncio.to_thread(server.clock.move, minutes=30)
                deadline = time.monotonic() + 300
                await killed.wait()
                while (found := await day.so_far()) != (wanted := dict(day.expected)):
                    assert time.monotonic() < deadline, {
                        name: (found[name], n) for name, n in wanted.items() if found[name] != n
                    }
                    await asyncio.sleep(0.5)
                await asyncio.sleep(3)  # nothing more is counted
                assert await day.so_far() == await day.so_far("day") == dict(day.expected)
                told: Counter[str] = Counter()
                after = "-"
                while page := await redis.xrange(keys.events("web"), after, count=1000):
                    told.update(fields[b"type"].decode() for _, fields in page)
                    after = f"({page[-1][0].decode()}"
                assert told["verification.created"] == found["started"] == batches * AT_ONCE
                for end in ("approved", "expired", "canceled"):
                    assert told[f"verification.{end}"] == found[end], end
            finally:
                done.set()
                await working


@pytest.mark.slow
async def test_statistics_of_a_day_agree_with_its_events_under_two_killed_workers(tmp_path: Path) -> None:
    await agree(tmp_path, DAY, 24 if DAY > 5000 else 12)
