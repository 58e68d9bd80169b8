"""JSON that parsers could disagree about, or break on, is refused before any of them reads it for its meaning."""

from __future__ import annotations

import json
import re
from typing import Any

from otp_service.errors import Refused

MAX_DEPTH = 16


def check_json(body: bytes) -> None:
    """Refuse what parsers disagree about: other encodings, deep nesting, fields named twice, NaN, half surrogates."""
    try:
        text = body.decode("utf-8", "strict")
        if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
            raise Refused("malformed_request", f"The body is nested deeper than {MAX_DEPTH} levels.")
        found = _DECODER.decode(text)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode("utf-8", "strict")
    except (ValueError, RecursionError):
        raise Refused("malformed_request", "The body is not valid JSON in UTF-8.") from None


def _depth(text: str) -> int:
    """Of the nesting, without parsing; brackets inside strings do not count."""
    deepest = level = 0
    for character in _BRACKET.findall(_STRING.sub("", text)):
        level += 1 if character in "[{" else -1
        deepest = max(deepest, level)
    return deepest


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(r"[\[{\]}]")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("malformed_request", "A field of the body is named twice.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
"""`json.loads` with these words makes one for each text."""
