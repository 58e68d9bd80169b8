"""`serialize()` of PHP, as far as G3 needs it: an array of strings."""

from __future__ import annotations

from collections.abc import Mapping


def serialize(fields: Mapping[str, str]) -> str:
    """Every value is a string (ours: G3 shows the array only). Lengths are bytes of UTF-8."""
    inside = "".join(_string(name) + _string(value) for name, value in fields.items())
    return f"a:{len(fields)}:{{{inside}}}"


def _string(text: str) -> str:
    return f's:{len(text.encode())}:"{text}";'
