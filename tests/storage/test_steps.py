"""Several sets of keys of one script are one call where one server has all keys, and each is still done by itself."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import InvalidResponse

from otp_service.errors import StorageUnavailable
from otp_service.storage.connection import Database
from otp_service.storage.script import Script
from otp_service.storage.steps import MOST_ARGUMENTS, MOST_STEPS, Step, batched
from tests.running import TOPOLOGY

COUNT, UNCOUNT = Script.load("limit/count", "limit/_window"), Script.load("limit/uncount", "limit/_window")
VISIT = Script.load("pumping/visit_verified", "pumping/_tally")
HOUR = 3_600_000


@pytest.fixture
async def database(redis: Redis) -> AsyncIterator[Database]:
    yield Database(redis)
    for name in [name async for name in redis.scan_iter("otp:*steps*")]:
        await redis.delete(name)


async def asked(redis: Redis) -> int:
    return int((await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"])


on_one_server = pytest.mark.skipif(bool(TOPOLOGY), reason="counts what one server is asked")


@on_one_server
async def test_each_is_done_by_itself_in_one_call(database: Database, redis: Redis) -> None:
    names = [f"otp:limit:steps-{n}" for n in range(5)]
    await redis.delete(*names)
    await database.run(COUNT, [names[3]], [1, HOUR])
    before = await asked(redis)
    found = await database.run_many(COUNT, [([name], [1, HOUR]) for name in names])
    assert [wait > 0 for wait, _ in found] == [False, False, False, True, False]
    assert await asked(redis) - before <= 2, "one, and the first time one that is told the script"
    assert [await redis.hlen(name) for name in names] == [1] * 5


@on_one_server
async def test_what_one_fails_with_is_no_other_s(database: Database, redis: Redis) -> None:
    """A key of another type is set aside, as for a call by itself, and that step is done then."""
    names = [f"otp:limit:steps-bad-{n}" for n in range(3)]
    await redis.delete(*names)
    await redis.set(names[1], "of another program")
    found = await database.run_many(COUNT, [([name], [1, HOUR]) for name in names])
    assert [wait for wait, _ in found] == [0, 0, 0]
    assert [await redis.type(name) for name in names] == [b"hash"] * 3

    places = [(f"otp:proved:{{{n}}}:steps", f"otp:verified:{{{n}}}:steps") for n in range(3)]
    for proved, _ in places:
        await redis.set(proved, "1")
    await redis.hset(places[1][1], "at", "no number")
    await redis.delete(places[0][1], places[2][1])
    calls = [(place, [HOUR]) for place in places]
    found = await database.run_many(VISIT, calls, some=True)
    assert [bool(reply) for reply in found] == [True, False, True], "a fault is noted at its own place"


@on_one_server
async def test_every_script_can_be_done_for_several(redis: Redis) -> None:
    """Each as a function of its keys and arguments: no more locals and outer names than Lua has room for."""
    scripts = {one.sha: one for one in gc.get_objects() if isinstance(one, Script)} or {COUNT.sha: COUNT}
    assert COUNT.sha in scripts
    for script in scripts.values():
        assert await redis.script_load(script.text)
        if script.repeated:
            assert await redis.script_load(script.repeated.text)


def test_what_goes_together_is_bounded_and_keeps_its_places() -> None:
    steps = [Step(COUNT, [f"a{n}"], [1, HOUR]) for n in range(MOST_STEPS + 2)]
    steps.insert(1, Step(UNCOUNT, ["b"], [HOUR, 0, *range(MOST_ARGUMENTS)]))
    steps.append(Step(UNCOUNT, ["c"], [HOUR, 0, 1]))
    found = {batch.step.keys[0]: batch for batch in batched(steps)}
    numbers = sorted(number for batch in found.values() for number in batch.numbers)
    assert numbers == list(range(len(steps)))
    assert [len(batch.numbers) for batch in found.values()] == [MOST_STEPS, 1, 2, 1]
    assert all(len(batch.step.args) < 2 * MOST_ARGUMENTS for batch in found.values())
    for batch in found.values():
        script = steps[batch.numbers[0]].script
        assert batch.step.script is (script if len(batch.numbers) == 1 else script.repeated)


def test_a_reply_that_is_none_is_nobody_s() -> None:
    (batch,) = batched([Step(COUNT, ["a"], [1, HOUR]), Step(COUNT, ["b"], [1, HOUR])])
    assert batch.spread([[0, 1], [2, 3]]) == [[0, 1], [2, 3]]
    assert [type(reply) for reply in batch.spread([[0, 1]])] == [InvalidResponse] * 2
    assert [type(reply) for reply in batch.spread(b"PONG")] == [InvalidResponse] * 2
    fault = StorageUnavailable()
    assert batch.spread(fault) == [fault, fault]
