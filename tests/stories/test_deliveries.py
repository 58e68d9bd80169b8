"""Codes that the caller made: handed over, walked, tracked and limited as any other, and judged by nobody."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api import Answer, Api, Gateways, problem

CODE = "AB12-CD34"


async def deliver(api: Api, to: str, *, key: str = "", code: str | None = CODE, **body: Any) -> Answer:
    return await api.post("/v1/deliveries", {"to": to, **({"code": code} if code else {}), **body}, key)


async def delivered(api: Api, to: str, **body: Any) -> dict[str, Any]:
    answer = await deliver(api, to, **body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert found["id"].startswith("dlv_")
    return found


async def text(gateways: Gateways, phone: str) -> str:
    return str((await gateways.messages(phone))[0]["text"])


async def test_a_code_goes_out_in_the_application_s_text(api: Api, gateways: Gateways, phone: str) -> None:
    found = await delivered(api, phone, purpose="login", reference="r-1", ttl_seconds=120, locale="en")

    assert await text(gateways, phone) == f"{CODE} is your Example code. Do not share it with anyone."
    assert (found["status"], found["to"], found["purpose"], found["reference"]) == ("accepted", phone, "login", "r-1")
    assert [message["gateway"] for message in found["messages"]] == ["targetsms-xml"]  # not the one that makes codes
    assert found["messages"][0]["id"] == f"{found['id']}.1"
    assert set(found) == {
        "id", "status", "to", "channel", "purpose", "locale", "reference", "created_at", "expires_at", "messages",
        "guard", "test", "converted_at",
    }  # fmt: skip
    kept = (await api.http.get(f"/v1/deliveries/{found['id']}")).json()
    assert kept["status"] in ("accepted", "delivered")


async def test_status_waits_for_delivered(api: Api, gateways: Gateways, phone: str) -> None:
    found = await delivered(api, phone)
    for _ in range(4):
        found = (await api.http.get(f"/v1/deliveries/{found['id']}", params={"wait": 10})).json()
        if found["status"] == "delivered":
            break
    assert found["status"] == "delivered"


async def test_webotp_host_makes_the_last_line(api: Api, gateways: Gateways, phone: str) -> None:
    await delivered(api, phone, webotp_host="login.example.ru")
    assert (await text(gateways, phone)).split("\n")[-1] == f"@login.example.ru #{CODE}"


async def test_a_text_needs_the_permission_of_the_settings(api: Api, gateways: Gateways, phone: str) -> None:
    problem(await deliver(api, phone, code=None, text="Hello 123"), 403, "text_not_allowed")
    problem(await deliver(api, phone, text="Hello"), 422, "validation_failed")
    problem(await deliver(api, phone, code=None), 422, "validation_failed")
    assert await gateways.messages(phone) == []


async def test_a_ready_text_goes_out_as_it_is(theirs: Api, gateways: Gateways, phone: str) -> None:
    said = "Your table is ready.\nCode 4711"
    assert (await deliver(theirs, phone, code=None, text=said)).status_code == 201
    assert await text(gateways, phone) == said
    for unfit in ("x" * 401, "я" * 140, "a\tb", "a\\nb", "a\u200bb", ""):
        problem(await deliver(theirs, phone, code=None, text=unfit), 422, "validation_failed")


@pytest.mark.parametrize("code", ["abc", "a" * 17, "12 34", "1234\n", "{code}", "１２３４"])
async def test_what_is_no_code_is_refused(api: Api, phone: str, code: str) -> None:
    problem(await deliver(api, phone, code=code), 422, "validation_failed")


async def test_the_next_gateway_has_its_turn(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("xml", "status", status=503)
    found = await delivered(api, phone)
    assert [message["gateway"] for message in found["messages"]][-1] == "smska"
    assert CODE in await text(gateways, phone)


async def test_where_nobody_takes_it_it_failed(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("*", "status", status=404)
    answer = await deliver(api, phone, key=f"{phone}-1")
    found = problem(answer, 502, "no_gateway_available")
    assert found["delivery_id"].startswith("dlv_")
    assert "verification_id" not in found
    assert (await api.http.get(f"/v1/deliveries/{found['delivery_id']}")).json()["status"] == "failed"


async def test_a_repeat_sends_nothing(api: Api, second: Api, gateways: Gateways, phone: str) -> None:
    first = (await deliver(api, phone, key=f"{phone}-1")).json()
    again = (await deliver(second, phone, key=f"{phone}-1")).json()
    assert again["id"] == first["id"]
    assert len(await gateways.messages(phone)) == 1
    problem(await deliver(second, phone, key=f"{phone}-1", code="999999"), 422, "idempotency_key_reused")


async def test_the_pause_of_the_phone_does_not_apply(strict: Api, gateways: Gateways, phone: str) -> None:
    await strict.started(phone)
    for code in ("111111", "222222"):
        assert (await deliver(strict, phone, code=code)).status_code == 201
    assert (await strict.start(phone)).json()["code"] == "too_soon"


async def test_one_phone_is_not_bombed_by_who_makes_the_codes(
    api: Api, second: Api, other: Api, gateways: Gateways, phone: str
) -> None:
    """As shipped, across processes and applications; a code of our own goes out all the same."""
    apis = (api, second, other)
    answers = await asyncio.gather(*(deliver(apis[n % 3], phone, code=f"{1000 + n}") for n in range(30)))
    assert len(await gateways.messages(phone)) == 20
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(refused) == 10
    for answer in refused:
        found = problem(answer, 429, "limit_exceeded")
        assert found["limit"] == "deliveries-phone-burst"
        assert 1 <= int(answer.headers["retry-after"]) <= 620
    assert (await api.start(phone)).status_code == 201


async def test_numbers_in_a_row_from_one_address(api: Api, gateways: Gateways, phone: str) -> None:
    address = ".".join(("203", *(str(random.randrange(1, 250)) for _ in range(3))))
    numbers = [f"{phone[:-5]}{n:03}25" for n in range(105)]
    answers: list[Answer] = []
    for start in range(0, len(numbers), 21):
        some = numbers[start : start + 21]
        answers += await asyncio.gather(*(deliver(api, number, client={"ip": address}) for number in some))
    assert Counter(answer.json().get("limit", answer.status_code) for answer in answers) == {
        201: 100, "deliveries-ip-burst": 5,
    }  # fmt: skip
    assert (await deliver(api, f"{phone[:-5]}99925")).status_code == 201, "of another address, or of none"


async def test_a_delivery_is_no_verification(api: Api, other: Api, gateways: Gateways, phone: str) -> None:
    found = await delivered(api, phone, code="123456", purpose="verification")
    inside = found["id"].removeprefix("dlv_")
    for verification in (found["id"], inside):
        problem(await api.check(verification, "123456"), 404, "not_found")
        problem(await api.status(verification), 404, "not_found")
        problem(await api.resend(verification), 404, "not_found")
        problem(await api.cancel(verification), 404, "not_found")
    problem(await api.post("/v1/verifications/check", {"to": phone, "code": "123456"}), 404, "not_found")
    assert (await api.post("/v1/verifications/search", {"to": phone})).json() == {"verifications": []}
    problem(await other.http.get(f"/v1/deliveries/{found['id']}"), 404, "not_found")
    problem(await api.http.get(f"/v1/deliveries/{inside}"), 404, "not_found")
    verification = (await api.started(phone))["id"]
    problem(await api.http.get(f"/v1/deliveries/dlv_{verification}"), 404, "not_found")
    problem(await api.post(f"/v1/deliveries/dlv_{verification}/converted", None), 404, "not_found")


async def test_converted_is_told_once(api: Api, other: Api, gateways: Gateways, phone: str) -> None:
    found = await delivered(api, phone)
    problem(await other.post(f"/v1/deliveries/{found['id']}/converted", None), 404, "not_found")
    first = (await api.post(f"/v1/deliveries/{found['id']}/converted", None)).json()
    assert first["converted_at"]
    again = (await api.post(f"/v1/deliveries/{found['id']}/converted", None)).json()
    assert again["converted_at"] == first["converted_at"]


async def events(api: Api, delivery: str) -> list[dict[str, Any]]:
    after, found = "", []
    while True:
        page = (await api.http.get("/v1/events", params={"after": after, "limit": 100} if after else {})).json()
        found += [event for event in page["events"] if event["data"].get("delivery_id") == delivery]
        if page["next"] in (None, after) or not page["events"]:
            return found
        after = page["next"]


async def test_events_tell_of_it_and_never_the_code(api: Api, gateways: Gateways, phone: str) -> None:
    found = await delivered(api, phone)
    await api.post(f"/v1/deliveries/{found['id']}/converted", None)
    for _ in range(100):
        told = await events(api, found["id"])
        if {"delivery.created", "delivery.converted"} <= {event["type"] for event in told}:
            break
        await asyncio.sleep(0.1)
    kinds = [event["type"] for event in told]
    assert kinds[0] == "delivery.created"
    assert "delivery.converted" in kinds
    assert "message.updated" in kinds
    assert all("verification_id" not in event["data"] for event in told)
    assert CODE not in json.dumps(told)


async def test_code_and_text_are_sealed_and_go_when_it_is_delivered(
    api: Api, gateways: Gateways, phone: str, redis_url: str
) -> None:
    found = await delivered(api, phone, code="SECRETCODE77")
    async with Redis.from_url(redis_url) as redis:
        names = [name async for name in redis.scan_iter(f"otp:v:*{found['id'].removeprefix('dlv_')}")]
        assert len(names) == 1
        record = await redis.hgetall(names[0])
        assert b"SECRETCODE77" not in b"".join([*record, *record.values()])
        for _ in range(200):
            record = await redis.hgetall(names[0])
            if b"content" not in record:
                break
            await asyncio.sleep(0.1)
        assert b"content" not in record
        assert record[b"m1:status"] == b"delivered"
