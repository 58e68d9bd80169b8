"""Scenarios: what happens by chance, and that the same seed makes it happen again."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import httpx
import pytest

from otp_service.sandbox.app import create_sandbox
from otp_service.sandbox.scenario import Scenario, Scenarios, person_of

from .speak import PHONE, Sandbox, password_request, sms
from .test_faults import raw

NEVER_LATE = {"late_share": 0.0, "never_share": 0.0}


async def begin(sandbox: Sandbox, **scenario: Any) -> list[dict[str, Any]]:
    answer = await sandbox.http.post("/_sim/scenario", json=scenario)
    assert answer.status_code == 201, answer.text
    return answer.json()


def in_process() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=create_sandbox()), base_url="http://sandbox")


def seconds(message: dict[str, Any]) -> float | None:
    """From when it left until it arrives."""
    if message["arrives_at"] is None:
        return None
    return (datetime.fromisoformat(message["arrives_at"]) - datetime.fromisoformat(message["sent_at"])).total_seconds()


async def fates(sandbox: Sandbox, phones: list[str]) -> dict[str, float | None]:
    """One SMS to each phone, in this order."""
    await sandbox.xml("/xml/", "".join(sms(phone) for phone in phones))
    newest = (await sandbox.http.get("/_sim/messages", params={"limit": len(phones)})).json()
    return {message["phone"]: seconds(message) for message in newest}


PHONES = [f"7916{number:05d}50" for number in range(500)]
SHARES = {"seed": "1", "late_share": 0.2, "never_share": 0.1, "silent_share": 0.4}


async def test_shares_and_times_are_as_asked_for() -> None:
    async with in_process() as http:
        sandbox = Sandbox(http)
        await begin(sandbox, **SHARES)
        told = await fates(sandbox, PHONES)

        never = [phone for phone, after in told.items() if after is None]
        late = [after for after in told.values() if after is not None and after >= 60]
        normal = [after for after in told.values() if after is not None and after < 60]
        assert (len(never), len(late)) == (pytest.approx(50, abs=20), pytest.approx(100, abs=30))
        assert max(late) <= 600
        assert median(normal) == pytest.approx(5, abs=0.5)
        assert median(abs(math.log(after / 5)) for after in normal) == pytest.approx(0.6 * 0.674, abs=0.06)
        await sandbox.advance(1000)
        newest = (await http.get("/_sim/messages", params={"limit": 500})).json()
        ends = Counter(message["status"] for message in newest)
        assert ends["delivered"] == 500 - len(never)
        assert ends["accepted"] == pytest.approx(0.4 * len(never), abs=10)  # no report ever comes
        assert ends["accepted"] + ends["undelivered"] == len(never)


async def test_a_fate_depends_on_the_seed_the_phone_and_how_many_went_there_before() -> None:
    async with in_process() as http:
        sandbox = Sandbox(http)
        await begin(sandbox, **SHARES)
        first, second = await fates(sandbox, PHONES[:50]), await fates(sandbox, PHONES[:50])
        await begin(sandbox, **SHARES)
        assert await fates(sandbox, PHONES[49::-1]) == first
        assert await fates(sandbox, PHONES[:50]) == second != first
        await begin(sandbox, **SHARES | {"seed": "2"})
        assert await fates(sandbox, PHONES[:50]) != first


async def test_a_lost_answer_is_a_reset_after_the_sms_went_out(sandbox: Sandbox) -> None:
    await begin(sandbox, processed_then_reset_share=1, gateway="xml")

    assert await raw(sandbox) == (b"", "reset")

    assert len(await sandbox.messages(PHONE)) == 1
    assert [row["fault"] for row in await sandbox.requests("xml")] == ["processed_then_reset"]
    assert (await sandbox.operation("balance")).find("money") is not None  # nothing was sent, nothing is lost
    assert (await sandbox.ask("/password_generation/api.php", password_request()))[0].tag == "success"


async def outages(sandbox: Sandbox, rounds: int) -> list[bool]:
    """Looked for each 4 s of the sandbox's clock."""
    found = []
    for _ in range(rounds):
        found.append((await sandbox.http.post("/xml/state.php")).status_code == 503)
        await sandbox.advance(4)
    return found


async def test_outages_take_their_share_of_the_time_and_come_again_with_their_seed() -> None:
    async with in_process() as http:
        sandbox = Sandbox(http)
        scenario = {"gateway": "xml", "seed": "1", "outage_share": 0.5, "outage_seconds": 20}
        listed = await begin(sandbox, **scenario, outage_faults={"status": 1})
        assert [(each["gateway"], each["outage_faults"]) for each in listed] == [("xml", {"status": 1})]
        found = await outages(sandbox, 200)
        assert sum(found) == pytest.approx(100, abs=40)
        changes = sum(one != other for one, other in pairwise(found))
        assert changes == pytest.approx(40, abs=20)  # on the average each 20 s
        assert (await sandbox.ask("/password_generation/api.php", password_request()))[0].tag == "success"
        await begin(sandbox, **scenario, outage_faults={"status": 1})
        again = await outages(sandbox, 200)
        assert sum(one != other for one, other in zip(found, again, strict=True)) <= changes  # the clock went on itself
        assert (await http.delete("/_sim/scenario")).status_code == 204
        assert (await http.get("/_sim/scenario")).json() == []
        assert not any(await outages(sandbox, 50))


async def test_phones_with_a_fate_of_their_own_keep_it_and_a_reset_ends_all() -> None:
    async with in_process() as http:
        sandbox = Sandbox(http)
        await begin(sandbox, never_share=1)
        await begin(sandbox, gateway="smska", **NEVER_LATE)
        assert len((await http.get("/_sim/scenario")).json()) == 2
        await sandbox.send(sms("79161234504"))
        await sandbox.smska_send()
        await sandbox.advance(1000)
        assert [message["status"] for message in await sandbox.messages()] == ["delivered", "expired"]
        await http.post("/_sim/reset")
        assert (await http.get("/_sim/scenario")).json() == []


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ({"late_share": 0.6, "never_share": 0.6}, "together must not be above 1"),
        ({"late_seconds": [600, 60]}, "the shortest and the longest"),
        ({"outage_share": 0.1, "outage_faults": {}}, "a weight above 0"),
        ({"outage_share": 0.95}, "outage_share"),
        ({"outage_faults": {"explode": 1}}, "outage_faults"),
        ({"gateway": "state"}, "gateway"),
        ({"sigma": -1}, "sigma"),
        ({"never_chare": 1}, "unknown field `never_chare`"),
    ],
)
async def test_mistakes(sandbox: Sandbox, scenario: dict[str, Any], words: str) -> None:
    answer = await sandbox.http.post("/_sim/scenario", json=scenario)

    assert answer.status_code == 400
    assert words in answer.text


TRUE: dict[str, Any] = {"operators": 4, "banned_share": 0.2, "paused_share": 0.1}


async def test_whom_no_sms_reaches_is_reached_by_no_gateway_and_at_no_time() -> None:
    async with in_process() as http:
        sandbox = Sandbox(http)
        await begin(sandbox, seed="1", **TRUE)
        scenario = Scenario(seed="1", **TRUE)
        first, second = await fates(sandbox, PHONES), await fates(sandbox, PHONES)
        reach = {phone: person_of(scenario, phone).reach for phone in PHONES}
        assert Counter(reach.values())["banned"] == pytest.approx(100, abs=30)
        assert Counter(reach.values())["paused"] == pytest.approx(50, abs=20)
        for phone, who in reach.items():
            assert (first[phone] is None, second[phone] is None) == (who != "reachable",) * 2


async def test_a_gateway_is_faster_with_some_operators() -> None:
    async with in_process() as http:
        sandbox = Sandbox(http)
        scenario = Scenario(seed="3", operators=4, operator_factor=(0.2, 5))
        await begin(sandbox, seed="3", operators=4, operator_factor=[0.2, 5])
        times = await fates(sandbox, PHONES)
        by_operator = [
            median(after for phone, after in times.items() if after and person_of(scenario, phone).operator == operator)
            for operator in range(4)
        ]
        assert max(by_operator) > 1.5 * min(by_operator)


def test_an_outage_of_all_is_at_the_same_time() -> None:
    under_way, began = Scenarios(), datetime(2026, 1, 1, tzinfo=UTC)
    under_way.begin(Scenario(seed="1", common_outage_share=0.2, outage_seconds=30), began)
    moments = [began + timedelta(seconds=10 * step) for step in range(2000)]
    out = [[under_way.outage(name, moment) is not None for name in ("password", "smska")] for moment in moments]
    assert all(one == other for one, other in out)
    assert sum(one for one, _ in out) == pytest.approx(400, abs=150)


@pytest.mark.parametrize(
    "wrong", [{"banned_share": 0.6, "paused_share": 0.6}, {"operator_factor": [3, 1]}, {"operators": 101}]
)
async def test_people_that_cannot_be(wrong: dict[str, Any]) -> None:
    async with in_process() as http:
        assert (await http.post("/_sim/scenario", json=wrong)).status_code == 400
