"""Who gets in, and who does not: links, passwords, second factors, sessions, the word of a proxy."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis.asyncio import Redis

from otp_service import settings
from otp_service.domain.operators import Role
from otp_service.storage.connection import open_database
from otp_service.storage.operators import OperatorStore
from otp_service.storage.topology import Call, Reply
from tests.console.conftest import Invite, command, named
from tests.console.desk import PASSWORD, Desk, link_in
from tests.running import running_service, service_environ

Newcomer = tuple[Desk, str, str]
"""Somebody who has enrolled, their name, and the link that they used."""


@pytest.fixture(scope="module")
def enrolled(invite: Invite, service_urls: list[str]) -> Newcomer:
    """An enrolment computes eleven dear hashes, and its backup codes are enough for the sign-ins of these tests."""
    return _enrolled(invite, service_urls[0])


@pytest.fixture
def newcomer(enrolled: Newcomer) -> Newcomer:
    """For who leaves the account as it was."""
    enrolled[0].token = ""
    return enrolled


@pytest.fixture
def another(invite: Invite, service_urls: list[str]) -> Newcomer:
    """For who does not."""
    return _enrolled(invite, service_urls[0])


def _enrolled(invite: Invite, url: str) -> Newcomer:
    name = named()
    desk, link = Desk(url), invite("support", name)
    assert desk.enrol(link).status_code == 200
    return desk, name, link


def test_without_a_session_every_page_leads_to_the_sign_in(service_urls: list[str]) -> None:
    desk = Desk(service_urls[0])
    for path in ("/console", "/console/operators"):
        answer = desk.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert desk.get("/console/sign-in").status_code == 200


def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(newcomer: Newcomer) -> None:
    desk, name, _ = newcomer
    first = desk.post("/console/sign-in", {"name": name, "password": PASSWORD})
    half = desk.token
    assert desk.get("/console").status_code == 303, "a password alone opens nothing"
    done = desk.post("/console/sign-in", {"code": desk.codes.pop()})
    for answer in (first, done):
        cookie = answer.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "secure", "samesite=strict", "path=/console"))
    assert desk.token != half
    assert desk.get("/console").status_code == 200
    whole, desk.token = desk.token, half
    assert desk.get("/console").status_code == 303, "the session of the first step is gone"
    desk.token = whole
    desk.send("/console", "/console/sign-out")
    desk.token = whole
    assert desk.get("/console").status_code == 303, "and so is one that was signed out"


def test_nobody_chooses_the_name_of_a_session(newcomer: Newcomer) -> None:
    desk, name, _ = newcomer
    desk.token = planted = "0123456789abcdef." + "x" * 43
    desk.sign_in(name)
    assert desk.token != planted
    assert desk.get("/console").status_code == 200


def test_wrong_codes_and_passwords(newcomer: Newcomer, service_urls: list[str]) -> None:
    desk, name, _ = newcomer
    wrong = desk.sign_in(name, "some other password")
    unknown = desk.sign_in(named(), "some other password")
    assert wrong.status_code == unknown.status_code == 401
    assert re.sub(r'value="[^"]*"', "", wrong.text) == re.sub(r'value="[^"]*"', "", unknown.text)
    assert desk.sign_in(name, code="000000").status_code == 401
    assert desk.post("/console/sign-in", {"code": "<script>"}).status_code == 401
    code = desk.codes.pop()
    assert desk.post("/console/sign-in", {"code": code}).headers["location"] == "/console"
    again = Desk(service_urls[0])
    assert again.sign_in(name, code=code).status_code == 401, "a backup code works once"


def test_a_lock_out_grows_and_an_operator_ends_it(
    another: Newcomer, folder: Path, redis_url: str, sandbox_process: str, service_urls: list[str]
) -> None:
    desk, name, _ = another
    stranger = named()
    for _ in range(5):
        assert desk.sign_in(name, "guess").status_code == Desk(service_urls[0]).sign_in(stranger, "guess").status_code
    locked, of_nobody = desk.sign_in(name), desk.sign_in(stranger)
    assert locked.status_code == of_nobody.status_code == 429
    assert "30" in locked.text
    assert command(folder, redis_url, sandbox_process, "operators", "unlock", name).stdout.startswith(name)
    assert desk.sign_in(name).headers["location"] == "/console"


def test_a_link_works_once(newcomer: Newcomer, service_urls: list[str]) -> None:
    desk, _, link = newcomer
    path = "/console/enrol/" + link.rpartition("/")[2]
    assert desk.get(path).status_code == 404
    assert desk.post(path, {"password": PASSWORD, "again": PASSWORD, "code": "000000"}).status_code == 404


def test_weak_passwords_are_not_taken(invite: Invite, service_urls: list[str]) -> None:
    desk, name = Desk(service_urls[0]), named()
    link = invite("viewer", name)
    for password in ("short", "aaaaaaaaaaaaaaaaaa", "", f"{name} and more"):
        assert desk.enrol(link, password).status_code == 422, password
    assert desk.enrol(link).status_code == 200


def test_reset_and_removal_end_what_there_was(
    another: Newcomer, desks: Mapping[str, Desk], service_urls: list[str]
) -> None:
    desk, name, _ = another
    desk.sign_in(name)
    assert desk.get("/console").status_code == 200
    admin = desks["admin"]
    link = _reset(admin, name)
    assert desk.get("/console").status_code == 303
    assert desk.sign_in(name).status_code == 401
    anew = Desk(service_urls[1])
    assert anew.enrol(link).status_code == 200
    assert anew.sign_in(name).headers["location"] == "/console"
    admin.send("/console/operators", f"/console/operators/{name}", action="end_sessions")
    assert anew.get("/console").status_code == 303
    assert anew.sign_in(name, code=anew.codes[0]).headers["location"] == "/console"
    admin.send("/console/operators", f"/console/operators/{name}", action="remove")
    assert anew.get("/console").status_code == 303
    assert anew.sign_in(name).status_code == 401


def _opened(desk: Desk, link: str) -> list[int]:
    """What somebody hears who opens a link, and who sends its form regardless."""
    path = "/console/enrol/" + link.rpartition("/")[2]
    form = {"password": "taken over by somebody", "again": "taken over by somebody", "code": "000000"}
    return [desk.get(path).status_code, desk.post(path, form).status_code]


def _reset(admin: Desk, name: str) -> str:
    """The new link."""
    return link_in(admin.send("/console/operators", f"/console/operators/{name}", action="reset").text)


async def test_a_reset_and_an_enrolment_void_every_earlier_link(
    invite: Invite, admin_desk: Desk, service_urls: list[str], redis: Redis
) -> None:
    name, stranger, desk = named(), Desk(service_urls[1]), Desk(service_urls[0])
    first = invite("support", name)
    second = _reset(admin_desk, name)
    account = b"otp:{operators}:account:" + await redis.hget("otp:{operators}", name)
    before = await redis.hgetall(account)
    assert _opened(stranger, first) == [404, 404]
    assert await redis.hgetall(account) == before
    assert desk.enrol(second).status_code == 200
    assert desk.sign_in(name).headers["location"] == "/console"
    before = await redis.hgetall(account)
    assert _opened(stranger, first) == _opened(stranger, second) == [404, 404]
    assert await redis.hgetall(account) == before
    assert desk.get("/console").status_code == 200
    third = _reset(admin_desk, name)
    admin_desk.send("/console/operators", f"/console/operators/{name}", action="remove")
    assert _opened(stranger, third) == [404, 404]


def test_of_two_who_send_one_link_at_once_one_enrols(invite: Invite, service_urls: list[str]) -> None:
    name = named()
    path = "/console/enrol/" + invite("support", name).rpartition("/")[2]
    desks = [Desk(service_urls[0]), Desk(service_urls[1])]
    found = re.search(r'id="secret">([A-Z2-7 ]+)<', desks[0].get(path).text)
    assert found
    desks[0].secret = found[1].replace(" ", "")
    code = desks[0].code()
    passwords = [PASSWORD, f"another {PASSWORD}"]

    def sent(at: int) -> int:
        return desks[at].post(path, {"password": passwords[at], "again": passwords[at], "code": code}).status_code

    with ThreadPoolExecutor() as pool:
        heard = list(pool.map(sent, range(2)))
    assert sorted(heard) == [200, 404]
    winner = heard.index(200)
    wrong, right = (desks[0].post("/console/sign-in", {"name": name, "password": passwords[at]})
                    for at in (1 - winner, winner))  # fmt: skip
    assert (wrong.status_code, right.status_code) == (401, 303)


async def test_an_enrolment_ends_the_sessions_before_it(invite: Invite, service_urls: list[str], redis: Redis) -> None:
    """However such a session came about: a proxy opens one without any link."""
    name, desk = named(), Desk(service_urls[0])
    link = invite("support", name)
    account = b"otp:{operators}:account:" + await redis.hget("otp:{operators}", name)
    token = secrets.token_urlsafe(32)
    session = {"stage": "full", "by": "totp", "ends_at": int(time.time() + 600) * 1000, "epoch": 1, "role": "support"}
    await redis.hset("otp:{operators}:session:" + hashlib.sha256(token.encode()).hexdigest(), mapping=session)
    before = Desk(service_urls[0])
    before.token = f"{account.rpartition(b':')[2].decode()}.{token}"
    assert before.get("/console").status_code == 200
    kept = before.token
    assert desk.enrol(link).status_code == 200
    before.token = kept
    assert before.get("/console").status_code == 303


async def test_what_is_kept_opens_nothing(newcomer: Newcomer, redis: Redis) -> None:
    desk, name, link = newcomer
    desk.sign_in(name)
    kept = b""
    async for key in redis.scan_iter(match="otp:{operators}*"):
        kept += key + repr(await redis.hgetall(key)).encode()
    for secret in (PASSWORD, desk.token.partition(".")[2], link.rpartition("/")[2], desk.codes[0].replace("-", "")):
        assert secret.encode() not in kept


async def test_a_session_ends_without_use_and_after_its_longest_life(newcomer: Newcomer, redis: Redis) -> None:
    """Use renews 30 minutes, up to 12 hours in all; a page that renews itself is no use."""
    desk, name, _ = newcomer
    desk.sign_in(name)
    kept = "otp:{operators}:session:" + hashlib.sha256(desk.token.partition(".")[2].encode()).hexdigest()
    assert 1_790_000 < await redis.pttl(kept) <= 1_800_000
    longest = int(await redis.hget(kept, "ends_at")) / 1000 - time.time()
    assert 12 * 3600 - 60 < longest <= 12 * 3600 + 1
    await redis.pexpire(kept, 60_000)
    assert desk.get("/console", headers={"X-Console-Renewal": "1"}).status_code == 200
    for file in ("static/console.css", "language/en"):  # answered without a look at Redis, which may be away
        assert desk.get(f"/console/{file}").status_code in (200, 303)
    assert await redis.pttl(kept) <= 60_000
    assert desk.get("/console").status_code == 200
    assert await redis.pttl(kept) > 1_790_000
    await redis.hset(kept, "ends_at", int(time.time() * 1000) + 5_000)
    assert desk.get("/console").status_code == 200
    assert await redis.pttl(kept) <= 5_000, "no use renews it beyond its end"
    await redis.hset(kept, "ends_at", int(time.time() * 1000) - 1)
    assert desk.get("/console").status_code == 303
    token = desk.token
    desk.sign_in(name)
    await redis.delete("otp:{operators}:session:" + hashlib.sha256(desk.token.partition(".")[2].encode()).hexdigest())
    assert desk.get("/console").status_code == 303, "30 minutes later"
    desk.token = token
    assert desk.get("/console").status_code == 303


async def test_an_end_of_all_sessions_reaches_every_browser_and_process(
    newcomer: Newcomer, admin_desk: Desk, service_urls: list[str]
) -> None:
    desk, name, _ = newcomer
    other = Desk(service_urls[1])
    other.codes = desk.codes
    for each in (desk, other):
        assert each.sign_in(name).headers["location"] == "/console"
        assert each.get("/console").status_code == 200
    admin_desk.send("/console/operators", f"/console/operators/{name}", action="end_sessions")
    assert [each.get("/console").status_code for each in (desk, other)] == [303, 303]


async def test_another_role_ends_the_session(newcomer: Newcomer, redis: Redis) -> None:
    desk, name, _ = newcomer
    desk.sign_in(name)
    operator = (await redis.hget("otp:{operators}", name)).decode()
    await redis.hset(f"otp:{{operators}}:account:{operator}", "role", "admin")
    try:
        assert desk.get("/console/operators").status_code == 303
    finally:
        await redis.hset(f"otp:{{operators}}:account:{operator}", "role", "support")


async def test_a_changed_role_acts_at_once_and_is_written_down(
    another: Newcomer, admin_desk: Desk, redis: Redis, folder: Path, redis_url: str, sandbox_process: str
) -> None:
    """By the page and by the command; a session from before ends."""
    desk, name, _ = another
    desk.sign_in(name)
    page = "/console/operators"
    assert desk.get(page).status_code == 403
    assert admin_desk.send(page, f"{page}/{name}", action="role", role="root").status_code == 422
    assert desk.get("/console").status_code == 200
    assert admin_desk.send(page, f"{page}/{name}", action="role", role="admin").status_code == 303
    assert desk.get("/console").status_code == 303
    desk.sign_in(name)
    assert desk.get(page).status_code == 200
    before = desk.token
    done = command(folder, redis_url, sandbox_process, "operators", "role", name, "--role", "viewer")
    assert (done.returncode, done.stdout) == (0, f"{name}: viewer; their sessions are ended.\n")
    desk.token = before
    assert desk.get("/console").status_code == 303
    desk.sign_in(name)
    assert desk.get("/console/find").status_code == 403
    entries = [entry for _, entry in await redis.xrevrange("otp:audit", count=50)]
    changed = [
        entry for entry in entries if entry[b"action"] == b"operator.changed" and entry[b"subject"] == name.encode()
    ]
    assert [entry[b"details"] for entry in changed] == [
        b'{"role":"viewer","before":"admin"}', b'{"role":"admin","before":"support"}',
    ]  # fmt: skip
    assert changed[1][b"actor"] == f"operator:{admin_desk.name}".encode()


def test_nobody_changes_their_own_role(admin_desk: Desk) -> None:
    page = "/console/operators"
    for action in ("role", "reset", "remove"):
        answer = admin_desk.send(page, f"{page}/{admin_desk.name}", action=action, role="viewer")
        assert answer.status_code == 403, action
    assert admin_desk.get(page).status_code == 200


async def test_who_guesses_names_is_written_down_once_a_minute_and_without_the_name(
    service_urls: list[str], redis: Redis
) -> None:
    await redis.delete("otp:{operators}:wrong:nobody")
    (newest, _), *_ = await redis.xrevrange("otp:audit", count=1)
    guessed = [f"guess-{secrets.token_hex(4)}" for _ in range(8)]

    async def told() -> list[dict[bytes, bytes]]:
        entries = [entry for _, entry in await redis.xrange("otp:audit", min=b"(" + newest)]
        return [entry for entry in entries if entry[b"action"] == b"operator.refused" and entry[b"actor"] == b"service"]

    for place, name in enumerate(guessed):
        assert Desk(service_urls[place % 2]).sign_in(name, "a guess").status_code == 401
    assert [entry[b"details"] for entry in await told()] == [b'{"times":1}']
    await redis.hset("otp:{operators}:wrong:nobody", "until", 0)  # a minute later
    Desk(service_urls[0]).sign_in(guessed[0], "a guess")
    entries = await told()
    assert [entry[b"details"] for entry in entries] == [b'{"times":1}', b'{"times":8}']
    assert entries[0][b"subject"] == entries[1][b"subject"], "the same name is the same stand-in"
    assert not any(name.encode() in repr(entries).encode() for name in guessed)


@pytest.mark.slow
def test_a_proxy_is_believed_where_the_settings_say_so(
    folder: Path, redis_url: str, sandbox_process: str, invite: Invite
) -> None:
    name = named()
    invite("support", name)
    settings = {
        "OTP__HTTP__TRUSTED_PROXIES": "127.0.0.1/32",
        "OTP__CONSOLE__TRUSTED_HEADER": "X-Remote-User",
        "OTP__CONSOLE__NETWORKS": "203.0.113.0/24",
        "OTP__SERVICE__PUBLIC_URL": "https://OTP.example.ru:443",
    }
    with running_service(folder, redis_url, sandbox_process, **settings) as (url, _, _):
        outside = Desk(url, **{"X-Forwarded-For": "198.51.100.1"})
        assert outside.get("/console/sign-in").status_code == 403
        form = Desk(url, **{"X-Forwarded-For": "203.0.113.9", "Host": "10.0.0.1", "Origin": "https://otp.example.ru"})
        assert form.post("/console/sign-in", {"name": "x", "password": "y"}).status_code == 401, "our own page's"
        desk = Desk(url, **{"X-Forwarded-For": "203.0.113.9", "X-Remote-User": name})
        assert desk.get("/console/sign-in").headers["location"] == "/console"
        assert desk.get("/console").status_code == 200
        del desk.http.headers["X-Remote-User"]
        assert desk.get("/console").status_code == 303, "the proxy names nobody any more"
        desk.http.headers["X-Remote-User"] = name
        assert desk.get("/console").status_code == 200
        kept, desk.http.headers["X-Remote-User"] = desk.token, named()
        assert desk.get("/console/sign-in").status_code == 403
        desk.token, desk.http.headers["X-Remote-User"] = kept, name
        assert desk.get("/console").status_code == 303, "it ended when the proxy named somebody else"
    with running_service(folder, redis_url, sandbox_process, OTP__CONSOLE__TRUSTED_HEADER="X-Remote-User") as (
        url,
        _,
        _,
    ):
        assert Desk(url, **{"X-Remote-User": name}).get("/console/sign-in").status_code == 200, "nobody's proxy"


@pytest.mark.slow
def test_a_service_without_the_console_imports_nothing_of_it(
    folder: Path, redis_url: str, sandbox_process: str
) -> None:
    settings = {"OTP__CONSOLE__ENABLED": "false", "PYTHONPROFILEIMPORTTIME": "1"}
    with running_service(folder, redis_url, sandbox_process, **settings) as (url, _, log):
        assert Desk(url).get("/console").status_code == 404
        imported = {line.rpartition("|")[2].strip() for line in log.read_text().splitlines() if "|" in line}
    assert "otp_service.api.application" in imported
    assert {
        name for name in imported if re.match(r"otp_service\.console|otp_service\.operators\b|jinja2|webauthn", name)
    } == set()


async def test_a_name_that_nobody_has_asks_redis_the_same(
    tmp_path: Path, redis_url: str, sandbox_process: str, invite: Invite
) -> None:
    """Until the answer is found: only a refusal of somebody who is there is written down."""
    name = named()
    invite("viewer", name)
    async with open_database(settings.load(service_environ(tmp_path, redis_url, sandbox_process)).redis) as database:
        store, asked = OperatorStore(database), list[list[object]]()
        send = database.topology.send

        async def noted(calls: Sequence[Call]) -> list[list[Reply]]:
            asked.append([command[0] for call in calls for command in call.commands])
            return await send(calls)

        database.topology.send = noted  # type: ignore[method-assign]
        assert await store.find(name)
        somebody, asked[:] = list(asked), []
        assert await store.find(f"{name}x") is None
    assert asked == somebody


async def test_a_sign_in_opens_no_session_once_they_were_ended(
    tmp_path: Path, redis_url: str, sandbox_process: str
) -> None:
    """A reset may come between the look at somebody's code and the session that it would open."""
    found = settings.load(service_environ(tmp_path, redis_url, sandbox_process))
    async with open_database(found.redis) as database:
        store, name = OperatorStore(database), named()
        assert await store.add(name, Role.VIEWER)
        account = await store.find(name)
        assert account
        who = account.operator.id
        ends: Sequence[Callable[[], Awaitable[object]]] = (
            lambda: store.reset(who), lambda: store.end_sessions(who), lambda: store.change_role(who, Role.ADMIN)
        )  # fmt: skip
        for end in ends:
            account = await store.find(name)
            assert account
            token = await store.open_session(account, "password", "password", 60, 60)
            assert token
            session = await store.session(token, 60)
            assert session
            await end()
            assert await store.open_session(session.account, "full", "totp", 60, 60, token) is None
            assert await store.open_session(account, "full", "proxy", 60, 60) is None
        assert await store.remove(name, who)


def test_a_name_that_the_audit_log_would_hide_is_not_taken(admin_desk: Desk) -> None:
    """It hides what reads like a phone: two such operators were one in it."""
    for name in ("79161234567", "anna.79161234567", "7916123456789@example.com"):
        assert admin_desk.send("/console/operators", name=name, role="viewer").status_code == 422, name
        assert f">{name}<" not in admin_desk.get("/console/operators").text


async def test_a_link_is_judged_when_it_is_used_up(tmp_path: Path, redis_url: str, sandbox_process: str) -> None:
    """A reset may come between the page and what it sends."""
    found = settings.load(service_environ(tmp_path, redis_url, sandbox_process))
    async with open_database(found.redis) as database:
        store, name = OperatorStore(database), named()
        first = await store.add(name, Role.VIEWER)
        account = await store.find(name)
        assert first
        assert account
        second = await store.reset(account.operator.id)
        assert second
        assert not await store.enrol(first, account.operator.id, b"of a stranger", {})
        assert await store.enrol(second, account.operator.id, b"of theirs", {})
        enrolled = await store.find(name)
        assert enrolled
        assert enrolled.secret == b"of theirs"
        assert await store.remove(name, account.operator.id)
