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
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_OF_API = (*_SAME, (b"content-security-policy", API_POLICY.encode()))
_OF_PAGES = (*_SAME, (b"content-security-policy", PAGE_POLICY.encode()))


def always(media_type: bytes, named: frozenset[bytes], request_id: str) -> list[tuple[bytes, bytes]]:
    """What is still missing on an answer that has the headers `named`."""
    wanted = _OF_PAGES if media_type.startswith(b"text/html") else _OF_API
    return [*(pair for pair in wanted if pair[0] not in named), (b"x-request-id", request_id.encode())]


def new_request_id() -> str:
    return f"{random.getrandbits(64):016x}"
