"""Keycloak with netzbegruenung's sms-authenticator: JSON or a form, with names that its administrator may choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api.hooks.kind import LONG_SECONDS, SHORT_SECONDS, Handed, Kind, message_in, needed, text_in
from otp_service.settings.integrations import Hook


def reads(body: Mapping[str, Any], _: Hook) -> Handed:
    """Its text as it is, since it has nothing else. `id`: the random UUID that it can be told to add."""
    to = needed(text_in(body, "to", "receiver", "phone"), "to")
    message, named = message_in(text_in(body, "message"), "message"), text_in(body, "id")
    return Handed(to, ["id", named] if named else ["text", to, message], text=message)


def window_seconds(handed: Handed) -> int:
    return LONG_SECONDS if handed.same[0] == "id" else SHORT_SECONDS


KIND = Kind("keycloak", reads, window_of=window_seconds, key_in=lambda body: text_in(body, "token"))
