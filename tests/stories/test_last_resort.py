"""The step `inbound`: when nothing of ours may go out, or arrives, the person sends the code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests import running
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, running_service
from tests.stories.test_described import own_redis
from tests.stories.test_inbound import OPEN, ended, phones, sends
from tests.stories.test_tracking import World

__all__ = ["own_redis", "phones"]

STEPS = """
[gateways.telegram]
kind = "telegram"
base_url = "env:TEST_SANDBOX"
token = "demo-token-of-telegram"
circuit_breaker = false
[gateways.mail]
kind = "smtp"
base_url = "smtp://127.0.0.1:9"
sender = "codes@shop.example"
[routes.telegram]
gateways = ["telegram"]
[routes.email]
gateways = ["mail"]
[applications.web.workflow]
steps = [{channel = "telegram", wait_seconds = 20}, {channel = "inbound"}]
"""
SMS_ALONE = [{"channel": "sms", "wait_seconds": 30}, {"channel": "inbound"}]
AUTO: dict[str, Any] = {"channel": "auto", "steps": SMS_ALONE}
LET_GO = {**OPEN, "OTP__APPLICATIONS__WEB__GUARD": "off", "OTP__APPLICATIONS__WEB__RESEND_PAUSE_SECONDS": "30"}


@pytest.fixture(autouse=True)
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + STEPS)


@pytest.fixture
async def world(tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways) -> AsyncIterator[World]:
    await gateways.reset()
    with running_service(tmp_path, own_redis, sandbox_process, **LET_GO) as (url, _, _):
        async with Api(url, API_KEY) as api, Redis.from_url(own_redis, protocol=2) as redis:
            yield World(api, gateways, redis, url)


async def test_who_cannot_be_reached_sends_the_code(world: World, phones: Any, phone: str) -> None:
    """Telegram does not know the phone, and no SMS is a step here."""
    api, nobody = world.api, f"{phone[:-2]}12"
    started = await api.started(nobody, channel="auto", key="again")
    assert (await api.start(nobody, channel="auto", key="again")).json() == started
    assert [message["status"] for message in started["messages"]] == ["rejected"]
    assert (started["channel"], started["advice"], started["sends_left"]) == ("auto", "inbound", 4)
    wanted = started["inbound"]
    assert wanted["qr_svg"].startswith("data:image/svg+xml")
    await sends(phones, nobody, wanted["text"])
    assert (await ended(api, started["id"]))["assurance"] == "claimed"


@pytest.mark.slow
async def test_steps_of_a_request_and_what_all_gateways_refuse(world: World, phones: Any, phone: str) -> None:
    await world.gateways.account(blocked=True)
    await world.gateways.account(provider="smska", blocked=True)
    started = await world.api.started(phone, **AUTO)
    assert {message["status"] for message in started["messages"]} <= {"rejected", "unclear"}
    assert started["inbound"]["number"] == OPEN["OTP__INBOUND__NUMBER"]
    await sends(phones, phone, started["inbound"]["text"])
    assert (await ended(world.api, started["id"]))["assurance"] == "claimed"


@pytest.mark.slow
async def test_a_step_that_cannot_be_is_passed_over(world: World, phones: Any, phone: str) -> None:
    """No address is given, so nothing is sent at all. Who gives one cannot send us an SMS in its name."""
    steps = [{"channel": "email", "wait_seconds": 60}, {"channel": "inbound"}]
    started = await world.api.started(phone, channel="auto", steps=steps)
    assert started["messages"] == []
    await sends(phones, phone, started["inbound"]["text"])
    assert (await ended(world.api, started["id"]))["assurance"] == "claimed"
    problem(await world.api.start("anna@example.org", channel="auto", steps=steps), 502, "no_gateway_available")
    problem(await world.api.start("anna@example.org", **AUTO), 422, "channel_not_available")
    problem(await world.api.start("anna@example.org", channel="inbound"), 422, "invalid_phone")


@pytest.mark.slow
async def test_the_step_comes_when_nothing_arrives(world: World, phones: Any, phone: str) -> None:
    """A silent gateway whose reports are not known to come: no SMS more is paid for, but the person may send."""
    api, silent = world.api, f"{phone[:-2]}02"
    started = await api.started(silent, **AUTO)
    assert (started["inbound"], started["advice"]) == (None, "wait")
    known = started
    for _ in range(40):
        await world.hurry_turn(started["id"])
        known = (await api.status(started["id"])).json()
        if known["inbound"]:
            break
        await asyncio.sleep(0.2)
    assert known["inbound"], known
    assert len(known["messages"]) == 1
    assert known["advice"] == "inbound"
    await sends(phones, silent, known["inbound"]["text"])
    assert (await ended(api, started["id"]))["assurance"] == "claimed"


@pytest.mark.slow
async def test_what_arrived_is_not_asked_for(world: World, phone: str) -> None:
    started = await world.api.started(phone, **AUTO)
    found: dict[str, Any] = {}
    for _ in range(40):
        await world.hurry(started["id"])
        found = (await world.api.status(started["id"])).json()
        if found["messages"][-1]["status"] == "delivered":
            break
        await asyncio.sleep(0.2)
    await world.hurry(started["id"], failover_at=1)
    await asyncio.sleep(0.5)
    found = (await world.api.status(started["id"])).json()
    assert (found["inbound"], found["advice"]) == (None, "wait")
    code = running.code_in((await world.gateways.messages(phone))[0]["text"])
    assert await world.api.outcome(started["id"], code) == "approved"


@pytest.mark.slow
async def test_it_can_be_asked_for_beside_an_sms(world: World, phones: Any, phone: str) -> None:
    """By a resend, at once: it sends nothing, so no pause holds it. The SMS stays good."""
    api = world.api
    first = await api.started(phone)
    problem(await api.resend(first["id"], channel="sms"), 429, "too_soon")
    asked = (await api.resend(first["id"], channel="inbound")).json()
    again = (await api.resend(first["id"], channel="inbound")).json()
    assert asked["inbound"] == again["inbound"]
    assert (asked["sends_left"], asked["resend_at"]) == (first["sends_left"], first["resend_at"])
    await sends(phones, phone, asked["inbound"]["text"])
    assert (await ended(api, first["id"]))["assurance"] == "claimed"
    assert problem(await api.resend(first["id"], channel="inbound"), 409, "not_pending")["verification_status"]
    problem(await api.resend(first["id"][:-1] + "x", channel="inbound"), 404, "not_found")

    other = f"{phone[:-2]}73"
    second = await api.started(other)
    assert (await api.resend(second["id"], channel="inbound")).json()["inbound"]
    code = running.code_in((await world.gateways.messages(other))[0]["text"])
    answer = (await api.check(second["id"], code)).json()
    assert (answer["outcome"], answer["assurance"]) == ("approved", "held")


@pytest.mark.slow
async def test_the_answer_to_a_challenge(
    tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways, phones: Any, phone: str
) -> None:
    """A refusal names the way out; a workflow takes it by itself."""
    with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, _):
        async with Api(url, API_KEY) as api:
            refused = await api.start(phone)
            assert problem(refused, 403, "suspected_pumping")["advice"] == "inbound"
            started = await api.started(phone, key="again", **AUTO)
            assert (await api.start(phone, key="again", **AUTO)).json() == started
            assert (started["messages"], started["channel"]) == ([], "auto")
            assert await gateways.messages(phone) == []
            for channel in ("sms", "auto"):  # what the guard refused is not had by asking twice
                refused = await api.resend(started["id"], channel=channel)
                assert problem(refused, 403, "suspected_pumping")["advice"] == "inbound"
            assert await gateways.messages(phone) == []
            await sends(phones, phone, started["inbound"]["text"])
            assert (await ended(api, started["id"]))["assurance"] == "claimed"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"steps": SMS_ALONE}, "steps"),
        ({"channel": "auto", "steps": [{"channel": "sms"}, {"channel": "sms"}]}, "steps"),
        ({"channel": "auto", "steps": [{"channel": "inbound"}, {"channel": "sms"}]}, "steps"),
        ({"channel": "auto", "steps": [{"channel": "inbound"}]}, "steps"),
        ({"channel": "auto", "steps": []}, "steps"),
        ({"channel": "auto", "steps": [{"channel": "pigeon"}]}, "steps[0].channel"),
        ({"channel": "auto", "steps": [{"channel": "sms", "wait_seconds": 601}]}, "steps[0].wait_seconds"),
        ({"channel": "auto", "steps": [{"channel": "sms", "wait_seconds": True}]}, "steps[0].wait_seconds"),
        ({"channel": "auto", "steps": [{"channel": "sms", "wait": 3}]}, "steps[0].wait"),
        ({"channel": "auto", "steps": [{"channel": "sms"}] * 9}, "steps"),
    ],
)
async def test_steps_that_are_none(api: Api, phone: str, body: dict[str, Any], field: str) -> None:
    told = problem(await api.start(phone, **body), 422, "validation_failed")
    assert field in {error["field"] for error in told["errors"]}, told


@pytest.mark.slow
async def test_a_delivery_goes_to_the_person(world: World, phone: str) -> None:
    """Who made the code has it sent; nobody could send it to us."""
    body = {"to": phone, "code": "123456", "channel": "inbound"}
    problem(await world.api.post("/v1/deliveries", body), 422, "channel_not_available")
    await world.gateways.account(blocked=True)
    await world.gateways.account(provider="smska", blocked=True)
    answer = await world.api.post("/v1/deliveries", {**body, "channel": "auto", "to": f"{phone[:-2]}12"})
    found = answer.json()
    for _ in range(40):
        if answer.status_code != 201 or found["status"] not in ("queued", "accepted"):
            break
        found = (await world.api.http.get(f"/v1/deliveries/{found['id']}")).json()
        await asyncio.sleep(0.1)
    assert "inbound" not in str(found), found
    assert found.get("status") == "failed" or found.get("code") == "no_gateway_available", found


async def test_steps_are_known_to_every_process(
    service_urls: list[str], api: Api, gateways: Gateways, phone: str
) -> None:
    steps = [{"channel": "sms", "wait_seconds": 0}]
    started = await api.started(phone, channel="auto", steps=steps, key="with-steps")
    assert (await api.start(phone, channel="auto", steps=steps, key="with-steps")).json()["id"] == started["id"]
    other = [{"channel": "sms", "wait_seconds": 1}]
    problem(await api.start(phone, channel="auto", steps=other, key="with-steps"), 422, "idempotency_key_reused")
    async with Api(service_urls[-1], API_KEY) as second:
        again = (await second.resend(started["id"])).json()
        assert [each["channel"] for each in again["messages"]] == ["sms", "sms"]
        assert [each["gateway"] for each in again["messages"]] == ["targetsms-password", "targetsms-xml"]
        problem(await second.resend(started["id"], channel="inbound"), 422, "channel_not_available")
    code = running.code_in((await gateways.messages(phone))[0]["text"])
    assert await api.outcome(started["id"], code) == "approved"


async def test_a_step_without_a_route(api: Api, phone: str) -> None:
    for steps in ([{"channel": "viber"}, {"channel": "sms"}], [{"channel": "sms"}, {"channel": "inbound"}]):
        problem(await api.start(phone, channel="auto", steps=steps), 422, "channel_not_available")
