"""Rows of statistics in Redis: counted once, bounded in number, kept for so long, read fast."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import CapturingLogger

from otp_service.domain import statistics
from otp_service.domain.keyring import Keyring
from otp_service.domain.statistics import COUNTERS, NUMBERS, Addition, Group
from otp_service.settings.values import Statistics
from otp_service.statistics.reading import read
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.events import BATCH, MOST_FIELDS, EventStore
from otp_service.storage.statistics import MOST_GROUPS, StatisticsStore

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
AT = int(NOON.timestamp() * 1000)
LANE = "7"


@pytest.fixture
async def application(redis: Redis) -> AsyncIterator[str]:
    name = f"app{random.randrange(10**9)}"
    yield name
    if left := [key async for key in redis.scan_iter(match=f"otp:*{{app:{name}}}*", count=1000)]:
        await redis.delete(*left)


@pytest.fixture
def store(redis: Redis) -> StatisticsStore:
    return StatisticsStore(Database(redis), Statistics(), lambda gateway, country: 1_000_000)


@pytest.fixture
async def events(redis: Redis, store: StatisticsStore, application: str) -> AsyncIterator[EventStore]:
    await redis.delete(keys.outbox(LANE))
    yield EventStore(Database(redis), Keyring(["s" * 32]), 3600, {application: []}, store)
    await redis.delete(keys.outbox(LANE))


async def told(redis: Redis, application: str, kind: str, lane: str = LANE, **more: str) -> None:
    fields: dict[Any, Any] = {"type": kind, "at": str(AT), "application": application, "subject": "s"}
    await redis.xadd(keys.outbox(lane), fields | {"created_at": str(AT)} | more)


async def summed(store: StatisticsStore, application: str, name: str, step: str = "hour", hours: int = 1) -> int:
    rows = await store.read(application, NOON.replace(hour=0), NOON + timedelta(hours=hours), step, ())
    return sum(row[name] for row in rows)


async def test_an_event_is_counted_once_however_often_it_is_passed_on(
    redis: Redis, events: EventStore, store: StatisticsStore, application: str
) -> None:
    for _ in range(250):
        await told(redis, application, "verification.created", channel="sms", country="RU")
    entries: Any = await redis.xrange(keys.outbox(LANE))
    while (await events.relay([LANE]))[LANE]:
        pass
    assert await summed(store, application, "started") == await summed(store, application, "started", "day") == 250
    await redis.delete(keys.outbox(LANE))
    for entry_id, fields in entries:  # a worker died before it cleared them
        await redis.xadd(keys.outbox(LANE), fields, id=entry_id)
    await asyncio.gather(events.relay([LANE]), events.relay([LANE]))
    assert await summed(store, application, "started") == 250
    assert await redis.xlen(keys.events(application)) == 250
    await redis.delete(keys.outbox(LANE))
    for entry_id, fields in entries[-20:]:
        await redis.xadd(keys.outbox(LANE), fields, id=entry_id)
    await told(redis, application, "verification.created", channel="sms", country="RU")  # one more came meanwhile
    await events.relay([LANE])
    assert await summed(store, application, "started") == 251
    assert await redis.xlen(keys.events(application)) == 251


async def test_outboxes_that_are_passed_on_together_are_remembered_each_by_itself(
    redis: Redis, events: EventStore, store: StatisticsStore, application: str
) -> None:
    """More than fit into one call, and one outbox whose events were passed on before."""
    lanes = [f"{LANE}{n}" for n in range(5)]
    for lane in lanes:
        for _ in range(30):
            await told(redis, application, "verification.created", lane, channel="sms", country="RU")
    entries: Any = await redis.xrange(keys.outbox(lanes[1]))
    await events.relay(lanes)
    await redis.delete(keys.outbox(lanes[1]))
    for entry_id, fields in entries[-3:]:
        await redis.xadd(keys.outbox(lanes[1]), fields, id=entry_id)
    for lane in lanes:
        await told(redis, application, "verification.created", lane, channel="sms", country="RU", later="told")
    await events.relay(lanes)
    log = await events.after(application, "", 1000)
    assert [each.sequence for each in log] == list(range(1, 156))
    assert await summed(store, application, "started") == await summed(store, application, "started", "day") == 155
    assert all("country" not in each.fields for each in log), "what statistics alone ask for is not kept"
    assert {each.fields["message"] for each in log} == {""}, "all have the same fields"
    assert [each.fields.get("later") for each in log] == [None] * 150 + ["told"] * 5, "what a later version tells is"
    await redis.delete(*map(keys.outbox, lanes))


@pytest.mark.parametrize(
    "odd",
    [{"a,b": "c"}, {"": "nameless"}, {f"f{n}": "" for n in range(9000)}],
    ids=["with a comma", "without a name", "too many"],
)
async def test_an_event_with_fields_as_no_version_names_them_holds_up_no_other(
    redis: Redis, events: EventStore, store: StatisticsStore, application: str, odd: dict[str, str]
) -> None:
    await told(redis, application, "verification.created", channel="sms", **odd)
    await told(redis, application, "verification.created", channel="sms")
    assert await events.relay([LANE]) == {LANE: False}
    assert await summed(store, application, "started") == 1
    assert [each.type for each in await events.after(application, "", 10)] == ["verification.created"]
    assert await redis.xlen(keys.outbox(LANE)) == 0


async def test_a_batch_of_the_longest_events_fits_into_one_call(
    redis: Redis, events: EventStore, store: StatisticsStore, application: str
) -> None:
    longest = {f"later{n}": "" for n in range(MOST_FIELDS - 7)}
    for _ in range(BATCH):
        await told(redis, application, "verification.created", channel="sms", **longest)
    await events.relay([LANE])
    assert await summed(store, application, "started") == BATCH


async def test_events_are_counted_where_none_are_kept(redis: Redis, store: StatisticsStore, application: str) -> None:
    await told(redis, application, "verification.created", channel="sms")
    await EventStore(Database(redis), Keyring(["s" * 32]), 0, {application: []}, store).relay([LANE])
    assert await summed(store, application, "started") == 1
    assert not await redis.exists(keys.events(application))
    assert await redis.xlen(keys.outbox(LANE)) == 0


async def test_an_event_that_cannot_be_counted_is_passed_on(
    redis: Redis, events: EventStore, store: StatisticsStore, application: str
) -> None:
    await told(redis, application, "message.updated", **{"message:counted": "", "message:status": "teleported"})
    await told(redis, application, "verification.created", created_at="9" * 40)
    await told(redis, application, "verification.created", channel="sms")
    await events.relay([LANE])
    assert await redis.xlen(keys.events(application)) == 3
    assert await summed(store, application, "started") == 1


async def test_strangers_cannot_make_more_rows_than_so_many(
    redis: Redis, store: StatisticsStore, application: str
) -> None:
    """Further ones count in a common row; sums stay whole, and later hours have room of their own."""
    words = [f"O{n}" for n in range(15 * MOST_GROUPS)]
    for first in range(0, len(words), 100):
        some = words[first : first + 100]
        await store.add(application, [Addition(AT, Group("g", "sms", "RU", word), {0: 1}) for word in some])
    assert await summed(store, application, "started") == len(words)
    name = keys.hours(application, NOON.replace(hour=0))
    assert await redis.hlen(name) <= 13 * MOST_GROUPS + 1
    rows = await store.read(application, NOON, NOON + timedelta(hours=1), "hour", ["operator"])
    assert next(row for row in rows if row.group.operator == "other")["started"] > 1
    late = Addition(AT + 3_600_000, Group("g", "sms", "KZ", "late"), {0: 1})
    await store.add(application, [late])
    assert (await redis.hget(name, "13|g|sms|KZ|late")) is not None


async def test_no_counter_falls_below_nothing_or_reaches_into_the_next(
    store: StatisticsStore, application: str
) -> None:
    last = NUMBERS - 1
    await store.add(application, [Addition(AT, Group("g"), {0: -5, 3: 2**52, last: 7})])
    await store.add(application, [Addition(AT, Group("h"), {3: 2**52, 4: 1})])
    (row,) = await store.read(application, NOON, NOON + timedelta(hours=1), "hour", ())
    assert [row.numbers[place] for place in (0, 3, 4, last)] == [0, 2**53, 1, 7]
    assert len(row.numbers) == NUMBERS


async def test_rows_end(redis: Redis, store: StatisticsStore, application: str) -> None:
    now = int(time.time() * 1000)
    hour, day = store.period_keys(application, now)
    await store.add(application, [Addition(now, Group(), {0: 1})])
    assert 90 <= await redis.ttl(hour.name) / 86_400 <= 91
    assert 1095 <= await redis.ttl(day.name) / 86_400 <= 1127
    for place in (hour, day):
        assert keys.kind_of(place.name) is not None
        stored: Any = await redis.hgetall(place.name)
        ((field, value),) = stored.items()
        kind = keys.kind_of(place.name)
        assert kind is not None
        assert kind.is_sound([field, value])
        assert not kind.is_sound([b"12", value])


async def test_what_others_wrote_there_is_left_out(redis: Redis, store: StatisticsStore, application: str) -> None:
    await store.add(application, [Addition(AT, Group("g"), {0: 1})])
    strange: dict[Any, Any] = {
        "xx|g|||": b"1",
        "12|g": b"1",
        "99|g|||": b"\1",
        "12|h|||": b"\1" * 3,
        "12|i|||": b"\1" * 5000,
    }
    await redis.hset(keys.hours(application, NOON), mapping=strange)
    rows = await store.read(application, NOON, NOON + timedelta(hours=1), "hour", ["gateway"])
    assert [row["started"] for row in rows if row.group.gateway == "g"] == [1]
    assert len(rows) <= 2
    await redis.hset(keys.hours(application, NOON), "12|g|||", b"\5\0\0")
    await store.add(application, [Addition(AT, Group("g"), {0: 1})])
    assert await summed(store, application, "started") >= 1


async def test_thirty_days_of_hours_are_read_in_50_ms(redis: Redis, store: StatisticsStore, application: str) -> None:
    """Two gateways and no gateway, four operators: 12 rows an hour. In processor time, since others want it, too:
    idle, the clock on the wall says as much and a few milliseconds of Redis."""
    counted = {place: 1_000 + place for place in range(NUMBERS)}
    groups = [Group(gateway, "sms", "RU", operator) for gateway in ("", "a", "b") for operator in "МБТЯ"]
    for day in range(30):
        at = AT - day * 86_400_000
        await store.add(
            application,
            [Addition(at + hour * 3_600_000, group, counted) for hour in range(-12, 12) for group in groups],
        )
    taken: dict[tuple[str, ...], float] = {}
    for by in [(), ("gateway",), ("gateway", "operator"), statistics.DIMENSIONS] * 5:
        began = time.process_time()
        rows = await read(store, application, start=NOON - timedelta(days=29), end=NOON + timedelta(hours=12), by=by)
        taken[by] = min(taken.get(by, 1.0), time.process_time() - began)
    assert len(rows) == (29 * 24 + 12) * len(groups)
    assert rows[0][COUNTERS[0]] == 1_000
    assert {by: seconds for by, seconds in taken.items() if seconds >= 0.05} == {}, "each grouping by itself"
    assert statistics.hour_of(AT) == NOON


def test_a_factor_s_event_is_no_broken_one(store: StatisticsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose it is stands in it sealed, and no bytes of that are a text."""
    heard = CapturingLogger()
    monkeypatch.setattr("otp_service.storage.statistics.log", heard)
    fields = {
        b"at": b"%d" % AT,
        b"application": b"web",
        b"subject": b"fac_1",
        b"factor": b"totp",
        b"person": b"\xff\xfe",
    }
    assert store.of_event("factor.enrolled", fields) is None
    assert heard.calls == []
