"""What the provider knows of a phone is used before anything is sent, and never stands in the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.api import Api, Gateways, problem
from tests.running import API_KEY, running_service

ASK = {
    "OTP__APPLICATIONS__WEB__NUMBER_INFO": "targetsms-xml",
    "OTP__GATEWAYS__TARGETSMS_XML__STOP_LIST_SECONDS": "1",
    "OTP__GATEWAYS__TARGETSMS_XML__REGISTER_CALLBACK": "true",
    "OTP__GATEWAYS__TARGETSMS_XML__CALLBACK_TOKEN": "callback-token-4d1f0c2a",
}


async def test_operator_and_region_are_on_the_record_and_a_stopped_phone_costs_nothing(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    stopped = f"{phone[:-2]}88"
    await gateways.account(stop_list=[stopped[1:]])
    with running_service(tmp_path, redis_url, sandbox_process, **ASK) as (url, _, log):
        async with Api(url, API_KEY) as api:
            started = await api.started(phone)
            assert started["operator"]
            assert started["operator_region"]
            asked = await gateways.asked("def")
            await api.started(phone)
            assert await gateways.asked("def") == asked == 1  # remembered

            found = problem(await api.start(stopped), 422, "phone_rejected")
            assert found["reason"] == "stop_list"
            assert "verification_id" not in found
            assert await gateways.messages(stopped) == []
            assert len(await gateways.messages(phone)) == 2

            await gateways.account(stop_list=[])
            while (await api.start(stopped)).status_code != 201:
                await asyncio.sleep(0.2)

            await gateways.fail("def", "stall")
            assert (await api.started(f"{phone[:-2]}89"))["operator"] is None
        assert "callback_registered" in log.read_text()
        assert "callback-token-4d1f0c2a" not in log.read_text()
    address = (await gateways.http.post("/_sim/accounts/demo", json={})).json()["callback_url"]
    assert address == "https://otp.example.ru/callbacks/targetsms/callback-token-4d1f0c2a"
