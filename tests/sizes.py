"""How much a slow test does: all that is promised, or what there is time for at each change."""

from __future__ import annotations

import os

FULL = os.environ.get("OTP_TEST_FULL") == "1"
"""`make test-slow FULL=1`."""


def sized(promised: int, otherwise: int) -> int:
    """Of seconds, rounds, people: the first with FULL=1, else the second, by which a fault is seen as well."""
    return promised if FULL else otherwise
