"""Ory Kratos: the courier's HTTP channel for SMS (courier/http_channel.go). It gives up after 10 s and sends no id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api.hooks.kind import Handed, Kind, host_in, malformed, needed, said, table, text_in
from otp_service.settings.integrations import Hook

CODES = {
    "login": ("login_code",),
    "registration": ("registration_code",),
    "verification": ("verification_code",),
    "recovery": ("recovery_code", "verification_code"),
}
"""By how `template_type` begins. Recovery by SMS has its code under `verification_code` (recovery_code.go)."""


def reads(body: Mapping[str, Any], hook: Hook) -> Handed:
    if text_in(body, "message_type") not in ("", "sms"):
        raise malformed("`message_type` is not sms.")
    kind, data = text_in(body, "template_type"), table(body, "template_data")
    names = next((names for begin, names in CODES.items() if kind.startswith(begin)), ())
    code = text_in(data, *names)
    recipient = needed(text_in(body, "recipient"), "recipient")
    minutes = data.get("expires_in_minutes")
    return said(
        hook,
        recipient,
        code,
        text_in(body, "body"),
        [recipient, kind, code or text_in(body, "body")],
        webotp_host=host_in(text_in(data, "request_url_domain")),
        seconds=minutes * 60 if isinstance(minutes, int | float) and 0 < minutes <= 60 else 0,
    )


KIND = Kind("kratos", reads, seconds=8.0)
