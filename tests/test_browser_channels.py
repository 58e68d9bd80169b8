"""A person with a browser, by each way that a code can take: the demo of `otp-service run` with the sandbox's phone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_run import Run
from tests.running import code_in
from tests.test_browser import browser, context, page, pytestmark, run

if TYPE_CHECKING:
    from playwright.async_api import Page

__all__ = ["browser", "context", "page", "pytestmark", "run"]


async def asks(page: Page, run: Run, to: str, way: str) -> None:
    await page.goto(f"{run.sandbox}/demo")
    await page.fill("#phone", to)
    await page.check(f".ways input[value={way}]")
    await page.click("form[action='/demo/start'] button")


async def looks(page: Page, path: Path, name: str) -> None:
    """Light and dark, on a desk and on a phone; nothing is wider than its screen."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 800 if width > 500 else 740})
            await page.screenshot(path=path / f"{name}-{scheme}-{width}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)
    await page.set_viewport_size({"width": 1280, "height": 800})


async def types_the_code(page: Page) -> None:
    await page.click(".device [data-code] >> nth=0")
    await page.press("#code", "Enter")
    await page.wait_for_selector(".welcome")


@pytest.mark.parametrize(
    ("context", "way", "look", "name"),
    [
        ("ru-RU", "telegram", ".by-telegram", "Telegram"),
        ("ru-RU", "email", ".by-smtp", "E-mail"),
        ("en-GB", "auto", ".by-telegram", "Telegram"),
    ],
    indirect=["context"],
)
async def test_a_start_by_each_channel(
    page: Page, run: Run, phone: str, tmp_path: Path, way: str, look: str, name: str
) -> None:
    to = f"anna{phone[-4:]}@example.org" if way == "email" else phone
    await asks(page, run, to, way)
    await page.wait_for_selector(f".device {look}")
    assert name in await page.inner_text(f".device {look} .gateway")
    assert to in await page.inner_text(".card")
    await looks(page, tmp_path, f"20-{way}")
    await types_the_code(page)
    assert to in await page.inner_text(".welcome")
    if way != "auto":
        await page.goto(f"{run.sandbox}/?phone={to.removeprefix('+')}")
        await page.wait_for_selector(look)
        await looks(page, tmp_path, f"21-inbox-{way}")
    if way == "email":
        await page.click(f"{look} a")
        assert code_in(await page.inner_text("body"))
        await page.screenshot(path=tmp_path / "22-mail.png", full_page=True)


async def test_who_is_not_on_telegram_gets_an_sms(page: Page, run: Run, phone: str) -> None:
    await asks(page, run, f"{phone[:-2]}12", "auto")
    await page.wait_for_selector(".device .by-targetsms-password")
    await types_the_code(page)


@pytest.mark.parametrize("context", ["ru-RU"], indirect=True)
async def test_a_code_that_the_phone_sends(page: Page, run: Run, phone: str, tmp_path: Path) -> None:
    """The page shows number, text, link and a QR code that a real reader reads; the phone's SMS opens the door."""
    await asks(page, run, phone, "inbound")
    await page.wait_for_selector(".qr img")
    image = tmp_path / "23-inbound.png"
    await page.screenshot(path=image, full_page=True)
    if shutil.which("zbarimg"):
        read = subprocess.run(["zbarimg", "-q", "--raw", image], capture_output=True, text=True, check=True).stdout
        assert read.strip() == await page.get_attribute("a[href^='sms:']", "href")
    await looks(page, tmp_path, "24-inbound")

    text = await page.input_value(".compose #text")
    assert text == await page.inner_text(".sms .secret")
    await page.fill(".compose #text", "123")
    await page.click(".compose button")
    await page.click("form[action='/demo/sent'] button", timeout=20_000)
    await page.wait_for_selector("[role=alert]", timeout=20_000)  # it is another text
    await page.fill(".compose #text", text)
    await page.click(".compose button")
    await page.wait_for_selector(f".own:has-text('{text}')")
    await page.click("form[action='/demo/sent'] button")
    await page.wait_for_selector(".welcome", timeout=20_000)
    assert phone in await page.inner_text(".welcome")
    await looks(page, tmp_path, "25-inbound-welcome")
    await page.goto(f"{run.sandbox}/?phone={phone[1:]}")
    await looks(page, tmp_path, "26-inbox-sent")


@pytest.mark.parametrize("context", ["ru-RU"], indirect=True)
async def test_no_code(page: Page, run: Run, phone: str, tmp_path: Path) -> None:
    """Why, and what now: in words for people."""
    await asks(page, run, phone, "sms")
    await page.click("form[action='/demo/no-code'] button")
    assert await page.inner_text("[role=status]")
    await looks(page, tmp_path, "27-no-code")
    await types_the_code(page)
