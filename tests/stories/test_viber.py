"""The other gateways of the settings: Viber first, SMS after, and the GET API at the end of a route."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import running
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, running_service

MORE = """
[gateways.targetsms-json]
kind = "targetsms-json"
circuit_breaker = false
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "DEMO"
attempt_seconds = 1.0
[gateways.targetsms-get]
kind = "targetsms-get"
circuit_breaker = false
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "DEMO"
attempt_seconds = 1.0
[routes.viber]
gateways = ["targetsms-json", "targetsms-get"]
deadline_seconds = 4
reserve_seconds = 0.9
"""


async def test_viber_then_sms(
    tmp_path: Path,
    redis_url: str,
    sandbox_process: str,
    gateways: Gateways,
    phone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + MORE)
    with running_service(tmp_path, redis_url, sandbox_process) as (url, _, log):
        async with Api(url, API_KEY) as api:
            started = await api.started(phone, channel="viber")
            assert [(m["gateway"], m["channel"], m["status"]) for m in started["messages"]] == [
                ("targetsms-json", "viber", "accepted")
            ]
            (code,) = await gateways.codes(phone)
            resent = (await api.resend(started["id"], channel="sms")).json()
            assert resent["messages"][-1]["channel"] == "sms"
            assert set(await gateways.codes(phone)) == {code}  # the same code by the other channel
            assert await api.outcome(started["id"], code) == "approved"

            number = f"{phone[:-2]}45"
            await gateways.fail("json", "error", error="Неправильный логин или пароль")
            fallen = await api.started(number, channel="viber")
            assert [(m["gateway"], m["status"]) for m in fallen["messages"]] == [
                ("targetsms-json", "rejected"), ("targetsms-get", "accepted"),
            ]  # fmt: skip
            assert await api.outcome(fallen["id"], (await gateways.codes(number))[0]) == "approved"
        assert "demo-password" not in log.read_text()


async def test_a_channel_without_a_route(api: Api, phone: str) -> None:
    problem(await api.start(phone, channel="viber"), 422, "channel_not_available")
