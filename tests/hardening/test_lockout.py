"""Nobody locks a person out by guessing at codes of their own starts (A-10)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.api import Api, Gateways, problem
from tests.hardening.conftest import Operator
from tests.running import API_KEY, create_key, running_service
from tests.stories.test_check import wrong

QUOTA = 22
TIGHT = {
    "OTP__LIMITS__GUESSES_DAY__QUOTA": str(QUOTA),
    "OTP__LIMITS__PHONE_BURST__QUOTA": "6",
    "OTP__LIMITS__PHONE_WRONG__PER": "phone",
    "OTP__LIMITS__PHONE_WRONG__OF": "wrong_codes",
    "OTP__LIMITS__PHONE_WRONG__QUOTA": "1000",
    "OTP__LIMITS__PHONE_WRONG__WINDOW_SECONDS": "3600",
    "OTP__APPLICATIONS__OTHER__LIMITS": "ip-hour",
}
"""`other` has no limit that a phone meets."""


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory, redis_url: str, sandbox_process: str) -> Iterator[list[str]]:
    folder: Path = tmp_path_factory.mktemp("tight")
    with (
        running_service(folder, redis_url, sandbox_process, **TIGHT) as (first, _, _),
        running_service(folder, redis_url, sandbox_process, **TIGHT) as (second, _, _),
    ):
        made = [
            create_key(folder, redis_url, sandbox_process, *words)
            for words in (("web", "--scope", "admin"), ("other",))
        ]
        yield [first, second, *made]


@pytest.fixture
async def callers(tight: list[str]) -> AsyncIterator[list[Api]]:
    """One for each process, an operator, and the same two of the other application."""
    first, second, admin, other = tight
    asked = ((first, API_KEY), (second, API_KEY), (second, admin), (first, other), (second, other))
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Api(url, key)) for url, key in asked]


async def attacked(apis: list[Api], gateways: Gateways, phone: str, starts: int = 4) -> list[str]:
    """So many starts by a stranger, with five wrong codes each."""
    ids = []
    for n in range(starts):
        ids.append((await apis[n % 2].started(phone))["id"])
        code = (await gateways.codes(phone))[0]
        outcomes = [await apis[turn % 2].outcome(ids[-1], wrong(code)) for turn in range(5)]
        assert outcomes == ["wrong_code"] * 4 + ["exhausted"]
    return ids


async def test_a10_the_holder_s_own_right_code_is_judged_at_once(
    api: Api, second: Api, gateways: Gateways, phone: str
) -> None:
    await attacked([api, second], gateways, phone)
    mine = await api.started(phone)
    assert await second.outcome(mine["id"], (await gateways.codes(phone))[0]) == "approved"


async def test_a10_only_the_first_attempt_of_a_verification_does_not_wait(
    api: Api, second: Api, gateways: Gateways, phone: str
) -> None:
    """It counts as any other: after it the wait is twice as long."""
    await attacked([api, second], gateways, phone)
    started = (await api.started(phone))["id"]
    code = (await gateways.codes(phone))[0]
    assert await api.outcome(started, wrong(code)) == "wrong_code"
    for one in (api, second):
        refused = await one.check(started, code)
        problem(refused, 429, "too_many_failures")
        assert 58 <= int(refused.headers["retry-after"]) <= 60
    assert (await api.status(started)).json()["attempts_left"] == 4


@pytest.mark.slow
async def test_a10_a_hundred_wrong_codes_disable_all_the_same(
    callers: list[Api], gateways: Gateways, phone: str
) -> None:
    """NIST SP 800-63B-4 §3.2.2: also where nearly each is the first of its verification."""
    apis, judged, starts = callers[3:], 0, 0
    while (answer := await apis[starts % 2].start(phone)).status_code == 201:
        starts += 1
        assert starts < 100
        code = (await gateways.codes(phone))[0]
        turn = 0
        while (checked := await apis[turn % 2].check(answer.json()["id"], wrong(code))).status_code == 200:
            turn += 1
            judged += 1
            if checked.json()["outcome"] == "exhausted":
                break
    assert (judged, starts) == (100, 4 + 80)
    problem(answer, 403, "phone_disabled")


async def test_a10_unlocking_clears_every_count_of_the_phone_and_says_which(
    callers: list[Api], gateways: Gateways, phone: str
) -> None:
    first, second, operator, *_ = callers
    await attacked([first, second], gateways, phone)
    for one in (first, second):
        assert await one.outcome((await one.started(phone))["id"], "000000") == "wrong_code"
    problem(await first.start(phone), 429, "limit_exceeded")
    mine = (await first.http.post("/v1/verifications/search", json={"to": phone})).json()["verifications"][0]["id"]

    answer = await operator.http.post("/v1/phones/unlock", json={"to": phone})

    assert answer.json() == {
        "to": phone,
        "forgotten": QUOTA,
        "pause_seconds": 0,
        "limits": {"guesses-day": QUOTA, "phone-burst": 6, "phone-day": 6, "phone-wrong": QUOTA},
    }
    assert await second.outcome(mine, (await gateways.codes(phone))[0]) == "approved"
    await first.started(phone)
    again = await operator.http.post("/v1/phones/unlock", json={"to": phone})
    assert again.json() == {
        "to": phone,
        "forgotten": 0,
        "pause_seconds": 0,
        "limits": {"phone-burst": 1, "phone-day": 1},
    }
    again = await operator.http.post("/v1/phones/unlock", json={"to": phone})
    assert again.json() == {"to": phone, "forgotten": 0, "pause_seconds": 0, "limits": {}}


async def test_a10_the_command_unlocks_as_the_api_does(
    api: Api, second: Api, strict: Api, gateways: Gateways, operator: Operator, phone: str
) -> None:
    await attacked([api, second], gateways, phone)
    told = operator("phones", "unlock", "--application", "web", "--phone", phone)
    assert told.code == 0, told
    for part in ("20 wrong codes in a row", "20 of guesses-day", "4 of phone-burst", "4 of phone-day"):
        assert part in told.out, told
    started = (await api.started(phone))["id"]
    code = (await gateways.codes(phone))[0]
    assert await api.outcome(started, wrong(code)) == "wrong_code"
    assert await second.outcome(started, code) == "approved"

    await strict.started(phone)
    problem(await strict.start(phone), 429, "too_soon")
    assert "a pause of 30 s" in operator("phones", "unlock", "--application", "strict", "--phone", phone).out
    await strict.started(phone)
    operator("phones", "unlock", "--application", "strict", "--phone", phone)
    assert "nothing held it back" in operator("phones", "unlock", "--application", "strict", "--phone", phone).out
