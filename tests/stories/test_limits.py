"""How often a phone may be sent to, and what a caller hears who asks too soon or too often."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.api import Api, Gateways, problem


async def test_a_second_start_is_too_soon(strict: Api, gateways: Gateways, phone: str) -> None:
    await strict.started(phone)

    answer = await strict.start(f"8 ({phone[2:5]}) {phone[5:8]}-{phone[8:]}")  # the same phone, written otherwise

    problem(answer, 429, "too_soon")
    assert 28 <= int(answer.headers["retry-after"]) <= 30
    assert len(await gateways.messages(phone)) == 1


async def test_a_resend_is_too_soon(strict: Api, phone: str) -> None:
    started = await strict.started(phone)
    problem(await strict.resend(started["id"]), 429, "too_soon")


async def test_success_ends_the_pause(strict: Api, gateways: Gateways, phone: str) -> None:
    started = await strict.started(phone)
    assert await strict.outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"
    await strict.started(phone)


async def test_pauses_are_per_application(strict: Api, api: Api, phone: str) -> None:
    await strict.started(phone)
    await api.started(phone)


async def test_parallel_starts_for_one_phone_send_one(strict: Api, gateways: Gateways, phone: str) -> None:
    answers = await asyncio.gather(*(strict.start(phone) for _ in range(30)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 429: 29}
    assert len(await gateways.messages(phone)) == 1


async def test_sends_are_counted(api: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(phone)
    for left in (3, 2, 1, 0):
        assert (await api.resend(started["id"])).json()["sends_left"] == left

    answer = await api.resend(started["id"])

    problem(answer, 429, "no_sends_left")
    assert 280 <= int(answer.headers["retry-after"]) <= 300
    assert len(await gateways.messages(phone)) == 5


async def test_s25_50_starts_with_one_key_send_one(api: Api, second: Api, gateways: Gateways, phone: str) -> None:
    answers = await asyncio.gather(*((api, second)[n % 2].start(phone, key="one-key-" + phone) for n in range(50)))

    assert set(Counter(answer.status_code for answer in answers)) <= {201, 409}
    ids = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(ids) == 1
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "request_in_progress")
            assert answer.headers["retry-after"]
    assert len(await gateways.messages(phone)) == 1


async def test_s25_a_repeated_start_is_the_same_verification_as_it_is_now(
    api: Api, gateways: Gateways, phone: str
) -> None:
    first = await api.start(phone, key="again-" + phone, reference="r1")
    (code,) = await gateways.codes(phone)
    assert await api.outcome(first.json()["id"], code) == "approved"

    again = await api.start(phone, key="again-" + phone, reference="r1")

    assert again.status_code == 201
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "approved")
    assert len(await gateways.messages(phone)) == 1
    problem(await api.start(phone, key="again-" + phone, reference="r2"), 422, "idempotency_key_reused")


async def test_s25_keys_of_two_applications_do_not_meet(api: Api, other: Api, phone: str) -> None:
    first = (await api.start(phone, key="shared-" + phone)).json()
    second = (await other.start(phone, key="shared-" + phone)).json()
    assert first["id"] != second["id"]


async def test_a_refused_start_gives_its_key_back(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("*", "status", status=404)
    problem(await api.start(phone, key="back-" + phone), 502, "no_gateway_available")
    await gateways.reset()
    answer = await api.start(phone, key="back-" + phone)
    assert answer.status_code == 201


async def test_a_repeated_resend_sends_once(api: Api, second: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(phone)

    answers = await asyncio.gather(
        *((api, second)[n % 2].resend(started["id"], key="resend-" + phone) for n in range(20))
    )

    assert set(Counter(answer.status_code for answer in answers)) <= {200, 409}
    assert len(await gateways.messages(phone)) == 2
    again = await api.resend(started["id"], key="resend-" + phone)
    assert (again.status_code, again.json()["sends_left"]) == (200, 3)


async def test_the_ledger_of_a_phone(api: Api, gateways: Gateways, phone: str) -> None:
    """From 20 wrong codes in a row on the phone waits; all checks but the first of a verification."""
    judged = 0
    for _ in range(4):
        started = await api.started(phone)
        code = (await gateways.codes(phone))[0]
        for n in range(5):
            answer = await api.check(started["id"], f"{(int(code) + n + 1) % 1_000_000:06}")
            judged += answer.status_code == 200
    assert judged == 20

    started = await api.started(phone)
    assert (await api.check(started["id"], "000000")).status_code == 200  # the first one of a verification
    answer = await api.check(started["id"], "123456")

    problem(answer, 429, "too_many_failures")
    assert 55 <= int(answer.headers["retry-after"]) <= 60
    assert (await api.status(started["id"])).json()["attempts_left"] == 4


@pytest.mark.parametrize(
    "written", ["+7 916 {rest}", "8(916){rest}", "7916{rest}", "916{rest}", "+7-916-{rest}", " +7 (916) {rest} "]
)
async def test_spellings_of_one_phone(api: Api, phone: str, written: str) -> None:
    started = await api.started(written.replace("{rest}", phone[5:]))
    assert started["to"] == phone


@pytest.mark.parametrize(
    "written", ["+7٩١٦1234567", "+7916123456a", "+7916123456", "call me", "+891612345", "+7916123456789", "12345"]
)
async def test_what_is_no_phone(api: Api, written: str) -> None:
    found = problem(await api.start(written), 422, "invalid_phone")
    assert found["errors"][0]["field"] == "to"


@pytest.mark.parametrize("abroad", ["+77012345678", "+380441234567", "+12025550123"])
async def test_countries(api: Api, abroad: str) -> None:
    found = problem(await api.start(abroad), 403, "country_not_allowed")
    assert found["country"] in ("KZ", "UA", "US")
