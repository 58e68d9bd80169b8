"""The everyday path of the facade: credentials, transport, create, resend, check, fetch, update, errors."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter

import httpx
import pytest

from tests.api import Api, Gateways
from tests.running import API_KEY
from tests.stories.test_check import wrong
from tests.twilio.conftest import WEB
from tests.twilio.facade import Twilio, error, times

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


# A1: credentials


@pytest.mark.parametrize(
    "authorization", ["", "Bearer {key}", "Basic", "Basic !!", "Basic dXNlcg==", "Digest x", "Basic dXNlcjo="]
)
async def test_only_basic_is_let_in(service_urls: list[str], authorization: str) -> None:
    headers = {"Authorization": authorization.format(key=API_KEY)} if authorization else {}
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{service_urls[0]}/twilio/v2/Services/{WEB}/Verifications"
        answer = await http.post(url, data={"To": "+79160000000", "Channel": "sms"}, headers=headers)
    assert error(answer, 401, 20003, "unauthorized").startswith("Authenticate")
    assert answer.headers["www-authenticate"] == 'Basic realm="Twilio API"'


async def test_accounts(service_urls: list[str], keys: dict[str, str], gateways: Gateways, phone: str) -> None:
    account, other = "AC0123456789abcdef0123456789abcdef", "ACffffffffffffffffffffffffffffffff"
    url = service_urls[0]
    async with Twilio(url, keys["theirs"], "theirs", account) as client:
        assert (await client.created(phone))["account_sid"] == account
    async with Twilio(url, keys["theirs"], "theirs", other) as client:
        error(await client.create(phone), 401, 20003)
    async with Twilio(url, keys["theirs"], "theirs", "SK12") as client:
        assert (await client.created(phone))["account_sid"] == account
    async with Twilio(url, API_KEY, WEB, other) as client:
        assert (await client.created(phone))["account_sid"] == other
    async with Twilio(url, API_KEY, WEB, "my-app") as client:
        assert re.fullmatch("AC[0-9a-f]{32}", (await client.created(phone))["account_sid"])


async def test_scopes(service_urls: list[str], keys: dict[str, str], phone: str) -> None:
    async with Twilio(service_urls[0], keys["admin"], WEB) as client:
        error(await client.create(phone), 403, 20403, "insufficient_scope")
        error(await client.check("123456", To=phone), 403, 20403, "insufficient_scope")
        error(await client.get(f"Verifications/{phone}"), 403, 20403, "insufficient_scope")


# A2: services


async def test_another_s_service_is_not_found(twilio: Twilio, phone: str) -> None:
    for service in ("other", "VA" + "0" * 32, "strict"):
        answer = await twilio.http.post(f"/Services/{service}/Verifications", data={"To": phone, "Channel": "sms"})
        message = error(answer, 404, 20404, "not_found")
        assert message == f"The requested resource /Services/{service}/Verifications was not found"


async def test_the_name_of_the_application_stands_for_its_sid(
    service_urls: list[str], gateways: Gateways, phone: str
) -> None:
    async with Twilio(service_urls[0], API_KEY, "web") as client:
        found = await client.created(phone)
        assert found["service_sid"] == WEB
        assert (await client.get(f"Verifications/{found['sid']}")).status_code == 200


# A6: create and resend


async def test_a_verification_as_twilio_tells_it(twilio: Twilio, api: Api, gateways: Gateways, phone: str) -> None:
    answer = await twilio.create(phone)
    found = answer.json()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert set(found) == {
        "sid", "service_sid", "account_sid", "to", "channel", "status", "valid", "lookup", "amount", "payee",
        "send_code_attempts", "date_created", "date_updated", "sna", "url",
    }  # fmt: skip
    assert re.fullmatch("VE[0-9a-f]{32}", found["sid"])
    assert (found["to"], found["channel"], found["status"], found["valid"]) == (phone, "sms", "pending", False)
    assert (found["amount"], found["payee"], found["sna"], found["lookup"]) == (None, None, None, {})
    assert all(TIME.fullmatch(one) for one in times(found))
    assert found["url"] == f"https://otp.example.ru/twilio/v2/Services/{WEB}/Verifications/{found['sid']}"
    (attempt,) = found["send_code_attempts"]
    assert re.fullmatch("VL[0-9a-f]{32}", attempt["attempt_sid"])
    assert attempt["channel"] == "SMS"
    native = await api.status(answer.headers["x-otp-verification-id"])
    assert (native.json()["to"], native.json()["purpose"]) == (phone, "verification")


async def test_a_second_create_is_a_resend(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    first = await twilio.created(phone)
    second, third = await twilio.created(phone), await twilio.created(phone, channel="SMS")
    assert first["sid"] == second["sid"] == third["sid"]
    assert [len(one["send_code_attempts"]) for one in (first, second, third)] == [1, 2, 3]
    codes = await gateways.codes(phone)
    assert codes[0] == codes[1]  # the local one; the first was the gateway's, and both are good
    assert (await twilio.check(codes[-1], To=phone)).json()["valid"]


async def test_sends_are_bounded(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    for _ in range(5):
        await twilio.created(phone)
    answer = await twilio.create(phone)
    assert error(answer, 429, 60203) == "Max send attempts reached"
    assert len(await gateways.messages(phone)) == 5


async def test_a_resend_within_the_pause(twilio_strict: Twilio, gateways: Gateways, phone: str) -> None:
    await twilio_strict.created(phone)
    assert error(await twilio_strict.create(phone), 429, 20429, "too_soon") == "Too Many Requests"
    assert len(await gateways.messages(phone)) == 1


async def test_two_creates_at_once_never_make_two(
    twilio: Twilio, service_urls: list[str], api: Api, gateways: Gateways, phone: str
) -> None:
    async with Twilio(service_urls[1], API_KEY, WEB) as second:
        answers = await asyncio.gather(*((twilio, second)[n % 2].create(phone) for n in range(4)))
    made = {answer.json()["sid"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    for answer in answers:
        if answer.status_code != 201:
            error(answer, 429, 60212, "request_in_progress")
    found = (await api.post("/v1/verifications/search", {"to": phone})).json()["verifications"]
    assert len(found) == 1


async def test_after_its_end_a_new_one_is_made(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    first = await twilio.created(phone)
    await twilio.post(f"Verifications/{first['sid']}", Status="canceled")
    second = await twilio.created(phone)
    assert second["sid"] != first["sid"]
    assert len(second["send_code_attempts"]) == 1


async def test_an_idempotency_key_is_honoured(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    async def create(key: str, to: str = phone) -> httpx.Response:
        data = {"To": to, "Channel": "sms"}
        return await twilio.http.post(
            f"/Services/{WEB}/Verifications", data=data, headers={"Idempotency-Key": f"{phone}{key}"}
        )

    first, again = await create("1"), await create("1")
    assert first.json()["sid"] == again.json()["sid"]
    assert len(again.json()["send_code_attempts"]) == 1
    resent, twice = await create("2"), await create("2")
    assert len(resent.json()["send_code_attempts"]) == len(twice.json()["send_code_attempts"]) == 2
    assert len(await gateways.messages(phone)) == 2


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"To": "12"}, "To"), ({"To": "+79161"}, "To"), ({"To": ""}, "To"), ({"Channel": ""}, "Channel"),
        ({"Channel": "pigeon"}, "Channel"), ({"RateLimits": "{"}, "RateLimits"), ({"RateLimits": "[]"}, "RateLimits"),
        ({"RateLimits": '{"nobody": "1"}'}, "RateLimits"), ({"RateLimits": '{"nobody": 1}'}, "RateLimits"),
        ({"DeviceIp": "300.1.1.1"}, "DeviceIp"), ({"AppHash": "short"}, "AppHash"), ({"Tags": "{\"a\": 1}"}, "Tags"),
        ({"Tags": '{"a": "' + "x" * 129 + '"}'}, "Tags"), ({"RiskCheck": "perhaps"}, "RiskCheck"),
        ({"TemplateSid": "HJ" + "0" * 32}, "TemplateSid"), ({"RateLimits": '{"phone": "1"}'}, "RateLimits"),
        ({"CustomCode": "12"}, "CustomCode"), ({"CustomCode": "abcd"}, "CustomCode"),
    ],
)  # fmt: skip
async def test_a_malformed_field_is_named(
    twilio: Twilio, gateways: Gateways, phone: str, fields: dict[str, str], parameter: str
) -> None:
    answer = await twilio.post("Verifications", **{"To": phone, "Channel": "sms", **fields})
    message = error(answer, 400, 60200)
    assert f"`{parameter}`" in message
    assert phone not in message
    assert await gateways.messages(phone) == []


@pytest.mark.parametrize("channel", ["call", "email", "WhatsApp", "sna", "rcs", "viber"])
async def test_channels_without_a_route(twilio: Twilio, phone: str, channel: str) -> None:
    message = error(await twilio.create(phone, channel), 403, 60223)
    assert message == f"Delivery channel disabled: {channel.upper()}"


async def test_unknown_fields_and_empty_ones_are_ignored(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    fields = {"Novelty": "x", "RateLimits": "", "Tags": "", "Amount": "1", "SendDigits": "1", "CustomMessage": "x",
              "ChannelConfiguration": "{", "EnableSnaClientToken": "true", "CustomFriendlyName": "Ignored"}  # fmt: skip
    found = await twilio.created(phone, channel="auto", **fields)
    assert found["channel"] == "sms"
    assert "Ignored" not in (await gateways.messages(phone))[0]["text"]


async def test_the_last_of_two_fields_counts(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    raw = f"To=%2B1&Channel=call&To={phone.replace('+', '%2B')}&Channel=sms"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await twilio.http.post(f"/Services/{WEB}/Verifications", content=raw, headers=headers)
    assert answer.status_code == 201, answer.text


async def test_locale_and_app_hash(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    await twilio.created(phone, Locale="en-GB", AppHash="FA+9qCX9VSu")
    text = (await gateways.messages(phone))[0]["text"]
    assert "is your Example code" in text
    assert text.endswith("\nFA+9qCX9VSu")


async def test_countries_and_types_of_numbers(twilio: Twilio) -> None:
    error(await twilio.create("+4915123456789"), 403, 60605, "country_not_allowed")
    message = error(await twilio.create("+74951234567"), 403, 60205, "number_type_not_allowed")
    assert message == "SMS is not supported by landline phone number"


async def test_no_gateway(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    await gateways.fail("*", "status", status=404, times=None)
    assert error(await twilio.create(phone), 503, 20503, "no_gateway_available") == "Service Unavailable"


# CustomCode


async def test_a_custom_code_needs_the_setting(twilio: Twilio, phone: str) -> None:
    error(await twilio.create(phone, CustomCode="1234567"), 403, 60204)


async def test_a_custom_code(twilio_theirs: Twilio, gateways: Gateways, phone: str) -> None:
    first = await twilio_theirs.created(phone, CustomCode="7654321", CustomFriendlyName="Shop")
    await twilio_theirs.created(phone)
    assert await gateways.codes(phone) == ["7654321", "7654321"]
    assert "Shop" in (await gateways.messages(phone))[-1]["text"]
    assert (await gateways.messages(phone))[0]["gateway"] != "targetsms-password"
    assert (await twilio_theirs.check("1234567", To=phone)).json()["valid"] is False
    assert (await twilio_theirs.check("7654321", VerificationSid=first["sid"])).json()["valid"]


async def test_approving_is_for_custom_codes(
    twilio_theirs: Twilio, twilio: Twilio, api: Api, gateways: Gateways, phone: str
) -> None:
    await twilio_theirs.created(phone, CustomCode="7654321")
    approved = await twilio_theirs.post(f"Verifications/{phone}", Status="approved")
    assert approved.status_code == 200, approved.text
    assert (approved.json()["status"], approved.json()["valid"]) == ("approved", True)
    error(await twilio_theirs.post(f"Verifications/{phone}", Status="approved"), 404, 20404, "approved")
    ours = await twilio.created(phone)
    error(await twilio.post(f"Verifications/{ours['sid']}", Status="approved"), 403, 60204)


# A7: check


async def test_right_and_wrong(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    found = await twilio.created(phone)
    code = (await gateways.codes(phone))[0]
    answer = await twilio.check(wrong(code), To=phone)
    told = answer.json()
    assert answer.status_code == 200
    assert set(told) == {
        "sid", "service_sid", "account_sid", "to", "channel", "status", "valid", "amount", "payee",
        "sna_attempts_error_codes", "date_created", "date_updated",
    }  # fmt: skip
    assert (told["sid"], told["status"], told["valid"]) == (found["sid"], "pending", False)
    right = (await twilio.check(code, VerificationSid=found["sid"], To=phone)).json()
    assert (right["status"], right["valid"], right["sna_attempts_error_codes"]) == ("approved", True, [])
    message = error(await twilio.check(code, To=phone), 404, 20404, "approved")
    assert message == f"The requested resource /Services/{WEB}/VerificationCheck was not found"


async def test_the_sixth_check(twilio: Twilio, api: Api, gateways: Gateways, phone: str) -> None:
    answer = await twilio.create(phone)
    code = (await gateways.codes(phone))[0]
    for _ in range(5):
        told = (await twilio.check(wrong(code), To=phone)).json()
        assert (told["status"], told["valid"]) == ("pending", False)
    for tried in (wrong(code), code, code):
        assert error(await twilio.check(tried, To=phone), 429, 60202, "exhausted") == "Max check attempts reached"
    native = (await api.status(answer.headers["x-otp-verification-id"])).json()
    assert (native["status"], native["attempts_left"]) == ("exhausted", 0)


async def test_fifty_wrong_checks_at_once(twilio: Twilio, api: Api, gateways: Gateways, phone: str) -> None:
    answer = await twilio.create(phone)
    code = (await gateways.codes(phone))[0]
    answers = await asyncio.gather(
        *(twilio.check(f"{(int(code) + n + 1) % 1_000_000:06}", To=phone) for n in range(50))
    )
    counted = Counter(one.status_code for one in answers)
    assert counted[200] == 5
    assert set(counted) <= {200, 429}
    native = (await api.status(answer.headers["x-otp-verification-id"])).json()
    assert native["attempts_left"] == 0


async def test_exactly_one_right_check_is_approved(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    await twilio.created(phone)
    code = (await gateways.codes(phone))[0]
    answers = await asyncio.gather(*(twilio.check(code, To=phone) for _ in range(20)))
    approved = [one for one in answers if one.status_code == 200 and one.json()["valid"]]
    assert len(approved) == 1
    for one in answers:
        if one.status_code == 404:
            error(one, 404, 20404, "approved")


async def test_a_check_without_a_target(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    assert error(await twilio.check("123456"), 400, 60221) == "No target verification specified"
    found = await twilio.created(phone)
    for code in ("123", "12345678901", "12a4", "１２３４", ""):
        message = error(await twilio.check(code, To=phone), 400, 60200)
        assert "`Code`" in message
    error(await twilio.check("123456", To="+79160000000", VerificationSid=found["sid"]), 404, 20404, "unknown")
    assert len((await twilio.get(f"Verifications/{found['sid']}")).json()["send_code_attempts"]) == 1
    error(await twilio.check("123456", VerificationSid="VE" + "0" * 32), 404, 20404, "unknown")
    error(await twilio.check("123456", To="+79161112233"), 404, 20404, "unknown")


async def test_another_application_s_verification(
    twilio: Twilio, twilio_strict: Twilio, gateways: Gateways, phone: str
) -> None:
    found = await twilio.created(phone)
    code = (await gateways.codes(phone))[0]
    error(await twilio_strict.check(code, VerificationSid=found["sid"]), 404, 20404, "unknown")
    error(await twilio_strict.get(f"Verifications/{found['sid']}"), 404, 20404, "unknown")
    error(await twilio_strict.get(f"Verifications/{phone}"), 404, 20404, "unknown")


async def test_a_native_verification_is_none_of_the_facade(
    twilio: Twilio, api: Api, gateways: Gateways, phone: str
) -> None:
    await api.started(phone)
    error(await twilio.check((await gateways.codes(phone))[0], To=phone), 404, 20404, "unknown")


# A8: fetch and update


async def test_fetch_by_sid_and_by_phone(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    found = await twilio.created(phone)
    for which in (found["sid"], phone, phone.replace("+", "%2B")):
        answer = await twilio.get(f"Verifications/{which}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["sid"] == found["sid"]


async def test_cancel(twilio: Twilio, gateways: Gateways, phone: str) -> None:
    found = await twilio.created(phone)
    error(await twilio.post(f"Verifications/{found['sid']}", Status="gone"), 400, 60200)
    answer = await twilio.post(f"Verifications/{phone}", Status="canceled")
    assert (answer.status_code, answer.json()["status"], answer.json()["valid"]) == (200, "canceled", False)
    error(await twilio.get(f"Verifications/{phone}"), 404, 20404, "canceled")
    error(await twilio.post(f"Verifications/{found['sid']}", Status="canceled"), 404, 20404, "canceled")
    error(await twilio.check("123456", To=phone), 404, 20404, "canceled")


# A5: every error has the one shape


async def test_unknown_paths_methods_and_bodies(twilio: Twilio, phone: str) -> None:
    for path in ("/Forms/x", "/Services/x/AccessTokens", "/x", f"/Services/{WEB}/Verifications/a/b"):
        error(await twilio.http.get(path), 404, 20404)
    error(await twilio.http.delete(f"/Services/{WEB}/VerificationCheck"), 405, 20004, "method_not_allowed")
    error(await twilio.http.post(f"/Services/{WEB}/Verifications", content=b"x" * 70_000), 413, 20413)
    headers = {"Content-Type": "application/json"}
    error(await twilio.http.post(f"/Services/{WEB}/Verifications", content=b"{}", headers=headers), 415, 20415)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for raw in (b"\xff=1", b"To=%FF&Channel=sms", b"&" * 300 + b"a=1&" * 300):
        error(await twilio.http.post(f"/Services/{WEB}/Verifications", content=raw, headers=headers), 400, 60200)


async def test_a_limit_of_the_phone_and_one_of_the_service(
    twilio: Twilio, gateways: Gateways, phone: str, service_urls: list[str]
) -> None:
    """phone-burst: five unverified sends of a phone in ten minutes, whatever verification they are of."""
    for _ in range(5):
        await twilio.created(phone)
    await twilio.post(f"Verifications/{phone}", Status="canceled")
    error(await twilio.create(phone), 429, 60203, "limit_exceeded")


async def test_an_upgrade_that_is_not_served_is_a_request_like_any_other(
    twilio: Twilio, gateways: Gateways, phone: str
) -> None:
    """What every stock Java client sends over plain http; the body is not read as a request."""
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"}
    data = {"To": phone, "Channel": "sms"}
    answer = await twilio.http.post(f"/Services/{WEB}/Verifications", data=data, headers=headers)
    assert answer.status_code == 201, answer.text


async def test_heads_that_never_became_a_request(service_urls: list[str]) -> None:
    url = httpx.URL(service_urls[0])
    for head, status, code in (
        (b"GET /twilio/v2/Services HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, 20431),
        (b"GET /twilio/v2/Services HTTP/1.1\r\nNo colon\r\n\r\n", 400, 60200),
    ):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head)
        raw = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        told, _, body = raw.partition(b"\r\n\r\n")
        assert told.split(b" ")[1] == str(status).encode()
        assert json.loads(body)["code"] == code
        assert set(json.loads(body)) == {"code", "message", "more_info", "status"}
