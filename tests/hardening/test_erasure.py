"""A phone is forgotten at its holder's request: what there was of it is gone, and nobody else's is."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

from otp_service.domain.keyring import Keyring
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.install import load_names
from tests.api import Api, Gateways, problem
from tests.authenticator import enrolled
from tests.hardening.conftest import Operator
from tests.running import SECRET


async def subjects(api: Api) -> list[str]:
    """Whom the events of the application are about, those that have been passed on."""
    found: list[str] = []
    after = ""
    while True:
        page = (await api.http.get("/v1/events", params={"after": after} if after else {})).json()
        found += [event["data"].get("verification_id", "") for event in page["events"]]
        if not page["events"]:
            return found
        after = page["next"]


@pytest.fixture
async def redis(redis_url: str) -> Redis:
    return Redis.from_url(redis_url, protocol=2)


async def test_a_phone_is_forgotten(
    api: Api, second: Api, other: Api, gateways: Gateways, operator: Operator, redis: Redis, phone: str
) -> None:
    neighbour = f"{phone[:-2]}77"
    mine = [(await api.start(phone, key=f"erase-{n}-{phone}", reference="mine")).json()["id"] for n in range(3)]
    await api.outcome(mine[0], (await gateways.codes(phone))[-1])
    kept = [(await api.started(neighbour))["id"], (await other.started(phone))["id"]]
    deadline = time.monotonic() + 10
    while not set(mine) <= set(await subjects(api)) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)

    told = operator("erase", "--application", "web", "--phone", phone)

    assert told.code == 0, told
    assert "3 verifications, 3 messages" in told.out
    assert "3 idempotency records" in told.out
    assert ", 0 events" not in told.out
    assert phone[1:] not in told.text
    for one in (api, second):
        for verification in mine:
            problem(await one.status(verification), 404, "not_found")
    assert (await api.http.post("/v1/verifications/search", json={"to": phone})).json() == {"verifications": []}
    assert not set(mine) & set(await subjects(api))
    names = await load_names(Database(redis), Keyring([SECRET]))
    partition, index = names.partition(phone), names.phone_index("web", phone)
    for name in (keys.phone(partition, index), keys.pause(partition, index)):
        assert await redis.exists(name) == 0
    left = [key async for key in redis.scan_iter(count=1000) if any(each.encode() in key for each in mine)]
    assert left == []
    # Somebody else's phone, and the same phone in another application, are as they were.
    assert (await api.status(kept[0])).json()["id"] == kept[0]
    assert (await other.status(kept[1])).json()["id"] == kept[1]
    assert kept[0] in await subjects(api)
    # The same key may be used again, and a second run finds nothing.
    assert (await api.start(phone, key=f"erase-0-{phone}", reference="mine")).json()["id"] not in mine
    operator("erase", "--application", "web", "--phone", phone)
    assert "0 verifications, 0 messages, 0 events" in operator("erase", "--application", "web", "--phone", phone).out
    entry = operator("audit", "export").out.splitlines()[-1]
    assert '"phone.erased"' in entry
    assert index in entry
    await redis.aclose()


async def test_a_phone_leaves_the_lists_of_those_who_proved_it(
    api: Api, other: Api, gateways: Gateways, operator: Operator, phone: str
) -> None:
    """What else a person has stays."""
    person = f"/v1/subjects/erased-{phone[1:]}"
    for caller in (api, other):
        started = await caller.started(phone, subject=person.rpartition("/")[2])
        assert await caller.outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"
    await enrolled(api, person.rpartition("/")[2])

    assert "1 subjects" in operator("erase", "--application", "web", "--phone", phone).out

    left = (await api.http.get(person)).json()
    assert (left["phones"], len(left["totp"])) == ([], 1)
    assert len((await other.http.get(person)).json()["phones"]) == 1


async def test_erasure_is_no_way_to_unlock(
    api: Api, gateways: Gateways, operator: Operator, phone: str, redis: Redis
) -> None:
    """The count of wrong codes stays: it names nobody, and without it a disabled phone would be open again."""
    started = await api.started(phone)
    (code,) = await gateways.codes(phone)
    assert await api.outcome(started["id"], "000000" if code != "000000" else "111111") == "wrong_code"
    operator("erase", "--application", "web", "--phone", phone)
    names = await load_names(Database(redis), Keyring([SECRET]))
    fails = keys.fails(names.partition(phone), names.phone_index("web", phone))
    assert await redis.hget(fails, "count") == b"1"
    await redis.aclose()


def test_what_cannot_be_erased(operator: Operator, phone: str) -> None:
    assert operator("erase", "--application", "nobody", "--phone", phone).code == 2
    assert operator("erase", "--application", "web", "--phone", "nobody").code == 2
