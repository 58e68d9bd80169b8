"""What the right code forgives and what is given back, counter by counter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from otp_service.admission.limits import Limits
from otp_service.domain.keyring import Names
from otp_service.domain.limits import UNVERIFIED_SENDS
from otp_service.errors import Refused
from otp_service.settings import load
from otp_service.storage.connection import Database
from otp_service.storage.limits import Counter, Full, LimitStore
from otp_service.storage.spending import SpendingStore
from tests.clock import faked_server
from tests.running import service_environ


async def room(limits: Limits, pseudonyms: dict[str, str], names: Sequence[str]) -> dict[str, int]:
    """How many more events each limit takes; afterwards it is full."""
    found = {}
    for name in names:
        (counter,) = [one for one in limits.counters("web", [UNVERIFIED_SENDS], pseudonyms) if one.limit == name]
        found[name] = 0
        while found[name] < 20:
            try:
                await limits.count("web", [counter])
            except Refused:
                break
            found[name] += 1
    return found


@pytest.mark.parametrize("own", [("phone",), ("application", "phone")])
async def test_the_right_code_clears_the_phone_s_limits_and_takes_back_in_the_others(
    tmp_path: Path, redis_url: str, own: tuple[str, ...]
) -> None:
    environ = service_environ(tmp_path, redis_url, "http://127.0.0.1:1") | {
        "OTP__LIMITS__OWN__PER": ",".join(own),
        "OTP__LIMITS__ALL__PER": "application",
        "OTP__APPLICATIONS__WEB__LIMITS": "own,all",
    }
    for name in ("OWN", "ALL"):
        environ |= {f"OTP__LIMITS__{name}__QUOTA": "8", f"OTP__LIMITS__{name}__WINDOW_SECONDS": "600"}
    async with Redis.from_url(redis_url, protocol=2) as redis:
        database = Database(redis)
        limits = Limits(load(environ), Names(str(tmp_path).encode(), 256), LimitStore(database))
        pseudonyms = {"phone": "p", "application": "a"}
        for _ in range(6):
            await limits.count("web", limits.counters("web", [UNVERIFIED_SENDS], pseudonyms))

        seconds, micros = await redis.time()
        now = seconds * 1000 + micros // 1000
        await database.run_all(limits.proved("web", pseudonyms, [now, now], now))

        assert await room(limits, pseudonyms, ["own", "all"]) == {"own": 8, "all": 4}


async def test_what_is_given_back_is_the_caller_s_own_event(tmp_path: Path) -> None:
    """An event that comes to nothing takes no later one with it, nor one of others after its own has left the window:
    else more than the quota would fit into some window."""
    counter = Counter("some", "otp:limit:own", 1, 60)
    with faked_server(tmp_path) as server:
        async with Redis.from_url(server.url, protocol=2) as redis:
            store = LimitStore(Database(redis))
            first = await store.count([replace(counter, quota=2)])
            assert isinstance(first, list)
            server.clock.move(seconds=30)
            assert isinstance(await store.count([replace(counter, quota=2)]), list)
            await store.take_back(first)
            server.clock.move(seconds=31)
            assert isinstance(await store.count([counter]), Full), "the second is 31 s old"
            server.clock.move(seconds=31)
            third = await store.count([counter])
            assert isinstance(third, list)
            server.clock.move(seconds=62)
            assert isinstance(await store.count([counter]), list)
            await store.take_back(third)
            assert isinstance(await store.count([counter]), Full), "the third was gone already"


async def test_what_was_set_aside_before_midnight_is_put_right_on_that_day(tmp_path: Path) -> None:
    with faked_server(tmp_path) as server:
        async with Redis.from_url(server.url, protocol=2) as redis:
            server.clock.move(seconds=86_400 - server.clock.now() % 86_400 - 5)
            store = SpendingStore(Database(redis), 80)
            evening = await store.add("web", 15, 20, 0, must_fit=True)
            server.clock.move(seconds=10)
            assert (await store.add("web", 18, 20, 0, must_fit=True)).today == 18
            assert (await store.add("web", -15, 20, 0, day=evening.day)).today == 18, "it was never of this day"
            assert (await store.add("web", 5, 20, 0, must_fit=True)).wait_seconds > 0
            assert await redis.hget("otp:spending:{app:web}", evening.day) == b"0"
