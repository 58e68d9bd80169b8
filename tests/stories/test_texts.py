"""What stands on the phone: line breaks, the line that a browser reads, the hash that an Android app looks for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import running
from tests.api import Api, Gateways
from tests.origin_bound import OriginBound, parse
from tests.running import API_KEY, code_in, running_service

HOST, HASH = "login.example.ru", "FA+9qCX9VSu"
MORE = """
[gateways.targetsms-json]
kind = "targetsms-json"
circuit_breaker = false
cascade = "sms"
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "DEMO"
[gateways.viber]
kind = "targetsms-json"
circuit_breaker = false
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "DEMO"
[gateways.targetsms-get]
kind = "targetsms-get"
circuit_breaker = false
base_url = "env:TEST_SANDBOX"
login = "demo"
password = "demo-password"
sender = "DEMO"
[routes.viber]
gateways = ["viber"]
"""
ROUTE = {"password": "targetsms-password", "xml": "targetsms-xml", "json": "targetsms-json",
         "get": "targetsms-get", "smska": "smska"}  # fmt: skip
WORDED = {
    "OTP__ROUTES__SMS__GATEWAYS": ",".join(ROUTE.values()),
    "OTP__ROUTES__SMS__DEADLINE_SECONDS": "10",
    "OTP__APPLICATIONS__WEB__TEXTS__RU": "Код {code}, {brand}.\n\nДействует {minutes}.",
    "OTP__APPLICATIONS__WEB__WEBOTP_ORIGIN": f"https://{HOST}",
    "OTP__APPLICATIONS__WEB__ANDROID_HASH": HASH,
    "OTP__APPLICATIONS__OTHER__WEBOTP_ORIGIN": f"https://{HOST}",
    "OTP__APPLICATIONS__STRICT__TEXTS__RU": f"\nКод для {{brand}}:\n@{HOST} #{{code}}\n",
}


async def test_texts_arrive_as_they_were_written(
    tmp_path: Path,
    redis_url: str,
    sandbox_process: str,
    gateways: Gateways,
    phone: str,
    keys: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + MORE)
    with running_service(tmp_path, redis_url, sandbox_process, **WORDED) as (url, _, log):
        async with Api(url, API_KEY) as api:
            await a_line_break_is_one_through_every_wire_format(api, gateways, phone)
            await a_browser_finds_the_code_whoever_sends_it(api, gateways, phone)
            await each_platform_has_its_last_line(api, gateways, phone)
        async with Api(url, keys["strict"]) as strict:
            await a_line_of_one_s_own_leaves_the_code_to_the_gateway(strict, gateways, phone)
        (said,) = (
            line for line in log.read_text().splitlines() if "text_examined" in line
        )  # of all forms, the dear one
        assert json.loads(said)["name"] == "other ru webotp"
        assert "2 SMS parts" in said


async def a_line_break_is_one_through_every_wire_format(api: Api, gateways: Gateways, phone: str) -> None:
    for which, (wire, name) in enumerate(ROUTE.items()):
        number = f"{phone[:-2]}{which + 20}"
        started = await api.started(number)
        message = started["messages"][-1]
        assert (message["gateway"], message["parts"]) == (name, 1), started  # counted here where it is not told
        (arrived,) = await gateways.messages(number)
        code = code_in(arrived["text"])
        assert arrived["text"] == f"Код {code}, Example.\n\nДействует 5 минут."
        assert await api.outcome(started["id"], code) == "approved"
        await gateways.fail(wire, "status", status=404)
    await gateways.reset()


async def a_browser_finds_the_code_whoever_sends_it(api: Api, gateways: Gateways, phone: str) -> None:
    """The gateway that makes codes is passed over; a resend and a fail-over bring the line too."""
    await gateways.fail("json", "status", status=404)
    started = await api.started(phone, client={"platform": "web"})
    assert [(m["gateway"], m["parts"]) for m in started["messages"]] == [("targetsms-xml", 1)]
    resent = (await api.resend(started["id"])).json()
    assert [m["gateway"] for m in resent["messages"]] == ["targetsms-xml", "targetsms-json", "targetsms-get"]
    first, again = await gateways.messages(phone)
    assert first["text"] == again["text"]
    found = parse(first["text"])
    assert found == OriginBound(HOST, None, code_in(first["text"]))
    assert first["text"].endswith(f"\n@{HOST} #{found.code}")
    assert await api.outcome(started["id"], found.code) == "approved"
    await gateways.reset()


async def each_platform_has_its_last_line(api: Api, gateways: Gateways, phone: str) -> None:
    endings = [
        ({"client": {"platform": "android"}}, f"Действует 5 минут.\n{HASH}"),
        ({"client": {"platform": "ios"}}, "Действует 5 минут."),
        ({"client": {"platform": "web"}, "locale": "en"}, f" Do not share it with anyone.\n@{HOST} #"),
        ({"client": {"platform": "ios"}, "locale": "kk-Cyrl-KZ"}, " — Example коды. Оны ешкімге айтпаңыз."),
        ({"client": {"platform": "ios"}, "locale": "ja-JP"}, "Действует 5 минут."),  # falls back to the application's
        ({"client": {"platform": "web"}, "channel": "viber"}, "Действует 5 минут."),  # no browser reads Viber
    ]
    for which, (body, ending) in enumerate(endings):
        number = f"{phone[:-2]}{which + 40}"
        started = await api.started(number, **body)
        (arrived,) = await gateways.messages(number)
        assert re.sub("#[0-9]{6}$", "#", arrived["text"]).endswith(ending)
        assert await api.outcome(started["id"], code_in(arrived["text"])) == "approved"
        by_gateway = started["messages"][0]["gateway"] == "targetsms-password"
        assert by_gateway == (body["client"]["platform"] != "web")


async def a_line_of_one_s_own_leaves_the_code_to_the_gateway(api: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(f"{phone[:-2]}60", client={"platform": "web"})
    assert started["messages"][0]["gateway"] == "targetsms-password"
    (arrived,) = await gateways.messages(f"{phone[:-2]}60")
    found = parse(arrived["text"])
    assert found == OriginBound(HOST, None, code_in(arrived["text"]))
    assert arrived["text"] == f"Код для Strict:\n@{HOST} #{found.code}"
    assert await api.outcome(started["id"], found.code) == "approved"
