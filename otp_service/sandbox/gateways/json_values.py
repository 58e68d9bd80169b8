"""Reading the values of J: the samples write every one as a string, numbers are taken too (ours)."""

from __future__ import annotations

from typing import Any

BAD_FORMAT = "Неправильный формат JSON документа"


class DocumentError(Exception):
    """The whole document is refused with this text."""


def written(fields: dict[str, Any], name: str) -> str:
    """Absent and null are empty. Raises DocumentError for what is neither text nor a whole number (ours)."""
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DocumentError(BAD_FORMAT)
    return str(value)


def objects(fields: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Absent is empty. Raises DocumentError for anything but a list of objects (ours)."""
    found = fields.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise DocumentError(BAD_FORMAT)
    return found
