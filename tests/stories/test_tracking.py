"""What becomes of messages after a gateway took them, as a back end sees it.

A sandbox whose clock runs four times as fast (no faster: it must not outrun the validity of an SMS) pushes the ends to
the service, which has a Redis of its own, so that no other looks at them.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from otp_service.storage.embedded import embedded_server
from tests.api import Api, Gateways
from tests.running import API_KEY, free_port, running_sandbox, running_service
from tests.sizes import sized

_TURN = """
local awaited = redis.call('HEXISTS', KEYS[1], 'failover_at') == 1
if awaited then redis.call('HSET', KEYS[1], 'failover_at', 1) end
return awaited or redis.call('HEXISTS', KEYS[1], 'lease') == 1
"""
TOKEN = "callback-token-of-the-tests-0123456789"
FAILOVER_SECONDS = 1


@dataclass(frozen=True)
class World:
    api: Api
    gateways: Gateways
    redis: Redis
    url: str
    log: Path = Path(os.devnull)
    """Of the service, where a story reads it."""

    async def until(self, verification_id: str, wanted: list[str], seconds: float = 8) -> dict[str, Any]:
        """The verification once its messages' statuses are as wanted, watched by long polls."""
        deadline = time.monotonic() + seconds
        tag = ""
        while True:
            headers = {"If-None-Match": tag} if tag else {}
            answer = await self.api.http.get(
                f"/v1/verifications/{verification_id}", params={"wait": 1}, headers=headers
            )
            found: dict[str, Any] = answer.json()
            tag = answer.headers["etag"]
            if [m["status"] for m in found["messages"]] == wanted:
                return found
            if found["messages"][-1]["gateway"] == "smska":  # which cannot push: do not wait for the next look
                await self.hurry(verification_id)
            statuses = [(message["gateway"], message["status"]) for message in found["messages"]]
            assert time.monotonic() < deadline, (wanted, statuses)

    async def record(self, verification_id: str) -> str:
        (name,) = [key async for key in self.redis.scan_iter(match=f"otp:v:*{verification_id}", count=1000)]
        return str(name.decode())

    async def hurry(self, verification_id: str, **fields: Any) -> None:
        """Change the record as time would, and have it looked at now."""
        name = await self.record(verification_id)
        await self.redis.hset(name, mapping={"look_at": 1, **fields})
        await self.redis.zadd(f"otp:due:{name[name.index('{') : name.index('}') + 1]}", {f"look:{verification_id}": 1})

    async def hurry_turn(self, verification_id: str) -> bool:
        """As `hurry`, and the next gateway's turn has come, if one is awaited. Whether one is, or a walk is under way.

        In one step: while a walk is under way no turn is awaited, and one that is put there would be another's.
        """
        awaited: Any = self.redis.eval(_TURN, 1, await self.record(verification_id))
        found = await awaited
        await self.hurry(verification_id)
        return bool(found)


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("tracking")
    port = free_port()
    with running_sandbox(folder, OTP_SANDBOX_SPEED="4") as sandbox:
        async with embedded_server(folder / "redis") as redis_url:
            settings = {
                "OTP_PORT": str(port),
                "OTP__SERVICE__PUBLIC_URL": f"http://127.0.0.1:{port}",
                "OTP__ROUTES__SMS__FAILOVER_AFTER_SECONDS": str(FAILOVER_SECONDS),
                "OTP__GATEWAYS__TARGETSMS_XML__CALLBACK_TOKEN": TOKEN,
                "OTP__GATEWAYS__TARGETSMS_XML__REGISTER_CALLBACK": "true",
            }
            with running_service(folder, redis_url, sandbox, **settings) as (url, _, log):
                async with (
                    Api(url, API_KEY) as api,
                    httpx.AsyncClient(base_url=sandbox, trust_env=False, verify=False, timeout=30) as http,
                    Redis.from_url(redis_url, protocol=2) as redis,
                ):
                    yield World(api, Gateways(http), redis, url, log)


@pytest.fixture(autouse=True)
async def no_faults(world: World) -> None:
    await world.gateways.http.delete("/_sim/faults")


def number(ending: str = "") -> str:
    return f"+7916{random.randrange(10_000, 100_000)}{ending or random.randrange(12, 100)}"


async def events_of(world: World, verification_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await world.api.http.get("/v1/events", params={"after": after} if after else {})).json()
        found += page["events"]
        if not page["events"]:
            return [event for event in found if event["data"].get("verification_id") == verification_id]
        after = page["next"]


async def test_delivered_is_known_within_two_seconds_with_time_parts_and_price(world: World) -> None:
    to = number()
    started = await world.api.started(to, reference="order-77")

    found = await world.until(started["id"], ["delivered"])

    (message,) = found["messages"]
    assert message["sent_at"] <= message["ended_at"] <= message["updated_at"]
    assert (message["parts"], message["price"], message["reason"]) == (1, "1", None)
    assert [moment["what"] for moment in found["timeline"]] == [
        "created", "message.queued", "message.accepted", "message.delivered",
    ]  # fmt: skip
    (code,) = await world.gateways.codes(to)
    assert await world.api.outcome(started["id"], code) == "approved"
    await asyncio.sleep(1.2)  # the worker's round
    told = await events_of(world, started["id"])
    assert [(event["type"], event["data"]["status"]) for event in told] == [
        ("verification.created", "pending"), ("message.updated", "pending"), ("message.updated", "pending"),
        ("verification.approved", "approved"),
    ]  # fmt: skip
    assert [event["data"].get("message", {}).get("status") for event in told] == [None, "accepted", "delivered", None]
    assert all(event["data"]["to"] == to and event["data"]["reference"] == "order-77" for event in told)
    sequences = [event["sequence"] for event in told]
    assert sequences == sorted(set(sequences))


async def test_a_failed_message_is_replaced_until_no_send_is_left(world: World) -> None:
    """Ending 03: no gateway delivers. Each failure goes on along the route at once, with one local code."""
    to = number("03")
    started = await world.api.started(to)

    found = await world.until(started["id"], ["undelivered", "undelivered", "rejected", "undelivered", "rejected"], 20)

    assert [m["gateway"] for m in found["messages"]] == [
        "targetsms-password", "targetsms-xml", "smska", "targetsms-xml", "smska",
    ]  # fmt: skip
    assert found["sends_left"] == 0
    assert found["resend_at"] == started["resend_at"]
    assert found["status"] == "pending"
    _made_by_gateway, *local = reversed(await world.gateways.codes(to))
    assert len(set(local)) == 1
    assert await world.api.outcome(started["id"], local[0]) == "approved"


async def test_a_gateway_that_the_settings_name_no_more(world: World) -> None:
    """Its message is left as it is, and those of others that are looked at with it are seen to."""
    left = [(await world.api.started(number("02")))["id"] for _ in range(3)]
    for verification_id in left:
        await world.hurry(verification_id, **{"m1:gateway": "gone", "failover_at": 1})
    to = number("03")
    started = await world.api.started(to)
    await world.until(started["id"], ["undelivered", "undelivered", "rejected", "undelivered", "rejected"], 20)
    for verification_id in left:
        found = (await world.api.status(verification_id)).json()
        assert [(m["gateway"], m["status"]) for m in found["messages"]] == [("gone", "accepted")]
    assert "jobs_failed" not in world.log.read_text()


@pytest.mark.parametrize(("ending", "status"), [("04", "expired"), ("05", "unknown")])
async def test_only_a_failure_is_replaced_never_what_is_unknown(world: World, ending: str, status: str) -> None:
    started = await world.api.started(number(ending))

    await asyncio.sleep(FAILOVER_SECONDS + 2.5)

    found = (await world.api.status(started["id"])).json()
    assert found["messages"][0]["status"] == status
    assert (len(found["messages"]) > 1) == (status == "expired")


@pytest.mark.slow
async def test_silence_is_replaced_where_reports_are_known_to_come(world: World) -> None:
    """Ending 02: the gateway takes it and tells nothing."""
    for _ in range(3):
        started = await world.api.started(number())
        await world.until(started["id"], ["delivered"])
    to = number("02")
    started = await world.api.started(to)

    found = await world.until(started["id"], ["accepted", "accepted"])

    assert [m["gateway"] for m in found["messages"]] == ["targetsms-password", "targetsms-xml"]
    by_gateway, local = reversed(await world.gateways.codes(to))
    assert await world.api.outcome(started["id"], by_gateway) == "approved"  # the first SMS came after all
    await asyncio.sleep(FAILOVER_SECONDS + 1.5)
    assert len((await world.api.status(started["id"])).json()["messages"]) == 2  # called off
    assert await world.api.outcome(started["id"], local) == "already_approved"


async def test_the_silence_of_a_mute_gateway_means_nothing(world: World) -> None:
    await world.redis.delete("otp:heard:{gateways}:targetsms-password")
    await asyncio.sleep(1.1)  # every process reads it once a second
    started = await world.api.started(number("02"))

    await asyncio.sleep(FAILOVER_SECONDS + 2.5)

    assert len((await world.api.status(started["id"])).json()["messages"]) == 1
    turn_at = int(await world.redis.hget(await world.record(started["id"]), "failover_at") or 0)
    assert turn_at > (time.time() + 1800) * 1000  # its word that a message failed still counts


async def test_what_is_unclear_is_asked_again_under_its_client_id(world: World) -> None:
    to = number()
    await world.gateways.fail("password", "error", error="Неверный логин или пароль")
    await world.gateways.fail("smska", "error", error="-7|Your SenderID is not valid.")
    await world.gateways.fail("xml", "processed_then_reset", times=2)  # the attempt and its repeat
    started = await world.api.started(to)
    assert [m["status"] for m in started["messages"]] == ["rejected", "unclear", "rejected"]

    await world.hurry(started["id"])

    found = await world.until(started["id"], ["rejected", "delivered", "rejected"])
    assert found["messages"][1]["reason"] is None
    assert len(await world.gateways.messages(to)) == 1


async def test_an_expired_life_is_written_down_and_told(world: World) -> None:
    started = await world.api.started(number())
    await world.until(started["id"], ["delivered"])
    created = int(await world.redis.hget(await world.record(started["id"]), "created_at") or 0)

    await world.hurry(started["id"], created_at=created - 400_000, expires_at=created - 100_000)
    await asyncio.sleep(2.5)

    assert [event["type"] for event in await events_of(world, started["id"])][-1] == "verification.expired"
    assert await world.redis.hget(await world.record(started["id"]), "hash:gateway") is None


async def test_nobody_is_asked_for_ever(world: World) -> None:
    """Twice the life after the start the end is `unknown`, and no job is left."""
    started = await world.api.started(number("02"))
    name = await world.record(started["id"])
    created = int(await world.redis.hget(name, "created_at") or 0)

    await world.hurry(started["id"], created_at=created - 700_000, expires_at=created - 400_000)

    found = await world.until(started["id"], ["unknown"])
    assert found["messages"][0]["reason"] == "no_report"
    partition = name[name.index("{") : name.index("}") + 1]
    assert await world.redis.zscore(f"otp:due:{partition}", f"look:{started['id']}") is None


async def test_a_long_poll_answers_when_something_changes_and_misses_nothing(world: World) -> None:
    started = await world.api.started(number("02"))
    path = f"/v1/verifications/{started['id']}"
    known = (await world.api.status(started["id"])).headers["etag"]

    async def wait() -> tuple[float, httpx.Response]:
        began = time.monotonic()
        answer = await world.api.http.get(path, params={"wait": 5}, headers={"If-None-Match": known})
        return time.monotonic() - began, answer

    waiting = asyncio.gather(*(wait() for _ in range(20)))
    await asyncio.sleep(0.5)
    assert (await world.api.cancel(started["id"])).status_code == 200
    for seconds, answer in await waiting:
        assert 0.4 < seconds < 1.5
        assert answer.json()["status"] == "canceled"
    seconds, answer = await wait()  # it is another than the known one already
    assert seconds < 0.4
    assert answer.headers["etag"] != known
    assert (await world.api.http.get(path, params={"wait": 31})).status_code == 422


async def test_support_finds_what_a_person_received(world: World) -> None:
    to = number()
    first, second = [await world.api.started(to) for _ in range(2)]

    answer = await world.api.http.post("/v1/verifications/search", json={"to": f"8{to[2:]}"})

    assert [found["id"] for found in answer.json()["verifications"]] == [second["id"], first["id"]]
    nobody = await world.api.http.post("/v1/verifications/search", json={"to": number()})
    assert nobody.json() == {"verifications": []}


# Callbacks


def pushed(*states: tuple[str, str]) -> bytes:
    inside = "".join(f'<state id_sms="{id_sms}" time="2026-01-01 12:00:00">{word}</state>' for id_sms, word in states)
    return f'<?xml version="1.0" encoding="utf-8"?><request>{inside}</request>'.encode()


async def push(world: World, body: bytes, token: str = TOKEN) -> httpx.Response:
    async with httpx.AsyncClient(base_url=world.url, trust_env=False, verify=False) as stranger:
        return await stranger.post(f"/callbacks/targetsms/{token}", content=body, headers={"Content-Type": "text/xml"})


async def test_a_push_is_believed_only_after_the_gateway_was_asked(world: World) -> None:
    started = await world.api.started(number("02"))
    name = await world.record(started["id"])
    provider_id = (await world.redis.hget(name, "m1:provider_id") or b"").decode()

    answer = await push(world, pushed((provider_id, "not_deliver"), ("2700000999", "deliver"), ("2700000998", "send")))

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    for known in (provider_id, "2700000999", "2700000998"):
        assert f"<id_sms>{known}</id_sms>" in answer.text
    await asyncio.sleep(2)  # it was asked, and knows of no failure
    found = (await world.api.status(started["id"])).json()
    assert found["messages"][0]["status"] == "accepted"


async def test_a_push_of_a_thousand_states_is_acknowledged(world: World) -> None:
    """As long as the document allows it, on this route alone."""
    body = pushed(*((str(10**18 + number), "partly_deliver") for number in range(1000)))
    assert len(body) > 64 * 1024

    answer = await push(world, body)

    assert (answer.status_code, answer.text.count("<id_sms>")) == (200, 1000)
    assert (await push(world, body + b" " * 128 * 1024)).status_code == 413
    assert (await world.api.http.post("/v1/verifications", content=body)).status_code == 413


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        (pushed(("1", "deliver")), "wrong", 404),
        (pushed(("1", "deliver")), TOKEN[:-1], 404),
        (b"", TOKEN, 200),
        (b"<request", TOKEN, 200),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><request><state id_sms="1">&x;</state></request>', TOKEN, 200),
        (b"\xff\xfe\x00" * 100, TOKEN, 200),
        (b"<request>" + b"<state/>" * 5000 + b"</request>", TOKEN, 200),
        (b"x" * 140_000, TOKEN, 413),
    ],
)
async def test_what_is_no_push_acknowledges_nothing(world: World, body: bytes, token: str, status: int) -> None:
    answer = await push(world, body, token)
    assert answer.status_code == status
    assert "<id_sms>" not in answer.text


@pytest.mark.slow
async def test_s15_ten_thousand_forged_pushes_change_nothing(world: World) -> None:
    """Wrong tokens, unknown ids, backward and invented words, mutated documents: no 5xx, no change, no approval."""
    started = await world.api.started(number("02"))
    name = await world.record(started["id"])
    provider_id = (await world.redis.hget(name, "m1:provider_id") or b"").decode()
    good = pushed((provider_id, "not_deliver"))
    seed = random.randrange(2**32)
    forger = random.Random(seed)

    def forged() -> tuple[bytes, str]:
        match forger.randrange(5):
            case 0:
                return good, forger.choice([TOKEN[1:], TOKEN.upper(), "x" * 40, "%00", "..", "a"])
            case 1:
                return pushed((str(forger.randrange(10**12)), forger.choice(["deliver", "expired", "read"]))), TOKEN
            case 2:
                return pushed(
                    (provider_id, forger.choice(["send", "queued", "approved", "", "<b/>", "DELIVER"]))
                ), TOKEN
            case 3:
                body = bytearray(good)
                for _ in range(forger.randrange(1, 8)):
                    body[forger.randrange(len(body))] = forger.randrange(256)
                return bytes(body), TOKEN
            case _:
                return forger.randbytes(forger.randrange(200)), TOKEN

    async def forge(count: int) -> set[int]:
        statuses = set()
        async with httpx.AsyncClient(base_url=world.url, trust_env=False, verify=False, timeout=30) as stranger:
            for _ in range(count):
                body, token = forged()
                answer = await stranger.post(f"/callbacks/targetsms/{token}", content=body)
                statuses.add(answer.status_code)
        return statuses

    statuses = set().union(*await asyncio.gather(*(forge(sized(1000, 300)) for _ in range(10))))
    await asyncio.sleep(2)

    assert statuses <= {200, 400, 404}, f"seed {seed}"
    found = (await world.api.status(started["id"])).json()
    assert (found["status"], {m["status"] for m in found["messages"]}) == ("pending", {"accepted"})


@pytest.mark.slow
async def test_a_message_that_is_sent_during_a_look_is_looked_at_too(world: World) -> None:
    """The gateway takes its time to tell of the first message; meanwhile another goes out by one that cannot push."""
    await world.gateways.fail("state", "latency", times=1, seconds=0.8)
    await world.gateways.fail("xml", "error", times=1, error="Неверный логин или пароль")
    before = await world.gateways.asked("state")
    started = await world.api.started(number())
    while await world.gateways.asked("state") == before:
        await asyncio.sleep(0.05)
    assert (await world.api.resend(started["id"])).status_code == 200

    deadline = time.monotonic() + 12
    while True:
        found = (await world.api.status(started["id"])).json()["messages"]
        assert found[-1]["gateway"] == "smska"
        if (found[0]["status"], found[-1]["status"]) == ("delivered", "delivered"):
            return
        assert time.monotonic() < deadline, [message["status"] for message in found]
        await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_a_gateway_that_cannot_be_asked_costs_one_more_sms_and_no_more(world: World) -> None:
    """The last test of this world: a gateway that did not answer is left in peace for 5 s."""
    for _ in range(3):
        started = await world.api.started(number())
        await world.until(started["id"], ["delivered"])
    await asyncio.sleep(1.1)
    await world.gateways.fail("state", "status")
    to = number()

    started = await world.api.started(to)
    await asyncio.sleep(2 * FAILOVER_SECONDS + 4)

    found = (await world.api.status(started["id"])).json()
    assert [(m["gateway"], m["status"]) for m in found["messages"]] == [
        ("targetsms-password", "accepted"), ("targetsms-xml", "accepted"),
    ]  # fmt: skip
    assert len(await world.gateways.messages(to)) == 2
