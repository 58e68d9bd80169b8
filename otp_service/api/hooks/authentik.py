"""authentik: the "generic" SMS provider. What it is answered with an error is shown to the person as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api.hooks.kind import SHORT_SECONDS, Answer, Handed, Kind, as_text, needed, said, text_in
from otp_service.errors import Refused
from otp_service.settings.integrations import Hook


def reads(body: Mapping[str, Any], hook: Hook) -> Handed:
    """`Body` is the code alone, `Message` the text with it."""
    to, code = needed(text_in(body, "To"), "To"), text_in(body, "Body")
    return said(hook, to, code, text_in(body, "Message"), [to, code])


def refuses(refusal: Refused, status: int, sentence: str) -> Answer:
    return as_text(503 if status >= 500 else status, sentence, refusal.retry_after)


KIND = Kind("authentik", reads, window_seconds=SHORT_SECONDS, refuses=refuses)
