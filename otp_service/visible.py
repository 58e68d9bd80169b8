"""Text of others, made safe to look at: in a terminal, a log, a table."""

from __future__ import annotations

import re

STEERING = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1: a terminal's commands
    r"\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # unseen, or turning a line around
)
"""Of a class in a regular expression. Not in it: tab, line feed, and the joiners that names and emoji need."""
_STEERING = re.compile(rf"[{STEERING}\ud800-\udfff\U000e0000-\U000e007f]")
"""Also halves of a character, and tags."""


def visible(text: str) -> str:
    """As it is, but what would steer a terminal or hide from a reader is written as in JSON: `\\u202e`."""
    return _STEERING.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2]):04x}" for at in range(0, len(units), 2))
