"""The root secret is changed while codes are live."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api import Api, Gateways
from tests.running import API_KEY, RedisServer, running_service

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
