"""Filling templates: every value is escaped unless it is handed in as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

from litestar import MediaType, Response

_FOLDER = Path(__file__).parent
TEMPLATES = {path.stem: Template(path.read_text("utf-8")) for path in (_FOLDER / "templates").glob("*.html")}
STATIC = {path.name: path.read_bytes() for path in (_FOLDER / "static").iterdir()}
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript"}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
}


def fill(template: str, words: Mapping[str, str], *, html: Mapping[str, str] | None = None, **text: str) -> str:
    """The template's HTML. text is escaped; html is inserted as it is."""
    escaped = {name: escape(value) for name, value in ({**words, **text}).items()}
    return TEMPLATES[template].substitute(escaped | dict(html or {}))


def page(content: str, words: Mapping[str, str], *, title: str) -> Response[str]:
    return fragment(fill("page", words, html={"content": content}, title=title))


def fragment(content: str) -> Response[str]:
    return Response(content, media_type=MediaType.HTML, headers=HEADERS)
