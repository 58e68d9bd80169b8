"""What the SMS says, and how many parts it costs."""

from __future__ import annotations

import math

PLACEHOLDER = "{код}"
"""Where a gateway that makes the code puts it (vendor document P)."""

TEMPLATES = {
    "ru": "{code} — код для {brand}. Никому его не сообщайте.",
    "en": "{code} is your {brand} code. Do not share it with anyone.",
}

# 3GPP TS 23.038: the basic table, and the extension table whose characters cost two septets.
_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = frozenset("\f^{}\\[~]|€")


def render(locale: str, brand: str, code: str) -> str:
    """The text of a message; `code` may be the gateway's placeholder."""
    return TEMPLATES[locale].replace("{code}", code).replace("{brand}", brand)


def parts(text: str) -> int:
    """SMS parts: GSM-7 160 then 153 septets each, UCS-2 70 then 67 units; one foreign character turns all to UCS-2."""
    if all(character in _GSM_BASIC or character in _GSM_EXTENSION for character in text):
        units = sum(2 if character in _GSM_EXTENSION else 1 for character in text)
        return 1 if units <= 160 else math.ceil(units / 153)
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= 70 else math.ceil(units / 67)
