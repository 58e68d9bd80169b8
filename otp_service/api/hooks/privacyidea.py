"""privacyIDEA: its HTTP SMS provider. A word of the answer tells it success from failure, beside the status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api.hooks.kind import SHORT_SECONDS, Answer, Handed, Kind, as_text, message_in, needed, text_in
from otp_service.errors import Refused
from otp_service.settings.integrations import Hook


def reads(body: Mapping[str, Any], _: Hook) -> Handed:
    """privacyIDEA's JSON turns a phone without plus into a number, and a text of digits too."""
    phone = needed(text_in(body, "phone"), "phone")
    text = message_in(text_in(body, "text", "sms", "message"), "text")
    return Handed(phone, [phone, text], text=text)


def takes(delivery_id: str) -> Answer:
    return as_text(200, f"OK {delivery_id}")


def refuses(refusal: Refused, status: int, _: str) -> Answer:
    return as_text(503 if status >= 500 else status, f"ERROR {refusal.code}", refusal.retry_after)


# privacyIDEA gives up after 3 s by default.
KIND = Kind("privacyidea", reads, seconds=2.5, window_seconds=SHORT_SECONDS, takes=takes, refuses=refuses)
