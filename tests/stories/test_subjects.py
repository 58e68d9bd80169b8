"""Phones that a person proved: a verification may name its subject, and then the subject has a verified phone."""

from __future__ import annotations

import secrets

import pytest

from tests.api import Api, Gateways, problem


@pytest.fixture
def subject() -> str:
    return f"user-{secrets.token_hex(6)}"


async def test_an_approval_lists_the_phone(
    api: Api, second: Api, other: Api, gateways: Gateways, phone: str, subject: str
) -> None:
    started = await api.started(phone, subject=subject, reference="r")
    assert (started["subject"], (await second.status(started["id"])).json()["subject"]) == (subject, subject)
    path = f"/v1/subjects/{subject}"
    assert (await api.http.get(path)).json()["phones"] == []
    (code,) = await gateways.codes(phone)
    assert (await api.check(started["id"], code, key="k")).json()["subject"] == subject

    (listed,) = (await second.http.get(path)).json()["phones"]

    assert (listed["phone"], listed["restricted"]) == (f"{phone[:5]}***{phone[-4:]}", True)
    (clear,) = (await api.http.get(path, params={"phones": "clear"})).json()["phones"]
    assert clear["phone"] == phone
    assert (await other.http.get(path)).json()["phones"] == []
    await api.http.delete(path)
    assert await second.outcome(started["id"], code, key="k") == "approved"  # the lost answer, asked again
    assert len((await api.http.get(path)).json()["phones"]) == 1


async def test_without_a_subject_nothing_is_listed(api: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(phone)
    assert started["subject"] is None
    assert await api.outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"
    problem(await api.start(phone, subject="a b"), 422, "validation_failed")


async def test_the_newest_ten_phones_are_remembered(api: Api, gateways: Gateways, phone: str, subject: str) -> None:
    numbers = [f"{phone[:-2]}{n + 40}" for n in range(11)]
    for number in numbers:
        started = await api.started(number, subject=subject)
        assert await api.outcome(started["id"], (await gateways.codes(number))[0]) == "approved"
    listed = (await api.http.get(f"/v1/subjects/{subject}?phones=clear")).json()["phones"]
    assert [one["phone"] for one in listed] == numbers[:0:-1]
