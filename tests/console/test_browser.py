"""An operator with a browser: real Chromium on a desk and on a phone, in both languages and themes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pyotp
import pytest

from tests.cli.commands import clean
from tests.cli.test_run import Run, running
from tests.console.desk import PASSWORD
from tests.running import free_port
from tests.sizes import sized
from tests.test_browser import ALONE, CHROMIUM, MISSING, browser

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

__all__ = ["browser"]  # the fixture
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING) and not os.environ.get("CI"),
        reason=f"{' and '.join(MISSING)} missing: make .venv/.slow, apt-get install chromium fonts-dejavu-core",
    ),
]
NODE = Path(__file__).parent / "node"
KINDS = [(1280, "light", "en-GB"), (390, "dark", "ru-RU"), (1280, "dark", "ru-RU"), (390, "light", "en-GB")][
    : sized(4, 2)
]
"""The first two have each width, theme and language."""
PAGES = ("/console", "/console/find", "/console/gateways", "/console/fraud", "/console/webhooks", "/console/events",
         "/console/keys", "/console/operators", "/console/audit", "/console/settings",
         "/console/settings/findings")  # fmt: skip
MILLISECONDS = 10_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("console-run")
    port = free_port()
    with running(
        folder, folder.with_suffix(".log"), OTP_PORT=str(port), OTP__SERVICE__PUBLIC_URL=f"http://localhost:{port}"
    ) as found:
        found.service = found.service.replace("127.0.0.1", "localhost")
        yield found


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core as its registry has it; it is in no page of ours."""
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NODE / name, folder)
    subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True, timeout=300)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


class Person:
    """Somebody at a browser. secret: of their authenticator."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.secret = ""
        self.codes: list[str] = []

    async def enrol(self, link: str) -> None:
        page = self.page
        await page.goto(self.url + "/console/enrol/" + link.rpartition("/")[2])
        await page.click("summary")
        self.secret = (await page.inner_text("#secret")).replace(" ", "")
        await page.fill("#password", PASSWORD)
        await page.fill("#again", PASSWORD)
        await page.fill("#code", pyotp.TOTP(self.secret).now())
        await page.click("button.primary")
        await page.wait_for_selector(".codes")
        self.codes = await page.locator(".codes li").all_inner_texts()
        assert len(self.codes) == 10
        await page.click("a.primary")

    async def password(self, name: str, password: str = PASSWORD) -> None:
        await self.page.goto(f"{self.url}/console/sign-in?anew=1")
        await self.page.fill("#name", name)
        await self.page.fill("#password", password)
        await self.page.click("button.primary")

    async def sign_in(self, name: str) -> None:
        await self.password(name)
        await self.page.fill("#code", self.codes.pop())
        await self.page.click("button.primary, form:last-of-type button.wide")
        await self.page.wait_for_selector(".menu")


@pytest.fixture(scope="module")
async def admin(browser: Browser, run: Run) -> Any:
    """The session of the first operator, who has enrolled by the link that `run` printed."""
    found = re.search(r"Console +(http\S+/console/enrol/\S+)", run.printed)
    assert found, run.printed
    context = await browser.new_context(locale="en-GB")
    person = Person(await context.new_page(), run.service)
    await person.enrol(found[1])
    await person.sign_in("admin")
    state = await context.cookies()
    await context.close()
    return state


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(map(str, kind)))
async def context(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[BrowserContext]:
    width, scheme, locale = request.param
    found = await browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": width, "height": 900})
    found.set_default_timeout(MILLISECONDS)
    yield found
    await found.close()


@pytest.fixture
async def page(context: BrowserContext, run: Run) -> AsyncIterator[Page]:
    """Every script error, and everything that the policy refuses, is a fault."""
    found = await context.new_page()
    wrong: list[str] = []
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    found.on(
        "request", lambda asked: wrong.append(asked.url) if not asked.url.startswith((run.service, "data:")) else None
    )
    found.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    yield found
    assert wrong == []


@pytest.fixture
async def person(page: Page, run: Run, admin: Any) -> Person:
    await page.context.add_cookies(admin)
    return Person(page, run.service)


@pytest.fixture
def api(run: Run) -> Any:
    with run.http() as client:
        yield client


def operators(run: Run, *words: str) -> str:
    """The command, in the folder of the run."""
    environ = clean({"OTP_PORT": run.service.rpartition(":")[2], "OTP__SERVICE__PUBLIC_URL": run.service})
    done = subprocess.run(
        [sys.executable, "-m", "otp_service", "operators", *words],
        cwd=run.log.with_suffix(""), env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


async def violations(page: Page, axe: str) -> list[str]:
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]


async def test_every_page_is_accessible_and_fits(
    person: Person, page: Page, run: Run, api: httpx.Client, axe: str, tmp_path: Path, phone: str
) -> None:
    started = api.post("/v1/verifications", json={"to": phone, "reference": "order-77", "subject": "anna"}).json()
    found: list[str] = []
    for path in (*PAGES, f"/console/verifications/{started['id']}", f"/console/status/{started['id']}"):
        await page.goto(run.service + path)
        for summary in await page.locator("main summary").all():
            await summary.click()
        await page.screenshot(path=tmp_path / f"{path.replace('/', '_')}.png", full_page=True)
        found += [f"{path}: {one}" for one in await violations(page, axe)]
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert await page.locator("h1").count() == 1, path
        assert not re.search(r"built-in|object at 0x|None\b", await page.inner_text("main")), path
    assert found == []
    await page.goto(f"{run.service}/console/find")
    await page.fill("#q", phone)
    await page.click(".search button")
    assert await violations(page, axe) == []
    await page.context.clear_cookies()
    await page.goto(f"{run.service}/console/sign-in")
    assert await violations(page, axe) == []


async def test_the_keyboard_is_enough(person: Person, page: Page) -> None:
    await page.goto(f"{person.url}/console")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "content"
    seen = set()
    for _ in range(60):
        await page.keyboard.press("Tab")
        seen.add(await page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.tagName"))
    assert {"SUMMARY", "/console/language/ru?back=/console"} <= seen


@pytest.mark.parametrize("context", KINDS[:1], indirect=True)
class TestOnADesk:
    async def test_lock_out_and_unlock(self, person: Person, browser: Browser, run: Run) -> None:
        page = person.page
        await page.goto(f"{run.service}/console/operators")
        await page.fill("#name", "boris")
        await page.select_option("#role", "support")
        await page.click("form.fields button")
        link = await page.inner_text("#link")
        context = await browser.new_context(locale="ru-RU")
        boris = Person(await context.new_page(), run.service)
        await boris.enrol(link)
        await boris.page.goto(link.replace("127.0.0.1", "localhost"))
        assert "использована" in await boris.page.inner_text("main"), "a link works once"
        await boris.password("boris", "wrong password")
        assert "не подошли" in await boris.page.inner_text("[role=alert]")
        await boris.password("boris")
        await boris.page.fill("#code", "000000")
        await boris.page.click("button.primary")
        assert "Код не подошёл" in await boris.page.inner_text("[role=alert]")
        for _ in range(5):
            await boris.password("boris", "guess")
        await boris.password("boris")
        assert "Слишком много" in await boris.page.inner_text("[role=alert]")
        await page.goto(f"{run.service}/console/operators")
        await page.click("tr:has(th:text-is('boris')) button[value=unlock]")
        await boris.sign_in("boris")
        await context.close()
        printed = operators(run, "list")
        assert re.search(r"^boris +support", printed, re.MULTILINE)

    async def test_a_passkey(self, person: Person, browser: Browser, run: Run) -> None:
        page = person.page
        await page.goto(f"{run.service}/console/operators")
        await page.fill("#name", "vera")
        await page.click("form.fields button")
        link = await page.inner_text("#link")
        context = await browser.new_context(locale="en-GB")
        theirs = await context.new_page()
        session = await context.new_cdp_session(theirs)
        await session.send("WebAuthn.enable")
        options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                   "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
        await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        vera = Person(theirs, run.service)
        await theirs.goto(link)
        await theirs.fill("#password", PASSWORD)
        await theirs.fill("#again", PASSWORD)
        await theirs.click("[data-passkey]")
        await theirs.wait_for_selector(".codes")
        for _ in range(2):
            await vera.password("vera")
            await theirs.click("[data-passkey-get] button")
            await theirs.wait_for_selector(".menu")
            await theirs.click(".who button")
        await vera.password("vera")
        await theirs.evaluate(
            "document.querySelector('[data-passkey-get]').elements.passkey.value = JSON.stringify({id: 'x', rawId: 'x',"
            "type: 'public-key', response: {clientDataJSON: 'e30', authenticatorData: 'e30', signature: 'e30'}})"
        )
        await theirs.evaluate("document.querySelector('[data-passkey-get]').submit()")
        await theirs.wait_for_selector("[role=alert]:not([hidden])")
        await context.close()

    async def test_a_person_is_searched_and_helped(
        self, person: Person, run: Run, api: httpx.Client, phone: str
    ) -> None:
        page = person.page
        started = api.post("/v1/verifications", json={"to": phone, "reference": "order-" + phone[-4:]}).json()
        for asked in (phone, f"8 ({phone[2:5]}) {phone[5:8]}-{phone[8:]}", "order-" + phone[-4:]):
            await page.goto(f"{run.service}/console/find")
            await page.fill("#q", asked)
            await page.press("#q", "Enter")
            await page.wait_for_selector(f"a[href='/console/verifications/{started['id']}']")
            assert phone not in page.url
        await page.click(f"a[href='/console/verifications/{started['id']}']")
        await page.wait_for_selector("#timeline li:has-text('Delivered')", timeout=15_000)
        await page.click("button[value=unlock]")
        await page.wait_for_selector(".note.good")
        await page.click("button[value=resend]")
        await page.wait_for_selector(".note.good:has-text('Sent again')")
        assert api.get(f"/v1/verifications/{started['id']}").json()["sends_left"] == 3
        await page.click("button[value=cancel]")
        await page.wait_for_selector(".pill:has-text('canceled')")
        assert api.get(f"/v1/verifications/{started['id']}").json()["status"] == "canceled"
        await page.click("button:has-text('Everything of this phone')")
        await page.click("button[value=erase]")
        await page.wait_for_selector(".note.good:has-text('erased')")
        assert api.get(f"/v1/verifications/{started['id']}").status_code == 404

    async def test_an_outage_of_a_gateway_is_seen_within_ten_seconds(
        self, person: Person, run: Run, api: httpx.Client
    ) -> None:
        page = person.page
        await page.goto(f"{run.service}/console")
        await page.wait_for_selector("article.tile.ok:has-text('targetsms-password')")
        sandbox = httpx.Client(base_url=run.sandbox, trust_env=False)
        try:
            fault = {
                "gateway": "password",
                "fault": "error",
                "error": "Неверный логин или пароль",
                "times": None,
            }
            assert sandbox.post("/_sim/faults", json=fault).status_code < 300
            api.post("/v1/verifications", json={"to": "+79161110203"})
            began = time.monotonic()
            await page.wait_for_selector("article.tile.down:has-text('targetsms-password')")
            assert time.monotonic() - began < 10
            await page.wait_for_selector(".note.bad:has-text('targetsms-password')")
        finally:
            sandbox.delete("/_sim/faults")
            sandbox.close()
        await page.goto(f"{run.service}/console/gateways")
        await page.click("article:has-text('targetsms-password') button[value=use]")
        await page.wait_for_selector(".note.good")

    async def test_a_key_is_made_used_and_revoked(self, person: Person, run: Run) -> None:
        page = person.page
        await page.goto(f"{run.service}/console/keys")
        await page.fill("#name", "for curl")
        await page.click("form.fields button")
        secret = await page.inner_text("#secret")
        curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {secret}"]
        ask = [*curl, f"{run.service}/v1/gateways"]
        assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "200"
        await page.goto(f"{run.service}/console/keys")
        assert secret not in await page.content(), "it is shown once"
        await page.click("tr:has-text('for curl') button[value=revoke]")
        await page.wait_for_selector(".note.good")
        await asyncio.sleep(5.5)
        assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "401"

    async def test_an_edit_of_a_list_acts_within_five_seconds(
        self, person: Person, run: Run, api: httpx.Client
    ) -> None:
        page, body = person.page, {"to": "+79167778899"}
        await page.goto(f"{run.service}/console/fraud")
        await page.fill("#block", "+7 916 777")
        await page.press("#block", "Enter")
        await page.wait_for_selector("th:text-is('+7916777')")
        refused = api.post("/v1/verifications", json=body)
        for _ in range(50):
            if refused.status_code == 403:
                break
            await asyncio.sleep(0.1)
            refused = api.post("/v1/verifications", json=body)
        assert refused.json()["code"] == "on_block_list"
        await page.click("tr:has-text('+7916777') button[value=remove]")
        await page.wait_for_selector(".note.good:has-text('Removed')")
        deadline = time.monotonic() + 5
        while (heard := api.post("/v1/verifications", json=body)).status_code == 403:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert heard.status_code == 201

    async def test_events_come_by_themselves(self, person: Person, run: Run, api: httpx.Client, phone: str) -> None:
        await person.page.goto(f"{run.service}/console/events")
        api.post("/v1/verifications", json={"to": phone})
        await person.page.wait_for_selector(f"td:has-text('{phone}')")


async def test_the_demo_shop_leads_to_what_happens(browser: Browser, run: Run, phone: str) -> None:
    context = await browser.new_context(locale="en-GB")
    page = await context.new_page()
    await page.goto(f"{run.sandbox}/demo")
    await page.fill("#phone", phone)
    await page.click("form[action='/demo/start'] button")
    await page.wait_for_selector("#code")
    async with context.expect_page() as opened:
        await page.click("a[href='/demo/what-happened']")
    status = await opened.value
    await status.wait_for_selector(".funnel .done:has-text('delivered')", timeout=15_000)
    assert phone not in await status.content()
    await context.close()


def test_axe_is_the_locked_one() -> None:
    assert json.loads((NODE / "package.json").read_text())["dependencies"] == {"axe-core": "4.14.1"}
    assert ALONE
    assert CHROMIUM
