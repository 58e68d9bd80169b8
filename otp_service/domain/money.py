"""Money: whole millionths of a rouble inside, decimal texts outside. Never floating point."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MICROS = 1_000_000
"""Of one rouble. A kopeck is 10,000; prices of one SMS have three or four decimals."""
LARGEST = 10**9
"""Roubles. Sums stay well inside what Redis and Lua count exactly (2^53)."""


def micros(amount: str | int | Decimal) -> int:
    """`"4.50"` is 4,500,000. Raises ValueError for what is no sum of money, is negative or too fine."""
    try:
        exact = Decimal(amount) * MICROS
    except InvalidOperation:
        raise ValueError(f"{amount!r} is no sum of money") from None
    if not exact.is_finite() or exact != exact.to_integral_value() or not 0 <= exact <= LARGEST * MICROS:
        raise ValueError(f"{amount!r} is no sum of money between 0 and {LARGEST}, with 6 decimals at most")
    return int(exact)


def roubles(amount: int) -> str:
    """As people and JSON read it: at least two decimals, no more than needed."""
    exact = Decimal(amount) / MICROS
    return str(exact.quantize(Decimal("0.01"))) if amount % (MICROS // 100) == 0 else f"{exact.normalize():f}"
