"""SMS pumping, sprayed guesses and money: what goes out, who is refused, and what is told of it."""

from __future__ import annotations

import asyncio
import fnmatch
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from otp_service.storage.keys import CATALOGUE
from tests.api import Api, Gateways, problem
from tests.clock import FakedServer, faked_server
from tests.running import API_KEY, create_key, running_service
from tests.storage.test_keys import globbed
from tests.stories.test_check import wrong

SETTINGS = {
    "OTP__GUARD__IP_FLOOR": "6",
    "OTP__GUARD__REGION_FLOOR": "10000",
    "OTP__GUARD__COUNTRY_FLOOR": "3",
    "OTP__GUARD__ALLOW": "+7958777,192.0.2.128/25",
    "OTP__GUARD__BLOCK": "+7958666,198.51.100.0/24",
    "OTP__GUARD__WRONG_CODES_FLOOR": "12",
    "OTP__APPLICATIONS__WEB__ENUMERATION_SAFE": "true",
    "OTP__APPLICATIONS__OTHER__GUARD": "enforce",
    "OTP__APPLICATIONS__OTHER__COUNTRIES": "RU,KZ",
    "OTP__APPLICATIONS__OTHER__ALARM_CODE_LENGTH": "8",
    "OTP__APPLICATIONS__STRICT__BUDGET_PER_DAY": "20",
    "OTP__APPLICATIONS__STRICT__GUARD": "off",
    "OTP__TESTING__IN_PRODUCTION": "true",
}


@dataclass(frozen=True)
class World:
    server: FakedServer
    urls: list[str]
    keys: dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sandbox_process: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("pumping")
    with (
        faked_server(folder / "redis") as server,
        running_service(folder, server.url, sandbox_process, **SETTINGS) as (first, _, _),
        running_service(folder, server.url, sandbox_process, **SETTINGS) as (second, _, _),
    ):
        keys = {name: create_key(folder, server.url, sandbox_process, name) for name in ("other", "strict")}
        yield World(server, [first, second], {"web": API_KEY, **keys})


@pytest.fixture
async def callers(world: World) -> AsyncIterator[dict[str, list[Api]]]:
    """By application, one caller for each process."""
    async with AsyncExitStack() as stack:
        yield {
            name: [await stack.enter_async_context(Api(url, key)) for url in world.urls]
            for name, key in world.keys.items()
        }


def block(operator: str) -> str:
    """A number block of the test's own."""
    return f"+7{operator}{random.randrange(1_000, 6_000)}"[:8]  # never one that is on a list


def row(of: str, count: int, first: int = 2_030) -> list[str]:
    """Numbers next to each other, without the sandbox's magic endings."""
    return [f"{of}{place:04}" for place in range(first, first + count)]


async def report(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.http.get("/v1/fraud")).json()
    return found


async def events(api: Api, kind: str) -> list[dict[str, Any]]:
    """Events of one type, when the first has come."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found, after = [], ""
        while listed := (await api.http.get("/v1/events", params={"after": after} if after else {})).json()["events"]:
            found += [event for event in listed if event["type"] == kind]
            after = listed[-1]["id"]
        if found:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"no {kind}")


@pytest.mark.slow
async def test_a_row_of_numbers_in_shadow(callers: dict[str, list[Api]], gateways: Gateways) -> None:
    """All goes out; each verification says what was thought of it, the report names the block and counts the person."""
    api, second = callers["web"]
    mine = block("958")
    started = [await api.started(number) for number in row(mine, 20)]

    assert [one["guard"]["decision"] for one in started] == ["allowed"] * 7 + ["would_refuse"] * 13
    kept = (await second.status(started[-1]["id"])).json()["guard"]
    assert kept == {
        "decision": "would_refuse",
        "reasons": [{"reason": "adjacent_numbers", "unverified": 5.0, "approved": 0.0, "budget": 4.0}],
    }
    assert await second.outcome(started[10]["id"], (await gateways.codes(started[10]["to"]))[0]) == "approved"
    found = await report(api)
    assert found["mode"] == "shadow"
    (line,) = [one for one in found["found"] if one["value"] == mine]
    assert line == {
        "reason": "adjacent_numbers", "value": mine, "refused": 0, "would_refuse": 13, "converted": 1,
        "challenged": 0, "challenge_passed": 0,
    }  # fmt: skip
    again = await api.started(started[10]["to"])
    assert (again["guard"]["decision"], again["guard"]["reasons"][0]["reason"]) == ("passed", "verified_number")


async def test_s08_a_row_of_numbers_in_enforce(callers: dict[str, list[Api]], world: World, gateways: Gateways) -> None:
    """Asked for in parallel by two processes. People of the same block go on, new ones and known ones."""
    apis = callers["other"]
    mine = block("959")
    known, new = row(mine, 2, 8_030)
    assert await apis[0].outcome((await apis[0].started(known))["id"], (await gateways.codes(known))[0]) == "approved"

    answers = await asyncio.gather(*(apis[n % 2].start(number) for n, number in enumerate(row(mine, 40))))

    sent = Counter(answer.status_code for answer in answers)
    assert sent[201] + sent[403] == 40
    assert sent[201] <= 7
    refused = next(answer for answer in answers if answer.status_code == 403)
    assert "adjacent_numbers" in problem(refused, 403, "suspected_pumping")["reasons"]
    assert (await apis[1].started(known))["guard"]["decision"] == "passed"
    assert (await apis[1].started(new))["guard"]["decision"] == "allowed"
    world.server.clock.move(hours=6)  # it goes on, a number each quarter of an hour
    later = Counter([(await apis[0].start(number)).status_code for number in row(mine, 24, 2_070)])
    assert later[201] <= 1  # a little has faded
    assert (await report(apis[0]))["total"]["refused"] >= 23 + 33


async def test_numbers_here_and_there_in_a_block(callers: dict[str, list[Api]], world: World) -> None:
    """No row, so the budget of the block bounds them: twelve, resends included; it fades in days."""
    apis = callers["other"]
    mine = block("977")
    places = [300 * n + 30 for n in range(20)]
    starts = [await apis[n % 2].start(f"{mine}{place:04}") for n, place in enumerate(places[:10])]
    assert {answer.status_code for answer in starts} == {201}
    for answer in starts[:2]:
        assert (await apis[0].resend(answer.json()["id"])).status_code == 200
    refused = await apis[0].resend(starts[2].json()["id"])
    assert problem(refused, 403, "suspected_pumping")["reasons"] == ["number_block"]
    assert (await apis[0].status(starts[2].json()["id"])).json()["sends_left"] == 4
    problem(await apis[0].start(f"{mine}{places[11]:04}"), 403, "suspected_pumping")
    world.server.clock.move(hours=72)  # 12 x e^-1 are left
    assert [(await apis[0].start(f"{mine}{place:04}")).status_code for place in places[10:18]] == [201] * 7 + [403]


@pytest.mark.slow
async def test_the_budget_follows_the_approvals(callers: dict[str, list[Api]], gateways: Gateways) -> None:
    """60 people at one address with the conversion of normal traffic; then nobody answers any more."""
    api = callers["other"][0]
    of_people = [f"{block('90')}{random.randrange(10_000):04}"[:10] + "45" for _ in range(60)]
    for n, number in enumerate(dict.fromkeys(of_people)):
        started = await api.started(number, client={"ip": "192.0.2.7"})
        if n % 5 < 2:
            assert await api.outcome(started["id"], (await gateways.codes(number))[0]) == "approved"
    statuses = []
    for n in range(140):
        answer = await api.start(f"{block('92')}{7 * n:04}"[:10] + "57", client={"ip": "192.0.2.7"})
        statuses.append(answer.status_code)
        if answer.status_code == 403:
            assert problem(answer, 403, "suspected_pumping")["reasons"] == ["client_ip"]
    assert 30 <= statuses.index(403) <= 99
    assert statuses[-1] == 403


async def test_foreign_countries_have_a_budget(callers: dict[str, list[Api]]) -> None:
    """By the number's region, not by its prefix: +7 701 is Kazakhstan."""
    api = callers["other"][0]
    answers = [await api.start(f"+7701{n}234545") for n in range(2, 6)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 403]
    assert problem(answers[-1], 403, "suspected_pumping")["reasons"] == ["country"]


async def test_lists(callers: dict[str, list[Api]]) -> None:
    api = callers["other"][0]
    for number in row("+7958777", 12):
        assert (await api.started(number))["guard"]["reasons"][0]["reason"] == "allow_list"
    problem(await api.start("+79586661234"), 403, "on_block_list")
    problem(await api.start("+79035550045", client={"ip": "198.51.100.200"}), 403, "on_block_list")
    problem(await api.start("+79035550045", client={"ip": "::ffff:198.51.100.200"}), 403, "on_block_list")


async def test_decoys_meet_the_same_limits(callers: dict[str, list[Api]], gateways: Gateways) -> None:
    """An application that does not tell whom it refuses: neither do its limits, nor what the guard is said to think."""
    api = callers["web"][0]
    for number in ("+79586661245", block("914") + "3145"):
        answers = [await api.start(number) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [201] * 5 + [429]
        assert problem(answers[-1], 429, "limit_exceeded")["limit"] == "phone-burst"
        assert {answer.json()["guard"]["decision"] for answer in answers[:5]} == {"allowed"}
    assert await gateways.messages("+79586661245") == []


async def test_s05_a_spray_of_guesses(callers: dict[str, list[Api]], world: World, gateways: Gateways) -> None:
    """One wrong code at each of 13 phones: the alarm is told, and new codes become longer."""
    apis = callers["other"]
    world.server.clock.move(hours=2)  # the right codes of before would make it wait
    numbers = [f"{block('93')}{n:02}45" for n in range(13)]
    for n, number in enumerate(dict.fromkeys(numbers)):
        started = await apis[n % 2].started(number)
        code = (await gateways.codes(number))[0]
        assert len(code) == 6
        assert await apis[n % 2].outcome(started["id"], wrong(code)) == "wrong_code"
    async with asyncio.timeout(5):  # processes tell each other four times in a second
        while not (await report(apis[0]))["wrong_code_alarm"]:
            await asyncio.sleep(0.1)
    told = await events(apis[0], "application.wrong_codes")
    assert told[-1]["data"] == {"wrong": 13, "budget": 12}
    number = row(block("934"), 1)[0]
    started = await apis[1].started(number)
    assert len((await gateways.codes(number))[0]) == 8
    assert await apis[0].outcome(started["id"], (await gateways.codes(number))[0]) == "approved"


async def test_money_has_an_end(callers: dict[str, list[Api]], world: World, gateways: Gateways) -> None:
    """20 roubles at 4.50: four messages, however many ask at once, until tomorrow in Moscow. Told once each."""
    apis = callers["strict"]
    await gateways.fail("*", "status", status=404)
    for number in row(block("985"), 2):
        problem(await apis[0].start(number), 502, "no_gateway_available")
    assert (await report(apis[0]))["spent_today"] == "0.00"  # nobody took them
    await gateways.reset()

    answers = await asyncio.gather(*(apis[n % 2].start(number) for n, number in enumerate(row(block("985"), 30))))

    assert Counter(answer.status_code for answer in answers) == {201: 4, 429: 26}
    found = await report(apis[0])
    assert (found["spent_today"], found["budget_per_day"]) == ("18.00", "20.00")
    refused = next(answer for answer in answers if answer.status_code == 429)
    problem(refused, 429, "budget_exhausted")
    wait = int(refused.headers["retry-after"])
    midnight = (int(world.server.clock.now()) + 3 * 3600) // 86_400 * 86_400 + 86_400 - 3 * 3600
    assert abs(world.server.clock.now() + wait - midnight) < 20
    for what in ("warning", "exhausted"):
        (event,) = await events(apis[0], f"application.budget_{what}")
        assert event["data"]["budget"] == "20.00"
    world.server.clock.move(seconds=wait)
    assert (await apis[0].start(row(block("986"), 1)[0])).status_code == 201


async def test_prices_are_those_of_who_took_it(callers: dict[str, list[Api]], world: World, gateways: Gateways) -> None:
    """Fall-back to a cheaper gateway costs its price; what a gateway tells later corrects that."""
    world.server.clock.move(hours=24)
    api = callers["strict"][0]
    await gateways.fail("password", "status", status=404, times=1)
    started = await api.started(row(block("987"), 1)[0])
    assert [message["gateway"] for message in started["messages"]] == ["targetsms-password", "targetsms-xml"]
    assert (await report(api))["spent_today"] == "3.00"
    deadline = time.monotonic() + 20
    while (await report(api))["spent_today"] == "3.00" and time.monotonic() < deadline:
        world.server.clock.move(seconds=10)
        await asyncio.sleep(0.3)
    told = (await api.status(started["id"])).json()["messages"][1]
    assert (told["status"], told["price"]) != ("accepted", None)
    assert float((await report(api))["spent_today"]) == pytest.approx(float(told["price"]))


async def test_test_numbers(callers: dict[str, list[Api]], gateways: Gateways) -> None:
    """Nothing is sent, no limit counts, the code is known, each answer says that it is a test; until its last day."""
    api, second = callers["strict"]
    for _ in range(8):
        started = await api.started("8 999 000-00-55")
        assert started["test"] is True
        assert [(one["gateway"], one["status"]) for one in started["messages"]] == [("test", "delivered")]
    resent = (await second.resend(started["id"])).json()
    assert (resent["test"], len(resent["messages"])) == (True, 2)
    wrong_one = (await api.check(started["id"], "111111")).json()
    right_one = (await second.check(started["id"], "424242")).json()
    assert (wrong_one["outcome"], wrong_one["test"]) == ("wrong_code", True)
    assert (right_one["outcome"], right_one["test"]) == ("approved", True)
    assert (await api.status(started["id"])).json()["test"] is True
    assert await gateways.messages("+79990000055") == []
    ended = await callers["web"][0].started("+79990000056")
    assert ended["test"] is False
    assert len(await gateways.messages("+79990000056")) == 1


async def test_they_are_off_in_production(api: Api, gateways: Gateways) -> None:
    assert (await api.started("+79990000055"))["test"] is False
    assert len(await gateways.messages("+79990000055")) == 1


async def test_keys_of_it_are_in_the_catalogue_and_end(
    callers: dict[str, list[Api]], world: World, gateways: Gateways
) -> None:
    """What this leaves, and the tests above."""
    started = [await callers["web"][0].started(number) for number in row(block("959"), 10)]
    assert await callers["web"][0].outcome(started[0]["id"], (await gateways.codes(started[0]["to"]))[0]) == "approved"
    kinds = {globbed(kind.pattern): kind for kind in CATALOGUE}
    seen = set()
    async with Redis.from_url(world.server.url, protocol=2) as redis:
        async for raw in redis.scan_iter(count=1000):
            (pattern,) = [pattern for pattern in kinds if fnmatch.fnmatchcase(raw.decode(), pattern)]
            kind = kinds[pattern]
            found, life = await redis.pipeline().type(raw).pttl(raw).execute()
            if found == b"none":
                continue  # its end came after the scan had seen it
            assert found.decode() == {"sorted set": "zset"}.get(kind.type, kind.type)
            if re.match(r"\d", kind.life):
                assert life > 0, raw
                seen.add(kind.pattern.split(":")[1])
            if kind.pattern.split(":")[1] in ("places", "fraud", "tally"):
                held = str(await (redis.lrange(raw, 0, -1) if kind.type == "list" else redis.hgetall(raw)))
                assert not re.search(r"\+79\d{9}", held), raw
    assert seen >= {"fraud", "spending", "tally", "places", "proved", "verified", "limit"}
