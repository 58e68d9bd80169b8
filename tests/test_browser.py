"""A person with a browser: the demo, the inbox that fills by itself, and the page to try the API."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_run import Run, running
from tests.running import code_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
MISSING = [
    name
    for name, there in {"chromium": CHROMIUM, "playwright": importlib.util.find_spec("playwright")}.items()
    if not there
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING) and not os.environ.get("CI"),
        reason=f"{' and '.join(MISSING)} missing: make .venv/.slow, apt-get install chromium fonts-dejavu-core",
    ),
]
ALONE = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
"""As root, and without talking to anybody."""
SECONDS = 10_000  # of playwright: milliseconds
LANGUAGES = ("en-GB", "ru-RU")
"""Both are walked where their words may be too long for the page; elsewhere one is enough."""


@pytest.fixture(scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    folder = tmp_path_factory.mktemp("run")
    with running(folder, folder.with_suffix(".log")) as found:
        yield found


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    from playwright.async_api import async_playwright

    assert CHROMIUM, "chromium is missing"
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        yield found
        await found.close()


@pytest.fixture(params=["en-GB"])
async def context(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[BrowserContext]:
    found = await browser.new_context(locale=request.param, viewport={"width": 1280, "height": 800})
    found.set_default_timeout(SECONDS)
    yield found
    await found.close()


@pytest.fixture
async def page(context: BrowserContext, run: Run) -> AsyncIterator[Page]:
    """A page that reports every script error, and every request that leaves this machine or fails."""
    found = await context.new_page()
    wrong: list[str] = []
    found.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    found.on("console", lambda message: wrong.append(message.text) if is_error(message) else None)
    found.on("request", lambda asked: wrong.append(asked.url) if not ours(asked.url, run) else None)
    found.on(
        "requestfailed", lambda asked: wrong.append(f"failed: {asked.url}") if "/fragments/" not in asked.url else None
    )
    yield found
    assert wrong == []


def is_error(message: ConsoleMessage) -> bool:
    """A refusal is a line of the console too, and no error of the page."""
    return message.type == "error" and "status of 429" not in message.text


def ours(url: str, run: Run) -> bool:
    return url.startswith((run.service, run.sandbox, "data:", "blob:"))


async def asks_for_a_code(page: Page, run: Run, phone: str) -> None:
    await page.goto(f"{run.sandbox}/demo")
    await page.fill("#phone", phone)
    await page.click("form[action='/demo/start'] button")
    await page.wait_for_selector("#code")


async def code_on_the_phone(page: Page) -> str:
    """The newest code in the live phone; it comes by itself."""
    return code_in(await page.inner_text(".device [data-code] >> nth=0"))


@pytest.mark.parametrize("context", LANGUAGES, indirect=True)
async def test_sign_up(page: Page, context: BrowserContext, run: Run, phone: str, tmp_path: Path) -> None:
    """Somebody watches the inbox in another tab and does not touch it."""
    inbox = await context.new_page()
    await inbox.goto(f"{run.sandbox}/")
    await page.goto(f"{run.sandbox}/demo")
    await page.screenshot(path=tmp_path / "1-demo.png", full_page=True)

    await asks_for_a_code(page, run, f"8 ({phone[2:5]}) {phone[5:8]}-{phone[8:]}")

    await inbox.wait_for_selector(f".message:has-text('{phone}')")
    await inbox.screenshot(path=tmp_path / "2-inbox.png", full_page=True)
    code = await code_on_the_phone(page)
    assert code == code_in(await inbox.inner_text(f".message:has-text('{phone}') [data-code] >> nth=0"))
    assert phone in await page.inner_text(".card")
    await page.screenshot(path=tmp_path / "3-code.png", full_page=True)

    await page.fill("#code", code)
    await page.click("form[action='/demo/check'] button")

    await page.wait_for_selector(".welcome")
    assert phone in await page.inner_text(".welcome")
    await page.screenshot(path=tmp_path / "4-welcome.png", full_page=True)
    for one in (page, inbox):
        assert await one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_a_tap_on_the_code_fills_it_in(page: Page, run: Run, phone: str) -> None:
    await asks_for_a_code(page, run, phone)
    await page.click(".device [data-code]")
    assert await page.input_value("#code") == await code_on_the_phone(page)
    await page.press("#code", "Enter")
    await page.wait_for_selector(".welcome")


async def test_wrong_codes(page: Page, run: Run, phone: str, tmp_path: Path) -> None:
    await asks_for_a_code(page, run, phone)
    code = await code_on_the_phone(page)
    assert await page.inner_text(".attempts b") == "5"
    for left in ("4", "3"):
        await page.fill("#code", f"{(int(code) + int(left)) % 10 ** len(code):0{len(code)}}")
        await page.click("form[action='/demo/check'] button")
        await page.wait_for_selector(f".attempts b:text-is('{left}')")
        assert await page.inner_text("[role=alert]")
    await page.screenshot(path=tmp_path / "5-wrong.png", full_page=True)
    await page.fill("#code", code)
    await page.click("form[action='/demo/check'] button")
    await page.wait_for_selector(".welcome")


async def test_too_soon(page: Page, run: Run, phone: str, tmp_path: Path) -> None:
    """The resend button counts down and cannot be pressed; who tries by other means reads why."""
    await asks_for_a_code(page, run, phone)
    from playwright.async_api import expect

    button = page.locator("form[action='/demo/resend'] button")
    assert await button.is_disabled()
    first = int(re.findall(r"[0-9]+", await button.inner_text())[-1])
    assert 20 <= first <= 30
    await expect(button).not_to_contain_text(f" {first} s")
    await page.screenshot(path=tmp_path / "6-countdown.png", full_page=True)

    await page.evaluate("document.querySelector(\"form[action='/demo/resend']\").submit()")

    await page.wait_for_selector("[role=alert]")
    assert len((await page.inner_text("[role=alert]")).strip()) > 10
    await page.screenshot(path=tmp_path / "7-too-soon.png", full_page=True)


async def test_what_is_no_phone(page: Page, run: Run, tmp_path: Path) -> None:
    await page.goto(f"{run.sandbox}/demo")
    await page.fill("#phone", "12345")
    await page.click("form[action='/demo/start'] button")
    await page.wait_for_selector("[role=alert]")
    assert await page.input_value("#phone") == "12345"
    await page.screenshot(path=tmp_path / "8-no-phone.png", full_page=True)


@pytest.mark.parametrize("context", LANGUAGES, indirect=True)
async def test_on_a_small_screen_and_in_the_dark(page: Page, run: Run, phone: str, tmp_path: Path) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.emulate_media(color_scheme="dark")
    await asks_for_a_code(page, run, phone)
    await code_on_the_phone(page)
    for name, path in (("9-small-demo", "/demo"), ("10-small-inbox", "/")):
        await page.goto(f"{run.sandbox}{path}")
        await page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name


@pytest.mark.parametrize("context", LANGUAGES, indirect=True)
async def test_p15_the_inbox_beside_a_mail_catcher(page: Page, run: Run, phone: str, tmp_path: Path) -> None:
    """The tab counts, words are found, a click breaks a gateway and mends it, and clear clears."""
    russian = await page.evaluate("navigator.language") == "ru-RU"
    await page.goto(f"{run.sandbox}/")
    await page.click(".clear button")
    title = await page.title()
    assert not title.startswith("(")
    with run.http() as api:
        started = api.post("/v1/verifications", json={"to": phone, "purpose": "inbox"})
    assert started.status_code == 201, started.text
    await page.wait_for_selector("[data-total='1']", state="attached")
    assert (await page.title()) == f"(1) {title}"
    code = await page.inner_text("[data-code] >> nth=0")

    await page.fill("#q", code)
    await page.click(".filter button")
    assert await page.inner_text("[data-code] >> nth=0") == code
    await page.fill("#q", "no such words")
    await page.click(".filter button")
    await page.wait_for_selector(".screen .empty")
    await page.screenshot(path=tmp_path / "14-inbox-search.png", full_page=True)

    await page.click(".bar a[href='/traffic']")
    await page.wait_for_selector("tbody tr")
    await page.click("input[value='*'] ~ button[value=fault_down]")
    assert await page.inner_text(".state.ill") == "HTTP 503"
    await page.screenshot(path=tmp_path / "15-traffic.png", full_page=True)
    with run.http() as api:
        failed = api.post("/v1/verifications", json={"to": phone, "purpose": "broken"})
    assert failed.status_code in (429, 502), failed.text
    await page.click("input[value='*'] ~ button[value='']")
    assert await page.locator(".state.ill").count() == 0
    for name in ("", "traffic"):
        await page.goto(f"{run.sandbox}/{name}")
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            for width in (1280, 360):
                await page.set_viewport_size({"width": width, "height": 740})
                await page.screenshot(path=tmp_path / f"16-{name or 'inbox'}-{scheme}-{width}.png", full_page=True)
                assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)
    await page.goto(f"{run.sandbox}/")
    await page.click(".clear button")
    assert await page.title() == title == ("Телефон песочницы" if russian else "Sandbox phone")


async def test_p18_the_page_begins_with_what_succeeds(page: Page, run: Run, tmp_path: Path) -> None:
    """Verifications first; problems behind one button; the key is there after a reload."""
    await page.goto(f"{run.service}/schema")
    await page.wait_for_selector(".opblock")
    assert await page.get_attribute(".opblock-tag-section .opblock-tag >> nth=0", "data-tag") == "verifications"
    assert await page.get_attribute(".opblock >> nth=0", "id") == "operations-verifications-startVerification"
    await page.click("button.authorize")
    await page.fill(".auth-container input", run.key)
    await page.click(".auth-btn-wrapper button.authorize")
    await page.reload()
    await page.wait_for_selector("button.authorize.locked")
    await page.locator("#operations-verifications-startVerification .opblock-summary-control").click()
    await page.wait_for_selector(".problems")
    codes = ".responses-table tr.response"
    assert await page.locator(codes).count() == 1
    await page.click(".problems")
    assert await page.locator(codes).count() > 8
    for name in ("schema", ""):
        await page.goto(f"{run.service}/{name}")
        await page.wait_for_selector(".opblock" if name else "dl")
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            for width in (1280, 360):
                await page.set_viewport_size({"width": width, "height": 740})
                await page.screenshot(path=tmp_path / f"17-{name or 'index'}-{scheme}-{width}.png")
                assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)


async def test_try_the_api(page: Page, run: Run, phone: str, tmp_path: Path) -> None:
    """Authorize with the printed key, send the start call, see its answer."""
    await page.goto(f"{run.service}/schema")
    await page.wait_for_selector(".opblock")
    await page.screenshot(path=tmp_path / "11-schema.png", full_page=True)
    await page.click("button.authorize")
    await page.fill(".auth-container input", run.key)
    await page.click(".auth-btn-wrapper button.authorize")
    await page.click(".auth-btn-wrapper button.btn-done")

    block = page.locator("#operations-verifications-startVerification")
    await block.locator(".opblock-summary-control").click()
    await block.locator(".try-out__btn").click()
    await block.locator("textarea").fill(json.dumps({"to": phone}))
    await block.locator("button.execute").click()
    live = block.locator(".live-responses-table tbody .response-col_status")
    await live.wait_for()
    await page.screenshot(path=tmp_path / "12-tried.png")

    assert (await live.inner_text()).strip().startswith("201")
    sent: list[dict[str, Any]] = [message for message in run.inbox() if f"+{message['phone']}" == phone]
    assert len(sent) >= 1


async def test_the_example_of_the_page_works_as_it_stands(page: Page, run: Run, tmp_path: Path) -> None:
    """Who presses Execute without changing anything gets a code."""
    await page.goto(f"{run.service}/schema")
    await page.click("button.authorize")
    await page.fill(".auth-container input", run.key)
    await page.click(".auth-btn-wrapper button.authorize")
    await page.click(".auth-btn-wrapper button.btn-done")
    block = page.locator("#operations-verifications-startVerification")
    await block.locator(".opblock-summary-control").click()
    await block.locator(".try-out__btn").click()
    await block.locator("button.execute").click()
    live = block.locator(".live-responses-table tbody .response-col_status")
    await live.wait_for()
    await page.screenshot(path=tmp_path / "13-example.png")
    assert (await live.inner_text()).strip()[:3] in ("201", "429")  # 429: the phone of the example had a code just now


async def the_next_code(page: Page) -> None:
    shown = await page.get_attribute(".app [data-code]", "data-code")
    await page.wait_for_selector(f".app [data-code]:not([data-code='{shown}'])", timeout=40_000)


async def a_fresh_code(page: Page) -> None:
    """One that the app still shows a while later: a new one comes each 30 s."""
    if time.time() % 30 > 10:
        await the_next_code(page)


@pytest.mark.parametrize("context", ["ru-RU"], indirect=True)
async def test_an_authenticator_then_a_backup_code(page: Page, run: Run, phone: str, tmp_path: Path) -> None:
    """Sign up; enrol by a QR code that a real reader reads; log in with the app; lose the phone; use a backup code."""
    await asks_for_a_code(page, run, phone)
    await page.fill("#code", await code_on_the_phone(page))
    await page.press("#code", "Enter")
    await page.click("form[action='/demo/enrol'] button")

    await page.wait_for_selector(".qr img")
    image = tmp_path / "14-enrol.png"
    await page.screenshot(path=image, full_page=True)
    if shutil.which("zbarimg"):
        read = subprocess.run(["zbarimg", "-q", "--raw", image], capture_output=True, text=True, check=True).stdout
        secret = (await page.text_content(".secret") or "").replace(" ", "")
        assert re.fullmatch(rf"otpauth://totp/Demo:%2B{phone[1:]}\?secret={secret}&\S+\n", read)
    await a_fresh_code(page)
    await page.click(".app [data-code]")
    await page.press("#code", "Enter")

    await page.wait_for_selector("ol.codes")
    codes = await page.locator("ol.codes li").all_inner_texts()
    assert len(codes) == 10
    await page.screenshot(path=tmp_path / "15-backup-codes.png", full_page=True)
    async with page.expect_download() as download:
        await page.click("a[download]")
    assert (await (await download.value).path()).read_text().split() == codes
    await page.click("form[action='/demo/logout'] button")

    await page.click(".app [data-code]")
    await page.press("#code", "Enter")
    await page.wait_for_selector("[role=alert]")  # that code was spent on the confirmation
    await page.screenshot(path=tmp_path / "16-used.png", full_page=True)
    await the_next_code(page)
    await page.click(".app [data-code]")
    await page.press("#code", "Enter")
    await page.wait_for_selector(".welcome")
    await page.screenshot(path=tmp_path / "17-in.png", full_page=True)

    await page.click("form[action='/demo/logout'] button")
    await page.click("form[action='/demo/lose'] button")
    await page.wait_for_selector(".gone")
    await page.fill("#code", codes[4].replace("-", "").lower())
    await page.screenshot(path=tmp_path / "18-lost.png", full_page=True)
    await page.press("#code", "Enter")
    await page.wait_for_selector(".welcome")
    assert "9" in await page.inner_text(".welcome p")
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.emulate_media(color_scheme="dark")
    await page.screenshot(path=tmp_path / "19-in-by-backup-code.png", full_page=True)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
