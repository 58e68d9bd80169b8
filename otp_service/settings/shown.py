"""Settings as they may be shown to an operator: everything but what is secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import msgspec

from otp_service.domain.secret import Secret, Secrets
from otp_service.settings.sources import SENSITIVE
from otp_service.settings.values import FAMILIES, SECTIONS, Settings

HIDDEN = "•••"


def shown(settings: Settings) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    """Sections as the file names them, each with its keys and their values as text."""
    found = [(name, list(_rows(getattr(settings, name), settings.credentials))) for name in SECTIONS]
    families = {name: getattr(settings, name) for name in FAMILIES} | {"gateways": settings.gateways}
    for family, tables in families.items():
        found += [(f"{family}.{name}", list(_rows(table, settings.credentials))) for name, table in tables.items()]
    return found


def _rows(table: Any, credentials: frozenset[str], above: str = "") -> Iterator[tuple[str, str]]:
    pairs = (
        table.items()
        if isinstance(table, Mapping)
        else ((field.encode_name, getattr(table, field.name)) for field in msgspec.structs.fields(table))
    )
    for key, value in pairs:
        name = f"{above}{key}"
        sensitive = SENSITIVE.search(name.rsplit(".", 1)[-1]) or ".secrets." in f".{name}"
        if isinstance(value, (Secret, Secrets)) or (isinstance(value, (str, list, tuple)) and sensitive):
            yield name, HIDDEN if value else ""
        elif isinstance(value, (msgspec.Struct, Mapping)):
            yield from _rows(value, credentials, f"{name}.")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], (msgspec.Struct, Mapping)):
            for index, each in enumerate(value):
                yield from _rows(each, credentials, f"{name}[{index}].")
        else:
            yield name, _text(value, credentials)


def _text(value: Any, credentials: frozenset[str]) -> str:
    """Of a URL neither who signs in there nor what stands behind `?`."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(each, credentials) for each in value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = value.isoformat() if isinstance(value, date) else str(value)
    if "://" in text and ("@" in text or "?" in text):
        url = urlsplit(text)
        text = f"{url.scheme}://{HIDDEN}{url.netloc.rpartition('@')[2]}{url.path}"
    if any(secret in text for secret in credentials):
        return HIDDEN
    return text
