"""A-13: text of others steers nobody's terminal, and what is no id or too short to be masked reaches no log."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from otp_service.domain.phone import mask
from otp_service.telemetry.logs import Redaction
from otp_service.visible import visible
from tests.api import Api, problem
from tests.hardening.conftest import Operator, make_key
from tests.running import running_service

STEERING = [
    "\x1b[2J",
    "\x9b31m",
    "a\x85b",
    "\u202egnp.exe",
    "a\u2028b",
    "\u2066x",
    "\ufeff",
    "\u200b",
    "a\xadb",
    "\U000e0041",
    "\x08\x08",
]
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u2028-\u202e\u2060-\u2069\ufeff\u200b\U000e0000-\U000e007f]")


@pytest.mark.parametrize("text", STEERING)
def test_a13_what_steers_is_escaped(text: str) -> None:
    shown = visible(f"заказ {text} 👨‍👩‍👧 №")
    assert not RAW.search(shown)
    assert shown.startswith("заказ ")
    assert shown.endswith(" 👨‍👩‍👧 №")
    assert "\\u" in shown
    event = Redaction(["secret-one"])(None, "", {"event": "x", "text": text, "more": [text], "n": 1})  # type: ignore[arg-type]
    assert not RAW.search(event["text"])
    assert not RAW.search(event["more"][0])


@pytest.mark.parametrize("text", [text for text in STEERING if text >= " "])
async def test_a13_commands_show_a_reference_escaped(api: Api, operator: Operator, phone: str, text: str) -> None:
    answer = await api.start(phone, reference=text)
    if answer.status_code == 422:
        return
    assert answer.json()["reference"] == text
    shown = operator("verifications", "show", "--application", "web", "--phone", phone)
    assert shown.code == 0
    assert visible(text) in shown.out
    assert not RAW.search(shown.out)


def test_a13_commands_show_a_key_s_name_escaped(operator: Operator) -> None:
    make_key(operator, "--name", "a\x1b]0;owned\x07\x9b31m\u202eb")
    for words in (("keys", "list"), ("keys", "list", "--json"), ("audit", "export")):
        shown = operator(*words)
        assert shown.code == 0
        assert not RAW.search(shown.out + shown.err), words


@pytest.mark.parametrize("field", ["name", "label", "issuer"])
@pytest.mark.parametrize("text", [text for text in STEERING if text != "\U000e0041"])
async def test_a13_names_of_authenticators_have_none(api: Api, field: str, text: str) -> None:
    answer = await api.post("/v1/factors/totp", {"subject": "shown-person", field: text})
    problem(answer, 422, "validation_failed")


@pytest.mark.parametrize(
    ("e164", "masked"),
    [("+79161234567", "+7916***4567"), ("+4712345678", "+***"), ("+29012345", "+***"), ("+2471234", "+***")],
)
def test_a13_a_short_number_is_masked_whole(e164: str, masked: str) -> None:
    assert mask(e164) == masked


async def test_a13_what_is_no_id_does_not_reach_the_log(
    tmp_path: Path, redis_url: str, sandbox_process: str, api: Api
) -> None:
    canary = "canary-" + secrets.token_hex(8)
    with running_service(tmp_path, redis_url, sandbox_process) as (url, _, log):
        async with Api(url, api.http.headers["authorization"].partition(" ")[2]) as caller:
            for written in (canary, canary.ljust(36, "A"), "%C2%9B" + canary):
                for method, path in (
                    ("GET", f"/v1/verifications/{written}"),
                    ("POST", f"/v1/verifications/{written}/resend"),
                    ("POST", f"/v1/verifications/{written}/cancel"),
                    ("POST", f"/v1/verifications/{written}/check"),
                    ("DELETE", f"/v1/factors/totp/{written}"),
                    ("POST", f"/v1/factors/totp/{written}/check"),
                    ("POST", f"/v1/factors/totp/{written}/confirm"),
                    ("GET", f"/v1/deliveries/{written}"),
                    ("GET", f"/{written}"),
                ):
                    body = {"code": "123456"} if path.endswith(("check", "confirm")) else None
                    answer = await caller.http.request(method, path, json=body)
                    assert answer.status_code in (404, 405, 422), (method, path)
    assert canary not in log.read_text()
