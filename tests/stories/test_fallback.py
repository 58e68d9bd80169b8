"""A code goes out although gateways fail: which way it takes, what the caller hears, and that it works."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.api import Api, Gateways, problem

PASSWORD_FAULTS = {
    "error": {"fault": "error", "error": "Неверный логин или пароль"},
    "unknown error text": {"fault": "error", "error": "Что-то пошло не так"},
    "failure inside success": {"fault": "success_status", "error": "connection_error"},
    "not delivered inside success": {"fault": "success_status", "error": "not_deliver"},
    "HTML": {"fault": "html"},
    "wrong length": {"fault": "code_length"},
    "silence": {"fault": "stall", "seconds": 30},
    "cut in the middle": {"fault": "cut"},
    "reset": {"fault": "reset"},
    "processed, then reset": {"fault": "processed_then_reset"},
    "503": {"fault": "status", "status": 503},
    "empty": {"fault": "empty"},
    "empty response": {"fault": "empty_response"},
    "garbage": {"fault": "garbage"},
}


async def test_the_gateway_makes_the_code_by_default(api: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(phone, purpose="login", reference="order-77")

    assert [m["gateway"] for m in started["messages"]] == ["targetsms-password"]
    assert started["messages"][0]["status"] == "accepted"
    assert (started["attempts_left"], started["sends_left"]) == (5, 4)
    (code,) = await gateways.codes(phone)
    assert len(code) == 6
    answer = (await api.check(started["id"], code, to=phone, purpose="login")).json()
    assert answer == {
        "id": started["id"], "outcome": "approved", "approved": True, "status": "approved", "attempts_left": 4,
        "to": phone, "purpose": "login", "reference": "order-77", "subject": None, "test": False,
        "assurance": "held",
    }  # fmt: skip


@pytest.mark.parametrize("name", PASSWORD_FAULTS)
async def test_password_api_fails_and_the_code_comes_by_xml(
    api: Api, gateways: Gateways, phone: str, name: str
) -> None:
    await gateways.fail("password", **PASSWORD_FAULTS[name])

    started = await api.started(phone)

    first, second = started["messages"]
    assert (first["gateway"], second["gateway"]) == ("targetsms-password", "targetsms-xml")
    assert first["status"] in ("rejected", "unclear")
    assert second["status"] == "accepted"
    by_xml = [m for m in await gateways.messages(phone) if m["gateway"] == "targetsms-xml"]
    assert len(by_xml) == 1
    assert await api.outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"


async def test_password_and_xml_fail_and_the_code_comes_by_smska(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("password", "error", error="Неверный логин или пароль")
    await gateways.fail("xml", "error", error="Ваш аккаунт заблокирован")

    started = await api.started(phone)

    assert [(m["gateway"], m["status"]) for m in started["messages"]] == [
        ("targetsms-password", "rejected"), ("targetsms-xml", "rejected"), ("smska", "accepted"),
    ]  # fmt: skip
    assert started["messages"][1]["reason"] == "account_blocked"
    (code,) = await gateways.codes(phone)
    assert await api.outcome(started["id"], code) == "approved"


async def test_all_fail(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("*", "status", status=404)

    found = problem(await api.start(phone), 502, "no_gateway_available")

    kept = (await api.status(found["verification_id"])).json()
    assert kept["status"] == "failed"
    assert [m["status"] for m in kept["messages"]] == ["rejected"] * 3
    assert await api.outcome(found["verification_id"], "123456") == "failed"


async def test_all_fail_and_the_send_is_given_back(strict: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("*", "status", status=404)
    problem(await strict.start(phone), 502, "no_gateway_available")
    await gateways.reset()

    again = await strict.started(phone)  # no pause: nothing was sent

    assert again["messages"][0]["status"] == "accepted"
    problem(await strict.start(phone), 429, "too_soon")


async def test_held_for_funds_is_no_answer(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("password", "error", error="Закончились SMS.")
    await gateways.account(money=0)

    started = await api.started(phone)

    assert [(m["gateway"], m["status"]) for m in started["messages"]] == [
        ("targetsms-password", "rejected"), ("targetsms-xml", "held"), ("smska", "accepted"),
    ]  # fmt: skip
    assert len(set(await gateways.codes(phone))) == 1


async def test_held_and_nobody_else_is_taken_back(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("password", "error", error="Закончились SMS.")
    await gateways.account(money=0)
    await gateways.fail("smska", "error", error="-5|Insufficient Credits.")

    found = problem(await api.start(phone), 502, "no_gateway_available")

    kept = (await api.status(found["verification_id"])).json()
    assert kept["status"] == "failed"
    assert kept["messages"][1]["status"] == "canceled"
    await gateways.account(money=1000)
    assert [m["status"] for m in await gateways.messages(phone)] == ["canceled"]


@pytest.mark.parametrize("fault", ["processed_then_reset", "cut", "processed_then_stall"])
async def test_xml_took_it_and_its_answer_was_lost(api: Api, gateways: Gateways, phone: str, fault: str) -> None:
    await gateways.fail("password", "error", error="Неверный логин или пароль")
    await gateways.fail("xml", fault)
    await gateways.fail("smska", "error", error="-7|Your SenderID is not valid.")

    answer = await api.start(phone)

    assert answer.status_code == 201
    started = answer.json()
    assert started["status"] == "pending"
    assert [m["status"] for m in started["messages"]] == ["rejected", "unclear", "rejected"]
    (code,) = await gateways.codes(phone)  # one SMS, although XML was asked twice
    assert await gateways.asked("xml") == 2
    assert await api.outcome(started["id"], code) == "approved"


async def test_xml_is_silent_once_and_the_repeat_sends_nothing_new(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("password", "error", error="Неверный логин или пароль")
    await gateways.fail("xml", "processed_then_stall", times=1)

    started = await api.started(phone)

    assert [m["status"] for m in started["messages"]] == ["rejected", "accepted"]
    assert await gateways.asked("xml") == 2
    assert len(await gateways.messages(phone)) == 1


async def test_password_and_xml_are_black_holes(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("password", "stall")
    await gateways.fail("xml", "stall")
    began = time.monotonic()

    started = await api.started(phone)

    assert time.monotonic() - began < 4.5
    assert [m["status"] for m in started["messages"]] == ["unclear", "unclear", "accepted"]
    assert started["messages"][2]["gateway"] == "smska"
    (code,) = await gateways.codes(phone)
    assert await api.outcome(started["id"], code) == "approved"


async def test_the_phone_can_never_get_it(api: Api, gateways: Gateways) -> None:
    await gateways.fail("password", "error", error="Неверный логин или пароль")

    found = problem(await api.start("+79161234500"), 422, "phone_rejected")  # on the stop list

    assert found["reason"] == "stop_list"
    assert (await api.status(found["verification_id"])).json()["status"] == "failed"
    assert await gateways.asked("smska") == 0


async def test_after_a_fallback_both_codes_are_good(api: Api, gateways: Gateways, phone: str) -> None:
    """The gateway's own code came; a resend brings the local one; either may be typed."""
    for which in (0, 1):
        number = f"{phone[:-2]}{which + 40}"
        started = await api.started(number)
        resent = await api.resend(started["id"])
        assert resent.status_code == 200, resent.text
        codes = await gateways.codes(number)
        assert len(codes) == 2
        assert codes[0] != codes[1]
        assert await api.outcome(started["id"], codes[which]) == "approved"


async def test_resend_repeats_the_local_code_and_not_the_attempts(api: Api, gateways: Gateways, phone: str) -> None:
    await gateways.fail("password", "error", error="Неверный логин или пароль")
    started = await api.started(phone)
    (code,) = await gateways.codes(phone)
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(2):
        assert await api.outcome(started["id"], wrong) == "wrong_code"

    resent = (await api.resend(started["id"])).json()
    again = (await api.resend(started["id"])).json()

    assert resent["attempts_left"] == 3
    assert (resent["sends_left"], again["sends_left"]) == (3, 2)
    assert [m["gateway"] for m in again["messages"]] == [
        "targetsms-password",
        "targetsms-xml",
        "smska",
        "targetsms-xml",
    ]
    assert await gateways.codes(phone) == [code] * 3
    assert await api.outcome(started["id"], code) == "approved"


async def test_a_resend_that_nobody_takes_leaves_the_first_code_good(api: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(phone)
    (code,) = await gateways.codes(phone)
    await gateways.fail("*", "status", status=404)

    problem(await api.resend(started["id"]), 502, "no_gateway_available")

    kept = (await api.status(started["id"])).json()
    assert (kept["status"], kept["sends_left"]) == ("pending", 4)
    assert await api.outcome(started["id"], code) == "approved"


async def test_many_at_once_do_not_wait_for_each_other(api: Api, gateways: Gateways) -> None:
    await gateways.fail("password", "latency", seconds=0.5)
    began = time.monotonic()

    answers = await asyncio.gather(*(api.start(f"+7916777{n:02}33") for n in range(40)))

    assert {answer.status_code for answer in answers} == {201}
    assert {a.json()["messages"][0]["gateway"] for a in answers} == {"targetsms-password"}
    assert time.monotonic() - began < 4
