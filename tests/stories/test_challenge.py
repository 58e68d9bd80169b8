"""A-8: as installed. Shadow until the evidence is plain, then a challenge, then no; what callers may say of clients."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.api import Answer, Api, Gateways, problem
from tests.clock import FakedServer, faked_server
from tests.running import API_KEY, create_key, running_service

SETTINGS = {
    "OTP__GUARD__MODE": "auto",
    "OTP__GUARD__VERIFIED_FLOOR": "3",
    "OTP__GUARD__DEVICE_FLOOR": "3",
    "OTP__GUARD__JA4_FLOOR": "4",
    **{f"OTP__APPLICATIONS__{name}__LIMITS": "ip-hour" for name in ("OTHER", "STRICT", "SPREAD", "CLIENTS", "HIDDEN")},
    **{f"OTP__APPLICATIONS__{name}__BRAND": name.title() for name in ("SPREAD", "CLIENTS", "HIDDEN")},
    **{f"OTP__APPLICATIONS__{name}__RESEND_PAUSE_SECONDS": "0" for name in ("STRICT", "SPREAD", "CLIENTS", "HIDDEN")},
    "OTP__APPLICATIONS__STRICT__GUARD": "enforce",
    "OTP__APPLICATIONS__HIDDEN__ENUMERATION_SAFE": "true",
    "OTP__LIMITS__DEVICE_DAY__PER": "client_device,client_trusted",
    "OTP__LIMITS__DEVICE_DAY__QUOTA": "2",
    "OTP__LIMITS__DEVICE_DAY__WINDOW_SECONDS": "86400",
    "OTP__LIMITS__DEVICE_DAY__OF": "sends",
}
NAMES = ("other", "strict", "spread", "clients", "hidden")


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, sandbox_process: str
) -> Iterator[tuple[FakedServer, list[str], Any]]:
    folder = tmp_path_factory.mktemp("challenge")
    with (
        faked_server(folder / "redis") as server,
        running_service(folder, server.url, sandbox_process, **SETTINGS) as (first, _, _),
        running_service(folder, server.url, sandbox_process, **SETTINGS) as (second, _, _),
    ):
        keys = {name: create_key(folder, server.url, sandbox_process, name, environ=SETTINGS) for name in NAMES}
        yield server, [first, second], {"web": API_KEY, **keys}


@pytest.fixture
async def callers(world: tuple[FakedServer, list[str], dict[str, str]]) -> AsyncIterator[dict[str, list[Api]]]:
    """By application, one caller for each process."""
    _, urls, keys = world
    async with AsyncExitStack() as stack:
        yield {name: [await stack.enter_async_context(Api(url, key)) for url in urls] for name, key in keys.items()}


def numbers(count: int) -> list[str]:
    """Each in a number block of its own."""
    first = random.randrange(100, 500)
    return [f"+7{random.choice(('903', '916', '925'))}{first + n:03}4045" for n in range(count)]


def addresses(count: int) -> list[str]:
    """Each in a network of its own."""
    return [f"{n % 150 + 30}.{n // 150 + 1}.{random.randrange(256)}.7" for n in range(count)]


def codes(answers: list[Answer]) -> Counter[str]:
    return Counter(answer.json().get("code", "sent") for answer in answers)


async def report(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.http.get("/v1/fraud")).json()
    return found


@pytest.mark.slow
async def test_a8_a_row_is_let_go_then_challenged_then_refused(
    callers: dict[str, list[Api]], gateways: Gateways
) -> None:
    apis = callers["other"]
    row = [f"+7958412{place:04}" for place in range(2030, 2090)]

    answers = await asyncio.gather(*(apis[n % 2].start(number) for n, number in enumerate(row)))

    sent = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(sent) <= 3 + 8 + 2, "the first ones are in no row yet, whoever comes first"
    decisions = Counter(one["guard"]["decision"] for one in sent)
    assert decisions["would_refuse"] >= 3, "it goes out over the budget until the evidence is plain"
    refused = next(answer for answer in answers if answer.status_code == 403)
    assert problem(refused, 403, "challenge_required")["reasons"][0] == "adjacent_numbers"
    assert codes(answers).keys() == {"sent", "challenge_required"}

    passed = [await apis[n % 2].start(number, client={"challenge_passed": True}) for n, number in enumerate(row[20:40])]

    assert codes(passed) == {"sent": 4, "suspected_pumping": 16}, "a budget of its own, and no more"
    found = await report(apis[0])
    assert found["mode"] == "auto"
    (line,) = [one for one in found["found"] if (one["reason"], one["value"]) == ("adjacent_numbers", "+7958412")]
    assert (line["challenge_passed"], line["refused"]) == (4, 16)
    assert line["challenged"] == 60 - len(sent)
    started = passed[0].json()
    assert started["guard"]["decision"] == "allowed"
    code = (await gateways.codes(started["to"]))[0]
    assert await apis[1].outcome(started["id"], code) == "approved"
    assert (await apis[0].start(row[50], client={"challenge_passed": True})).status_code == 201, "a person vouches"


@pytest.mark.slow
async def test_a8_a_spread_attack(callers: dict[str, list[Api]], gateways: Gateways) -> None:
    """400 numbers of 400 blocks from 400 addresses, nobody answers: at most a quarter gets a message."""
    apis = callers["spread"]
    people = [f"+7977{n:03}5545" for n in range(100, 106)]
    for number in people[:3]:
        started = await apis[0].started(number, client={"ip": "203.0.113.9"})
        assert await apis[0].outcome(started["id"], (await gateways.codes(number))[0]) == "approved"
    spread = list(zip(numbers(400), addresses(400), strict=True))
    gate = asyncio.Semaphore(40)

    async def one(n: int, number: str, ip: str) -> Answer:
        async with gate:
            return await apis[n % 2].start(number, client={"ip": ip})

    answers = list(await asyncio.gather(*(one(n, *each) for n, each in enumerate(spread))))

    assert codes(answers)["sent"] <= 110
    assert codes(answers).keys() == {"sent", "challenge_required"}
    assert sum([len(await gateways.messages(number)) for number, _ in spread]) == codes(answers)["sent"]
    refused = next(answer.json() for answer in answers if answer.status_code == 403)
    assert "strangers" in refused["reasons"]
    line = next(one for one in (await report(apis[0]))["found"] if one["reason"] == "strangers")
    assert (line["value"], line["challenged"]) == ("RU", codes(answers)["challenge_required"])
    other, trusted, new = people[3:]
    assert (await apis[1].start(other, client={"ip": "203.0.77.1"})).status_code == 201, "others of their network pass"
    assert (await apis[1].start(trusted, client={"ip": "99.1.1.1", "trusted": True})).status_code == 201
    problem(await apis[1].start(new, client={"ip": "99.1.1.1"}), 403, "challenge_required")
    assert (await apis[1].start(new, client={"ip": "99.1.1.1", "challenge_passed": True})).status_code == 201


async def test_a8_in_enforce_what_is_everybody_s_is_challenged(callers: dict[str, list[Api]]) -> None:
    apis = callers["strict"]
    answers = []
    for n, (number, ip) in enumerate(zip(numbers(60), addresses(60), strict=True)):
        answers.append(await apis[n % 2].start(number, client={"ip": ip}))
    assert codes(answers) == {"sent": 40, "challenge_required": 20}


async def test_a8_a_verified_number_has_a_budget_of_its_own(callers: dict[str, list[Api]], gateways: Gateways) -> None:
    apis = callers["other"]
    (number,) = numbers(1)
    started = await apis[0].started(number)
    assert await apis[1].outcome(started["id"], (await gateways.codes(number))[0]) == "approved"

    answers = [await apis[n % 2].start(number) for n in range(12)]

    told = [answer.json().get("guard", {}).get("decision", answer.json().get("code")) for answer in answers]
    assert told == ["passed"] * 3 + ["would_refuse"] * 3 + ["challenge_required"] * 6
    assert answers[0].json()["guard"]["reasons"] == [
        {"reason": "verified_number", "unverified": 1.0, "approved": 0.0, "budget": 3.0}
    ]
    (line,) = [one for one in (await report(apis[0]))["found"] if one["reason"] == "verified_number"]
    assert (line["value"], line["would_refuse"], line["challenged"]) == (number[:-4], 3, 6)
    await asyncio.sleep(0)
    last = answers[5].json()
    assert await apis[0].outcome(last["id"], (await gateways.codes(number))[0]) == "approved"
    assert (await apis[1].started(number))["guard"]["decision"] == "passed", "who answers goes on"


@pytest.mark.parametrize(("word", "value", "floor"), [("device", "d-1", 3), ("ja4", "t13d1516h2_8daaf6152771_x", 4)])
async def test_a8_devices_and_fingerprints_are_watched(
    callers: dict[str, list[Api]], word: str, value: str, floor: int
) -> None:
    api = callers["clients"][0]
    of = [f"+79{n + (30 if word == 'ja4' else 50):02}8{n:02}4045" for n in range(12)]
    answers = [await api.start(number, client={word: value}) for number in of]
    sent = [answer.json()["guard"] for answer in answers if answer.status_code == 201]
    assert len(sent) == 2 * floor
    assert [one["decision"] for one in sent] == ["allowed"] * floor + ["would_refuse"] * floor
    assert sent[-1]["reasons"][0]["reason"] == f"client_{word}"
    assert problem(answers[-1], 403, "challenge_required")["reasons"] == [f"client_{word}"]


async def test_a8_limits_count_what_the_caller_says_of_the_client(callers: dict[str, list[Api]]) -> None:
    """Each value apart, on resends too; and they are not the caller's own words."""
    api, second = callers["web"]
    for trusted in (True, False):
        started = await api.started(numbers(1)[0], client={"device": "of-limits", "trusted": trusted})
        assert (await second.resend(started["id"])).status_code == 200
        answer = await second.start(numbers(2)[1], client={"device": "of-limits", "trusted": trusted})
        assert problem(answer, 429, "limit_exceeded")["limit"] == "device-day"
    assert (await api.start(numbers(1)[0], client={"device": "of-limits"})).status_code == 201
    problem(await api.start(numbers(1)[0], limits={"client_device": "x"}), 422, "validation_failed")


@pytest.mark.parametrize(
    "client", [{"ja4": "a b"}, {"ja4": ""}, {"device": ""}, {"trusted": "yes"}, {"challenge_passed": "maybe"}]
)
async def test_a8_what_is_misspelt_is_refused(callers: dict[str, list[Api]], client: dict[str, Any]) -> None:
    problem(await callers["web"][0].start("+79161234045", client=client), 422, "validation_failed")


async def test_a8_an_application_that_tells_nothing_asks_for_no_challenge(
    callers: dict[str, list[Api]], gateways: Gateways
) -> None:
    """It sees to that by itself; what was challenged looks like any other start."""
    api = callers["hidden"][0]
    row = [f"+7958413{place:04}" for place in range(2030, 2060)]
    answers = [await api.start(number) for number in row]
    assert {answer.status_code for answer in answers} == {201}
    assert sum([len(await gateways.messages(number)) for number in row]) <= 3 + 8
    assert len(await gateways.messages(row[-1])) == 0
    assert (await api.start(row[-2], client={"challenge_passed": True})).status_code == 201
    assert len(await gateways.messages(row[-2])) == 1
