"""A value that must not be shown."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

LEAST_WITHIN = 8
"""Letters of base64 within more of it; fewer could be anything."""


def forms(secret: str) -> set[str]:
    """How a secret is written where somebody repeats it: as it is, in URLs, JSON and XML, and in base64, alone or as a
    part of what is encoded, as in `Authorization: Basic`. To be compared without regard to case."""
    in_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        *in_json,
        *(each.replace("/", "\\/") for each in in_json),
        html.escape(secret),
        html.escape(secret, quote=False),
        base64.b64encode(secret.encode()).decode(),
        *_within_base64(secret.encode()),
    } - {""}


def _within_base64(secret: bytes) -> set[str]:
    """The letters that are the same whatever stands around it: it begins at one of three places."""
    found = set()
    for before in range(3):
        bits = (before + len(secret)) * 8
        letters = base64.b64encode(bytes(before) + secret).decode()[-(-before * 8 // 6) : bits // 6]
        found.add(letters if len(letters) >= LEAST_WITHIN else "")
    return found


class Secret:
    """A credential. Printing, formatting or logging it shows nothing; `reveal()` is easy to search for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


class Secrets:
    """One secret or, during a rotation, several: the first is in use, the others are still understood."""

    __slots__ = ("values",)

    def __init__(self, *values: Secret) -> None:
        self.values = values

    def reveal(self) -> tuple[str, ...]:
        return tuple(secret.reveal() for secret in self.values)

    def __repr__(self) -> str:
        return f"Secrets({len(self.values)})"
