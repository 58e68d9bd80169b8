"""Filling templates. Everything that is inserted is escaped; what is HTML already says so by its type."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from otp_service.console.words import LANGUAGES, WORDS

if TYPE_CHECKING:
    from otp_service.console.visit import Visit

_FOLDER = Path(__file__).parent
STATIC = {path.name: path.read_bytes() for path in (_FOLDER / "static").iterdir()}
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript"}
VERSION = hashlib.sha256(b"".join(STATIC[name] for name in sorted(STATIC))).hexdigest()[:12]
"""In the addresses of static files, so that a browser takes new ones after an upgrade."""
PAGES = (
    ("/console", "overview", "viewer"),
    ("/console/find", "find", "support"),
    ("/console/gateways", "gateways", "viewer"),
    ("/console/fraud", "fraud", "viewer"),
    ("/console/webhooks", "webhooks", "viewer"),
    ("/console/events", "events", "support"),
    ("/console/keys", "keys", "admin"),
    ("/console/operators", "operators", "admin"),
    ("/console/audit", "audit", "admin"),
    ("/console/settings", "settings", "admin"),
)
"""Path, word and role of each, in the order of the menu."""


def render(template: str, visit: Visit, data: Mapping[str, Any]) -> str:
    words = _words(visit.language)
    return (
        _environment()
        .get_template(template)
        .render(
            t=words,
            language=visit.language,
            visit=visit,
            operator=visit.session.operator if visit.session else None,
            pages=PAGES,
            version=VERSION,
            here=visit.request.url.path,
            csrf=Markup('<input type="hidden" name="csrf" value="{}">').format(visit.csrf),
            **data,
        )
    )


class Words:
    """What is said in one language, as `t.keys` or `t["keys"]`. No mapping, whose methods would hide such words."""

    def __init__(self, language: str) -> None:
        number = LANGUAGES.index(language)
        self._told = {word: told[number] for word, told in WORDS.items()}

    def __getitem__(self, word: str) -> str:
        return self._told[word]

    def __contains__(self, word: str) -> bool:
        return word in self._told

    def named(self, prefix: str, word: str) -> str:
        """A closed word; as it is, where it has no name of its own."""
        return self._told.get(f"{prefix}_{word}", word)


_words = cache(Words)


@cache
def _environment() -> Environment:
    """autoescape is on for every template whatever its name; an unknown name is a fault and no blank."""
    made = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["time"] = time_of
    made.filters["percent"] = percent
    made.filters["seconds"] = seconds
    made.filters["named"] = Words.named
    return made


def time_of(moment: int | datetime | None) -> Markup:
    """A moment for people; milliseconds since the epoch, 0 or None for never. A script shows it in local time."""
    if not moment:
        return Markup('<span class="soft">–</span>')
    try:
        at = moment if isinstance(moment, datetime) else datetime.fromtimestamp(moment / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # of a record that no version of ours wrote
        return Markup('<span class="soft">–</span>')
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="milliseconds"), at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f} %" if share in (0, 1) else f"{share * 100:.1f} %"


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"
