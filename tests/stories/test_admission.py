"""Named limits against attackers and people, on two processes and one Redis whose time is moved."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.api import Answer, Api, Gateways, problem
from tests.clock import Clock, faked_server
from tests.running import API_KEY, running_service
from tests.stories.test_check import wrong

SETTINGS = {
    "OTP__LIMITS__DEVICE__PER": "device",
    "OTP__LIMITS__DEVICE__QUOTA": "3",
    "OTP__LIMITS__DEVICE__WINDOW_SECONDS": "3600",
    "OTP__LIMITS__DEVICE__SENTENCE": "Too many codes for this device.",
    "OTP__LIMITS__IP_HOUR__QUOTA": "4",
    "OTP__LIMITS__NETWORK_HOUR__QUOTA": "6",
    "OTP__LIMITS__GUESSES_DAY__QUOTA": "7",
    "OTP__LIMITS__BADGE_GUESSES__PER": "badge",
    "OTP__LIMITS__BADGE_GUESSES__OF": "wrong_codes",
    "OTP__LIMITS__BADGE_GUESSES__QUOTA": "3",
    "OTP__LIMITS__BADGE_GUESSES__WINDOW_SECONDS": "60",
    "OTP__LIMITS__TOTAL__PER": "application,card",
    "OTP__LIMITS__TOTAL__QUOTA": "2",
    "OTP__LIMITS__TOTAL__OF": "sends",
    "OTP__LIMITS__TOTAL__WINDOW_SECONDS": "60",
}


@dataclass(frozen=True)
class World:
    urls: list[str]
    clock: Clock


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sandbox_process: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("limits")
    with (
        faked_server(folder / "redis") as server,
        running_service(folder, server.url, sandbox_process, **SETTINGS) as (first, _, _),
        running_service(folder, server.url, sandbox_process, **SETTINGS) as (second, _, _),
    ):
        yield World([first, second], server.clock)


@pytest.fixture
async def both(world: World) -> AsyncIterator[list[Api]]:
    """The application without pauses, by either process."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Api(url, API_KEY)) for url in world.urls]


def family(phone: str, count: int) -> list[str]:
    return [f"{phone[:-2]}{n}" for n in range(30, 30 + count)]


async def test_s09_one_phone_is_bombed(both: list[Api], world: World, gateways: Gateways, phone: str) -> None:
    """100 starts at once from 50 addresses, each minute again: five messages in ten minutes, a right Retry-After."""
    answers: list[Answer] = []
    for _ in range(3):
        starts = (both[n % 2].start(phone, client={"ip": f"198.51.{n % 50}.7"}) for n in range(100))
        answers += await asyncio.gather(*starts)
        world.clock.move(minutes=1)
    assert Counter(answer.status_code for answer in answers) == {201: 5, 429: 295}
    assert len(await gateways.messages(phone)) == 5

    refused = await both[0].start(phone)
    assert problem(refused, 429, "limit_exceeded")["limit"] == "phone-burst"
    assert refused.json()["detail"] == "At most 5 unverified sends per phone in 10 minutes."
    wait = int(refused.headers["retry-after"])
    assert 7 * 60 - 5 <= wait <= 7 * 60 + 11  # a window of 600 s is counted in steps of 10 s
    world.clock.move(seconds=wait - 1)
    problem(await both[1].start(phone), 429, "limit_exceeded")
    world.clock.move(seconds=1)
    assert (await both[0].start(phone)).status_code == 201


async def test_a_caller_s_own_dimension(both: list[Api], gateways: Gateways, phone: str) -> None:
    """Counted in parallel by two processes, exactly; another device is another count; nothing of it is in clear."""
    numbers = family(phone, 40)
    answers = await asyncio.gather(
        *(both[n % 2].start(number, limits={"device": phone}) for n, number in enumerate(numbers))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 3, 429: 37}
    refused = next(answer for answer in answers if answer.status_code == 429)
    found = problem(refused, 429, "limit_exceeded")
    assert (found["limit"], found["detail"]) == ("device", "Too many codes for this device.")
    await both[0].started(f"{phone[:-2]}80", limits={"device": phone + "x"})
    resent = next(answer.json()["id"] for answer in answers if answer.status_code == 201)
    problem(await both[0].resend(resent), 429, "limit_exceeded")
    assert (await both[0].status(resent)).json()["sends_left"] == 4


@pytest.mark.parametrize("words", [{"devise": "x"}, {"phone": "x"}, {"Device": "x"}, {"device": ""}, {"device": 7}])
async def test_a_word_that_no_limit_counts_by_is_refused(both: list[Api], phone: str, words: dict[str, str]) -> None:
    problem(await both[0].start(phone, limits=words), 422, "validation_failed")


async def test_addresses_and_their_networks(both: list[Api], phone: str) -> None:
    numbers = iter(family(phone, 20))

    async def limit_met(ip: str) -> str:
        answer = await both[0].start(next(numbers), client={"ip": ip})
        return answer.json().get("limit", "") if answer.status_code == 429 else ""

    assert [await limit_met("192.0.2.1") for _ in range(5)] == [""] * 4 + ["ip-hour"]
    assert await limit_met("::ffff:192.0.2.1") == "ip-hour"  # another spelling of the same
    assert await limit_met("192.0.2.4") == ""
    assert await limit_met("192.0.2.2") == ""
    assert await limit_met("192.0.2.3") == "network-hour"
    assert await limit_met("2001:db8:0:1::1") == ""


async def test_what_was_refused_was_not_counted(both: list[Api], world: World, gateways: Gateways, phone: str) -> None:
    """By a later limit, or by the start itself: it takes nothing from the others."""
    words = {"device": f"d{phone}"}
    await gateways.fail("*", "status", status=404)
    for number in family(phone, 5):
        problem(await both[0].start(number, limits=words), 502, "no_gateway_available")
    await gateways.reset()
    for number in family(phone, 3):
        await both[0].started(number, limits=words)
    for number in family(phone, 3):
        problem(await both[0].start(number, limits=words), 429, "limit_exceeded")
    world.clock.move(hours=1, minutes=1)  # of the phones only the admitted sends count
    for number in family(phone, 3):
        await both[0].started(number, limits=words)


async def test_the_right_code_forgives(both: list[Api], gateways: Gateways, phone: str) -> None:
    """A person who signs in again and again meets no limit of unverified sends; one of all sends still counts."""
    for _ in range(8):
        started = await both[0].started(phone, client={"ip": "192.0.2.200"}, limits={"device": f"f{phone}"})
        assert await both[1].outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"
    for _ in range(2):
        started = await both[0].started(phone, limits={"card": phone})
        assert await both[0].outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"
    assert problem(await both[0].start(phone, limits={"card": phone}), 429, "limit_exceeded")["limit"] == "total"


async def test_guesses_of_a_day_across_codes(both: list[Api], world: World, gateways: Gateways, phone: str) -> None:
    """New codes give no new guesses, also not in parallel; a guess that is not judged costs no attempt."""
    pending = [await both[0].started(phone) for _ in range(3)]
    codes = (await gateways.codes(phone))[::-1]
    guesses = [(one["id"], wrong(code)) for one, code in zip(pending, codes, strict=True) for _ in range(4)]

    answers = await asyncio.gather(*(both[n % 2].check(*guess) for n, guess in enumerate(guesses)))

    assert Counter(answer.status_code for answer in answers) == {200: 7, 429: 5}
    left = [(await both[0].status(one["id"])).json()["attempts_left"] for one in pending]
    assert sum(left) == 15 - 7
    refused = await both[0].check(pending[2]["id"], codes[2], key=f"g{phone}")
    assert problem(refused, 429, "limit_exceeded")["limit"] == "guesses-day"
    world.clock.move(hours=25)
    tomorrow = await both[0].started(phone)
    problem(await both[0].check(tomorrow["id"], "12"), 422, "validation_failed")
    assert await both[0].outcome(tomorrow["id"], (await gateways.codes(phone))[0]) == "approved"


async def test_right_codes_are_no_guesses(both: list[Api], gateways: Gateways, phone: str) -> None:
    for n in range(9):
        started = await both[n % 2].started(phone)
        assert await both[n % 2].outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"


async def test_guesses_by_a_word_of_the_caller(both: list[Api], world: World, gateways: Gateways, phone: str) -> None:
    """What is counted by more than the phone is counted elsewhere than its attempt, which is given back then."""
    numbers = family(phone, 2)
    pending = [await both[0].started(number, limits={"badge": phone}) for number in numbers]
    codes = [(await gateways.codes(number))[0] for number in numbers]
    for n in range(3):
        assert await both[0].outcome(pending[0]["id"], wrong(codes[0]), key=f"{phone}{n}") == "wrong_code"
    for number, code in zip(pending, codes, strict=True):
        refused = await both[1].check(number["id"], code, key=f"right-{phone}")
        assert problem(refused, 429, "limit_exceeded")["limit"] == "badge-guesses"
    for _ in range(8):  # more than the guesses of a day: what is given back is given back everywhere
        problem(await both[0].check(pending[1]["id"], codes[1]), 429, "limit_exceeded")
    assert [(await both[0].status(one["id"])).json()["attempts_left"] for one in pending] == [2, 5]
    world.clock.move(seconds=70)
    assert await both[0].outcome(pending[1]["id"], codes[1]) == "approved"


@pytest.mark.parametrize(
    ("number", "kind"),
    [("8 495 123-45-67", "fixed_line"), ("88001234567", "toll_free"), ("+78091234567", "premium_rate")],
)
async def test_numbers_that_get_no_sms(both: list[Api], number: str, kind: str) -> None:
    assert problem(await both[0].start(number), 403, "number_type_not_allowed")["number_type"] == kind
