"""Logto: the HTTP SMS connector (@logto/connector-http-sms). The phone comes without its plus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api.hooks.kind import (
    SHORT_SECONDS,
    Handed,
    Kind,
    code_in,
    locale_in,
    needed,
    table,
    text_in,
    with_plus,
)
from otp_service.settings.integrations import Hook


def reads(body: Mapping[str, Any], _: Hook) -> Handed:
    payload = table(body, "payload")
    to, code = needed(text_in(body, "to"), "to"), code_in(text_in(payload, "code"), "payload.code")
    return Handed(
        with_plus(to),
        [to, text_in(body, "type"), code],
        code=code,
        locale=locale_in(text_in(payload, "locale")),
        client_ip=text_in(body, "ip"),
    )


KIND = Kind("logto", reads, window_seconds=SHORT_SECONDS)
