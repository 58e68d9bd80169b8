"""API keys: what each may do, from where, for how long, and how one gives way to the next (S-18)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from litestar import Litestar, get
from redis.asyncio import Redis

from otp_service.api.auth import require_scopes
from otp_service.domain.networks import Network
from otp_service.storage import api_keys
from otp_service.storage.api_keys import ApiKeyStore, Grant
from otp_service.storage.connection import Database
from otp_service.telemetry import metrics
from tests.api import Answer, Api, problem
from tests.hardening.conftest import Operator, make_key
from tests.running import API_KEY

ID = "A" * 36
NEEDED = {"start": "send", "resend": "send", "cancel": "send", "check": "check", "status": "read", "audit": "admin"}


async def every_route(api: Api) -> dict[str, Answer]:
    """One harmless request to each; with the right scope it is not found, not valid, or answered."""
    return {
        "start": await api.start("nobody"),
        "resend": await api.resend(ID),
        "cancel": await api.cancel(ID),
        "check": await api.check(ID, "123456"),
        "status": await api.status(ID),
        "audit": await api.http.get("/v1/audit"),
    }


@pytest.mark.parametrize("scope", ["send", "check", "read", "admin"])
async def test_a_key_does_what_its_scope_says_and_no_more(
    operator: Operator, service_urls: list[str], scope: str
) -> None:
    _, secret = make_key(operator, "--scope", scope)
    async with Api(service_urls[0], secret) as api:
        for route, answer in (await every_route(api)).items():
            if NEEDED[route] == scope:
                assert answer.status_code in (200, 404, 422), (route, answer.text)
            else:
                refused = problem(answer, 403, "insufficient_scope")
                assert refused["scope"] == NEEDED[route], route
                assert f"`{NEEDED[route]}`" in refused["detail"]


async def test_what_a_key_has_without_being_told(operator: Operator, service_urls: list[str], api: Api) -> None:
    """Also the one of OTP_BOOTSTRAP_API_KEY: send, check and read."""
    _, secret = make_key(operator)
    async with Api(service_urls[0], secret) as made:
        for one in (api, made):
            answers = await every_route(one)
            assert {route for route, answer in answers.items() if answer.status_code == 403} == {"audit"}


def test_a_route_without_a_scope_stops_the_service() -> None:
    @get("/v1/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(LookupError, match="/v1/forgotten"):
        require_scopes(Litestar([forgotten], openapi_config=None))


async def test_a_key_ends_when_its_life_is_over(operator: Operator, service_urls: list[str]) -> None:
    """To the second, in every process, although keys are remembered for five."""
    key_id, secret = make_key(operator, "--expires-in", "2s")
    made_at = time.monotonic()
    async with Api(service_urls[0], secret) as first, Api(service_urls[1], secret) as second:
        for api in (first, second):
            problem(await api.status(ID), 404, "not_found")
        await asyncio.sleep(max(0, 2.1 - (time.monotonic() - made_at)))
        for api in (first, second):
            problem(await api.status(ID), 401, "unauthorized")
    assert listed(operator)[key_id]["expires_at"] < time.time()
    assert operator("keys", "rotate", key_id).code == 1


def listed(operator: Operator) -> dict[str, Any]:
    return {row["id"]: row for row in json.loads(operator("keys", "list", "--json").out)}


async def test_rotation_keeps_what_a_key_may_do(operator: Operator, service_urls: list[str]) -> None:
    old_id, old = make_key(operator, "--scope", "read", "--network", "127.0.0.0/8", "--expires-in", "1h", "--name", "x")

    rotated = operator("keys", "rotate", old_id, "--overlap", "10m")

    assert rotated.code == 0, rotated
    new_id, new = rotated.err.split()[1], rotated.out.strip()
    async with Api(service_urls[0], old) as before, Api(service_urls[1], new) as after:
        for api in (before, after):  # two live keys
            problem(await api.status(ID), 404, "not_found")
            problem(await api.start("nobody"), 403, "insufficient_scope")
    rows = listed(operator)
    for name in ("application", "name", "scopes", "networks"):
        assert rows[new_id][name] == rows[old_id][name], name
    assert rows[old_id]["successor"] == new_id
    assert 590 < rows[old_id]["expires_at"] - time.time() < 601
    assert 3590 < rows[new_id]["expires_at"] - time.time() < 3601
    assert old not in rotated.text
    # A third one would make the two live keys three.
    assert operator("keys", "rotate", old_id).out == f"Key {old_id} was rotated before: {new_id} replaces it.\n"
    third = operator("keys", "rotate", new_id)
    assert (third.code, "Revoke it first" in third.out) == (1, True)
    assert operator("keys", "revoke", old_id).code == 0
    assert operator("keys", "rotate", new_id).code == 0


@pytest.mark.slow
async def test_s18_a_rotated_key_is_valid_no_longer_than_the_overlap(
    operator: Operator, service_urls: list[str]
) -> None:
    """Asked without a pause by both processes, so that each remembers the key as it was."""
    old_id, old = make_key(operator)
    async with Api(service_urls[0], old) as first, Api(service_urls[1], old) as second:
        for api in (first, second):
            problem(await api.status(ID), 404, "not_found")
        before = time.monotonic()
        assert operator("keys", "rotate", old_id, "--overlap", "10s").code == 0
        after = time.monotonic()
        last = {first: before, second: before}
        while time.monotonic() - before < 13:
            for api in (first, second):
                if (await api.status(ID)).status_code == 404:
                    last[api] = time.monotonic()
            await asyncio.sleep(0.02)
        for moment in last.values():
            assert before + 9 < moment < after + 10.3


async def test_s18_a_key_is_found_by_its_hash_and_by_nothing_else(redis_url: str) -> None:
    """There is no comparison that could be timed; what is kept is the SHA-256, and a wrong last character is nobody."""
    async with Redis.from_url(redis_url) as redis:
        store = ApiKeyStore(Database(redis))
        key_id, secret = await store.create(Grant("web", networks=(Network.parse("10.0.0.0/8"),)))
        found = await store.find(secret.reveal())
        assert found is not None
        assert (found.id, found.grant.networks) == (key_id, (Network.parse("10.0.0.0/8"),))
        assert await store.find(secret.reveal()[:-1]) is None
        assert secret.reveal() not in repr((found, secret))
        assert await store.revoke(key_id)


async def test_made_up_keys_push_out_no_real_one(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "CACHE_ENTRIES", 20)
    async with Redis.from_url(redis_url, protocol=2) as redis:
        store = ApiKeyStore(Database(redis))
        _, secret = await store.create(Grant("web"))
        assert await store.find(secret.reveal())
        looked_up = []
        look_up = store._look_up

        async def noted(digest: str) -> Any:
            looked_up.append(digest)
            return await look_up(digest)

        monkeypatch.setattr(store, "_look_up", noted)
        for n in range(50):
            assert await store.find(f"made-up-{n}") is None
        assert len(looked_up) == 50
        assert await store.find(secret.reveal())
        assert len(looked_up) == 50


async def test_the_gauge_sees_an_end_that_somebody_has_to_see_coming(redis_url: str) -> None:
    """A key in use that lasts; not one of a short life, nor one that nobody uses, nor one that has its successor."""
    day, mine = 86_400, "application-of-this-test"
    async with Redis.from_url(redis_url, protocol=2) as redis:
        store = ApiKeyStore(Database(redis))

        async def seen() -> float:
            assert await store.count([mine]) == 600
            return metrics.KEY_END.labels(mine)._value.get()

        async def made(days: int, *, used: bool = True) -> str:
            key_id, secret = await store.create(Grant(mine, life_seconds=days * day))
            if used:
                assert await store.find(secret.reveal())
            return key_id

        keys = [await made(3), await made(20, used=False)]
        assert await seen() == 0
        keys += [await made(40), await made(30)]
        assert abs(await seen() - time.time() - 30 * day) < 60
        keys.append((await store.rotate(keys[-1], 3600)).new_id)
        assert abs(await seen() - time.time() - 40 * day) < 60
        for key_id in keys:
            assert await store.revoke(key_id)
        assert await seen() == 0


async def test_last_use_is_written_once_a_minute(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Redis.from_url(redis_url, protocol=2) as redis:
        store = ApiKeyStore(Database(redis))
        key_id, secret = await store.create(Grant("web"))

        async def used() -> int:
            monkeypatch.setattr(store, "_real", {})  # as after 5 s
            assert await store.find(secret.reveal())
            key = await store.get(key_id)
            assert key
            return key.last_used_at

        first = await used()
        assert abs(first / 1000 - time.time()) < 60
        await asyncio.sleep(0.01)
        assert await used() == first
        monkeypatch.setattr(store, "_noted", {digest: at - 61 for digest, at in store._noted.items()})
        assert await used() > first
        await store.revoke(key_id)


async def test_what_the_command_line_refuses(operator: Operator) -> None:
    for words in (
        ["--network", "10.0.0.1/8"],
        ["--network", "everywhere"],
        ["--scope", "all"],
        ["--expires-in", "soon"],
        ["--expires-in", "11y"],
        ["--expires-in", "4000d"],
    ):
        found = operator("keys", "create", "--application", "web", *words)
        assert (found.code, found.out) == (2, ""), words
    assert operator("keys", "rotate", "00000000").code == 1
    assert operator("keys", "rotate", "00000000", "--overlap", "5s").code == 2


async def test_the_bootstrap_key_is_sound(api: Api) -> None:
    """It is used by all other tests; here, that it is an ordinary key of the first application."""
    assert api.http.headers["Authorization"] == f"Bearer {API_KEY}"
    problem(await api.status(ID), 404, "not_found")
