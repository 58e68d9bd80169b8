"""How many SMS a text takes (3GPP TS 23.038): GSM-7 160, then 153 each; UCS-2 70, then 67 each."""

from __future__ import annotations

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Escaped: each takes two septets."""


def count_parts(text: str) -> int:
    """At least 1. A character of two units (an escaped one, a surrogate pair) is never split between two parts."""
    if all(character in GSM_7 or character in GSM_7_EXTENSION for character in text):
        return _fill([2 if character in GSM_7_EXTENSION else 1 for character in text], alone=160, chained=153)
    return _fill([2 if ord(character) > 0xFFFF else 1 for character in text], alone=70, chained=67)


def _fill(units: list[int], *, alone: int, chained: int) -> int:
    if sum(units) <= alone:
        return 1
    parts, left = 1, chained
    for unit in units:
        if unit > left:
            parts, left = parts + 1, chained
        left -= unit
    return parts
