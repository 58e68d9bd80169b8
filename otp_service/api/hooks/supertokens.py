"""SuperTokens: `sendSms` of the passwordless recipe, or the shape of its own SMS service (`smsInput`, `apiKey`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api.hooks.kind import (
    SHORT_SECONDS,
    Handed,
    Kind,
    code_in,
    malformed,
    message_in,
    needed,
    table,
    text_in,
)
from otp_service.settings.integrations import Hook


def reads(body: Mapping[str, Any], hook: Hook) -> Handed:
    """A magic link is sent only where the settings say that their text is to be sent."""
    found = table(body, "smsInput") or body
    to, code, link = needed(text_in(found, "phoneNumber"), "phoneNumber"), text_in(found, "userInputCode"), ""
    if hook.text == "theirs":
        link = text_in(found, "urlWithLinkCode")
    elif not code:
        raise malformed('There is no `userInputCode`; links are sent only with text = "theirs".')
    milliseconds = found.get("codeLifetime")
    seconds = milliseconds / 1000 if isinstance(milliseconds, int | float) and 0 < milliseconds <= 3_600_000 else 0
    if link:
        name = text_in(found, "appName")
        text = message_in("\n".join(part for part in (name, code, link) if part), "urlWithLinkCode")
        return Handed(to, [to, code or link], text=text, seconds=seconds)
    return Handed(to, [to, code], code=code_in(code, "userInputCode"), seconds=seconds)


KIND = Kind("supertokens", reads, window_seconds=SHORT_SECONDS, key_in=lambda body: text_in(body, "apiKey"))
