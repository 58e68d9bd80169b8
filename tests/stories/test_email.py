"""A code by mail, over HTTP and SMTP: everything else is as with a phone."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests import running
from tests.api import Api, Gateways, problem
from tests.cli.commands import Commands
from tests.cli.conftest import commands
from tests.running import API_KEY, free_port, running_sandbox, running_service, service_environ
from tests.stories.test_described import own_redis

__all__ = ["commands", "own_redis"]

TOKEN = "token-of-notifications-0123456789"
MORE = f"""
[gateways.mail]
kind = "smtp"
base_url = "env:TEST_MAIL"
sender = "codes@shop.example"
callback_token = "{TOKEN}"
login = "demo"
password = "demo-password"
circuit_breaker = false
[routes.email]
gateways = ["mail"]
[applications.web.mail.de]
subject = "{{brand}}: Ihr Code"
text = "Code: {{code}}"
html = "<style>b {{color: red}}</style><b>{{code}}</b> {{brand}}"
"""
ANNA = "anna@example.org"


@pytest.fixture(scope="module")
def mail_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, mail_port: int) -> Iterator[str]:
    with running_sandbox(tmp_path_factory.mktemp("mail"), OTP_SANDBOX_MAIL_PORT=str(mail_port)) as url:
        yield url


@pytest.fixture
async def inbox(sandbox: str) -> AsyncIterator[Gateways]:
    async with httpx.AsyncClient(base_url=sandbox, trust_env=False, verify=False, timeout=30) as http:
        found = Gateways(http)
        await found.reset()
        yield found


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, mail_port: int) -> dict[str, str]:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + MORE)
    return {"TEST_MAIL": f"smtp://127.0.0.1:{mail_port}"}


async def code_for(inbox: Gateways, address: str) -> str:
    found = re.search(r"^\d{6}$", (await inbox.messages(address))[0]["text"], re.M)
    assert found
    return found[0]


async def test_a_code_by_mail(
    tmp_path: Path, own_redis: str, sandbox: str, inbox: Gateways, environ: dict[str, str], phone: str
) -> None:
    with running_service(tmp_path, own_redis, sandbox, **environ) as (url, _, log):
        async with Api(url, API_KEY) as api, Redis.from_url(own_redis, protocol=2) as redis:
            started = await api.started(" <Anna@EXAMPLE.org>", channel="email", locale="en", subject="user-1")
            assert (started["to"], started["channel"]) == (ANNA, "email")
            assert [(m["gateway"], m["channel"], m["status"], m["parts"]) for m in started["messages"]] == [
                ("mail", "email", "accepted", 1)
            ]
            (mail,) = await inbox.messages(ANNA)
            code = await code_for(inbox, ANNA)
            assert mail["subject"] == f"{code} is your Example code"
            assert mail["sender"] == "Example"
            assert f'aria-label="{" ".join(code)}"' in mail["html"]

            resent = (await api.resend(started["id"])).json()
            assert len(resent["messages"]) == 2
            assert await code_for(inbox, ANNA) == code
            problem(await api.check(started["id"], code, to="bert@example.org"), 404, "not_found")
            assert await api.outcome(started["id"], code, to="ANNA@example.org") == "approved"
            subject = (await api.http.get("/v1/subjects/user-1")).json()
            assert [each["phone"] for each in subject["phones"]] == ["a***@example.org"]

            by_address = await api.started("bert@example.org", channel="email")
            typed = {"to": "Bert@example.org", "code": await code_for(inbox, "bert@example.org")}
            answer = await api.post("/v1/verifications/check", typed)
            assert (answer.json()["id"], answer.json()["outcome"]) == (by_address["id"], "approved")
            found = (await api.post("/v1/verifications/search", {"to": ANNA})).json()["verifications"]
            assert [each["id"] for each in found] == [started["id"]]
            told: set[str] = set()
            for _ in range(50):
                events = (await api.http.get("/v1/events")).json()["events"]
                told = {addresses for each in events for addresses in re.findall(r"\w+@[\w.]+", str(each))}
                if len(told) == 2:
                    break
                await asyncio.sleep(0.1)
            assert told == {ANNA, "bert@example.org"}

            await what_cannot_be(api, phone)
            await notifications_are_believed(api, inbox)
            everything = b"".join([name async for name in redis.scan_iter()])
            assert b"example.org" not in everything
            for name in [each async for each in redis.scan_iter()]:
                assert ANNA.encode() not in (await redis.dump(name) or b"")
            assert ANNA not in log.read_text()
            assert "anna" not in log.read_text()

        environ_of_cli = dict(os.environ) | service_environ(tmp_path, own_redis, sandbox, **environ)
        command = [sys.executable, "-m", "otp_service", "erase", "--application", "web", "--phone", ANNA]
        erased = subprocess.run(command, env=environ_of_cli, capture_output=True, text=True, check=True).stdout
        assert erased.startswith("a***@example.org: erased 1 verifications")


async def what_cannot_be(api: Api, phone: str) -> None:
    for wrong in ("anna", "anna@", "@example.org", "anna@example", "anna@localhost", "a b@example.org", "a@b@c.org",
                  "anna@exa_mple.org", "анна@example.org", "anna@example.org\nBcc: x@y.org", phone):  # fmt: skip
        answer = await api.start(wrong, channel="email")
        assert answer.status_code == 422, wrong
        assert answer.json()["code"] in ("invalid_address", "validation_failed")
    problem(await api.start(ANNA, channel="sms"), 422, "invalid_phone")
    problem(await api.start(ANNA), 422, "invalid_phone")
    problem(await api.start("nobody@example.org", channel="email"), 422, "phone_rejected")
    problem(await api.start("full@example.org", channel="email"), 502, "no_gateway_available")
    by_mail = await api.started("carl@example.org", channel="email")
    problem(await api.resend(by_mail["id"], channel="sms"), 422, "channel_not_available")
    by_phone = await api.started(phone)
    problem(await api.resend(by_phone["id"], channel="email"), 422, "channel_not_available")
    assert len((await api.resend(by_phone["id"])).json()["messages"]) == 2


async def notifications_are_believed(api: Api, inbox: Gateways) -> None:
    """As they arrive at the bounce address, handed on whole by whoever reads it."""
    started = await api.started("dora@example.org", channel="email")
    (mail,) = await inbox.messages("dora@example.org")
    envelope = mail["client_id"]
    notice = f"Original-Envelope-Id: {envelope}\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    headers = {"Content-Type": "message/rfc822"}
    wrong = await api.http.post("/callbacks/mail/wrong", content=notice, headers=headers)
    assert wrong.status_code == 404
    told = await api.http.post(f"/callbacks/mail/{TOKEN}", content=notice, headers=headers)
    assert told.status_code == 200, told.text
    for _ in range(60):
        (message,) = (await api.status(started["id"])).json()["messages"]
        if message["status"] == "undelivered":
            break
        await asyncio.sleep(0.1)
    assert message["status"] == "undelivered"


@pytest.mark.slow
async def test_words_of_one_s_own_and_deliveries(
    tmp_path: Path, own_redis: str, sandbox: str, inbox: Gateways, environ: dict[str, str]
) -> None:
    with running_service(tmp_path, own_redis, sandbox, **environ) as (url, _, _):
        async with Api(url, API_KEY) as api:
            started = await api.started(ANNA, channel="email", locale="de-AT")
            (mail,) = await inbox.messages(ANNA)
            assert (mail["subject"], mail["text"].strip()[:6]) == ("Example: Ihr Code", "Code: ")
            assert mail["html"].startswith("<style>b {color: red}</style><b>")
            assert await api.outcome(started["id"], mail["text"].split()[-1]) == "approved"
            answer = await api.post(
                "/v1/deliveries", {"to": "eva@example.org", "channel": "email", "code": "AB12-CD34"}
            )
            assert answer.status_code == 201, answer.text
            assert "AB12-CD34" in (await inbox.messages("eva@example.org"))[0]["text"]


async def test_one_mail_is_tried(
    tmp_path: Path, redis_url: str, sandbox: str, inbox: Gateways, environ: dict[str, str], commands: Commands
) -> None:
    """`gateways try` sends what the application would: a subject, a text, HTML; and tells no password."""
    settings = service_environ(tmp_path, redis_url, sandbox) | environ
    for words, subject in (((), "Example"), (("--text", "Hello & all"), "Example")):
        arguments = ("gateways", "try", "mail", "--to", "Eva@Example.org", "--yes", *words)
        tried = await asyncio.to_thread(commands.run, *arguments, environ=settings, folder=tmp_path)
        assert tried.code == 0, tried.text
        assert "demo-password" not in tried.text
        mail = (await inbox.messages("eva@example.org"))[0]
        assert subject in mail["subject"]
        assert mail["html"]
        assert not words or "Hello & all" in mail["text"]


@pytest.mark.slow
async def test_limits_count_the_mailbox_and_the_domain(
    tmp_path: Path, own_redis: str, sandbox: str, inbox: Gateways, environ: dict[str, str]
) -> None:
    more = {
        "OTP__LIMITS__DOMAIN__PER": "address_domain",
        "OTP__LIMITS__DOMAIN__QUOTA": "7",
        "OTP__LIMITS__DOMAIN__WINDOW_SECONDS": "600",
        "OTP__GUARD__BLOCK": "@blocked.example.org",
    }
    with running_service(tmp_path, own_redis, sandbox, **environ, **more) as (url, _, _):
        async with Api(url, API_KEY) as api:
            for tag in range(5):
                await api.started(f"fred+{tag}@example.net", channel="email")
            found = problem(await api.start("fred+6@example.net", channel="email"), 429, "limit_exceeded")
            assert found["limit"] == "phone-burst"
            for name in ("gina", "hans"):
                await api.started(f"{name}@example.net", channel="email")
            found = problem(await api.start("ida@example.net", channel="email"), 429, "limit_exceeded")
            assert found["limit"] == "domain"
            await api.started("ida@example.com", channel="email")
            problem(await api.start("x@blocked.example.org", channel="email"), 403, "on_block_list")
            unlocked = await api.post("/v1/phones/unlock", {"to": "fred@example.net"})
            assert unlocked.status_code in (200, 403)
