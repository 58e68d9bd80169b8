"""The root secret is changed while codes are live."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api import Api, Gateways
from tests.authenticator import asked, enrolled, outcome, step_with_room
from tests.running import API_KEY, RedisServer, running_service, service_environ

NEW = "new-secret-" + "n" * 40


@pytest.mark.slow
async def test_the_root_secret_is_rotated_and_the_old_one_dropped(
    tmp_path: Path, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    await gateways.fail("password", "status", status=404)
    server = RedisServer(tmp_path)
    numbers = [f"{phone[:-2]}{n}" for n in (51, 52, 53)]

    with running_service(tmp_path, server.url, sandbox_process) as (url, _, _):
        async with Api(url, API_KEY) as api:
            started = [await api.started(number) for number in numbers[:2]]

    both = f"{NEW},env:TEST_SECRET"
    with running_service(tmp_path, server.url, sandbox_process, OTP__SERVICE__SECRET=both) as (url, _, _):
        async with Api(url, API_KEY) as api:
            resent = await api.resend(started[0]["id"])
            assert resent.json()["to"] == numbers[0]
            codes = await gateways.codes(numbers[0])
            assert len(codes) == 2
            assert len(set(codes)) == 1  # the same local code, made under the old secret
            assert await api.outcome(started[0]["id"], codes[0]) == "approved"
            fresh = await api.started(numbers[2])

    with running_service(tmp_path, server.url, sandbox_process, OTP__SERVICE__SECRET=NEW) as (url, _, _):
        async with Api(url, API_KEY) as api:
            assert await api.outcome(fresh["id"], (await gateways.codes(numbers[2]))[0]) == "approved"
            # What was made under the dropped secret is over; it says so and hurts nobody.
            assert (await api.status(started[1]["id"])).json()["status"] == "expired"
            assert await api.outcome(started[1]["id"], (await gateways.codes(numbers[1]))[0]) == "expired"
    server.kill()


@pytest.mark.slow
async def test_after_the_command_the_old_secret_is_needed_no_more(
    tmp_path: Path, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """With live codes of both kinds, factors, backup codes, verified phones, API keys and events; while it serves."""
    server = RedisServer(tmp_path)
    numbers = [f"{phone[:-2]}{n}" for n in (61, 62, 63)]
    people = [f"user-{n}" for n in range(40)]
    with running_service(tmp_path, server.url, sandbox_process) as (url, _, _):
        key = operator(tmp_path, server.url, sandbox_process, "keys", "create", "--application", "web").split()[0]
        async with Api(url, key) as api:
            apps = [await enrolled(api, one, name="Phone") for one in people]
            step = await step_with_room()
            for factor, app in apps[:20]:
                assert await outcome(api, factor["id"], app.at(step - 1), "confirm") == "approved"
            issued = (await api.post("/v1/factors/backup-codes", {"subject": people[0]}, "issue")).json()["codes"]
            proved = await api.started(numbers[0], subject=people[0])
            assert await api.outcome(proved["id"], (await gateways.codes(numbers[0]))[0]) == "approved"
            by_gateway = await api.started(numbers[1])
            await gateways.fail("password", "status", status=404)
            made_here = await api.started(numbers[2])

    both = {"OTP__SERVICE__SECRET": f"{NEW},env:TEST_SECRET"}
    with running_service(tmp_path, server.url, sandbox_process, **both) as (url, _, _):
        async with Api(url, key) as api:
            checks = asyncio.create_task(ask_on(api, [people[0]] * 40, "222222"))
            told = operator(tmp_path, server.url, sandbox_process, "rotate-secrets", **both)
            assert "40 subjects looked at, 40 encrypted anew" in told
            assert "no longer needed" in told
            await checks
            told = operator(tmp_path, server.url, sandbox_process, "rotate-secrets", **both)
            assert "40 subjects looked at, 0 encrypted anew" in told
            operator(
                tmp_path, server.url, sandbox_process, "factors", "unlock", "--application", "web",
                "--subject", people[0], **both,
            )  # fmt: skip

    with running_service(tmp_path, server.url, sandbox_process, OTP__SERVICE__SECRET=NEW) as (url, _, log):
        async with Api(url, key) as api:
            step = await step_with_room()
            for (factor, app), one in list(zip(apps, people, strict=True))[:20]:
                found = await asked(api, one, app.at(step))
                assert (found["outcome"], found["factor_id"], found["name"]) == ("approved", factor["id"], "Phone")
            assert await outcome(api, apps[20][0]["id"], apps[20][1].at(step), "confirm") == "approved"
            assert (await asked(api, people[0], issued[0]))["outcome"] == "approved"
            shown = await api.post("/v1/factors/backup-codes", {"subject": people[0]}, "issue")
            assert shown.json()["codes"] == issued
            (listed,) = (await api.http.get(f"/v1/subjects/{people[0]}?phones=clear")).json()["phones"]
            assert listed["phone"] == numbers[0]
            assert await api.outcome(by_gateway["id"], (await gateways.codes(numbers[1]))[0]) == "approved"
            resent = await api.resend(made_here["id"])
            assert resent.json()["to"] == numbers[2]
            codes = await gateways.codes(numbers[2])
            assert (len(codes), len(set(codes))) == (2, 1)
            assert await api.outcome(made_here["id"], codes[0]) == "approved"
            events = (await api.http.get("/v1/events")).json()["events"]
            assert events
            assert all(event["data"].get("to") or event["data"].get("subject") for event in events)
        assert "exception" not in log.read_text()
    server.kill()


async def ask_on(api: Api, people: list[str], code: str) -> None:
    for one in people:
        answer = await api.post(f"/v1/subjects/{one}/check", {"code": code})
        assert answer.status_code in (200, 429), answer.text


def operator(folder: Path, redis: str, sandbox: str, *command: str, **environ: str) -> str:
    found = dict(os.environ) | service_environ(folder, redis, sandbox, **environ)
    done = subprocess.run(
        [sys.executable, "-m", "otp_service", *command], env=found, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
