"""Second factors as they lie in Redis: sealed, counted, disabled, without an end."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from otp_service.domain.keyring import Keyring, Names
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.install import load_names
from tests.api import Api, Gateways, problem
from tests.authenticator import App, asked, confirmed, enrolled, outcome, refused_by_now, step_with_room
from tests.running import API_KEY, SECRET, RedisServer, running_service, service_environ
from tests.stories.test_totp import events_of


@pytest.fixture
def subject() -> str:
    return f"user-{secrets.token_hex(6)}"


@pytest.fixture
async def names(redis: Redis) -> Names:
    return await load_names(Database(redis), Keyring([SECRET]))


def record_of(names: Names, subject: str) -> str:
    place = names.subject("web", subject)
    return keys.subject(place.partition, place.index)


async def set_state(redis: Redis, name: str, factor_id: str, **values: int) -> None:
    """factor_id: '' for the backup codes."""
    field = "s" if factor_id else "b"
    state = json.loads(await redis.hget(name, field))
    (state[factor_id] if factor_id else state).update(values)
    await redis.hset(name, field, json.dumps(state))


async def state_of(redis: Redis, name: str, factor_id: str) -> dict[str, int]:
    found: dict[str, int] = json.loads(await redis.hget(name, "s"))[factor_id]
    return found


async def test_100_wrong_codes_in_a_row_disable_until_unlocked(
    api: Api, subject: str, redis: Redis, names: Names, folder: Path, redis_url: str, sandbox_process: str
) -> None:
    """NIST SP 800-63B-4 §3.2.2. The waits from the 20th on are skipped here, as if they were over."""
    factor, app, step = await confirmed(api, subject)
    name = record_of(names, subject)
    judged = 0
    for n in range(120):
        answer = await api.post(f"/v1/factors/totp/{factor}/check", {"code": app.wrong(step, n)})
        judged += answer.status_code == 200
        await set_state(redis, name, factor, wait_until=0)
    assert judged == 100

    problem(await api.post(f"/v1/factors/totp/{factor}/check", {"code": app.at(step)}), 403, "factor_disabled")
    problem(await api.post(f"/v1/subjects/{subject}/check", {"code": app.at(step)}), 403, "factor_disabled")
    (one,) = (await api.http.get(f"/v1/subjects/{subject}")).json()["totp"]
    assert one["status"] == "disabled"
    told = [event["type"] for event in await events_of(api, subject, 3)]
    assert told == ["factor.enrolled", "factor.confirmed", "factor.locked"]

    environ = dict(os.environ) | service_environ(folder, redis_url, sandbox_process)
    command = [sys.executable, "-m", "otp_service", "factors", "unlock", "--application", "web", "--subject", subject]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "100 wrong codes in a row forgotten" in done.stdout
    assert await outcome(api, factor, app.at(step + 1)) == "approved"


async def test_wrong_backup_codes_disable_them_until_there_are_new_ones(
    api: Api, subject: str, redis: Redis, names: Names
) -> None:
    codes = (await api.post("/v1/factors/backup-codes", {"subject": subject})).json()["codes"]
    name = record_of(names, subject)
    await set_state(redis, name, "", fails=99)
    assert (await asked(api, subject, codes[0][:4] + "2222-2222"))["outcome"] == "wrong_code"
    problem(await api.post(f"/v1/subjects/{subject}/check", {"code": codes[0]}), 403, "factor_disabled")
    assert (await api.http.get(f"/v1/subjects/{subject}")).json()["backup_codes"]["status"] == "disabled"
    fresh = (await api.post("/v1/factors/backup-codes", {"subject": subject})).json()["codes"]
    assert (await asked(api, subject, fresh[0]))["outcome"] == "approved"


async def test_what_is_kept_has_no_end_and_shows_nothing(
    api: Api, subject: str, redis: Redis, names: Names, gateways: Gateways, phone: str
) -> None:
    factor, app, step = await confirmed(api, subject, label="anna@example.ru", name="Anna's phone")
    codes = (await api.post("/v1/factors/backup-codes", {"subject": subject}, "issued")).json()["codes"]
    started = await api.started(phone, subject=subject)
    assert await api.outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"
    await asked(api, subject, app.at(step), "asked")

    name = record_of(names, subject)
    assert await redis.ttl(name) == -1
    assert (await redis.memory_usage(name) or 0) < 4096
    kept = b"".join([part for pair in (await redis.hgetall(name)).items() for part in pair])
    async for other in redis.scan_iter(match=f"otp:sop:*{name.split('{')[1].split('}')[0]}*", count=1000):
        assert 0 < await redis.ttl(other) <= 86_400
        kept += other + b"".join([part for pair in (await redis.hgetall(other)).items() for part in pair])
    secret = app.totp.byte_secret()
    for clear in (subject, "anna@", "Anna", phone, phone[1:], app.totp.secret, *codes, codes[0][:4] + codes[0][5:9]):
        assert clear.encode() not in kept
    assert secret not in kept
    assert factor.encode() in kept


async def test_unconfirmed_ones_end_by_themselves(api: Api, subject: str, redis: Redis, names: Names) -> None:
    factor, app = await enrolled(api, subject)
    name = record_of(names, subject)
    assert 3590 < await redis.ttl(name) <= 3600
    await confirmed(api, subject)
    assert await redis.ttl(name) == -1
    await set_state(redis, name, factor["id"], expires_at=1)
    code = {"code": app.at(await step_with_room())}
    problem(await api.post(f"/v1/factors/totp/{factor['id']}/confirm", code), 404, "not_found")
    assert len((await api.http.get(f"/v1/subjects/{subject}")).json()["totp"]) == 1
    for one in (await api.http.get(f"/v1/subjects/{subject}")).json()["totp"]:
        await api.http.delete(f"/v1/factors/totp/{one['id']}")
    await api.http.delete(f"/v1/subjects/{subject}")
    assert not await redis.exists(name)


async def test_a_drifting_clock_is_followed(api: Api, subject: str, redis: Redis, names: Names) -> None:
    """A right code one step off makes the step beyond it good, next time."""
    factor, app, step = await confirmed(api, subject)
    name = record_of(names, subject)
    state = await state_of(redis, name, factor)
    assert (state["drift"], state["step"]) == (-1, step - 1)
    await set_state(redis, name, factor, step=0)
    assert await outcome(api, factor, app.at(step - 3)) == "clock_off"
    assert await outcome(api, factor, app.at(step - 2)) == "approved"
    assert (await state_of(redis, name, factor))["drift"] == -2
    assert await outcome(api, factor, app.at(step - 2)) == "already_used"


async def test_values_swapped_in_redis_do_not_open(api: Api, subject: str, redis: Redis, names: Names) -> None:
    """Whoever may write to Redis cannot give one person the authenticator of another."""
    mine, _, _ = await confirmed(api, subject)
    theirs, app, step = await confirmed(api, f"{subject}-2")
    sealed = await redis.hget(record_of(names, f"{subject}-2"), f"t:{theirs}")
    await redis.hset(record_of(names, subject), f"t:{mine}", sealed)
    problem(await api.post(f"/v1/factors/totp/{mine}/check", {"code": app.at(step)}), 500, "internal_error")


@pytest.mark.slow
async def test_restarts_forget_nothing_and_a_redis_that_forgets_is_refused(
    tmp_path: Path, sandbox_process: str, subject: str
) -> None:
    server = RedisServer(tmp_path)
    with running_service(tmp_path, server.url, sandbox_process) as (url, _, _):
        async with Api(url, API_KEY) as api:
            factor, app, step = await confirmed(api, subject)
            assert await outcome(api, factor, app.at(step)) == "approved"
            (code, *_) = (await api.post("/v1/factors/backup-codes", {"subject": subject})).json()["codes"]
            assert (await asked(api, subject, code))["approved"]
    server.kill()
    server.start()
    with running_service(tmp_path, server.url, sandbox_process) as (url, _, _):
        async with Api(url, API_KEY) as api:
            for spent in (step, step - 1):
                assert await outcome(api, factor, app.at(spent)) in refused_by_now(spent)
            assert (await asked(api, subject, code))["outcome"] == "already_used"
            later = App(app.totp.provisioning_uri())
            assert await outcome(api, factor, later.at(await step_with_room() + 1)) == "approved"

    async with Redis.from_url(server.url) as client:
        await client.config_set("appendonly", "no")
    forgetful = {"OTP__REDIS__ALLOW_NO_PERSISTENCE": "true"}
    with running_service(tmp_path, server.url, sandbox_process, **forgetful) as (url, _, log):
        async with Api(url, API_KEY) as api:
            problem(await api.post("/v1/factors/totp", {"subject": subject}), 403, "factors_refused")
            problem(await api.post("/v1/factors/backup-codes", {"subject": subject}), 403, "factors_refused")
        assert "factors_refused" in log.read_text()
    told = forgetful | {"OTP__REDIS__ALLOW_FACTORS_WITHOUT_PERSISTENCE": "true"}
    with running_service(tmp_path, server.url, sandbox_process, **told) as (url, _, _):
        async with Api(url, API_KEY) as api:
            await enrolled(api, subject)
    server.kill()
