"""Codes are judged: once, in time, for the phone and purpose they were made for, and never more often than allowed."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.api import Api, Gateways, problem


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


@pytest.fixture
async def pending(api: Api, gateways: Gateways, phone: str) -> tuple[str, str]:
    """A pending verification and its code."""
    started = await api.started(phone, purpose="login")
    return started["id"], (await gateways.codes(phone))[0]


async def test_s01_200_wrong_guesses_at_once_five_are_judged(api: Api, second: Api, pending: tuple[str, str]) -> None:
    verification, code = pending

    outcomes = await asyncio.gather(
        *((api, second)[n % 2].outcome(verification, f"{(int(code) + n + 1) % 1_000_000:06}") for n in range(200))
    )

    assert Counter(outcomes) == {"wrong_code": 4, "exhausted": 196}
    kept = (await api.status(verification)).json()
    assert (kept["status"], kept["attempts_left"]) == ("exhausted", 0)
    assert await second.outcome(verification, code) == "exhausted"


async def test_s02_100_right_guesses_at_once_one_is_approved(api: Api, second: Api, pending: tuple[str, str]) -> None:
    verification, code = pending

    outcomes = Counter(await asyncio.gather(*((api, second)[n % 2].outcome(verification, code) for n in range(100))))

    assert outcomes.pop("approved") == 1
    assert set(outcomes) <= {"already_approved", "exhausted"}
    assert (await api.status(verification)).json()["status"] == "approved"


async def test_the_last_wrong_code_says_exhausted(api: Api, pending: tuple[str, str]) -> None:
    verification, code = pending
    outcomes = [await api.outcome(verification, wrong(code)) for _ in range(6)]
    assert outcomes == ["wrong_code"] * 4 + ["exhausted"] * 2
    assert await api.outcome(verification, code) == "exhausted"


async def test_a_code_is_good_once(api: Api, pending: tuple[str, str]) -> None:
    verification, code = pending
    assert await api.outcome(verification, code) == "approved"
    assert await api.outcome(verification, code) == "already_approved"
    assert await api.outcome(verification, wrong(code)) == "already_approved"


async def test_the_lost_answer(api: Api, second: Api, pending: tuple[str, str]) -> None:
    """Asked again with its Idempotency-Key, the same verdict; with another, the truth."""
    verification, code = pending
    assert await api.outcome(verification, wrong(code), key="try-1") == "wrong_code"
    assert await second.outcome(verification, wrong(code), key="try-1") == "wrong_code"
    first = await api.check(verification, code, key="try-2")
    assert first.json()["attempts_left"] == 3  # the repeated one counted once

    again = await second.check(verification, code, key="try-2")

    assert again.json() == first.json()
    assert again.json()["approved"] is True
    assert await second.outcome(verification, code, key="try-3") == "already_approved"
    assert await api.outcome(verification, wrong(code), key="try-1") == "wrong_code"
    problem(await api.check(verification, wrong(code), key="try-2"), 422, "idempotency_key_reused")


async def test_one_key_at_once_one_attempt(api: Api, second: Api, pending: tuple[str, str]) -> None:
    verification, code = pending

    answers = await asyncio.gather(*((api, second)[n % 2].check(verification, code, key="same") for n in range(50)))

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 409}
    assert {a.json()["outcome"] for a in answers if a.status_code == 200} == {"approved"}
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "request_in_progress")
    assert (await api.status(verification)).json()["attempts_left"] == 4


@pytest.mark.parametrize("code", ["123", "12345678901", "12345a", "123_456", "123456\n", "１２３４５６", "١٢٣٤٥٦", ""])
async def test_what_is_no_code_costs_no_attempt(api: Api, pending: tuple[str, str], code: str) -> None:
    verification, _ = pending
    found = problem(await api.check(verification, code), 422, "validation_failed")
    assert found["errors"][0]["field"] == "code"
    assert (await api.status(verification)).json()["attempts_left"] == 5


async def test_another_phone_or_purpose_is_not_found(api: Api, pending: tuple[str, str], phone: str) -> None:
    verification, code = pending
    problem(await api.check(verification, code, to="+79160000001"), 404, "not_found")
    problem(await api.check(verification, code, purpose="payment"), 404, "not_found")
    assert (await api.status(verification)).json()["attempts_left"] == 5
    assert await api.outcome(verification, code, to=f"8{phone[2:]}", purpose="login") == "approved"


async def test_another_application_is_not_found(api: Api, other: Api, pending: tuple[str, str]) -> None:
    verification, code = pending
    unknown = await other.check("A" * 36, code)
    for answer in (
        await other.check(verification, code),
        await other.status(verification),
        await other.resend(verification),
        await other.cancel(verification),
    ):
        found = problem(answer, 404, "not_found")
        assert found == unknown.json()
    assert (await api.status(verification)).json()["attempts_left"] == 5


@pytest.mark.parametrize("unknown", ["x", "A" * 36, "A" * 35 + "=", "%00", "..", "ы" * 36, "A" * 5000])
async def test_unknown_ids(api: Api, unknown: str) -> None:
    for answer in (await api.status(unknown), await api.check(unknown, "123456")):
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_cancel(api: Api, pending: tuple[str, str]) -> None:
    verification, code = pending
    assert (await api.cancel(verification)).json()["status"] == "canceled"
    assert (await api.cancel(verification)).json()["status"] == "canceled"
    assert await api.outcome(verification, code) == "canceled"
    problem(await api.resend(verification), 409, "not_pending")


async def test_cancel_leaves_an_approved_one_alone(api: Api, pending: tuple[str, str]) -> None:
    verification, code = pending
    assert await api.outcome(verification, code) == "approved"
    assert (await api.cancel(verification)).json()["status"] == "approved"
