"""A provider of one's own, described in the settings: from the request to the verdict, with states and pushes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from otp_service.storage.embedded import embedded_server
from tests import running
from tests.api import Api, problem
from tests.cli.commands import Commands
from tests.gateways.stub import Request, Stub
from tests.running import API_KEY, code_in, running_service, service_environ

TOKEN = "callback-token-of-the-provider-0123"
TABLE = """
[gateways.mine]
kind = "http"
base_url = "env:TEST_PROVIDER"
sender = "Shop"
secrets = { key = "env:TEST_PROVIDER_KEY" }
repeatable = true
attempt_seconds = 1.0
circuit_breaker = false
[gateways.mine.auth]
bearer = "{secret.key}"
[gateways.mine.send]
path = "/messages"
json = { to = "{phone}", text = "{text}", ref = "{client_id}" }
[gateways.mine.send.answer]
id = "/id"
parts = "/parts"
words = "/error"
rules = [
  { at = "/error", is = ["duplicate"], then = "earlier" },
  { at = "/error", is = ["no such number"], then = "stop", reason = "invalid_number" },
  { at = "/error", exists = true, then = "rejected" },
  { status = [201], at = "/id", exists = true, then = "accepted" },
]
[gateways.mine.callback]
token = "%s"
id = "/id"
state = "/state"
states = { done = "delivered", failed = "undelivered" }
networks = ["127.0.0.0/8"]
believe = true
reply = "thanks"
"""


@pytest.fixture
async def provider() -> AsyncIterator[Stub]:
    async with Stub(status=201) as stub:
        yield stub


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[str]:
    """No other service looks at these messages, none of which knows the provider."""
    async with embedded_server(tmp_path / "redis") as url:
        yield url


@pytest.fixture
def environ(provider: Stub, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + TABLE % TOKEN)
    return {
        "TEST_PROVIDER": provider.url,
        "TEST_PROVIDER_KEY": "canary-provider-key",
        "OTP__ROUTES__SMS__GATEWAYS": "mine,smska",
    }


def sent(request: Request) -> dict[str, Any]:
    assert (request.method, request.path) == ("POST", "/messages")
    assert request.headers["authorization"] == "Bearer canary-provider-key"
    found: dict[str, Any] = json.loads(request.body)
    return found


@pytest.mark.slow
async def test_from_the_request_to_the_verdict(
    tmp_path: Path, own_redis: str, sandbox_process: str, provider: Stub, environ: dict[str, str], phone: str
) -> None:
    provider.body = b'{"id": "m-%d", "parts": 1}' % int(phone[1:])
    with running_service(tmp_path, own_redis, sandbox_process, **environ) as (url, _, log):
        async with Api(url, API_KEY) as api, httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as theirs:
            started = await api.started(phone)
            message = sent(provider.read[-1])
            assert (message["to"], message["ref"].isdigit()) == (phone, True)
            assert (started["messages"][0]["gateway"], started["messages"][0]["status"]) == ("mine", "accepted")

            pushed = {"id": f"m-{phone[1:]}", "state": "Done"}
            for path, status in (
                (f"/callbacks/mine/{TOKEN}x", 404),
                (f"/callbacks/smska/{TOKEN}", 404),
                (f"/callbacks/mine/{TOKEN}", 200),
            ):
                answer = await theirs.post(path, json=pushed)
                assert answer.status_code == status
            assert answer.text == "thanks"
            assert (await theirs.post(f"/callbacks/mine/{TOKEN}", content=b"nonsense")).status_code == 400
            for _ in range(40):
                (found,) = (await api.status(started["id"])).json()["messages"]
                if found["status"] == "delivered":
                    break
                await asyncio.sleep(0.2)
            assert found["status"] == "delivered"
            assert await api.outcome(started["id"], code_in(message["text"])) == "approved"

            # What it says it cannot do goes on along the route; a number that there is not ends the walk.
            provider.body = '{"error": "Тариф закрыт для +79161234567"}'.encode()
            other = await api.started(f"{phone[:-2]}31")
            assert [(m["gateway"], m["status"], m["reason"]) for m in other["messages"]] == [
                ("mine", "rejected", "unknown_error"), ("smska", "accepted", None),
            ]  # fmt: skip
            provider.body = b'{"error": "No such number"}'
            problem(await api.start(f"{phone[:-2]}32"), 422, "phone_rejected")

            # The first answer is lost, the repeat is recognised.
            bodies = iter([b"", b'{"error": "duplicate", "id": "m-7"}'])
            provider.answer_of = lambda _: next(bodies)
            again = await api.started(f"{phone[:-2]}33")
            assert [(m["gateway"], m["status"]) for m in again["messages"]] == [("mine", "accepted")]
            refs = [sent(request)["ref"] for request in provider.read[-2:]]
            assert refs[0] == refs[1]
    assert "canary" not in log.read_text()


async def test_try_shows_each_step_and_no_secret(
    tmp_path: Path, redis_url: str, sandbox_process: str, provider: Stub, environ: dict[str, str], commands: Commands
) -> None:
    settings = service_environ(tmp_path, redis_url, sandbox_process) | environ

    def run(*words: str) -> Any:
        arguments = ("gateways", "try", "mine", "--to", "8 916 123-45-67", *words)
        return asyncio.to_thread(commands.run, *arguments, environ=settings, folder=tmp_path)

    dry = await run("--dry-run")
    assert (dry.code, provider.read) == (0, [])
    assert f"→ POST {provider.url}/messages" in dry.out
    assert "Nothing was sent." in dry.out

    provider.body = b'{"id": "m-1", "parts": 1, "echo": "Bearer canary-provider-key"}'
    good = await run("--yes", "--text", "Hello")
    assert (good.code, sent(provider.read[-1])["text"]) == (0, "Hello")
    for shown in ('"to": "+79161234567"', "← HTTP 201", "rules[3] fits: /id, so accepted", "mine: accepted, id m-1"):
        assert shown in good.out, good.out

    pair = base64.b64encode(b"somebody:canary-provider-key:more")
    for provider.body in (
        b'{"id": "m-1", "parts": 1, "x": "' + b"a" * 3960 + b'canary-provider-key"}',  # cut where it is shown
        b'{"id": "m-1", "parts": 1, "Authorization": "Basic ' + pair + b'"}',
        b'{"id": "m-1", "parts": 1, "x": "CANARY-PROVIDER-KEY canary%2dprovider%2dkey"}',
    ):
        echoed = await run("--yes")
        assert echoed.code == 0
        assert "canary-pro" not in echoed.text.lower()
        assert pair[12:28].decode() not in echoed.text

    provider.body = b'{"error": "no such number"}'
    bad = await run("--yes")
    assert (bad.code, "rules[1] fits: /error, so stop" in bad.out) == (1, True)
    assert "invalid_number" in bad.out
    provider.status, provider.body = 502, b"<html>Bad Gateway</html>"
    unclear = await run("--yes")
    assert (unclear.code, "no rule fits" in unclear.out, "it may have been sent" in unclear.out) == (1, True, True)
    asked = await run()
    assert (asked.code, asked.out) == (2, "")
    unknown = await asyncio.to_thread(
        commands.run, "gateways", "try", "nobody", "--to", "1", environ=settings, folder=tmp_path
    )
    assert (unknown.code, "there are: " in unknown.err) == (2, True)
    for found in (dry, good, bad, unclear):
        assert "canary" not in found.text
