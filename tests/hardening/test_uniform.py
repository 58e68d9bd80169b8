"""Nobody learns from an answer, or from its time, whether a phone is refused or a verification exists (S-10, S-11)."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api, Gateways, problem
from tests.running import API_KEY, code_in, running_service

SAFE = {
    "OTP__APPLICATIONS__WEB__ENUMERATION_SAFE": "true",
    "OTP__GATEWAYS__TARGETSMS_XML__STOP_LIST_SECONDS": "3600",
    "OTP__GUARD__BLOCK": "+79161230077",
}
BLOCKED = "+79161230077"
"""On our own block list."""
STOPPED = "+79161234500"
"""On the stop list of the sandbox: the service knows before it sends."""
REFUSED_BY_THE_GATEWAY = "Номер телефона присутствует в стоп-листе."


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory, redis_url: str, sandbox_process: str) -> Iterator[list[str]]:
    folder: Path = tmp_path_factory.mktemp("safe")
    with (
        running_service(folder, redis_url, sandbox_process, **SAFE) as (first, _, log),
        running_service(folder, redis_url, sandbox_process, **SAFE) as (second, _, _),
    ):
        deadline = time.monotonic() + 10
        while "stop_list_read" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield [first, second]


@pytest.fixture
async def safe(urls: list[str]) -> AsyncIterator[Api]:
    async with Api(urls[0], API_KEY) as client:
        yield client


@pytest.fixture
async def safe_too(urls: list[str]) -> AsyncIterator[Api]:
    async with Api(urls[1], API_KEY) as client:
        yield client


def blanked(answer: Any) -> str:
    """The body without ids, times and phones; headers without their values of this one request."""
    text = re.sub(r'"[A-Za-z0-9_-]{36}(\.\d+)?"', '"ID"', answer.text)
    text = re.sub(r'"\d{4}-\d\d-\d\dT[^"]*"', '"TIME"', text)
    text = re.sub(r'"\+\d+"', '"PHONE"', text)
    headers = {
        name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length", "etag")
    }
    return f"{answer.status_code} {sorted(headers.items())} {text}"


async def test_s10_known_unknown_and_refused_phones_hear_the_same(
    safe: Api, safe_too: Api, gateways: Gateways, phone: str
) -> None:
    family = [f"{phone[:-2]}{n}" for n in (61, 62, 63)]
    await safe.started(family[0])
    known = await safe.start(family[0], reference="r")
    unknown = await safe_too.start(family[1], reference="r")
    stopped = await safe.start(STOPPED, reference="r", key=f"stopped-{phone}")
    again = await safe_too.start(STOPPED, reference="r", key=f"stopped-{phone}")
    blocked = await safe.start(BLOCKED, reference="r")
    await gateways.fail("password", "error", error=REFUSED_BY_THE_GATEWAY)
    refused = await safe.start(family[2], reference="r")

    answers = [known, unknown, stopped, again, blocked, refused]
    assert [answer.status_code for answer in answers] == [201] * 6, [answer.text for answer in answers]
    assert len({blanked(answer) for answer in answers}) == 1, [blanked(answer) for answer in answers]
    assert len(unknown.text) == len(stopped.text) == len(refused.text)
    assert again.json()["id"] == stopped.json()["id"]
    for nobody in (STOPPED, BLOCKED, family[2]):
        assert await gateways.messages(nobody) == []

    # Further questions tell no more: guesses, resends and the status.
    followed = []
    for answer in (unknown, stopped, blocked, refused):
        verification = answer.json()["id"]
        code = next(iter(await gateways.codes(answer.json()["to"])), "123456")
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        steps = [
            await safe.check(verification, wrong),
            await safe_too.resend(verification),
            await safe.resend(verification, key=f"again-{verification}"),
            await safe_too.resend(verification, key=f"again-{verification}"),
            await safe.status(verification),
            *[await safe.check(verification, wrong) for _ in range(5)],
            await safe.resend(verification),
        ]
        assert [step.status_code for step in steps] == [200] * 10 + [409]
        followed.append([blanked(step) for step in steps])
    assert all(steps == followed[0] for steps in followed)
    for nobody in (STOPPED, BLOCKED, family[2]):
        assert await gateways.messages(nobody) == []


async def test_others_are_told(api: Api, gateways: Gateways, phone: str) -> None:
    """Without the setting the refusal is a refusal."""
    await gateways.fail("password", "error", error=REFUSED_BY_THE_GATEWAY)
    assert problem(await api.start(phone), 422, "phone_rejected")["reason"] == "stop_list"


async def test_s10_what_the_number_itself_shows_is_told(safe: Api) -> None:
    problem(await safe.start("+380441234567"), 403, "country_not_allowed")
    problem(await safe.start("nobody"), 422, "invalid_phone")


async def test_s10_an_unknown_id_and_another_application_s_hear_the_same(
    api: Api, other: Api, gateways: Gateways, phone: str
) -> None:
    theirs = (await other.started(phone))["id"]
    code = code_in((await gateways.messages(phone))[0]["text"])
    for unknown in ("A" * 36, theirs[::-1], theirs[:-1] + ("A" if theirs[-1] != "A" else "B")):
        for mine, nobody in (
            (await api.status(theirs), await api.status(unknown)),
            (await api.check(theirs, code), await api.check(unknown, code)),
            (await api.resend(theirs), await api.resend(unknown)),
            (await api.cancel(theirs), await api.cancel(unknown)),
        ):
            assert blanked(mine) == blanked(nobody)
            problem(mine, 404, "not_found")
