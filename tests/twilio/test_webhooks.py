"""Webhooks that callers of the facade make: told of their service's events, signed in Twilio's manner."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl

import pyotp
import pytest

from otp_service.storage.embedded import embedded_server
from tests.api import Gateways
from tests.hooks import Post, Receiver, receiving, written
from tests.running import create_key, running_service
from tests.twilio.facade import Twilio, error

SERVICE = "VA0123456789abcdef0123456789abcdef"
TOKEN = "twilio-auth-token-of-theirs"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def client(tmp_path: Path, sandbox_process: str, receiver: Receiver) -> AsyncIterator[Twilio]:
    async with embedded_server(tmp_path / "redis") as redis:
        config = written(tmp_path, receiver.url, {})
        everything = [word for scope in ("send", "check", "read", "admin") for word in ("--scope", scope)]
        key = create_key(tmp_path, redis, sandbox_process, "theirs", *everything)
        with running_service(tmp_path, redis, sandbox_process, OTP_CONFIG=config) as (url, _, _):
            async with Twilio(url, key, SERVICE) as found:
                yield found


def signed(post: Post, url: str) -> dict[str, str]:
    """The form, where its signature is what twilio.request_validator computes."""
    pairs = parse_qsl(post.raw.decode(), keep_blank_values=True)
    content = url + "".join(name + value for name, value in sorted(pairs))
    wanted = base64.b64encode(hmac.new(TOKEN.encode(), content.encode(), hashlib.sha1).digest()).decode()
    assert post.headers["x-twilio-signature"] == wanted
    assert post.headers["content-type"] == "application/x-www-form-urlencoded"
    return dict(pairs)


async def test_events_of_verifications_and_factors(
    client: Twilio, receiver: Receiver, gateways: Gateways, phone: str
) -> None:
    url = f"{receiver.url}/hook"
    path = f"/Services/{SERVICE}/Webhooks"
    types = ("factor.created", "verification.approved", "verification.pending", "challenge.denied")
    form = [("FriendlyName", "All"), *(("EventTypes", each) for each in types), ("WebhookUrl", url)]
    made = await client.http.post(
        path,
        content="&".join(f"{k}={v}" for k, v in form),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert made.status_code == 201, made.text
    webhook = made.json()
    assert set(webhook) == {
        "sid", "service_sid", "account_sid", "friendly_name", "event_types", "status", "version", "webhook_url",
        "webhook_method", "date_created", "date_updated", "url",
    }  # fmt: skip
    assert (webhook["status"], webhook["version"], webhook["webhook_method"]) == ("enabled", "v2", "POST")
    assert len(webhook["event_types"]) == 4

    found = await client.created(phone)
    assert (await client.check((await gateways.codes(phone))[0], To=phone)).json()["valid"]
    identity = str(uuid.uuid4())
    factor = (await client.post(f"Entities/{identity}/Factors", FactorType="totp", FriendlyName="x")).json()
    totp = pyotp.TOTP(factor["binding"]["secret"])
    await client.post(f"Entities/{identity}/Factors/{factor['sid']}", AuthPayload=totp.now())
    await client.post(f"Entities/{identity}/Challenges", FactorSid=factor["sid"], AuthPayload="000000")
    await receiver.until(lambda: len(receiver.at("/hook")) >= 4)

    told = {one["type"]: one for one in (signed(post, url) for post in receiver.at("/hook"))}
    assert set(told) == {"verification.pending", "verification.approved", "factor.created", "challenge.denied"}
    approved = told["verification.approved"]
    assert (approved["verification_sid"], approved["to"], approved["status"]) == (found["sid"], phone, "approved")
    assert (approved["service_sid"], approved["channel"]) == (SERVICE, "sms")
    assert (told["factor.created"]["factor_sid"], told["factor.created"]["entity_identity"]) == (
        factor["sid"],
        identity,
    )
    assert told["challenge.denied"]["challenge_sid"].startswith("YC")

    assert (await client.http.delete(f"{path}/{webhook['sid']}")).status_code == 204
    error(await client.http.get(f"{path}/{webhook['sid']}"), 404, 20404)


async def test_what_is_refused(twilio_admin: Twilio, client: Twilio, receiver: Receiver) -> None:
    fields = {"FriendlyName": "x", "EventTypes": "*", "WebhookUrl": "https://app.example.ru/hook"}
    error(await twilio_admin.post("Webhooks", **fields), 403, 60204)  # no auth_token
    assert (await client.post("Webhooks", **fields)).status_code == 201
    error(await client.post("Webhooks", **{**fields, "EventTypes": "verification.nothing"}), 400, 60200)
    for url in (
        "http://10.1.1.1/x",
        "ftp://x",
        "https://user@app.example.ru/",
        "https://app.example.ru/#f",
        "https://169.254.169.254/",
    ):
        error(await client.post("Webhooks", **{**fields, "WebhookUrl": url}), 400, 60200)
