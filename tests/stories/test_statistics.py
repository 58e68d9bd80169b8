"""Statistics that last: what a verification, a refusal and a fail-over add, and how they are asked for."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api, Gateways, problem
from tests.running import API_KEY, running_service, service_environ

Row = dict[str, Any]


async def rows(api: Api, **query: str) -> list[Row]:
    answer = await api.http.get("/v1/statistics", params=query)
    assert answer.status_code == 200, answer.text
    found: list[Row] = answer.json()["rows"]
    return found


def total(found: list[Row], name: str) -> int:
    return sum(row[name] for row in found)


async def settled(api: Api, **query: str) -> list[Row]:
    """Once what the tests before left behind is counted."""
    before, now = None, await rows(api, **query)
    while now != before:
        await asyncio.sleep(1.5)
        before, now = now, await rows(api, **query)
    return now


async def until(ask: Callable[[], Awaitable[list[Row]]], wanted: Callable[[list[Row]], bool]) -> list[Row]:
    """Statistics follow what happens within a second or so."""
    deadline = time.monotonic() + 15
    while not wanted(found := await ask()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)
    return found


async def test_what_a_verification_adds(api: Api, gateways: Gateways, phone: str) -> None:
    before = await settled(api, by="gateway,channel,country")
    started = await api.started(phone)
    (code,) = await gateways.codes(phone)
    assert await api.outcome(started["id"], code) == "approved"

    def new(found: list[Row], name: str) -> int:
        return total(found, name) - total(before, name)

    found = await until(
        lambda: rows(api, by="gateway,channel,country"), lambda now: new(now, "delivered") == new(now, "approved") == 1
    )
    assert (new(found, "started"), new(found, "sends"), new(found, "parts")) == (1, 1, 1)
    assert (new(found, "sent_to"), new(found, "reached")) == (1, 1)
    (started_row,) = [row for row in found if row["started"] and row not in before]
    assert (started_row["gateway"], started_row["channel"], started_row["country"]) == (None, "sms", "RU")
    assert "operator" not in started_row
    sent = [row for row in found if row["gateway"] == "targetsms-password"]
    assert sum(float(row["roubles"]) for row in sent) > 0
    assert sent[-1]["seconds_to_delivery"]["p50"] is not None
    assert sent[-1]["seconds_to_approval"]["p95"] is not None
    (day,) = await rows(api, step="day")
    assert day["started"] >= 1
    assert day["at"].endswith("T00:00:00Z")


@pytest.mark.slow
async def test_what_no_row_is_for(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Test numbers get no message, and what is withheld reaches nobody: nothing of them is counted but the refusal."""
    quiet = {"OTP__TESTING__IN_PRODUCTION": "true", "OTP__APPLICATIONS__WEB__ENUMERATION_SAFE": "true"}
    with running_service(tmp_path, redis_url, sandbox_process, OTP__GUARD__BLOCK=phone[:-2], **quiet) as (url, _, _):
        async with Api(url, API_KEY) as api:
            before = await settled(api)
            started = await api.started("+79990000055")
            assert await api.outcome(started["id"], "424242") == "approved"
            withheld = await api.started(phone)
            await api.cancel(withheld["id"])
            after = await until(lambda: rows(api), lambda now: total(now, "refused") > total(before, "refused"))
            await asyncio.sleep(1)
            after = await rows(api)
            for name in ("started", "approved", "canceled", "sends", "delivered"):
                assert total(after, name) == total(before, name), name


@pytest.mark.slow
async def test_refusals_are_counted_by_what_refused(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    blocked = {"OTP__GUARD__BLOCK": phone[:-2], "OTP__LIMITS__PHONE_BURST__QUOTA": "1"}
    with running_service(tmp_path, redis_url, sandbox_process, **blocked) as (url, _, _):
        async with Api(url, API_KEY) as api:
            before = await settled(api)
            refused_before = {kind: sum(row["refused_by"][kind] for row in before) for kind in ("limit", "guard")}
            for _ in range(3):
                problem(await api.start(phone), 403, "on_block_list")
            other = f"+7917{phone[5:]}"
            await api.started(other)
            problem(await api.start(other), 429, "limit_exceeded")

            def grown(found: list[Row], kind: str) -> int:
                return int(sum(row["refused_by"][kind] for row in found) - refused_before[kind])

            found = await until(lambda: rows(api), lambda now: grown(now, "guard") == 3 and grown(now, "limit") == 1)
            assert total(found, "refused") - total(before, "refused") == 4


@pytest.mark.slow
async def test_a_fail_over_and_what_it_won(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """The first gateway's report says that the SMS did not arrive; the code of the next one is entered."""
    number = f"{phone[:-2]}03"
    with running_service(tmp_path, redis_url, sandbox_process) as (url, _, _):
        async with Api(url, API_KEY) as api:
            before = await settled(api)
            started = await api.started(number)
            for _ in range(300):
                found = (await api.status(started["id"])).json()
                if len(found["messages"]) > 1 and found["messages"][-1]["status"] == "accepted":
                    break
                await asyncio.sleep(0.1)
            code = (await gateways.codes(number))[0]
            assert await api.outcome(started["id"], code) == "approved"

            def grown(found: list[Row], name: str) -> int:
                return total(found, name) - total(before, name)

            after = await until(lambda: rows(api), lambda now: grown(now, "failovers_won") == 1)
            assert grown(after, "failovers") >= 1
            assert grown(after, "sends") >= 2
            assert grown(after, "sent_to") == 1, "one verification, however many messages"
            assert grown(after, "failed") >= 1


async def test_questions_that_are_refused(api: Api, admin: Api) -> None:
    async def refused(**query: str) -> str:
        answer = await api.http.get("/v1/statistics", params=query)
        return str(problem(answer, 422, "validation_failed")["errors"][0]["field"])

    assert await refused(**{"from": "yesterday"}) == "from"
    assert await refused(**{"from": "2026-01-01", "to": "2026-03-01"}) == "from"
    assert await refused(**{"from": "2026-01-02", "to": "2026-01-01"}) == "from"
    assert await refused(to="0001-01-01T00:00:00+14:00") == "to"
    assert await refused(**{"from": "1" * 41}) == "from"
    assert await refused(by="phone") == "by"
    assert await refused(step="minute") == "step"
    assert await rows(api, step="day", **{"from": "2024-01-01", "to": "2026-01-01"}) == []
    problem(await admin.http.get("/v1/statistics"), 403, "insufficient_scope")


async def test_the_command(tmp_path: Path, redis_url: str, sandbox_process: str, api: Api, phone: str) -> None:
    await api.started(phone)
    await until(lambda: rows(api), lambda found: total(found, "started") >= 1)
    environ = dict(os.environ) | service_environ(tmp_path, redis_url, sandbox_process)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "otp_service", "statistics", "--application", *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    heading, *lines = run("web", "--by", "gateway,country").stdout.splitlines()
    assert heading.split()[:4] == ["UTC", "gateway", "country", "started"]
    assert any("targetsms-password" in line and "RU" in line for line in lines)
    assert json.loads(run("web", "--json", "--step", "day").stdout)["rows"][0]["started"] >= 1
    assert run("nobody").returncode == 2
    assert run("web", "--from", "soon").returncode == 2
