"""The documentation site: it builds without a warning, every link leads somewhere, and nothing comes from elsewhere."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.api import Api
from tests.docs.blocks import ROOT
from tests.test_browser import ALONE, CHROMIUM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("material"), reason="mkdocs-material is missing: make .venv/.docs"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    words = [sys.executable, "docs/site/build.py", "--site", folder]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Page(HTMLParser):
    """links: what a person can follow. loads: what a browser fetches. ids: where a link may lead."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids = {""}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids.add(named.get("id", ""))
        if tag == "a":
            self.links.append(named.get("href", ""))
        elif tag != "form":
            self.loads += [named[name] for name in ("src", "href", "srcset", "data", "action") if name in named]


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > 60
    for path, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if path.name == "404.html":  # it stands at any address, so its links begin at the root
                target = site / unquote(parts.path).lstrip("/")
                target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path}: {link}"
            assert target.suffix != ".html" or parts.fragment in pages[target].ids | {"__tabbed"}, f"{path}: {link}"


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        assert [load for load in page.loads if urlsplit(load).scheme not in ("", "data")] == [], path
        assert not re.search(r"url\((['\"]?)(https?:)?//", path.read_text("utf-8")), path
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )['\"]?(?:https?:)?//", style.read_text("utf-8")), style
    for script in site.rglob("*.js"):
        assert not re.search(r"unpkg\.com|jsdelivr|cdnjs|googleapis", script.read_text("utf-8")), script


def test_each_page_has_its_markdown_beside_it(site: Path, pages: dict[Path, Page]) -> None:
    for path in pages:
        name = "README.md" if path.name == "index.html" else path.with_suffix(".md").name
        if path.name != "404.html":
            assert (path.parent / name).read_text("utf-8").startswith("# "), path
    assert (site / "docs" / "api.md").read_bytes() == (ROOT / "docs" / "api.md").read_bytes()


async def test_the_reference_is_of_the_document_that_a_service_serves(site: Path, api: Api) -> None:
    served = (await api.http.get("/schema/openapi.json")).json()
    assert json.loads((site / "openapi.json").read_text("utf-8")) == served
    assert "webhooks" in served


def test_llms_txt_lists_every_page(site: Path) -> None:
    text = (site / "llms.txt").read_text("utf-8")
    assert text.startswith("# otp-service\n\n> ")
    named = re.findall(r"^- \[[^]]+\]\(([^)]+)\)", text, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == {str(path.relative_to(site)) for path in site.rglob("*.md")}


def test_it_is_searched_in_two_languages(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    assert index["config"]["lang"] == ["en", "ru"]
    assert any("Первый код" in entry["title"] for entry in index["docs"])


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.skipif(not (CHROMIUM and find_spec("playwright")), reason="chromium or playwright is missing")
async def test_a_browser_shows_it(address: str) -> None:
    """Light, dark and on a phone: no error, nothing from another host, no page that is wider than the screen."""
    from playwright.async_api import async_playwright

    wrong: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
            context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
            page = await context.new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
            page.on("request", lambda asked: wrong.append(asked.url) if not ours(asked.url, address) else None)
            for name in ("index.html", "docs/ru/index.html", "docs/settings.html", "docs/api.html", "reference.html"):
                await page.goto(address + name)
                await page.wait_for_load_state("networkidle")
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
                shown = "slate" if scheme == "dark" else "default"
                assert await page.get_attribute("body", "data-md-color-scheme") == shown
            assert await page.locator("#reference .opblock").count() > 20
            await context.close()
        await browser.close()
    assert wrong == []


def ours(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))
