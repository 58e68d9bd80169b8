"""Webhooks of the service: Standard Webhooks 1.0.0, HMAC-SHA256."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from otp_service_client._errors import OtpServiceError

TOLERANCE_SECONDS = 300


class InvalidSignature(OtpServiceError):
    """Not signed with any of the secrets, or too old. Answer 401 and read no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """id: the same at each attempt; do nothing for one that you know."""

    id: str
    type: str
    timestamp: datetime
    sequence: int
    data: Mapping[str, Any] = field(repr=False)


def verify_webhook(
    secret: str | Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> WebhookEvent:
    """The event of a request. secret: `whsec_…`, or several while you rotate. body: the bytes as they came.

    Raises InvalidSignature.
    """
    given = {name.lower(): value for name, value in headers.items()}
    event_id, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    presented = [
        part[3:] for part in given.get("webhook-signature", "").replace(",v1,", " v1,").split() if part[:3] == "v1,"
    ]
    if not (event_id and stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 and presented):
        raise InvalidSignature("the request is not signed")
    if abs((time.time() if now is None else now) - int(stamp)) > tolerance_seconds:
        raise InvalidSignature("the request is too old, or the clock is wrong")
    content = f"{event_id}.{stamp}.".encode() + body
    known = [
        base64.b64encode(hmac.digest(_key(one), content, hashlib.sha256)).decode()
        for one in ([secret] if isinstance(secret, str) else secret)
    ]
    if not any(hmac.compare_digest(mine.encode(), theirs.encode()) for mine in known for theirs in presented):
        raise InvalidSignature("the signature is another's")
    told = json.loads(body)
    return WebhookEvent(
        id=event_id,
        type=told["type"],
        timestamp=datetime.fromisoformat(told["timestamp"].replace("Z", "+00:00")),
        sequence=told.get("sequence", 0),
        data=told["data"],
    )


def _key(secret: str) -> bytes:
    text = secret.removeprefix("v1,").removeprefix("whsec_")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is whsec_ and base64") from None
