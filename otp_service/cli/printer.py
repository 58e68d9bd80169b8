"""The one way in which commands speak to whoever runs them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from otp_service.visible import visible


def minute(milliseconds: int) -> str:
    """A time as the tables show it; 0 is never."""
    if not milliseconds:
        return "never"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def say(text: str, *, error: bool = False, end: str = "\n") -> None:
    """Print at once, with what could steer the terminal escaped: names, references and words of gateways are others'.

    error: to stderr, for people beside an output that programs read.
    """
    print(visible(text), end=end, file=sys.stderr if error else sys.stdout, flush=True)


def table(rows: Iterable[Sequence[object]]) -> str:
    """Rows below each other; what is a number stands at the right of its column."""
    cells = [[(visible(str(cell)), isinstance(cell, int)) for cell in row] for row in rows]
    widths = [max(len(text) for text, _ in column) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if is_number else text.ljust(width)
            for (text, is_number), width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def say_table(rows: Iterable[Sequence[object]]) -> None:
    """Print a table; its heading is the first row."""
    say(table(rows))
