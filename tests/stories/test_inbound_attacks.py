"""Who forges, repeats, floods and hurries SMS that people send us, through the callback of a gateway."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests import running
from tests.api import Api
from tests.running import API_KEY, running_service
from tests.stories.test_inbound import OPEN

TOKEN = "token-of-incoming-0123456789abcdef"
KEY = "key-of-the-signature-0123456789abcdef"
GATEWAY = """
[gateways.{name}]
kind = "http"
base_url = "env:TEST_SANDBOX"
circuit_breaker = false
secrets = {{ key = "{key}" }}
[gateways.{name}.send]
path = "/nowhere"
json = {{to = "{{phone}}", text = "{{text}}"}}
answer = {{rules = [{{then = "accepted", status = [200]}}], id = "/id"}}
[gateways.{name}.callback]
token = "{token}-{name}"
id = "/id"
state = "/state"
states = {{ok = "delivered"}}
from = "/from"
said = "/text"
items = "/items"
{trust}
"""
SIGNED = (
    '[gateways.signed.callback.signature]\nheader = "X-Signature"\nkey = "{secret.key}"\nover = "{timestamp}.{body}"'
)
TRUST = {"near": 'networks = ["127.0.0.0/8"]', "far": 'networks = ["203.0.113.0/24"]', "signed": SIGNED}


class Pushing:
    """Somebody who calls the receiving callback of two processes."""

    def __init__(self, apis: list[Api], logs: list[Path]) -> None:
        self.apis = apis
        self.logs = logs

    async def push(self, content: bytes, gateway: str = "near", process: int = 0, **headers: str) -> int:
        path = f"/callbacks/{gateway}/{TOKEN}-{gateway}"
        return (await self.apis[process].http.post(path, content=content, headers=headers)).status_code

    async def sms(self, sender: str, text: str, **more: Any) -> int:
        return await self.push(json.dumps({"items": [{"from": sender, "text": text}]}).encode(), **more)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """All that are kept, oldest first."""
        after = ""
        while True:
            params = {"after": after, "limit": "100"} if after else {"limit": "100"}
            page = (await self.apis[0].http.get("/v1/events", params=params)).json()["events"]
            for event in page:
                yield event
            if len(page) < 100:
                return
            after = page[-1]["id"]

    async def status(self, started: dict[str, Any]) -> tuple[str, str | None]:
        found = (await self.apis[0].status(started["id"])).json()
        return found["status"], found["assurance"]


@pytest.fixture(scope="module")
def processes(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, sandbox_process: str
) -> Iterator[list[tuple[str, Path]]]:
    folder = tmp_path_factory.mktemp("pushing")
    tables = "".join(GATEWAY.format(name=name, key=KEY, token=TOKEN, trust=trust) for name, trust in TRUST.items())
    environ = {**OPEN, "OTP__APPLICATIONS__WEB__GUARD": "off"}
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(running, "SETTINGS", running.SETTINGS + tables)
        found = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            url, _, log = stack.enter_context(running_service(folder / name, redis_url, sandbox_process, **environ))
            found.append((url, log))
        yield found


@pytest.fixture
async def pushing(processes: list[tuple[str, Path]]) -> AsyncIterator[Pushing]:
    async with Api(processes[0][0], API_KEY) as one, Api(processes[1][0], API_KEY) as two:
        yield Pushing([one, two], [log for _, log in processes])


async def test_who_may_tell_us(pushing: Pushing, phone: str) -> None:
    """The token, the source network, the signature and its age: each alone is not enough where it is asked for."""
    started = await pushing.apis[0].started(phone, channel="inbound")
    text = started["inbound"]["text"]
    body = json.dumps({"items": [{"from": phone, "text": text}]}).encode()

    def signature(at: int, key: str = KEY) -> dict[str, str]:
        made = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Signature": made, "X-Request-Timestamp": str(at)}

    now = int(time.time())
    assert await pushing.push(body, "far") == 404
    assert await pushing.push(body, "far", **{"X-Forwarded-For": "203.0.113.7"}) == 404
    assert await pushing.push(body, "signed") == 400
    assert await pushing.push(body, "signed", **signature(now, "another")) == 400
    assert await pushing.push(body, "signed", **signature(now - 301)) == 400
    assert await pushing.push(body + b" ", "signed", **signature(now)) == 400
    for token in (TOKEN, f"{TOKEN}-far", f"{TOKEN}-near%00", "%ff%fe", "x" * 4000, f"{TOKEN}-near/"):
        answer = await pushing.apis[0].http.post(f"/callbacks/near/{token}", content=body)
        assert answer.status_code in (404, 414), (token, answer.text)
    assert await pushing.status(started) == ("pending", None)
    assert await pushing.push(body, "signed", **signature(now)) == 200
    assert await pushing.status(started) == ("approved", "claimed")


HOSTILE = [
    b"", b"{", b"[]", b"null", b'{"items": null}', b'{"items": {}}', b'{"items": [null, 7, "x", [], {}]}',
    b'{"items": [{"from": {"a": 1}, "text": ["x"]}]}', b'{"items": [{"from": 79161234567}]}',
    b'{"items": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"items": [{"from": "\\ud800", "text": "\\udfff"}]}',
    b"\xff\xfe\x00\x01" * 1000, b'{"items": [' + b",".join([b"{}"] * 1001) + b"]}",
    b'{"items": [{"from": "' + b"7" * 60_000 + b'", "text": "x"}]}',
]  # fmt: skip


async def test_hostile_bytes(pushing: Pushing, phone: str) -> None:
    """Nothing is a fault of ours, nothing approves, and nothing takes long."""
    started = await pushing.apis[0].started(phone, channel="inbound")
    rng = random.Random(22)
    right = json.dumps({"items": [{"from": phone, "text": started["inbound"]["text"]}]}).encode()
    mutated = []
    for _ in range(300):
        wrong = bytearray(right)
        for _ in range(rng.randrange(1, 6)):
            wrong[rng.randrange(len(wrong))] = rng.randrange(256)
        if phone.encode() not in wrong or started["inbound"]["code"].encode() not in wrong:
            mutated.append(bytes(wrong))
    for body in [*HOSTILE, *mutated]:
        began = time.monotonic()
        status = await pushing.push(body)
        assert status in (200, 400, 413), (status, body[:80])
        assert time.monotonic() - began < 2, body[:80]
    for text in ("\x00" * 500, "\u2028".join("123456"), "٠١٢٣٤٥", "1" * 3000, "💬" * 900, "'; DROP--", "{code}"):
        assert await pushing.sms(phone, text) == 200
    for sender in ("", "+", "BANK", "+7 916", f"{phone};ext=1", f"0{phone[1:]}", phone[:-1], "٧٩١٦"):
        assert await pushing.sms(sender, started["inbound"]["text"]) == 200
    found = await pushing.status(started)
    assert found == ("pending", None)
    assert "request_failed" not in pushing.logs[0].read_text()
    assert await pushing.sms(phone, started["inbound"]["text"]) == 200
    assert await pushing.status(started) == ("approved", "claimed")


async def test_the_same_sms_again_and_at_two_processes_at_once(pushing: Pushing, phone: str) -> None:
    """One approval, whoever else brings it or types at the same time; and an SMS is good for what it was sent for."""
    first = await pushing.apis[0].started(phone, channel="inbound")
    text = first["inbound"]["text"]
    told = await asyncio.gather(*(pushing.sms(phone, text, process=n % 2) for n in range(20)))
    assert set(told) == {200}
    assert await pushing.status(first) == ("approved", "claimed")
    second = await pushing.apis[1].started(phone, channel="inbound")
    assert second["inbound"]["text"] != text
    assert await pushing.sms(phone, text) == 200
    assert await pushing.status(second) == ("pending", None)
    assert (await pushing.apis[0].cancel(second["id"])).status_code == 200
    assert await pushing.sms(phone, second["inbound"]["text"]) == 200
    assert await pushing.status(second) == ("canceled", None)

    approved: list[str] = []
    for _ in range(50):
        approved = [
            event["data"]["verification_id"]
            async for event in pushing.events()
            if event["type"] == "verification.approved"
        ]
        if first["id"] in approved:
            break
        await asyncio.sleep(0.1)
    assert approved.count(first["id"]) == 1
    assert second["id"] not in approved


async def test_an_sms_and_a_typed_code_at_once(pushing: Pushing, gateways: Any, phone: str) -> None:
    """Exactly one of them is the approval, and it says which."""
    for n in range(6):
        person = f"{phone[:-2]}{80 + n}"
        started = await pushing.apis[0].started(person)
        asked = (await pushing.apis[0].resend(started["id"], channel="inbound")).json()
        code = running.code_in((await gateways.messages(person))[0]["text"])
        checked, _ = await asyncio.gather(
            pushing.apis[0].check(started["id"], code), pushing.sms(person, asked["inbound"]["text"], process=1)
        )
        outcome, found = checked.json(), await pushing.status(started)
        assert found[0] == "approved"
        if outcome["outcome"] == "approved":
            assert outcome["assurance"] == "held"
        else:
            assert outcome["outcome"] == "already_approved"
            assert found[1] == "claimed"


async def test_a_flood_of_wrong_sms(pushing: Pushing, phone: str) -> None:
    """Whoever guesses pays for each; the others are served as ever, and the right one still counts."""
    started = await pushing.apis[0].started(phone, channel="inbound")
    code = started["inbound"]["code"]
    wrong = [f"{(int(code) + n) % 10**6:06}" for n in range(1, 501)]
    items = [{"from": phone, "text": each} for each in wrong]
    began = time.monotonic()
    assert await pushing.push(json.dumps({"items": items}).encode()) == 200
    took = time.monotonic() - began
    assert took < 10, took
    assert await pushing.status(started) == ("pending", None)
    assert await pushing.apis[1].started(f"{phone[:-2]}90")
    assert await pushing.sms(phone, started["inbound"]["text"]) == 200
    assert await pushing.status(started) == ("approved", "claimed")
    # A provider may push by GET, where everything stands in the address.
    path = f"/callbacks/near/{TOKEN}-near?from=%2B{phone[1:]}&text={code}&id=canary-id&state=ok"
    assert (await pushing.apis[0].http.get(path)).status_code in (200, 400)
    log = pushing.logs[0].read_text()
    assert "/callbacks/" in log
    for secret in (code, phone, phone[1:], TOKEN, "canary-id"):
        assert secret not in log, secret
