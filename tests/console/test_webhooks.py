"""Receivers on the page: those of the settings, and those that callers of the Twilio facade made."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.api import Gateways
from tests.console.desk import Desk
from tests.running import create_key
from tests.twilio.facade import Twilio

SERVICE = "VA0123456789abcdef0123456789abcdef"
HOSTILE = "<img src=x onerror=alert(1)>"
PAGE = "/console/webhooks"


@pytest.fixture
async def key(tmp_path: Path, redis_url: str, sandbox_process: str) -> str:
    everything = [word for scope in ("send", "check", "read", "admin") for word in ("--scope", scope)]
    return create_key(tmp_path, redis_url, sandbox_process, "theirs", *everything)


async def test_what_a_caller_of_the_facade_made(
    key: str, service_urls: list[str], desks: Mapping[str, Desk], gateways: Gateways, redis: Redis, phone: str
) -> None:
    """Its name is text, its address is its host alone; the caller's word disables it, and an admin brings it back."""
    admin = desks["admin"]
    url = "https://receiver.invalid/a-secret-path"
    async with Twilio(service_urls[0], key, SERVICE) as client:
        form = {"FriendlyName": HOSTILE, "EventTypes": "verification.pending", "WebhookUrl": url}
        webhook = (await client.post("Webhooks", **form)).json()
        sid = webhook["sid"]
        shown = admin.get(PAGE).text
        for word in (sid, "receiver.invalid", "&lt;img src=x"):
            assert word in shown, word
        for word in ("a-secret-path", HOSTILE):
            assert word not in shown, word
        assert sid in desks["viewer"].get(PAGE).text
        assert f'{PAGE}/{sid}"' not in desks["viewer"].get(PAGE).text, "no form for who may not send it"

        await client.created(phone)
        for _ in range(150):
            if "failing" in (shown := admin.get(PAGE).text):
                break
            await asyncio.sleep(0.1)
        assert re.search(r"Last failed</dt><dd><time [^<]*</time> · (name|unreachable|timeout)", shown), (
            "the last answer"
        )
        assert admin.send(PAGE, f"{PAGE}/{sid}", action="test").status_code == 422
        assert admin.send(PAGE, f"{PAGE}/{sid}", action="enable").status_code == 303
        (_, entry), *_ = await redis.xrevrange("otp:audit", count=1)
        assert (entry[b"action"], entry[b"subject"]) == (b"webhook.replayed", sid.encode())

        await client.post(f"Webhooks/{sid}", Status="disabled")
        assert "disabled by its caller" in admin.get(PAGE).text
        assert admin.send(PAGE, f"{PAGE}/{sid}", action="enable").status_code == 422
        await client.http.delete(f"/Services/{SERVICE}/Webhooks/{sid}")
        assert sid not in admin.get(PAGE).text
        assert admin.send(PAGE, f"{PAGE}/{sid}", action="enable").status_code == 404


async def test_what_cannot_be_read_hides_no_other(key: str, admin_desk: Desk, redis: Redis) -> None:
    """Neither what is no JSON nor what is another's."""
    name = "otp:twilio:{app:theirs}"
    of_another_type = {"friendly_name": 1, "status": [], "sid": {}, "webhook_url": 7, "event_types": ["*"],
                       "account_sid": "AC", "service_sid": "VA"}  # fmt: skip
    for garbage in (
        "not JSON",
        "[" * 5000,
        "{}",
        json.dumps(of_another_type),
        json.dumps(of_another_type | {"sid": "YW0"}),
    ):
        await redis.hset(name, f"webhook:{SERVICE}:YW0", garbage)
        try:
            answer = admin_desk.get(PAGE)
            assert answer.status_code == 200, garbage
            assert "cannot be read" in answer.text, garbage
        finally:
            await redis.hdel(name, f"webhook:{SERVICE}:YW0")
