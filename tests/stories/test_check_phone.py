"""A code is judged for a caller that knows the phone alone: the newest pending verification of phone and purpose."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.api import Answer, Api, Gateways, problem
from tests.stories.test_check import wrong


async def check(api: Api, to: str, code: str, *, key: str = "", **body: Any) -> Answer:
    return await api.post("/v1/verifications/check", {"to": to, "code": code, **body}, key)


async def test_the_newest_pending_one_of_the_purpose_is_meant(api: Api, gateways: Gateways, phone: str) -> None:
    await api.started(phone, purpose="login")
    newest = await api.started(phone, purpose="login")
    await api.started(phone, purpose="payment")
    payment, login, old = await gateways.codes(phone)

    refused = (await check(api, phone, payment, purpose="login")).json()
    assert (refused["outcome"], refused["id"]) == ("wrong_code", newest["id"])
    assert (await check(api, phone, old, purpose="login")).json()["outcome"] == "wrong_code"
    written = f"8 ({phone[2:5]}) {phone[5:8]}-{phone[8:]}"
    approved = (await check(api, written, login, purpose="login")).json()
    assert (approved["outcome"], approved["id"], approved["to"]) == ("approved", newest["id"], phone)


async def test_the_default_purpose_is_that_of_a_start(api: Api, gateways: Gateways, phone: str) -> None:
    await api.started(phone)
    assert (await check(api, phone, (await gateways.codes(phone))[0])).json()["approved"]


async def test_where_there_is_none_it_is_not_found(api: Api, other: Api, gateways: Gateways, phone: str) -> None:
    problem(await check(api, phone, "123456"), 404, "not_found")
    await api.started(phone)
    code = (await gateways.codes(phone))[0]
    problem(await check(other, phone, code), 404, "not_found")
    problem(await check(api, phone, code, purpose="login"), 404, "not_found")
    assert (await check(api, phone, code)).json()["approved"]
    problem(await check(api, phone, code), 404, "not_found")


async def test_a_repeat_with_its_key_hears_the_same_verdict(
    api: Api, second: Api, gateways: Gateways, phone: str
) -> None:
    first = await api.started(phone)
    code = (await gateways.codes(phone))[0]
    approved = await check(api, phone, code, key=f"{phone}-1")
    assert approved.json()["outcome"] == "approved"
    await api.started(phone)  # newer, and not what the repeat is about

    again = await check(second, phone, code, key=f"{phone}-1")
    assert again.json() == approved.json()
    assert again.json()["id"] == first["id"]
    problem(await check(second, phone, wrong(code), key=f"{phone}-1"), 422, "idempotency_key_reused")


async def test_a_key_of_a_refusal_is_free_again(api: Api, gateways: Gateways, phone: str) -> None:
    problem(await check(api, phone, "123456", key=f"{phone}-1"), 404, "not_found")
    await api.started(phone)
    assert (await check(api, phone, (await gateways.codes(phone))[0], key=f"{phone}-1")).json()["approved"]


async def test_of_fifty_wrong_codes_at_once_five_are_judged(
    api: Api, second: Api, gateways: Gateways, phone: str
) -> None:
    await api.started(phone)
    code = (await gateways.codes(phone))[0]
    answers = await asyncio.gather(
        *(check((api, second)[n % 2], phone, f"{(int(code) + n + 1) % 1_000_000:06}") for n in range(50))
    )
    outcomes = Counter(answer.json().get("outcome", answer.json().get("code")) for answer in answers)
    assert outcomes["wrong_code"] == 4
    assert set(outcomes) <= {"wrong_code", "exhausted", "not_found"}
    problem(await check(api, phone, code), 404, "not_found")
