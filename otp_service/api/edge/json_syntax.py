"""JSON that parsers could disagree about, or break on, is refused before any of them reads it for its meaning."""

from __future__ import annotations

import json
import re
from typing import Any

from otp_service.errors import Refused

MAX_DEPTH = 16


def parse_json(body: bytes, *, strict: bool = True) -> Any:
    """What it says. strict: control characters inside strings are refused.

    Raises Refused `malformed_request` for what parsers disagree about: other encodings, deep nesting, fields named
    twice, NaN, half surrogates.
    """
    try:
        text = body.decode("utf-8", "strict")
        if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(text):
            raise Refused("malformed_request", f"The body is nested deeper than {MAX_DEPTH} levels.")
        found = _DECODERS[strict].decode(text)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode("utf-8", "strict")
    except (ValueError, RecursionError):
        raise Refused("malformed_request", "The body is not valid JSON in UTF-8.") from None
    return found


def _is_deep(text: str) -> bool:
    """Without parsing; brackets inside strings do not count."""
    level = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        level += 1 if bracket in "[{" else -1
        if level > MAX_DEPTH:
            return True
    return False


_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""One that never ends reaches to the end of the text, and nothing is tried twice."""
_BRACKET = re.compile(r"[\[{\]}]")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("malformed_request", "A field of the body occurs twice.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


_DECODERS = {
    strict: json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, strict=strict)
    for strict in (True, False)
}
"""`json.loads` with these words makes one for each text."""
