"""What a message costs: its own parts, each at the price that its gateway tells where that can be so, else at the
listed one. The one rule that the budget of a day and the statistics follow."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from otp_service.domain import money

FACTOR = 10
"""A price that is so many times the listed one, or a part of it so small, is of something else: of the whole account,
or in another currency."""
DEAREST = 100 * money.MICROS
"""The highest price of one part that is believed where none is listed."""
ALPHABETS = 3
"""A part as we count takes so many at most of a gateway that turns GSM-7 (160 characters) into UCS-2 (70)."""
MOST_PARTS = 2 * ALPHABETS
"""No text of ours takes more than two as we count."""


def of_message(told: str, listed: int | None, parts: int, *, owed: bool) -> int:
    """Micro-roubles of a message that left. told: the price of one part as the gateway wrote it, '' for untold.
    listed: of the settings. parts: 0 counts as one. owed: whether its gateway bills such an end."""
    if not owed:
        return 0
    price = believed(told, listed)
    return max(1, parts) * ((listed or 0) if price is None else price)


def believed(told: str, listed: int | None) -> int | None:
    """Micro-roubles of one part; None where nothing is told that can be a price. Nothing may be one."""
    try:
        price = money.micros(Decimal(told)) if told else None
    except (InvalidOperation, ValueError):
        return None
    if not price:
        return price
    can_be = listed <= price * FACTOR and price <= listed * FACTOR if listed else price <= DEAREST
    return price if can_be else None


def can_be_parts(told: int, counted: int) -> bool:
    """counted: parts as we, or the gateway itself, counted them before; 0 for unknown."""
    return 0 < told <= min(MOST_PARTS, ALPHABETS * (counted or MOST_PARTS))
