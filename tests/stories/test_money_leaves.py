"""What may have left is paid and counted, whatever the answer: A-5 to A-7, against two processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.api import Api, Gateways, problem
from tests.clock import FakedServer, faked_server
from tests.running import API_KEY, create_key, running_service

SETTINGS = {
    "OTP__GUARD__MODE": "enforce",
    "OTP__APPLICATIONS__POOR__BRAND": "Poor",
    "OTP__APPLICATIONS__POOR__BUDGET_PER_DAY": "20",
    "OTP__APPLICATIONS__POOR__GUARD": "off",
    "OTP__APPLICATIONS__POOR__LIMITS": "ip-hour",
    "OTP__APPLICATIONS__POOR__RESEND_PAUSE_SECONDS": "0",
    "OTP__APPLICATIONS__OTHER__LIMITS": "ip-hour",
}


@dataclass(frozen=True)
class World:
    server: FakedServer
    urls: list[str]
    keys: dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sandbox_process: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("money")
    with (
        faked_server(folder / "redis") as server,
        running_service(folder, server.url, sandbox_process, **SETTINGS) as (first, _, _),
        running_service(folder, server.url, sandbox_process, **SETTINGS) as (second, _, _),
    ):
        names = ("strict", "other", "poor")
        keys = {name: create_key(folder, server.url, sandbox_process, name, environ=SETTINGS) for name in names}
        yield World(server, [first, second], {"web": API_KEY, **keys})


@pytest.fixture
async def callers(world: World) -> AsyncIterator[dict[str, list[Api]]]:
    """By application, one caller for each process."""
    async with AsyncExitStack() as stack:
        yield {
            name: [await stack.enter_async_context(Api(url, key)) for url in world.urls]
            for name, key in world.keys.items()
        }


async def nobody_answers(gateways: Gateways) -> None:
    """The first gateway takes each message and its answer is cut; the others refuse."""
    await gateways.fail("password", "processed_then_reset", times=None)
    for name in ("xml", "smska"):
        await gateways.fail(name, "status", status=404, times=None)


async def left(gateways: Gateways, numbers: list[str]) -> int:
    return sum([len(await gateways.messages(number)) for number in numbers])


@pytest.mark.slow
async def test_a5_an_answer_that_was_cut_gives_back_no_pause(
    callers: dict[str, list[Api]], gateways: Gateways, phone: str
) -> None:
    await nobody_answers(gateways)
    first, second = callers["strict"]
    found = problem(await first.start(phone), 502, "no_gateway_available")
    assert (await first.status(found["verification_id"])).json()["status"] == "failed"

    answer = await second.start(phone)

    problem(answer, 429, "too_soon")
    assert 20 <= int(answer.headers["retry-after"]) <= 30
    assert await left(gateways, [phone]) == 1


async def test_a5_sixty_starts_for_one_phone(callers: dict[str, list[Api]], gateways: Gateways, phone: str) -> None:
    """No pause, so `phone-burst` bounds them: five messages, whatever is answered; what is refused costs none."""
    await nobody_answers(gateways)
    apis = callers["web"]

    answers = []
    for _ in range(10):
        answers += await asyncio.gather(*(apis[n % 2].start(phone) for n in range(6)))

    assert await left(gateways, [phone]) == 5
    told = Counter((answer.json()["code"], "verification_id" in answer.json()) for answer in answers)
    assert told[("limit_exceeded", False)] == 55
    assert told[("limit_exceeded", True)] + told[("no_gateway_available", True)] == 5


async def test_a5_a_resend_keeps_its_pause_too(callers: dict[str, list[Api]], gateways: Gateways, phone: str) -> None:
    first, second = callers["web"]
    started = await first.started(phone)
    await gateways.fail("xml", "processed_then_reset", times=None)
    await gateways.fail("smska", "processed_then_reset", times=None)
    await gateways.fail("password", "status", status=404, times=None)
    resent = await second.resend(started["id"])
    assert resent.status_code == 200, resent.text
    assert [one["status"] for one in resent.json()["messages"]] == ["accepted", "unclear", "unclear"]
    assert await left(gateways, [phone]) == 3
    answers = [await first.start(phone) for _ in range(3)]
    assert [answer.status_code for answer in answers][-1] == 429
    assert await left(gateways, [phone]) <= 5


async def test_a5_what_nobody_took_is_given_back(callers: dict[str, list[Api]], gateways: Gateways, phone: str) -> None:
    await gateways.fail("*", "status", status=404, times=None)
    for api in callers["strict"] * 5:
        problem(await api.start(phone), 502, "no_gateway_available")
    await gateways.reset()
    assert (await callers["strict"][0].start(phone)).status_code == 201


@pytest.mark.slow
async def test_a5_a_caller_that_leaves(callers: dict[str, list[Api]], gateways: Gateways, phone: str) -> None:
    """The message leaves, the answer is late, and nobody waits for it any more."""
    await gateways.fail("password", "processed_then_stall", seconds=3, times=None)
    for name in ("xml", "smska"):
        await gateways.fail(name, "status", status=404, times=None)
    apis = callers["web"]

    async def hasty(api: Api) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await api.start(phone)

    for n in range(8):
        await asyncio.gather(*(hasty(apis[n % 2]) for _ in range(2)), return_exceptions=True)
    await asyncio.sleep(4)
    assert await left(gateways, [phone]) <= 5


async def test_a6_each_message_of_a_walk_has_its_money(
    callers: dict[str, list[Api]], gateways: Gateways, world: World
) -> None:
    """4.50 roubles at most for a message, 20 a day, and two of three gateways unclear: four messages, whoever asks."""
    world.server.clock.move(hours=24)
    await gateways.fail("password", "processed_then_reset", times=None)
    await gateways.fail("xml", "processed_then_reset", times=None)
    apis = callers["poor"]
    numbers = [f"+7985441{n:02}45" for n in range(12)]

    answers = await asyncio.gather(*(apis[n % 2].start(number) for n, number in enumerate(numbers)))

    assert await left(gateways, numbers) <= 4
    report = (await apis[0].http.get("/v1/fraud")).json()
    assert float(report["spent_today"]) <= 20
    told = [answer.json() for answer in answers if answer.status_code != 201]
    assert told
    assert {one["code"] for one in told} == {"budget_exhausted"}
    assert any("verification_id" in one for one in told), "a walk that stopped for money says so"


@pytest.mark.slow
async def test_a6_a_fail_over_that_cannot_be_paid_is_not_made(
    callers: dict[str, list[Api]], gateways: Gateways, world: World
) -> None:
    """Three starts for phones that are switched off, and money for one more message."""
    world.server.clock.move(hours=24)
    await undelivered(gateways)
    await gateways.account(prices={"Россия": 4.5})  # what they cost is what the settings say
    apis = callers["poor"]
    numbers = [f"+7985442{n:02}45" for n in range(3)]
    started = [await apis[n % 2].started(number) for n, number in enumerate(numbers)]

    await passes(world, 100)

    assert await left(gateways, numbers) == 4
    found = [(await apis[0].status(one["id"])).json() for one in started]
    assert sum(one["sends_left"] for one in found) == 3 * 5 - 4, "a send that was not made is given back"
    assert float((await apis[1].http.get("/v1/fraud")).json()["spent_today"]) <= 20


async def undelivered(gateways: Gateways) -> None:
    """Every gateway takes messages and soon says that they did not arrive."""
    body = {"never_share": 1, "silent_share": 0, "median_seconds": 0.2, "sigma": 0.01}
    assert (await gateways.http.post("/_sim/scenario", json=body)).status_code == 201


async def passes(world: World, seconds: int) -> None:
    """Time, for workers that look at messages every few seconds of it."""
    for _ in range(seconds // 5):
        world.server.clock.move(seconds=5)
        await asyncio.sleep(0.4)


@pytest.mark.slow
async def test_a7_fail_overs_count_in_the_limits_of_the_phone(
    callers: dict[str, list[Api]], gateways: Gateways, world: World, phone: str
) -> None:
    """One start for a phone that is off takes what the phone may have in ten minutes; then nobody sends more."""
    await undelivered(gateways)
    apis = callers["web"]
    started = await apis[0].started(phone)

    await passes(world, 100)

    assert await left(gateways, [phone]) == 5
    assert len((await apis[1].status(started["id"])).json()["messages"]) == 5
    found = problem(await apis[1].start(phone), 429, "limit_exceeded")
    assert found["limit"] == "phone-burst"


@pytest.mark.slow
async def test_a7_a_row_of_phones_that_are_off(callers: dict[str, list[Api]], gateways: Gateways, world: World) -> None:
    """60 numbers next to each other: what the budgets of the block and the row allow, fail-overs and all."""
    await undelivered(gateways)
    apis = callers["other"]
    numbers = [f"+7986443{n:02}45"[:8] + f"{n + 3130:04}" for n in range(60)]

    answers = await asyncio.gather(*(apis[n % 2].start(number) for n, number in enumerate(numbers)))
    await passes(world, 100)

    assert Counter(answer.status_code for answer in answers)[403] > 40
    assert await left(gateways, numbers) <= 12 + 4


async def test_a7_a_person_who_is_slow_gets_a_second_message(
    callers: dict[str, list[Api]], gateways: Gateways, world: World, phone: str
) -> None:
    """By fail-over, and by asking again after that."""
    body = {"late_share": 1, "late_seconds": [300, 301]}
    assert (await gateways.http.post("/_sim/scenario", json=body)).status_code == 201
    api, second = callers["other"]
    neighbours = [f"{phone[:8]}{n:04}" for n in (1044, 4044, 7044)]
    for number in neighbours:
        await api.started(number)
    started = await api.started(phone)
    assert (await second.resend(started["id"])).status_code == 200
    assert await left(gateways, [phone]) == 2
    assert (await api.start(phone)).status_code == 201


@pytest.mark.slow
async def test_a7_the_right_code_forgives_all_messages(
    callers: dict[str, list[Api]], gateways: Gateways, world: World, phone: str
) -> None:
    """Those that nobody asked for, too: four fail-overs later the phone may be sent to as ever."""
    await undelivered(gateways)
    apis = callers["web"]
    started = await apis[0].started(phone)
    await passes(world, 100)
    code = (await gateways.codes(phone))[0]
    assert await apis[1].outcome(started["id"], code) == "approved"
    for _ in range(4):
        assert (await apis[0].start(phone)).status_code == 201
