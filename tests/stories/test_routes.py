"""Routes other than the shipped one: who makes the code must not matter to whether it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api import Api, Gateways, problem
from tests.running import API_KEY, running_service


@pytest.mark.slow
async def test_a_gateway_that_makes_codes_may_come_last(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    route = {"OTP__ROUTES__SMS__GATEWAYS": "targetsms-xml,targetsms-password"}
    with running_service(tmp_path, redis_url, sandbox_process, **route) as (url, _, _):
        async with Api(url, API_KEY) as api:
            # XML took it and its answer was lost, then the other one made a code: both are good.
            for which in (0, 1):
                number = f"{phone[:-2]}{which + 60}"
                await gateways.fail("xml", "processed_then_reset", times=2)
                started = await api.started(number)
                assert [m["status"] for m in started["messages"]] == ["unclear", "accepted"]
                codes = await gateways.codes(number)
                assert len(codes) == 2
                assert await api.outcome(started["id"], codes[which]) == "approved"

            # Nobody knows the code that may be out: that is no pending verification.
            await gateways.fail("xml", "status", status=404)
            await gateways.fail("password", "processed_then_reset", times=1)
            found = problem(await api.start(f"{phone[:-2]}62"), 502, "no_gateway_available")
            kept = (await api.status(found["verification_id"])).json()
            assert [m["status"] for m in kept["messages"]] == ["rejected", "unclear"]


@pytest.mark.slow
async def test_only_a_gateway_that_makes_codes(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Each resend brings another code; the late ones stay good, under one count of attempts."""
    route = {"OTP__ROUTES__SMS__GATEWAYS": "targetsms-password"}
    with running_service(tmp_path, redis_url, sandbox_process, **route) as (url, _, _):
        async with Api(url, API_KEY) as api:
            for which in (0, 1):
                number = f"{phone[:-2]}{which + 70}"
                started = await api.started(number)
                assert (await api.resend(started["id"])).status_code == 200
                codes = await gateways.codes(number)
                assert len(set(codes)) == 2
                assert await api.outcome(started["id"], codes[which]) == "approved"


async def test_a_refused_resend_gives_its_key_back(api: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(phone)
    await gateways.fail("*", "status", status=404)
    problem(await api.resend(started["id"], key="k-" + phone), 502, "no_gateway_available")
    await gateways.reset()

    again = await api.resend(started["id"], key="k-" + phone)

    assert again.status_code == 200
    assert len(await gateways.messages(phone)) == 1  # the reset emptied the phone
    assert again.json()["messages"][-1]["status"] == "accepted"
