"""The guide docs/phone-login.md, word for word: its code works, and its sentences are for real codes."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any

import pytest

from otp_service.api.problems import STATUSES
from otp_service.domain.events import EventType
from otp_service.domain.verifications import Outcome
from otp_service.domain.webhooks import secret_bytes, signature
from tests.api import Gateways
from tests.docs.blocks import ROOT, Block, blocks_of
from tests.running import API_KEY, code_in
from tests.stories.test_check import wrong
from tests.test_browser import ALONE, CHROMIUM

GUIDE = blocks_of(ROOT / "docs" / "phone-login.md")
SECRET = "whsec_" + "QUFB" * 8


def code_of(blocks: list[Block]) -> str:
    return "\n".join(block.text for block in blocks if block.language == "python")


@pytest.fixture
def site(service_urls: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the guide's code defines, with the rest of a site around them."""
    monkeypatch.setenv("OTP_API_KEY", API_KEY)
    monkeypatch.setenv("OTP_WEBHOOK_SECRET", SECRET)
    found: dict[str, Any] = {
        "session": {}, "logged_in": [], "logged": [], "told": [],
        "render": lambda page, **values: (page, values),
        "account_of": lambda phone: {"phone": phone},
        "log_in": lambda account: found["logged_in"].append(account),
        "log": lambda *told: found["logged"].append(told),
        "tell_operators": lambda told: found["told"].append(told),
    }  # fmt: skip
    code = code_of(blocks_of(ROOT / "docs" / "webhooks.md")) + code_of(GUIDE)
    assert "http://127.0.0.1:8000" in code
    exec(compile(code.replace("http://127.0.0.1:8000", service_urls[0]), "docs/phone-login.md", "exec"), found)
    return found


async def test_the_guide_works(site: dict[str, Any], gateways: Gateways, phone: str) -> None:
    form = str(uuid.uuid4())
    pasted = f"\u202a {phone[:5]} ({phone[5:]}) "
    page, shown = await asyncio.to_thread(site["begin"], pasted, form, "203.0.113.7")
    assert (page, shown["to"], site["session"]["code_for"]["to"]) == ("code.html", phone, phone)
    await asyncio.to_thread(site["begin"], pasted, form, "203.0.113.7")
    assert len(await gateways.messages(phone)) == 1, "a double click"

    page, shown = await asyncio.to_thread(site["again"])
    assert (page, "resend_at" in shown, len(await gateways.messages(phone))) == ("code.html", True, 2)

    code = code_in((await gateways.messages(phone))[-1]["text"])
    told = {
        wrong(code): "That is not the code. Attempts left: 4.",
        code[:-1]: f"The code has {len(code)} digits.",
        "hello": "The code is made of digits.",
    }
    for typed, sentence in told.items():
        page, shown = await asyncio.to_thread(site["finish"], typed)
        assert (page, shown["error"]) == ("code.html", sentence)
    asked = dict(site["session"])
    await asyncio.to_thread(site["finish"], f"{code[:3]} {code[3:]}")
    assert site["logged_in"] == [{"phone": phone}]
    assert site["session"] == {}
    site["session"].update(asked)
    assert "used already" in (await asyncio.to_thread(site["finish"], code))[1]["error"]
    site["otp"].close()


async def test_its_sentences(site: dict[str, Any], gateways: Gateways, phone: str) -> None:
    known = set(STATUSES) | set(Outcome)
    assert set(site["SENTENCES"]) <= known
    page, shown = await asyncio.to_thread(site["begin"], "123", str(uuid.uuid4()), "203.0.113.7")
    assert (page, shown["error"][:23]) == ("phone.html", "Please check the number")
    await gateways.fail("*", "status", status=404)
    page, shown = await asyncio.to_thread(site["begin"], phone, str(uuid.uuid4()), "203.0.113.7")
    assert (page, shown["error"][:26]) == ("phone.html", "That did not work just now")
    assert site["logged"][0][0] == "no_gateway_available"
    site["otp"].close()
    seven = {"wait": "7", "attempts_left": 3, "code_length": 6}
    for code, sentence in site["SENTENCES"].items():
        assert "{" not in sentence.format(**seven), code


def test_its_hook(site: dict[str, Any]) -> None:
    site["otp"].close()
    for kind in re.findall(r'"((?:verification|gateway|application)\.\w+)"', code_of(GUIDE)):
        assert kind in set(EventType)
    body, now = b'{"type": "gateway.balance_low"}', int(time.time())
    signed = signature([secret_bytes(SECRET)], "evt_1-0", now, body)
    headers = {"webhook-id": "evt_1-0", "webhook-timestamp": str(now), "webhook-signature": signed}
    assert site["hook"](headers, body) == 204
    assert site["told"] == ["gateway.balance_low"]
    assert site["hook"](headers, body + b" ") == 401


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="chromium is missing")
async def test_its_button_counts_down() -> None:
    async_api = pytest.importorskip("playwright.async_api")
    (block,) = [block for block in GUIDE if block.language == "html"]
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        page = await browser.new_page()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
        await page.set_content(block.text.replace("2026-01-01T12:00:30Z", at))
        button = page.locator("#again")
        assert await button.is_disabled()
        await page.wait_for_function("document.getElementById('again').textContent.includes(' in ')")
        await page.wait_for_function("!document.getElementById('again').disabled", timeout=10_000)
        assert await button.text_content() == "Send again"
        await browser.close()
