"""What the right code forgives, counter by counter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis

from otp_service.admission.limits import Limits
from otp_service.domain.keyring import Names
from otp_service.domain.limits import UNVERIFIED_SENDS
from otp_service.errors import Refused
from otp_service.settings import load
from otp_service.storage.connection import Database
from otp_service.storage.limits import LimitStore
from tests.running import service_environ


async def room(limits: Limits, stand_ins: dict[str, str], names: Sequence[str]) -> dict[str, int]:
    """How many more events each limit takes; afterwards it is full."""
    found = {}
    for name in names:
        (counter,) = [one for one in limits.counters("web", [UNVERIFIED_SENDS], stand_ins) if one.limit == name]
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
        stand_ins = {"phone": "p", "application": "a"}
        for _ in range(6):
            await limits.count("web", limits.counters("web", [UNVERIFIED_SENDS], stand_ins))

        await database.run_all(limits.proved("web", stand_ins, sends=2))

        assert await room(limits, stand_ins, ["own", "all"]) == {"own": 8, "all": 4}
