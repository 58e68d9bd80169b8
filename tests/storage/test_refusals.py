"""Why phones got no code: of each phone every reason once, bounded whoever is refused, forgotten with the phone."""

from __future__ import annotations

import random

import pytest
from redis.asyncio import Redis

from otp_service.domain.keyring import Keyring, Names
from otp_service.errors import Refused
from otp_service.settings.values import Statistics
from otp_service.statistics.refused import MOST, RefusalCounter
from otp_service.storage import refusals
from otp_service.storage.connection import Database
from otp_service.storage.erasure import erase
from otp_service.storage.install import load_names
from otp_service.storage.keys import refusals as key_of
from otp_service.storage.refusals import KEPT_MS, RefusalStore
from otp_service.storage.statistics import StatisticsStore
from tests.running import SECRET


@pytest.fixture
def application() -> str:
    return f"app{random.randrange(10**9)}"


@pytest.fixture
async def names(redis: Redis) -> Names:
    return await load_names(Database(redis), Keyring([SECRET]))


async def test_each_reason_stands_once_with_its_last_time(redis: Redis, application: str) -> None:
    store = RefusalStore(Database(redis))
    await store.note(
        application, [("a1", "too_soon", ""), ("a1", "limit_exceeded", "phone_day"), ("a10", "too_soon", "")]
    )
    (first,) = await store.of_phone(application, "a10")
    await redis.zincrby(key_of(application), -5_000, "a1|too_soon|")
    found = await store.of_phone(application, "a1")
    assert [(each.code, each.detail) for each in found] == [("limit_exceeded", "phone_day"), ("too_soon", "")]
    await store.note(application, [("a1", "too_soon", "")])
    (newest, _) = await store.of_phone(application, "a1")
    assert newest.code == "too_soon"
    assert newest.at >= first.at
    assert KEPT_MS - 60_000 < await redis.pttl(key_of(application)) <= KEPT_MS


async def test_they_are_bounded_in_number_and_time(
    redis: Redis, application: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST", 50)
    store = RefusalStore(Database(redis))
    await store.note(application, [("old", "too_soon", "")])
    await redis.zincrby(key_of(application), -KEPT_MS, "old|too_soon|")
    await redis.zadd(key_of(application), {f"f{n:03}|too_soon|": 2**42 + n for n in range(100)})
    await store.note(application, [("new", "too_soon", "")])
    assert await redis.zcard(key_of(application)) == 50
    assert await store.of_phone(application, "old") == []


async def test_an_erasure_takes_them(redis: Redis, application: str, names: Names) -> None:
    store, phone, other = RefusalStore(Database(redis)), "+79161230000", "+79161230001"
    for each in (phone, other):
        await store.note(application, [(names.phone_index(application, each), "too_soon", "")])
    await erase(Database(redis), names, application, phone)
    assert await store.of_phone(application, names.phone_index(application, phone)) == []
    assert len(await store.of_phone(application, names.phone_index(application, other))) == 1


async def test_what_waits_to_be_written_is_bounded_and_of_the_phone_alone(redis: Redis, application: str) -> None:
    database = Database(redis)
    counter = RefusalCounter(
        database, StatisticsStore(database, Statistics(), lambda gateway, country: None), RefusalStore(database)
    )
    for n in range(MOST + 10):
        counter.remember(application, f"{n:016x}", Refused("limit_exceeded", "", extra={"limit": "ip_hour"}))
    counter.remember(application, "with a verification", Refused("phone_rejected", "", extra={"verification_id": "v"}))
    counter.remember(application, "of the request", Refused("idempotency_key_reused", ""))
    await counter.write()
    assert await redis.zcard(key_of(application)) == MOST
    assert [each.detail for each in await RefusalStore(database).of_phone(application, f"{7:016x}")] == ["ip_hour"]
