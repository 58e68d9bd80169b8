"""ZITADEL: the HTTP SMS provider. It signs where it has a key, and gives up after 5 s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api.hooks import signatures
from otp_service.api.hooks.kind import Call, Handed, Kind, needed, said, table, text_in
from otp_service.settings.integrations import Hook, ZitadelHook


def reads(body: Mapping[str, Any], hook: Hook) -> Handed:
    context, args, template = table(body, "contextInfo"), table(body, "args"), table(body, "templateData")
    to, code = needed(text_in(context, "recipientPhoneNumber"), "recipientPhoneNumber"), text_in(args, "code", "Code")
    text = text_in(template, "text")
    return said(hook, to, code, text, [to, text_in(context, "eventType"), code or text])


def is_authentic(call: Call, hook: Hook) -> bool | None:
    assert isinstance(hook, ZitadelHook)  # noqa: S101  by the settings
    return signatures.zitadel(call.headers, call.raw, hook.signing_key.reveal()) if hook.signing_key else None


KIND = Kind("zitadel", reads, is_authentic=is_authentic)
