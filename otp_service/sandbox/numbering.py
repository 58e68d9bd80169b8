"""Who serves a phone, and where: for X9, for X13 («определяется автоматически») and for the operators of X20.

A small part of the Russian numbering plan, plus the two phones that X9 shows. Any other phone has no operator (ours).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """time_zone: hours from Moscow, as X9 describes it; its sample, which is kept as printed, has 3 for Moscow."""

    operator: str
    region: str
    time_zone: str


NOBODY = Owner("", "", "")

OPERATORS = {
    "МТС": ("910", "911", "912", "913", "914", "915", "916", "917", "918", "919", "985"),
    "Мегафон": ("920", "921", "922", "923", "924", "925", "926", "927", "929", "999"),
    "Beeline": ("903", "905", "906", "909", "960", "961", "962", "963", "965"),
    "Теле2": ("900", "901", "902", "904", "908", "950", "951", "952", "977"),
}
"""Spelt as in X20 and X23."""

REGIONS = {
    "911": ("Санкт-Петербург", "0"),
    "921": ("Санкт-Петербург", "0"),
    "912": ("Свердловская область", "2"),
    "922": ("Свердловская область", "2"),
    "913": ("Новосибирск", "4"),
    "923": ("Новосибирск", "4"),
    "914": ("Приморский край", "7"),
    "924": ("Приморский край", "7"),
}
CAPITAL = ("Москва", "0")

SHOWN = {
    "79001234567": Owner("Мегафон", "Москва", "3"),
    "79001234568": Owner("Мегафон", "Калининград", "-1"),
}
"""X9, the sample."""

_BY_CODE = {
    code: Owner(operator, *REGIONS.get(code, CAPITAL)) for operator, codes in OPERATORS.items() for code in codes
}


def owner_of(phone: str) -> Owner:
    """phone: digits only, country code first."""
    code = phone[1:4] if phone.startswith("7") and len(phone) == 11 else ""
    return SHOWN.get(phone) or _BY_CODE.get(code, NOBODY)
