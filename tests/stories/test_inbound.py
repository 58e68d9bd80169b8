"""A code that the person sends us, by SMS from the phone that is to be proved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import running
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, create_key, running_service
from tests.stories.test_described import own_redis

__all__ = ["own_redis"]

NUMBER = "+79001112233"
OPEN = {
    "OTP__INBOUND__NUMBER": NUMBER,
    "OTP__INBOUND__PREFIX": "КОД",
    "OTP__GATEWAYS__TARGETSMS_XML__INCOMING_SECONDS": "0.3",
    "OTP__APPLICATIONS__WEB__ASSURANCE": "claimed",
    "OTP__APPLICATIONS__WEB__GUARD": "enforce",
    "OTP__GUARD__BLOCK_FLOOR": "0",
    "OTP__GUARD__ROW_FLOOR": "0",
}


@pytest.fixture
async def phones(sandbox_process: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox_process, trust_env=False, verify=False, timeout=30) as http:
        yield http


async def sends(phones: httpx.AsyncClient, phone: str, text: str) -> None:
    """The person's own phone."""
    body = {"originator": phone.removeprefix("+"), "text": text, "phone": NUMBER.removeprefix("+")}
    assert (await phones.post("/_sim/incoming", json=body)).status_code == 201


async def ended(api: Api, verification_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(60):
        found = (await api.status(verification_id)).json()
        if found["status"] != "pending":
            break
        await asyncio.sleep(0.1)
    return found


async def test_a_code_that_the_person_sends(
    tmp_path: Path, own_redis: str, sandbox_process: str, gateways: Gateways, phones: httpx.AsyncClient, phone: str
) -> None:
    with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, log):
        other_key = create_key(tmp_path, own_redis, sandbox_process, "other", environ=OPEN)
        async with Api(url, API_KEY) as api, Api(url, other_key) as other:
            # Where the guard wants no SMS, this is what is left; it costs us nothing.
            problem(await api.start(phone), 403, "suspected_pumping")
            started = await api.started(phone, channel="inbound", subject="user-7", key="again")
            assert (await api.start(phone, channel="inbound", subject="user-7", key="again")).json() == started
            assert started["messages"] == []
            wanted = started["inbound"]
            code = wanted["code"]
            assert wanted["number"] == NUMBER
            assert wanted["text"] == f"КОД {code}"
            assert wanted["uri"] == f"sms:{NUMBER}?body=%D0%9A%D0%9E%D0%94%20{code}"
            assert started["assurance"] is None
            assert await gateways.messages(phone) == []
            assert (await api.status(started["id"])).json()["inbound"] == wanted

            await what_proves_nothing(api, phones, started, phone)
            await sends(phones, phone, f"код {code[:3]} {code[3:]}")
            found = await ended(api, started["id"])
            assert (found["status"], found["assurance"], found["inbound"]) == ("approved", "claimed", None)
            # A forged sender must not open what a code that was held opens.
            assert (await api.http.get("/v1/subjects/user-7")).json()["phones"] == []
            problem(await api.start(phone), 403, "suspected_pumping")
            await the_event_says_so(api, started["id"])

            second = await api.started(f"{phone[:-2]}71", channel="inbound")
            await sends(phones, phone, second["inbound"]["text"])  # somebody else's phone
            await sends(phones, f"{phone[:-2]}71", f"{second['inbound']['text']}. Спасибо!")
            assert (await ended(api, second["id"]))["assurance"] == "claimed"

            problem(await other.start(phone, channel="inbound"), 422, "channel_not_available")
            assert code not in log.read_text()
            assert phone not in log.read_text()


async def what_proves_nothing(api: Api, phones: httpx.AsyncClient, started: dict[str, Any], phone: str) -> None:
    code = started["inbound"]["code"]
    assert await api.outcome(started["id"], code) == "wrong_code"  # the page shows it, so typing it proves nothing
    problem(await api.resend(started["id"]), 422, "channel_not_available")
    for stranger, text in ((f"{phone[:-2]}70", code), (phone, code[::-1]), (phone, f"{code}1"), (phone, "код"),
                           (phone, f"{code[::-1]}, {code}")):  # fmt: skip
        if text != code or stranger != phone:
            await sends(phones, stranger, text)
    await sends(phones, "BANK", code)
    await asyncio.sleep(1.5)
    assert (await api.status(started["id"])).json()["status"] == "pending"


async def the_event_says_so(api: Api, verification_id: str) -> None:
    told: list[dict[str, Any]] = []
    for _ in range(50):
        events = (await api.http.get("/v1/events")).json()["events"]
        told = [each["data"] for each in events if each["type"] == "verification.approved"]
        if told:
            break
        await asyncio.sleep(0.1)
    assert [(each["verification_id"], each["assurance"]) for each in told] == [(verification_id, "claimed")]


PUSHED = """
[gateways.elsewhere]
kind = "http"
base_url = "env:TEST_SANDBOX"
circuit_breaker = false
[gateways.elsewhere.send]
path = "/nowhere"
json = {to = "{phone}", text = "{text}"}
answer = {rules = [{then = "accepted", status = [200]}], id = "/id"}
[gateways.elsewhere.callback]
token = "token-of-incoming-0123456789abcdef"
id = "/id"
state = "/state"
states = {ok = "delivered"}
from = "/from"
said = "/text"
networks = ["127.0.0.0/8"]
"""


@pytest.mark.slow
async def test_a_gateway_of_any_provider_may_push_them(
    tmp_path: Path, own_redis: str, sandbox_process: str, phone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + PUSHED)
    with running_service(tmp_path, own_redis, sandbox_process, **OPEN) as (url, _, _):
        async with Api(url, API_KEY) as api:
            started = await api.started(phone, channel="inbound")
            body = {"from": phone.removeprefix("+"), "text": started["inbound"]["text"]}
            wrong = await api.http.post("/callbacks/elsewhere/wrong", json=body)
            assert wrong.status_code == 404
            assert (await api.status(started["id"])).json()["status"] == "pending"
            told = await api.http.post("/callbacks/elsewhere/token-of-incoming-0123456789abcdef", json=body)
            assert told.status_code == 200, told.text
            found = (await api.status(started["id"])).json()
            assert (found["status"], found["assurance"]) == ("approved", "claimed")


async def test_what_is_typed_is_held(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, api: Api, phone: str
) -> None:
    started = await api.started(phone)
    answer = await api.check(started["id"], running.code_in((await gateways.messages(phone))[0]["text"]))
    assert (answer.json()["outcome"], answer.json()["assurance"]) == ("approved", "held")
    assert (await api.status(started["id"])).json()["assurance"] == "held"
    problem(await api.start(f"{phone[:-2]}72", channel="inbound"), 422, "channel_not_available")
