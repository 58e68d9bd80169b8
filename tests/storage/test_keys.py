"""What lies in Redis after stories of every kind is what the catalogue says, lives no longer, and is small."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from otp_service.domain.keyring import Keyring
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.install import load_names
from otp_service.storage.keys import CATALOGUE
from tests.api import Api, Gateways, problem
from tests.running import SECRET, service_environ


def globbed(pattern: str) -> str:
    return re.sub(r"<[^>]*>", "*", pattern).replace("{p}", "{[0-9]*}").replace("{lane}", "{*}")


async def stories(api: Api, gateways: Gateways, phone: str) -> dict[str, str]:
    """One verification for each end; returns their ids."""
    ids = {}
    for n, end in enumerate(("approved", "exhausted", "canceled", "pending")):
        number = f"{phone[:-2]}{n + 30}"
        started = (await api.start(number, key=f"{end}-{number}")).json()
        code = (await gateways.codes(number))[0]
        wrong = "000000" if code != "000000" else "111111"
        if end == "approved":
            await api.resend(started["id"])
            await api.outcome(started["id"], code, key="right")
        elif end == "exhausted":
            for _ in range(5):
                await api.outcome(started["id"], wrong)
        elif end == "canceled":
            await api.cancel(started["id"])
        ids[end] = started["id"]
    return ids


async def test_every_key_is_in_the_catalogue_and_ends(api: Api, gateways: Gateways, phone: str, redis: Redis) -> None:
    await stories(api, gateways, phone)
    assert (await api.post("/v1/factors/totp", {"subject": "anna"}, key="enrol")).status_code == 201
    await api.post("/v1/subjects/nobody/check", {"code": "123456"})
    kinds = {globbed(kind.pattern): kind for kind in CATALOGUE}
    endless = {globbed(kind.pattern) for kind in CATALOGUE if not re.match(r"\d|expiry|end of", kind.life)}
    seen = set()
    async for raw in redis.scan_iter(count=1000):
        name = raw.decode()
        (pattern,) = [pattern for pattern in kinds if fnmatch.fnmatchcase(name, pattern)]
        seen.add(pattern)
        if (found := (await redis.type(raw)).decode()) == "none":
            continue  # a worker emptied it meanwhile
        assert found == {"sorted set": "zset"}.get(kinds[pattern].type, kinds[pattern].type)
        if pattern not in endless:
            assert await redis.ttl(raw) > 0, name
    # What workers write, or clean up.
    later = ("due", "out", "events", "eventstate", "heard", "ends", "delays", "turns", "sms", "hook", "hookopen",
             "hours", "days", "routes", "report", "refused")  # fmt: skip
    attacked = ("fraud", "alarm", "spending", "challenges", "verified")  # stories/test_pumping.py looks at these
    of_facade = ("twilio", "attempts")  # tests/twilio
    damaged = ("unreadable", "aside")  # tests/faults
    of_console = ("{operators}", "lists")  # tests/console
    in_vain = ("unreached",)  # stories/test_unreached.py
    elsewhere = (*in_vain, *later, *attacked, *of_facade, *damaged, *of_console)
    assert seen >= {pattern for pattern in kinds if pattern.split(":")[1] not in elsewhere}


@pytest.mark.usefixtures("unsuspected")
async def test_the_end_of_a_verification_takes_its_hashes_with_it(
    api: Api, gateways: Gateways, phone: str, redis: Redis
) -> None:
    ids = await stories(api, gateways, phone)
    for end, verification in ids.items():
        (name,) = [key async for key in redis.scan_iter(match=f"otp:v:*{verification}", count=1000)]
        record = await redis.hgetall(name)
        secret = {b"salt", b"hash:gateway", b"hash:local", b"lease"} & record.keys()
        assert secret == ({b"salt", b"hash:gateway"} if end == "pending" else set())
        size = await redis.memory_usage(name)
        assert size is not None
        # Of a compact one, some 130 are the country and what statistics have counted of its message.
        wide = {field: len(value) for field, value in record.items() if len(value) > 64}  # would make it no compact one
        assert size < (2048 if end == "pending" else 1400), (end, size, wide)
        assert 86_000 < await redis.ttl(name) <= 87_000


async def test_expiry_is_judged_by_redis_time(
    api: Api, second: Api, gateways: Gateways, phone: str, redis: Redis
) -> None:
    """The end is moved into the past, as Redis sees it: reading, checking and resending agree at once."""
    started = await api.started(phone)
    (code,) = await gateways.codes(phone)
    (name,) = [key async for key in redis.scan_iter(match=f"otp:v:*{started['id']}", count=1000)]
    seconds, _ = await redis.time()
    await redis.hset(name, "expires_at", seconds * 1000)

    assert (await second.status(started["id"])).json()["status"] == "expired"
    assert await api.outcome(started["id"], code) == "expired"
    assert (await api.resend(started["id"])).json()["code"] == "not_pending"
    assert (await api.cancel(started["id"])).json()["status"] == "expired"
    assert await redis.hget(name, "status") == b"expired"
    assert await redis.hget(name, "hash:gateway") is None


async def test_nothing_is_sent_with_little_life_left(api: Api, gateways: Gateways, phone: str, redis: Redis) -> None:
    started = await api.started(phone)
    (name,) = [key async for key in redis.scan_iter(match=f"otp:v:*{started['id']}", count=1000)]
    created = int(await redis.hget(name, "created_at"))
    await redis.hset(name, "created_at", created - 481_000)  # 600 s of the cap but 119

    answer = await api.resend(started["id"])

    assert (answer.status_code, answer.json()["code"]) == (429, "no_sends_left")
    assert len(await gateways.messages(phone)) == 1
    await redis.hset(name, "created_at", created - 470_000)
    resent = await api.resend(started["id"])
    assert resent.status_code == 200
    assert resent.json()["expires_at"] < started["expires_at"]


async def test_a_start_asked_for_again_leaves_a_dead_resend_alone(
    api: Api, gateways: Gateways, phone: str, redis: Redis
) -> None:
    """A process died in a resend. A repeat of the start must not send; its own walk was over long ago."""
    started = (await api.start(phone, key="start-" + phone)).json()
    (name,) = [key async for key in redis.scan_iter(match=f"otp:v:*{started['id']}", count=1000)]
    await redis.hset(name, mapping={"lease": 1, "lease_op": ""})

    again = await api.start(phone, key="start-" + phone)

    assert (again.status_code, again.json()["id"]) == (201, started["id"])
    assert len(await gateways.messages(phone)) == 1


async def test_a_disabled_phone_stays_so_until_it_is_unlocked(
    api: Api, gateways: Gateways, phone: str, redis: Redis, folder: Path, redis_url: str, sandbox_process: str
) -> None:
    """NIST SP 800-63B-4 §3.2.2: disabled at 100 wrong codes in a row; an operator binds it again."""
    names = await load_names(Database(redis), Keyring([SECRET]))
    fails = keys.fails(names.partition(phone), names.phone_index("web", phone))
    started = await api.started(phone)
    (code,) = await gateways.codes(phone)
    assert await api.outcome(started["id"], "000000" if code != "000000" else "111111") == "wrong_code"
    assert await redis.hget(fails, "count") == b"1"
    await redis.hset(fails, "count", 100)

    problem(await api.check(started["id"], code), 403, "phone_disabled")
    problem(await api.start(phone), 403, "phone_disabled")
    problem(await api.resend(started["id"]), 403, "phone_disabled")

    environ = dict(os.environ) | service_environ(folder, redis_url, sandbox_process)
    command = [sys.executable, "-m", "otp_service", "phones", "unlock", "--application", "web", "--phone", phone]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "forgotten: 100 wrong codes in a row" in done.stdout
    assert await api.outcome(started["id"], code) == "approved"
    assert await redis.exists(fails) == 0
