"""QR codes as data URIs, ready for `<img src>`: dark on white with its quiet zone, so that it reads on any ground."""

from __future__ import annotations

from functools import lru_cache

import segno

from otp_service.domain.value import Hidden, Value


class QrCode(Value):
    text: Hidden[str]
    svg: Hidden[str]
    png: Hidden[str]


@lru_cache(maxsize=1000)
def svg_of(text: str) -> str:
    """Of a short text that is no secret: it is remembered, since a page asks for the same one again and again."""
    return segno.make(text, error="m", micro=False).svg_data_uri(scale=4, light="white")


def qr_code(text: str) -> QrCode:
    """Takes some 10 ms: not in the event loop. Error correction M or better (15 % may be damaged).

    A text of over 2,331 bytes has L (7 %); it may have 2,953 (ISO/IEC 18004, table 7). The longest of ours is a URI
    with label, issuer and issuer again, each of 64 signs that take 12 bytes.
    """
    try:
        found = segno.make(text, error="m", micro=False)
    except segno.DataOverflowError:
        found = segno.make(text, error="l", micro=False)
    return QrCode(text, found.svg_data_uri(scale=4, light="white"), found.png_data_uri(scale=5))
