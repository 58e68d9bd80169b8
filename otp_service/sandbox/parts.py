"""How many SMS a text takes (3GPP TS 23.038): GSM-7 160, then 153 each; UCS-2 70, then 67 each."""

from __future__ import annotations

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Escaped: each takes two septets."""


def count_parts(text: str) -> int:
    """At least 1."""
    return len(split_parts(text))


def split_parts(text: str) -> list[str]:
    """A character of two units (an escaped one, a surrogate pair) is never split between two parts."""
    if all(character in GSM_7 or character in GSM_7_EXTENSION for character in text):
        return _split(text, [2 if character in GSM_7_EXTENSION else 1 for character in text], alone=160, chained=153)
    return _split(text, [2 if ord(character) > 0xFFFF else 1 for character in text], alone=70, chained=67)


def _split(text: str, units: list[int], *, alone: int, chained: int) -> list[str]:
    if sum(units) <= alone:
        return [text]
    starts, left = [0], chained
    for index, unit in enumerate(units):
        if unit > left:
            starts.append(index)
            left = chained
        left -= unit
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
