"""What stands between the characters of something that a person typed or pasted, and means nothing.

Phones and codes are copied out of messengers, spreadsheets, web pages and e-mails. These put blanks, dashes and marks
that nobody sees between the digits. Each reader says itself what else it drops; none drops a line break in the middle.
"""

from __future__ import annotations

BLANKS = "\t \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
"""A tab, and every space of Unicode (category Zs), the no-break ones too."""
DASHES = (
    "-\u058a\u05be\u1400\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u2e5d"
    "\u301c\u3030\u30a0\ufe31\ufe32\ufe58\ufe63\uff0d\U00010d6e\U00010ead"  # every dash of Unicode (category Pd)
    "\u2043\u207b\u2212\u30fc"  # what is taken for one: hyphen bullet, raised minus, minus, long mark of katakana
)
MARKS = "\u00ad\u034f\u061c" + "".join(
    chr(at)
    for first, last in (
        (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
        (0xE0100, 0xE01EF),
    )
    for at in range(first, last + 1)
)  # fmt: skip
"""Seen by nobody: soft hyphen, joiners, directions, variation selectors, the byte order mark."""

DECORATION = BLANKS + DASHES + MARKS
