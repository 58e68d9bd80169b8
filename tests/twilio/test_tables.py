"""Services, rate limits, attempts, templates, the safe list: what set-ups and reports of the facade use."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from otp_service.domain.locales import LOCALES
from tests.api import Api, Gateways
from tests.twilio.conftest import WEB
from tests.twilio.facade import Twilio, error

SERVICE = {
    "sid", "account_sid", "friendly_name", "code_length", "lookup_enabled", "psd2_enabled", "skip_sms_to_landlines",
    "dtmf_input_required", "tts_name", "do_not_share_warning_enabled", "custom_code_enabled", "push", "totp",
    "whatsapp",
    "default_template_sid", "verify_event_subscription_enabled", "date_created", "date_updated", "url", "links",
}  # fmt: skip
LINKS = {
    "verification_checks", "verifications", "rate_limits", "entities", "webhooks", "messaging_configurations",
    "access_tokens",
}  # fmt: skip


async def make(client: Twilio, path: str, **fields: str) -> httpx.Response:
    return await client.http.post(path, data=fields)


async def test_services(twilio_admin: Twilio, twilio: Twilio, gateways: Gateways, phone: str) -> None:
    error(await make(twilio, "/Services", FriendlyName="x"), 403, 20403)
    error(await make(twilio_admin, "/Services"), 400, 60200)
    error(await make(twilio_admin, "/Services", FriendlyName="x" * 33), 400, 60200)
    error(await make(twilio_admin, "/Services", FriendlyName="x", CodeLength="11"), 400, 60200)
    made = await make(twilio_admin, "/Services", FriendlyName="Second", CodeLength="8")
    assert made.status_code == 201, made.text
    found = made.json()
    assert set(found) == SERVICE
    assert set(found["links"]) == LINKS
    assert (found["friendly_name"], found["code_length"]) == ("Second", 8)
    sid = found["sid"]
    assert re.fullmatch("VA[0-9a-f]{32}", sid)

    listed = (await twilio.http.get("/Services", params={"PageSize": "50"})).json()
    assert listed["meta"]["key"] == "services"
    assert listed["services"][0]["sid"] == WEB
    assert sid in [one["sid"] for one in listed["services"]]

    ours = await twilio.created(phone)
    theirs = (await twilio.http.post(f"/Services/{sid}/Verifications", data={"To": phone, "Channel": "sms"})).json()
    assert theirs["sid"] != ours["sid"]
    assert theirs["service_sid"] == sid
    text = (await gateways.messages(phone))[0]["text"]
    assert re.search(r"\b[0-9]{8}\b", text)
    assert "Second" in text
    code = (await gateways.codes(phone))[0]
    error(await twilio.check(code, VerificationSid=theirs["sid"]), 404, 20404)
    right = await twilio.http.post(f"/Services/{sid}/VerificationCheck", data={"To": phone, "Code": code})
    assert right.json()["valid"]

    changed = await make(twilio_admin, f"/Services/{sid}", FriendlyName="Third", LookupEnabled="true")
    assert (changed.status_code, changed.json()["friendly_name"], changed.json()["code_length"]) == (200, "Third", 8)
    assert changed.json()["lookup_enabled"] is True
    gone = await twilio_admin.http.delete(f"/Services/{sid}")
    assert (gone.status_code, gone.content) == (204, b"")
    error(await twilio.http.get(f"/Services/{sid}"), 404, 20404)


async def test_the_service_of_the_settings_stays(twilio_admin: Twilio) -> None:
    error(await make(twilio_admin, f"/Services/{WEB}", FriendlyName="x"), 403, 20403)
    error(await twilio_admin.http.delete(f"/Services/{WEB}"), 403, 20403)
    found = (await twilio_admin.http.get(f"/Services/{WEB}")).json()
    assert (found["friendly_name"], found["code_length"]) == ("Example", 6)


async def test_a_removed_service_cancels(twilio_admin: Twilio, api: Api, gateways: Gateways, phone: str) -> None:
    sid = (await make(twilio_admin, "/Services", FriendlyName="Short")).json()["sid"]
    started = await twilio_admin.http.post(f"/Services/{sid}/Verifications", data={"To": phone, "Channel": "sms"})
    assert started.status_code == 201, started.text
    assert (await twilio_admin.http.delete(f"/Services/{sid}")).status_code == 204
    assert (await api.status(started.headers["x-otp-verification-id"])).json()["status"] == "canceled"


async def test_rate_limits(twilio_admin: Twilio, twilio: Twilio, gateways: Gateways, phone: str) -> None:
    sid = (await make(twilio_admin, "/Services", FriendlyName="Limited")).json()["sid"]
    base = f"/Services/{sid}/RateLimits"
    for name in ("1x", "a b", "x" * 65):
        error(await make(twilio_admin, base, UniqueName=name), 400, 60209)
    made = await make(twilio_admin, base, UniqueName="device", Description="By device")
    assert made.status_code == 201, made.text
    limit = made.json()
    assert set(limit) == {
        "sid", "service_sid", "account_sid", "unique_name", "description", "date_created", "date_updated", "url",
        "links",
    }  # fmt: skip
    error(await make(twilio_admin, base, UniqueName="device"), 400, 60208)
    buckets = f"{base}/{limit['sid']}/Buckets"
    bucket = (await make(twilio_admin, buckets, Max="2", Interval="3600")).json()
    assert set(bucket) == {
        "sid", "rate_limit_sid", "service_sid", "account_sid", "max", "interval", "date_created", "date_updated", "url"
    }  # fmt: skip
    assert re.fullmatch("BL[0-9a-f]{32}", bucket["sid"])
    error(await make(twilio_admin, buckets, Max="5", Interval="3600"), 400, 60211)
    error(await make(twilio_admin, buckets, Max="0", Interval="10"), 400, 60200)
    for interval in range(1, 5):
        assert (await make(twilio_admin, buckets, Max="100", Interval=str(interval))).status_code == 201
    error(await make(twilio_admin, buckets, Max="5", Interval="9"), 400, 60210)
    listed = (await twilio.http.get(buckets, params={"PageSize": "2"})).json()
    assert (len(listed["buckets"]), listed["meta"]["key"]) == (2, "buckets")
    assert listed["meta"]["next_page_url"].startswith(f"https://otp.example.ru/twilio/v2{buckets}?")

    async def send(device: str) -> httpx.Response:
        fields = {"To": phone, "Channel": "sms", "RateLimits": f'{{"device": "{device}"}}'}
        return await twilio.http.post(f"/Services/{sid}/Verifications", data=fields)

    assert [(await send("a")).status_code for _ in range(2)] == [201, 201]
    error(await send("a"), 429, 60207, "limit_exceeded")
    assert len(await gateways.messages(phone)) == 2
    assert (await send("b")).status_code == 201
    for path in (f"{buckets}/{bucket['sid']}", f"{base}/{limit['sid']}"):
        assert (await twilio_admin.http.delete(path)).status_code == 204
        error(await twilio.http.get(path), 404, 20404)
    error(await send("a"), 400, 60200)


async def test_attempts_by_pages(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    first = await twilio.created(phone)
    for _ in range(3):
        await twilio.created(phone)
    await twilio.check((await gateways.codes(phone))[0], To=phone)
    seen: list[str] = []
    converted = []
    url = f"/Attempts?ChannelData.To=%2B{phone[1:]}&PageSize=2"
    for _ in range(3):
        page = (await twilio.http.get(url)).json()
        assert set(page) == {"attempts", "meta"}
        assert set(page["meta"]) == {
            "page", "page_size", "first_page_url", "previous_page_url", "url", "next_page_url", "key"
        }  # fmt: skip
        for one in page["attempts"]:
            assert set(one) == {
                "sid", "account_sid", "service_sid", "verification_sid", "date_created", "date_updated",
                "conversion_status", "channel", "price", "channel_data", "url",
            }  # fmt: skip
            assert one["verification_sid"] == first["sid"]
            seen.append(one["sid"])
            converted.append(one["conversion_status"])
        if page["meta"]["next_page_url"] is None:
            break
        assert page["meta"]["next_page_url"].startswith("https://otp.example.ru/twilio/v2/Attempts?")
        url = page["meta"]["next_page_url"].removeprefix("https://otp.example.ru/twilio/v2")
    assert len(seen) == len(set(seen)) == 4
    assert converted == ["converted", "unconverted", "unconverted", "unconverted"]
    one = await twilio.http.get(f"/Attempts/{seen[0]}")
    assert one.json()["sid"] == seen[0]
    error(await twilio.http.get("/Attempts/VL" + "0" * 32), 404, 20404)
    query = {"VerificationSid": first["sid"]}
    told = (await twilio.http.get("/Attempts/Summary", params=query)).json()
    assert (told["total_attempts"], told["total_converted"], told["total_unconverted"]) == (4, 1, 3)
    assert told["conversion_rate_percentage"] == 25.0
    for query, count in (
        ({"Status": "converted"}, 1), ({"Country": "RU"}, 4), ({"Country": "DE"}, 0), ({"VerifyServiceSid": WEB}, 4),
        ({"DateCreatedAfter": "2020-01-01T00:00:00Z"}, 4), ({"DateCreatedBefore": "2020-01-01T00:00:00Z"}, 0),
    ):  # fmt: skip
        query = {**query, "VerificationSid": first["sid"]}
        assert len((await twilio.http.get("/Attempts", params=query)).json()["attempts"]) == count, query
    error(await twilio.http.get("/Attempts", params={"PageSize": "0"}), 400, 60200)


async def test_templates(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    listed = (await twilio.http.get("/Templates")).json()
    (template,) = listed["templates"]
    assert re.fullmatch("HJ[0-9a-f]{32}", template["sid"])
    assert set(template["translations"]) == set(LOCALES)
    assert template["translations"]["ru"]["is_default_translation"]
    assert (await twilio.create(phone, TemplateSid=template["sid"])).status_code == 201


async def test_the_safe_list(twilio_admin: Twilio, twilio: Twilio, phone: str) -> None:
    error(await make(twilio, "/SafeList/Numbers", PhoneNumber=phone), 403, 20403)
    made = await make(twilio_admin, "/SafeList/Numbers", PhoneNumber=phone)
    assert made.status_code == 201, made.text
    assert re.fullmatch("GN[0-9a-f]{32}", made.json()["sid"])
    assert (await twilio.http.get(f"/SafeList/Numbers/{phone}")).json()["phone_number"] == phone
    await asyncio.sleep(1.1)
    found = (await twilio.create(phone)).headers["x-otp-verification-id"]
    assert found
    assert (await twilio_admin.http.delete(f"/SafeList/Numbers/{phone}")).status_code == 204
    error(await twilio.http.get(f"/SafeList/Numbers/{phone}"), 404, 20404)


@pytest.mark.parametrize("field", ["Tags", "RateLimits"])
@pytest.mark.parametrize("value", ['{"a":"\\ud800"}', '{"\\ud800":"a"}', '{"a":"b","a":"c"}', '{"a":NaN}', "[" * 17])
async def test_json_in_a_field_is_as_strict_as_a_body(twilio: Twilio, phone: str, field: str, value: str) -> None:
    error(await twilio.create(phone, **{field: value}), 400, 60200)
