"""Signatures that callers put on their requests; each is compared in constant time, under each of our secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping

from otp_service.domain.webhooks import hook_secret_bytes

TOLERANCE_SECONDS = 300
_STANDARD = re.compile(r"v1,([A-Za-z0-9+/]{43}=)")
_ZITADEL_STAMP, _ZITADEL_DIGEST = re.compile(r"(?:^|,)\s*t=([0-9]{1,12})(?=,|\s*$)"), re.compile(r"v1=([0-9a-f]{64})")
MOST = 8
"""Signatures of one request that are looked at."""


def is_fresh(stamp: str) -> bool:
    return (
        stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 and abs(time.time() - int(stamp)) <= TOLERANCE_SECONDS
    )


def standard(headers: Mapping[str, str], raw: bytes, secrets: Iterable[str]) -> bool:
    """Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.

    Supabase joins the signatures of a rotation with `, `, where the standard says a blank; both are read.
    """
    event_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event_id or not is_fresh(stamp):
        return False
    presented = [base64.b64decode(one) for one in _STANDARD.findall(headers.get("webhook-signature", ""))[:MOST]]
    content = f"{event_id}.{stamp}.".encode() + raw
    return _any_good(presented, content, [hook_secret_bytes(one) for one in secrets])


def zitadel(headers: Mapping[str, str], raw: bytes, secrets: Iterable[str]) -> bool:
    """`t=<unix>,v1=<hex>[,v1=<hex>…]`: HMAC-SHA256 over `t.body`; the key is the text itself."""
    given = headers.get("zitadel-signature", "")
    stamp = _ZITADEL_STAMP.search(given)
    if stamp is None or not is_fresh(stamp[1]):
        return False
    presented = [bytes.fromhex(one) for one in _ZITADEL_DIGEST.findall(given)[:MOST]]
    return _any_good(presented, f"{stamp[1]}.".encode() + raw, [one.encode() for one in secrets])


def _any_good(presented: Iterable[bytes], content: bytes, keys: Iterable[bytes]) -> bool:
    good = False
    known = [hmac.digest(key, content, hashlib.sha256) for key in keys]
    for theirs in presented:
        for ours in known:
            good |= hmac.compare_digest(ours, theirs)
    return good
