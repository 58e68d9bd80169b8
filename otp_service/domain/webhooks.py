"""Webhooks: who hears of what, how it is signed, and when it is tried again (Standard Webhooks 1.0.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
import re
from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from otp_service.domain.events import EventType
from otp_service.domain.value import Hidden, Value

PREFIX = "whsec_"
PAUSES_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Before each further attempt, ±10 %: 3 days and 3½ hours in all."""
JITTER = 0.1
TRIES_OF_REFUSED = 3
"""An event that is refused for its content is told so often, after the first two pauses, and then parked."""
PARKED_IN_A_ROW = 5
"""So many without one that was taken: it is the receiver, not the events."""
CONTENT_REFUSED = frozenset({400, 413, 415, 422})
BUSY = frozenset({429, 502, 503, 504})
GONE = 410


class Verdict(StrEnum):
    """told: it has the event. refused: not this one. failed: not now. gone: never again."""

    TOLD = "told"
    REFUSED = "refused"
    FAILED = "failed"
    GONE = "gone"


class Twilio(Value):
    """How a receiver is told that a caller of the Twilio facade named. types: in Twilio's words; token: that signs."""

    token: Hidden[str]
    account_sid: str
    service_sid: str
    types: tuple[str, ...]


class Endpoint(Value):
    """One receiver of one application. id: made from application and URL. types: what it hears of. prefixes: of what it
    hears of types that only a newer version knows."""

    id: str
    application: str
    url: Hidden[str]
    secrets: Hidden[tuple[bytes, ...]]
    types: tuple[EventType, ...]
    twilio: Twilio | None = None
    prefixes: tuple[str, ...] = ()


def endpoint_id(application: str, url: str) -> str:
    return hashlib.sha256(f"{application} {url}".encode()).hexdigest()[:12]


def verdict(status: int) -> Verdict:
    """What an HTTP status means; 0, for none, is a failure, and so is 3xx: nothing is followed."""
    if 200 <= status < 300:
        return Verdict.TOLD
    if status == GONE:
        return Verdict.GONE
    return Verdict.REFUSED if status in CONTENT_REFUSED else Verdict.FAILED


def may_be_the_event(status: int) -> bool:
    """Whether a failure may lie in the event that was told: the receiver answered, and not that it is busy."""
    return status >= 400 and status not in BUSY


def secret_bytes(secret: str) -> bytes:
    """The key in `whsec_` + base64. Raises ValueError if it is none, or not of 24 to 64 bytes."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"must begin with {PREFIX}")
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be base64 after {PREFIX}") from None
    if not 24 <= len(key) <= 64:
        raise ValueError("must have 24 to 64 bytes")
    return key


def hook_secret_bytes(secret: str) -> bytes:
    """The key that another system signs with: `v1,whsec_…` or `whsec_…`. Raises ValueError if it is none."""
    text = secret.removeprefix("v1,")
    if not text.startswith(PREFIX):
        raise ValueError(f"must begin with v1,{PREFIX} or {PREFIX}")
    text = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be base64 after {PREFIX}") from None
    if len(key) < 16:
        raise ValueError("must have 16 bytes or more")
    return key


def types_heard(patterns: Sequence[str]) -> tuple[EventType, ...]:
    """The types that a list such as `verification.*`, `message.updated` names. Raises ValueError for a vain pattern."""
    for pattern in patterns:
        if not any(fnmatchcase(kind, pattern) for kind in EventType):
            raise ValueError(f"no event is called {pattern!r}")
    return tuple(kind for kind in EventType if any(fnmatchcase(kind, pattern) for pattern in patterns))


def prefixes_heard(patterns: Sequence[str]) -> tuple[str, ...]:
    """Of patterns such as `verification.*` and `*`, what a type begins with."""
    return tuple(pattern[:-1] for pattern in patterns if re.fullmatch(r"[a-z_.]*\*", pattern))


def signature(keys: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one for each key, so that a receiver may know the old or the new one."""
    content = f"{event_id}.{timestamp}.".encode() + body
    made = (base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode() for key in keys)
    return " ".join(f"v1,{each}" for each in made)


def pauses_ms() -> list[int]:
    """Before each further attempt, with jitter."""
    return [int(seconds * 1000 * random.uniform(1 - JITTER, 1 + JITTER)) for seconds in PAUSES_SECONDS]  # noqa: S311
