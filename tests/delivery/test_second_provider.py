"""A provider that the product has never heard of: it pushes, knows numbers and keeps a stop list, and all three are
used. It lives in this file alone, as a plug-in of the process that serves.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from otp_service.storage.embedded import embedded_server
from tests.api import Api, problem
from tests.running import API_KEY, running_service

ROOT = Path(__file__).parents[2]
TOKEN = "callback-token-of-the-second-provider"
STOPPED = "+79160000001"
PLUG_IN = f'''
from typing import Literal

from otp_service.domain.messages import MessageStatus
from otp_service.domain.networks import Network
from otp_service.domain.phone import Number
from otp_service.gateways.base import Accepted, Delivery, Push, Pushed
from otp_service.gateways.config import GatewayConfig
from otp_service.gateways.registry import Kind


class Config(GatewayConfig, frozen=True, kw_only=True):
    kind: Literal["second"]


class Second:
    channel, makes_code, repeatable, zone = "sms", False, False, None
    ask_batch, ask_pause_seconds, repeat_pause_seconds = 20, 0.0, 0.0
    account = "second:account"
    callback_tokens, callback_networks, believes_pushes = ("{TOKEN}",), (Network.parse("127.0.0.0/8"),), False
    stop_list_seconds = 60

    def __init__(self, name, config):
        self.name, self.traits = name, config.traits()
        self.delivered = set()

    async def send(self, message, seconds):
        return Accepted(f"of-{{message.phone[1:]}}")

    async def deliveries(self, provider_ids):
        return [Delivery(each, MessageStatus.DELIVERED) for each in provider_ids if each in self.delivered]

    def read_push(self, push):
        provider_id = push.query.get("id", "")
        self.delivered.add(provider_id)
        return Pushed([Delivery(provider_id, MessageStatus.DELIVERED)], b"heard")

    async def number_info(self, phone, seconds):
        return Number("Second Mobile", "Elsewhere")

    async def stop_list(self, seconds):
        return ["{STOPPED}"]

    async def examine_callback(self, public_url):
        return None

    async def register_callback(self, public_url):
        return False

    async def withdraw(self, provider_id):
        return False

    async def balance(self, seconds):
        return None

    async def probe(self, reason, seconds):
        return False

    async def examine(self):
        return []

    async def close(self):
        pass


KIND = Kind(Config, Second)
'''


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    site = tmp_path / "site"
    (site / "second-1.0.dist-info").mkdir(parents=True)
    (site / "second_provider.py").write_text(PLUG_IN, "utf-8")
    (site / "second-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: second\nVersion: 1.0\n")
    (site / "second-1.0.dist-info" / "entry_points.txt").write_text(
        "[otp_service.gateways]\nsecond = second_provider:KIND\n"
    )
    environ = {
        "PYTHONPATH": f"{site}:{ROOT}",
        "OTP__GATEWAYS__SECOND__KIND": "second",
        "OTP__GATEWAYS__SECOND__BASE_URL": "http://127.0.0.1:1",
        "OTP__GATEWAYS__SECOND__SENDER": "Shop",
        "OTP__ROUTES__SMS__GATEWAYS": "second",
        "OTP__APPLICATIONS__WEB__NUMBER_INFO": "second",
    }
    async with embedded_server(tmp_path / "redis") as redis:
        with running_service(tmp_path, redis, "http://127.0.0.1:1", **environ) as (url, _, _):
            yield url


async def test_a_provider_of_which_the_product_knows_nothing_is_used_to_the_full(url: str) -> None:
    phone = f"+7916{secrets.randbelow(10**7):07}"
    async with Api(url, API_KEY) as api, httpx.AsyncClient(base_url=url, trust_env=False) as stranger:
        started = (await api.start(phone)).json()
        assert (started["operator"], started["operator_region"]) == ("Second Mobile", "Elsewhere")
        assert [message["status"] for message in started["messages"]] == ["accepted"]
        refused = await api.start(STOPPED)
        assert problem(refused, 422, "phone_rejected")["reason"] == "stop_list"

        pushed = {"id": f"of-{phone[1:]}"}
        assert (await stranger.post("/callbacks/second/not-the-token", params=pushed)).status_code == 404
        heard = await stranger.post(f"/callbacks/second/{TOKEN}", params=pushed)
        assert (heard.status_code, heard.content) == (200, b"heard")
        async with asyncio.timeout(20):
            while (await api.status(started["id"])).json()["messages"][0]["status"] != "delivered":
                await asyncio.sleep(0.1)


VENDORS = re.compile(r"targetsms|smska|xmlgateway|passwordgateway|telegramgateway|twiliogateway", re.IGNORECASE)
SANDBOX_S_OWN = {"cli/development.py"}
"""What `run` lays beneath the settings names the simulated gateways."""


def test_nobody_above_the_gateways_names_a_vendor() -> None:
    package = ROOT / "otp_service"
    naming = {
        str(path.relative_to(package))
        for room in ("delivery", "verifications", "factors", "admission", "worker", "webhooks", "api", "cli")
        for path in (package / room).rglob("*.py")
        if not path.is_relative_to(package / "cli" / "accounts") and VENDORS.search(path.read_text("utf-8"))
    }
    assert naming == SANDBOX_S_OWN
