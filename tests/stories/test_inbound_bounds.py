"""Verifications by which nothing is sent: what holds messages back does not hold them, and they hold back no message.

They have a bound of their own, which these stories set low.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from otp_service.storage.embedded import embedded_server
from tests import running
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, create_key, running_service
from tests.stories.test_inbound import OPEN
from tests.stories.test_inbound_attacks import GATEWAY, KEY, TOKEN, TRUST
from tests.stories.test_last_resort import AUTO, STEPS
from tests.stories.test_tracking import World

BLOCKED = "+79165550"
BOUNDS = {
    **OPEN,
    "OTP__GUARD__BLOCK": BLOCKED,
    "OTP__APPLICATIONS__WEB__GUARD": "off",
    "OTP__APPLICATIONS__WEB__RESEND_PAUSE_SECONDS": "30,60",
    "OTP__APPLICATIONS__OTHER__GUARD": "off",
    "OTP__APPLICATIONS__OTHER__ASSURANCE": "claimed",
    "OTP__APPLICATIONS__OTHER__ENUMERATION_SAFE": "true",
    "OTP__LIMITS__PHONE_BURST__QUOTA": "2",
    "OTP__LIMITS__INBOUND_PHONE_BURST__QUOTA": "3",
    "OTP__LIMITS__INBOUND_IP_HOUR__QUOTA": "4",
}
THREE_STEPS: dict[str, Any] = {
    "channel": "auto",
    "steps": [{"channel": "telegram", "wait_seconds": 30}, {"channel": "sms"}, {"channel": "inbound"}],
}


@pytest.fixture(scope="module")
async def bounded(
    tmp_path_factory: pytest.TempPathFactory, sandbox_process: str
) -> AsyncIterator[tuple[str, str, Redis]]:
    """The service, a key of `other`, and their Redis."""
    folder = tmp_path_factory.mktemp("bounds")
    pushing = GATEWAY.format(name="near", key=KEY, token=TOKEN, trust=TRUST["near"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "SETTINGS", running.SETTINGS + STEPS + pushing)
        async with embedded_server(folder / "redis") as redis_url:
            with running_service(folder, redis_url, sandbox_process, **BOUNDS) as (url, _, _):
                key = create_key(folder, redis_url, sandbox_process, "other", environ=BOUNDS)
                async with Redis.from_url(redis_url, protocol=2) as redis:
                    yield url, key, redis


@pytest.fixture
async def world(bounded: tuple[str, str, Redis], gateways: Gateways) -> AsyncIterator[World]:
    await gateways.reset()
    async with Api(bounded[0], API_KEY) as api:
        world = World(api, gateways, bounded[2], bounded[0])
        await clear_pauses(world)
        yield world


@pytest.fixture
async def other(bounded: tuple[str, str, Redis]) -> AsyncIterator[Api]:
    """Of an application that tells nobody who is refused."""
    async with Api(bounded[0], bounded[1]) as api:
        yield api


async def says(api: Api, sender: str, started: dict[str, Any]) -> tuple[str, str | None]:
    """What becomes of a verification when the phone sends its code."""
    body = {"items": [{"from": sender, "text": started["inbound"]["text"]}]}
    assert (await api.http.post(f"/callbacks/near/{TOKEN}-near", json=body)).status_code == 200
    found = (await api.status(started["id"])).json()
    return found["status"], found["assurance"]


async def clear_pauses(world: World) -> None:
    for name in [key async for key in world.redis.scan_iter(match="otp:pause:*", count=1000)]:
        await world.redis.delete(name)


async def test_limits_of_messages_leave_the_code_that_the_person_sends(world: World, phone: str) -> None:
    api = world.api
    for _ in range(2):
        await api.started(phone)
        await clear_pauses(world)
    refused = problem(await api.start(phone), 429, "limit_exceeded")
    assert (refused["limit"], refused["advice"]) == ("phone-burst", "inbound")
    first = await api.started(phone, channel="inbound")
    second = await api.started(phone, key="again", **AUTO)
    assert (await api.start(phone, key="again", **AUTO)).json() == second
    assert (second["messages"], second["advice"], second["sends_left"]) == ([], "inbound", 4)
    assert problem(await api.resend(second["id"], channel="sms"), 429, "limit_exceeded")["advice"] == "inbound"
    assert await says(api, phone, second) == ("approved", "claimed")

    third = await api.started(phone, channel="inbound")
    for body in ({"channel": "inbound"}, AUTO):  # their own bound, and there is nothing to go on to
        told = problem(await api.start(phone, **body), 429, "limit_exceeded")
        assert (told["limit"], "advice" in told) == ("inbound-phone-burst", False)
    for one in (first, third):
        assert await says(api, phone, one) == ("approved", "claimed")
    problem(await api.start(phone, channel="inbound"), 429, "limit_exceeded")  # a claim forgives nothing
    assert len(await world.gateways.messages(phone)) == 2


async def test_a_stranger_spreads_over_phones(world: World, phone: str) -> None:
    client = {"ip": "203.0.113.77"}
    for n in range(4):
        await world.api.started(f"{phone[:-2]}{60 + n}", channel="inbound", client=client)
    told = problem(await world.api.start(phone, channel="inbound", client=client), 429, "limit_exceeded")
    assert told["limit"] == "inbound-ip-hour"
    await world.api.started(phone, client=client)


async def test_they_touch_no_pause(world: World, phone: str) -> None:
    """Neither the ladder nor its end: who was begun for by strangers gets an SMS at once."""
    api = world.api
    inbound = await api.started(phone, channel="inbound")
    assert inbound["resend_at"] == inbound["created_at"]
    await api.started(phone, channel="inbound")
    sent = await api.started(phone)
    assert problem(await api.start(phone), 429, "too_soon")
    waiting = await api.started(phone, channel="inbound")
    assert waiting["resend_at"] == sent["resend_at"]  # of an SMS that is asked for by it
    problem(await api.resend(waiting["id"], channel="sms"), 429, "too_soon")
    (name,) = [key async for key in world.redis.scan_iter(match="otp:pause:*", count=1000)]
    assert await world.redis.hget(name, "rung") == b"1"
    await world.redis.hset(name, "until", 0)
    resent = (await api.resend(waiting["id"], channel="sms")).json()
    assert (len(resent["messages"]), resent["sends_left"]) == (1, 3)


async def test_what_nobody_takes_is_bounded_as_they_are(world: World, phone: str) -> None:
    """Who is not on Telegram gets no message, whoever asks for one: neither pause nor limit of messages counts it."""
    api, nobody = world.api, f"{phone[:-2]}12"
    steps = {"channel": "auto", "steps": [{"channel": "telegram"}, {"channel": "inbound"}]}
    for _ in range(3):
        started = await api.started(nobody, **steps)
        assert [message["status"] for message in started["messages"]] == ["rejected"]
        assert started["resend_at"] < started["expires_at"]
    for body in (steps, {"channel": "inbound"}):
        told = problem(await api.start(nobody, **body), 429, "limit_exceeded")
        assert (told["limit"], "advice" in told) == ("inbound-phone-burst", False)
    await api.started(nobody)
    assert await says(api, nobody, started) == ("approved", "claimed")


async def test_a_code_that_is_typed_is_of_a_message(world: World, phone: str) -> None:
    """By phone alone: what a stranger began since, by which nothing was sent, is not meant."""
    mine = await world.api.started(phone)
    await world.api.started(phone, channel="inbound")
    code = running.code_in((await world.gateways.messages(phone))[0]["text"])
    judged = (await world.api.post("/v1/verifications/check", {"to": phone, "code": code})).json()
    assert (judged["id"], judged["outcome"]) == (mine["id"], "approved")


async def test_a_disabled_phone_is_not_proved_by_a_claim(world: World, phone: str) -> None:
    """The ledger of wrong codes holds here, too: only who unlocks the phone binds it anew."""
    api, before = world.api, {key async for key in world.redis.scan_iter(match="otp:fails:*", count=1000)}
    started = await api.started(phone, channel="inbound")
    assert (await api.check(started["id"], "000000")).json()["outcome"] == "wrong_code"
    (fails,) = {key async for key in world.redis.scan_iter(match="otp:fails:*", count=1000)} - before
    await world.redis.hset(fails, "count", 100)
    problem(await api.start(phone, channel="inbound"), 403, "phone_disabled")
    assert await says(api, phone, started) == ("pending", None)
    await world.redis.delete(fails)
    assert await says(api, phone, started) == ("approved", "claimed")


async def test_others_push_none_out(world: World, phone: str) -> None:
    """However many were begun for the phone since, an open one is found by its code."""
    mine = await world.api.started(phone, channel="inbound")
    (name,) = [
        key
        async for key in world.redis.scan_iter(match="otp:phone:*", count=1000)
        if await world.redis.zscore(key, mine["id"])
    ]
    now, letters = time.time() * 1000, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    strangers = {mine["id"][:-2] + one + two: now + 1 for one in letters for two in letters[:10]}
    strangers |= {mine["id"][:-3] + f"a{one}{two}": now - 900_000 for one in letters for two in letters[:10]}
    strangers.pop(mine["id"], None)
    await world.redis.zadd(name, strangers)
    await world.api.started(phone, channel="inbound")
    assert 250 < await world.redis.zcard(name) < 270  # those that cannot be open any more are forgotten
    assert await says(world.api, phone, mine) == ("approved", "claimed")


async def test_nobody_learns_who_is_refused(world: World, other: Api, phone: str) -> None:
    """The same answers for a phone on the block list: its limits are counted, and it is asked to send the code."""
    answers = []
    for one in (phone, f"{BLOCKED}{phone[-3:]}"):
        shapes = []
        last: dict[str, Any] = {}
        for body in ({}, {}, {}, AUTO, {"channel": "inbound"}, AUTO, {"channel": "inbound"}):
            answer = await other.start(one, **body)
            found = answer.json()
            shapes.append((answer.status_code, found.get("code"), found.get("advice"), len(found.get("messages", []))))
            last = found if answer.status_code == 201 else last
        answers.append(shapes)
        approved = await says(other, one, last)
        assert approved == (("approved", "claimed") if one == phone else ("pending", None))
    assert answers[0] == answers[1]
    assert [status for status, *_ in answers[0]] == [201, 201, 429, 201, 201, 201, 429]
    assert answers[0][3] == (201, None, "inbound", 0)


async def test_a_step_that_may_send_nothing_is_followed_by_the_person(world: World, phone: str) -> None:
    """The message of the first step fails, and no other may go out: for a limit, or because no send is left."""
    api, lost = world.api, f"{phone[:-2]}03"
    await api.started(lost)
    await clear_pauses(world)
    limited = await api.started(lost, **THREE_STEPS)
    spent = await api.started(f"{phone[:-4]}2003", **THREE_STEPS)
    await world.hurry(spent["id"], max_sends=1)
    for started, sender in ((limited, lost), (spent, f"{phone[:-4]}2003")):
        assert (started["inbound"], len(started["messages"])) == (None, 1)
        found = started
        for _ in range(60):
            await world.hurry_turn(started["id"])
            found = (await api.status(started["id"])).json()
            if found["inbound"]:
                break
            await asyncio.sleep(0.2)
        assert found["inbound"], found
        assert [message["channel"] for message in found["messages"]] == ["telegram"]
        assert await says(api, sender, found) == ("approved", "claimed")


async def test_an_sms_beside_it_is_followed_by_another(world: World, phone: str) -> None:
    """As any SMS that does not arrive."""
    api, lost = world.api, f"{phone[:-2]}03"
    started = await api.started(lost, channel="inbound")
    assert (await api.resend(started["id"], channel="sms")).status_code == 200
    found: dict[str, Any] = {}
    for _ in range(60):
        await world.hurry(started["id"])
        found = (await api.status(started["id"])).json()
        if len(found["messages"]) == 2:
            break
        await asyncio.sleep(0.2)
    assert [message["gateway"] for message in found["messages"]] == ["targetsms-xml", "smska"], found
    assert found["inbound"] == started["inbound"]
