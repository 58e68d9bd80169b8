"""Supabase Auth: the "Send SMS hook" (supabase/auth, internal/hooks). Signed; 503 is retried at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.api.hooks import signatures
from otp_service.api.hooks.kind import Answer, Call, Handed, Kind, as_json, code_in, needed, table, text_in, with_plus
from otp_service.errors import Refused
from otp_service.settings.integrations import Hook, SupabaseHook


def reads(body: Mapping[str, Any], _: Hook) -> Handed:
    """The phone comes without its plus. A retry has a new `webhook-id`, and the same `metadata.uuid`."""
    sms, user, metadata = table(body, "sms"), table(body, "user"), table(body, "metadata")
    phone = needed(text_in(sms, "phone") or text_in(user, "phone"), "sms.phone")
    return Handed(
        with_plus(phone),
        [needed(text_in(metadata, "uuid"), "metadata.uuid")],
        code=code_in(text_in(sms, "otp"), "sms.otp"),
        client_ip=text_in(metadata, "ip_address"),
    )


def is_authentic(call: Call, hook: Hook) -> bool:
    assert isinstance(hook, SupabaseHook)  # noqa: S101  by the settings
    return signatures.standard(call.headers, call.raw, hook.secret.reveal())


def refuses(refusal: Refused, status: int, sentence: str) -> Answer:
    """What the person can act upon is shown to them only in an answer 200 (hookshttp.go)."""
    if status >= 500:
        return as_json(503, {}, refusal.retry_after or 1)
    if refusal.code in ("unauthorized", "malformed_request"):
        return as_json(status, {"error": {"http_code": status, "message": refusal.detail}})
    shown = status if status in (400, 403, 429) else 400
    return as_json(200, {"error": {"http_code": shown, "message": sentence}})


KIND = Kind("supabase", reads, is_authentic=is_authentic, refuses=refuses)
