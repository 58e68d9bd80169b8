"""What the other systems send, put together as their own source does it, and signed by code that is not ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import httpx
from standardwebhooks import Webhook

SUPABASE_NEW = "bmV3LXNlY3JldC1vZi10aGUtaG9vay0xMjM0NTY="
SUPABASE_OLD = "b2xkLXNlY3JldC1vZi10aGUtaG9vay0xMjM0NTY="


def supabase(phone: str, otp: str, *, named: str = "", ip: str = "203.0.113.7", by_user: bool = False) -> bytes:
    """v0hooks.go, SendSMSInput: the phone is kept without its plus."""
    bare = phone.removeprefix("+")
    body = {
        "metadata": {
            "uuid": named or str(uuid.uuid4()),
            "time": "2026-11-28T12:00:00Z",
            "name": "send-sms",
            "ip_address": ip,
        },
        "user": {"id": str(uuid.uuid4()), "aud": "authenticated", "role": "authenticated", "email": "", "phone": bare,
                 "app_metadata": {}, "user_metadata": {}, "identities": []},
        "sms": {"otp": otp, **({} if by_user else {"phone": bare})},
    }  # fmt: skip
    return json.dumps(body).encode()


def supabase_headers(raw: bytes, *secrets: str, at: float | None = None, joined: str = " ") -> dict[str, str]:
    """By the library of Standard Webhooks; hookshttp.go joins several signatures with `, `."""
    import datetime

    event_id, now = str(uuid.uuid4()), datetime.datetime.fromtimestamp(at or time.time(), datetime.UTC)
    signed = [Webhook(secret).sign(event_id, now, raw.decode()) for secret in secrets or (SUPABASE_NEW,)]
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": joined.join(signed),
    }


def zitadel(phone: str, code: str, text: str = "Your code") -> bytes:
    return json.dumps(
        {
            "contextInfo": {
                "eventType": "user.human.otp.sms.code.added",
                "provider": {"id": "1", "description": "otp"},
                "recipientPhoneNumber": phone,
            },
            "templateData": {"title": "t", "text": text},
            "args": {"code": code},
        }
    ).encode()


def zitadel_headers(raw: bytes, *keys: str, at: float | None = None) -> dict[str, str]:
    stamp = str(int(at or time.time()))
    made = [hmac.new(key.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest() for key in keys]
    return {
        "Content-Type": "application/json",
        "ZITADEL-Signature": ",".join([f"t={stamp}", *(f"v1={one}" for one in made)]),
    }


def kratos(phone: str, code: str, *, kind: str = "login_code_valid", body: str = "", **more: Any) -> dict[str, Any]:
    """courier/http_channel.go; recovery by SMS has its code under `verification_code` (recovery_code.go, line 23)."""
    member = {"login": "login_code", "registration": "registration_code"}.get(
        kind.partition("_")[0], "verification_code"
    )
    return {
        "recipient": phone,
        "template_type": kind,
        "template_data": {"to": phone, member: code, "expires_in_minutes": 15, "request_url_domain": "auth.example.ru"},
        "body": body or f"Your code is: {code}\n\n@auth.example.ru #{code}",
        "subject": "",
        "message_type": "sms",
        **more,
    }


async def privacyidea(http: httpx.AsyncClient, path: str, phone: str, text: str, key: str) -> httpx.Response:
    """HttpSMSProvider in its JSON mode: what looks like a number becomes one."""
    number: Any = int(phone.removeprefix("+"))
    return await http.post(path, json={"phone": number, "text": text}, headers={"Authorization": f"Bearer {key}"})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
