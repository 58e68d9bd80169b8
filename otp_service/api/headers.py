"""Headers that every answer carries, whoever made it: a route, the router, the outermost layer or the parser."""

from __future__ import annotations

import random

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the page to try the API. Swagger UI sets styles from its scripts; there are no inline scripts."""
_SAME = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
)


def always(media_type: bytes, named: frozenset[bytes], request_id: str) -> list[tuple[bytes, bytes]]:
    """What is still missing on an answer that has the headers `named`."""
    policy = PAGE_POLICY if media_type.startswith(b"text/html") else API_POLICY
    found = (*_SAME, ("content-security-policy", policy))
    missing = [(name.encode(), value.encode()) for name, value in found if name.encode() not in named]
    return [*missing, (b"x-request-id", request_id.encode())]


def new_request_id() -> str:
    return f"{random.getrandbits(64):016x}"
