"""How many SMS a text takes: alphabets of 3GPP TS 23.038 §6.2, cuts of TS 23.040 §9.2.3.24.1."""

from __future__ import annotations

import re

from otp_service.domain.value import Value

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Escaped, so each takes two units."""
_IN_GSM = GSM_7 | GSM_7_EXTENSION

_PAIRED = re.compile("[\U00010000-\U0010ffff]")
"""Two units of UTF-16 each; which two does not matter here."""
_EXTENDED = re.compile(r"[\f^{}\\\[~\]|€]")
_ESCAPE, _FIRST_SURROGATE = re.compile("\x1b"), re.compile("[\ud800-\udbff]")
"""The first of two units that belong to one character: never the last of a part."""


class Size(Value):
    """`encoding` is GSM-7 or UCS-2, `units` its septets or UTF-16 units, `alone` how many of them one SMS holds."""

    encoding: str
    units: int
    alone: int
    parts: int


def measure(text: str) -> Size:
    """GSM-7: 160 units, then 153 a part; UCS-2: 70, then 67. One character outside GSM-7 turns all to UCS-2."""
    if not _IN_GSM.issuperset(text):
        units = _PAIRED.sub("\ud800\udc00", text)
        return Size("UCS-2", len(units), 70, 1 if len(units) <= 70 else _cut(units, 67, _FIRST_SURROGATE))
    units = _EXTENDED.sub("\x1b\\g<0>", text)
    return Size("GSM-7", len(units), 160, 1 if len(units) <= 160 else _cut(units, 153, _ESCAPE))


def foreign(text: str) -> str:
    """The characters outside GSM-7, each once."""
    return "".join(dict.fromkeys(c for c in text if c not in _IN_GSM))


def _cut(units: str, chained: int, first_of_two: re.Pattern[str]) -> int:
    at = parts = 0
    while at < len(units):
        at += chained
        if at < len(units) and first_of_two.match(units, at - 1):
            at -= 1
        parts += 1
    return parts
