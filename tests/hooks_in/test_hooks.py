"""Every kind of hook: who is let in, what is read, one SMS for one message, what is answered when it fails."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import httpx
import pytest

from tests.api import Api, Gateways, problem
from tests.hooks_in import callers
from tests.hooks_in.callers import SUPABASE_NEW, SUPABASE_OLD
from tests.running import API_KEY

CODE = "654321"


@pytest.fixture
async def bare(service_urls: list[str]) -> Any:
    """A caller without a key of ours."""
    async with httpx.AsyncClient(base_url=service_urls[0], trust_env=False, verify=False, timeout=30) as http:
        yield http


async def texts(gateways: Gateways, phone: str) -> list[str]:
    return [message["text"] for message in await gateways.messages(phone)]


def body_of(kind: str, phone: str, code: str) -> Any:
    """A usual message of a kind that needs an API key."""
    return {
        "kratos": callers.kratos(phone, code),
        "authentik": {"From": "authentik", "To": phone, "Body": code, "Message": f"Code: {code}"},
        "keycloak": {"to": phone, "message": f"Code: {code}", "id": str(uuid.uuid4())},
        "logto": {"to": phone[1:], "type": "SignIn", "payload": {"code": code, "locale": "en-US"}, "ip": "203.0.113.9"},
        "supertokens": {"phoneNumber": phone, "userInputCode": code, "codeLifetime": 900_000, "appName": "Shop"},
        "privacyidea": {"phone": phone, "text": f"Code: {code}"},
        "linotp": {"phone": phone, "text": f"Code: {code}"},
    }[kind]


KEYED = ["kratos", "authentik", "keycloak", "logto", "supertokens", "privacyidea", "linotp"]


@pytest.mark.parametrize("kind", KEYED)
async def test_one_message_one_sms(api: Api, gateways: Gateways, phone: str, kind: str) -> None:
    body = body_of(kind, phone, CODE)
    first = await api.http.post(f"/v1/hooks/{kind}/web", json=body)
    assert first.status_code == 200, first.text
    again = await api.http.post(f"/v1/hooks/{kind}/web", json=body)
    assert (again.status_code, again.content) == (200, first.content)
    delivery = first.headers["x-otp-delivery-id"]
    assert again.headers["x-otp-delivery-id"] == delivery
    sent = await texts(gateways, phone)
    assert len(sent) == 1
    assert CODE in sent[0]
    kept = (await api.http.get(f"/v1/deliveries/{delivery}")).json()
    assert (kept["to"], kept["purpose"]) == (phone, "login")
    if kind in ("privacyidea", "linotp"):
        assert first.text == f"OK {delivery}"
        assert first.headers["content-type"].startswith("text/plain")
    else:
        assert first.json() == {}
        assert first.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("kind", KEYED)
@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "wrong", callers.basic("x", "wrong")])
async def test_strangers_are_refused(bare: httpx.AsyncClient, kind: str, phone: str, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = await bare.post(f"/v1/hooks/{kind}/web", json=body_of(kind, phone, CODE), headers=headers)
    assert answer.status_code == 401, answer.text
    assert CODE not in answer.text
    assert phone not in answer.text


@pytest.mark.parametrize("kind", KEYED)
@pytest.mark.parametrize("scheme", ["Bearer", "bare", "basic"])
async def test_a_key_may_come_in_three_ways(
    bare: httpx.AsyncClient, gateways: Gateways, phone: str, kind: str, scheme: str
) -> None:
    given = {"Bearer": f"Bearer {API_KEY}", "bare": API_KEY, "basic": callers.basic("kc", API_KEY)}[scheme]
    answer = await bare.post(f"/v1/hooks/{kind}/web", json=body_of(kind, phone, CODE), headers={"Authorization": given})
    assert answer.status_code == 200, answer.text


async def test_a_key_of_another_application_is_refused(other: Api, phone: str) -> None:
    problem(await other.http.post("/v1/hooks/kratos/web", json=callers.kratos(phone, CODE)), 401, "unauthorized")


async def test_a_hook_without_a_table_is_not_found(api: Api, other: Api, phone: str) -> None:
    problem(await other.http.post("/v1/hooks/kratos/other", json=callers.kratos(phone, CODE)), 404, "not_found")
    problem(await api.http.post("/v1/hooks/none/web", json={}), 404, "not_found")
    problem(await api.http.post("/v1/hooks/kratos/nobody", json={}), 404, "not_found")
    problem(await api.http.get("/v1/hooks/kratos/web"), 405, "method_not_allowed")


@pytest.mark.parametrize("kind", [*KEYED, "zitadel"])
@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'"x"', b"{}", b"\xff", b"[" * 60_000, b'{"phone": 1e999}', b'{"to": ["a", "b"]}']
)
async def test_what_cannot_be_read_is_400(api: Api, kind: str, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    if kind == "zitadel":
        headers |= callers.zitadel_headers(raw, "zitadel-new-key")
    answer = await api.http.post(f"/v1/hooks/{kind}/web", content=raw, headers=headers)
    assert answer.status_code == 400, answer.text
    if kind in ("privacyidea", "linotp"):
        assert answer.text == "ERROR malformed_request"


async def test_keys_in_the_body(bare: httpx.AsyncClient, gateways: Gateways, phone: str) -> None:
    keycloak = {**body_of("keycloak", phone, CODE), "token": API_KEY}
    assert (await bare.post("/v1/hooks/keycloak/web", json=keycloak)).status_code == 200
    tokens = {"apiKey": API_KEY, "smsInput": {**body_of("supertokens", phone, "777777"), "type": "PASSWORDLESS_LOGIN"}}
    assert (await bare.post("/v1/hooks/supertokens/web", json=tokens)).status_code == 200
    assert ["777777" in text or CODE in text for text in await texts(gateways, phone)] == [True, True]


async def test_forms_and_json_put_together_by_hand(api: Api, gateways: Gateways, phone: str) -> None:
    form = {"receiver": phone, "message": "Form 111111", "sender": "KC"}
    assert (await api.http.post("/v1/hooks/keycloak/web", data=form)).status_code == 200
    raw = f'{{"to": ["{phone}"], "message": "Line 222222\nlast\tone"}}'.encode()
    answer = await api.http.post("/v1/hooks/keycloak/web", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    form = {"phone": phone[1:], "sms": "333333"}
    assert (await api.http.post("/v1/hooks/privacyidea/web", data=form)).text.startswith("OK dlv_")
    assert await texts(gateways, phone) == ["333333", "Line 222222\nlast one", "Form 111111"]


async def test_privacyidea_sends_numbers(api: Api, gateways: Gateways, phone: str) -> None:
    answer = await api.http.post("/v1/hooks/privacyidea/web", json={"phone": int(phone[1:]), "text": 444444})
    assert answer.text.startswith("OK dlv_")
    assert await texts(gateways, phone) == ["444444"]


@pytest.mark.parametrize(
    "kind", ["login_code_valid", "registration_code_valid", "verification_code_valid", "recovery_code_valid"]
)
async def test_kratos_kinds_of_codes(api: Api, gateways: Gateways, phone: str, kind: str) -> None:
    assert (await api.http.post("/v1/hooks/kratos/web", json=callers.kratos(phone, CODE, kind=kind))).status_code == 200
    sent = (await texts(gateways, phone))[0]
    assert sent.startswith(f"{CODE} — код для Example")
    assert sent.endswith(f"\n@auth.example.ru #{CODE}")


async def test_kratos_sends_sms_alone(api: Api, phone: str) -> None:
    body = callers.kratos(phone, CODE, message_type="email")
    problem(await api.http.post("/v1/hooks/kratos/web", json=body), 400, "malformed_request")


async def test_their_text_as_it_is(theirs: Api, gateways: Gateways, phone: str) -> None:
    text = f"Your code is: {CODE}\n\n@ #{CODE}"
    body = callers.kratos(phone, CODE, kind="recovery_code_valid", body=text)
    assert (await theirs.http.post("/v1/hooks/kratos/theirs", json=body)).status_code == 200
    assert await texts(gateways, phone) == [text]
    link = {
        "phoneNumber": phone,
        "urlWithLinkCode": "https://shop.example.ru/a",
        "codeLifetime": 900000,
        "appName": "Shop",
    }
    assert (await theirs.http.post("/v1/hooks/supertokens/theirs", json=link)).status_code == 200
    assert (await texts(gateways, phone))[0] == "Shop\nhttps://shop.example.ru/a"


async def test_logto_speaks_the_person_s_language(api: Api, gateways: Gateways, phone: str) -> None:
    await api.http.post("/v1/hooks/logto/web", json=body_of("logto", phone, CODE))
    assert "is your Example code" in (await texts(gateways, phone))[0]


# Supabase


async def supabase(http: httpx.AsyncClient, raw: bytes, headers: dict[str, str]) -> httpx.Response:
    return await http.post("/v1/hooks/supabase/web", content=raw, headers=headers)


@pytest.mark.parametrize(
    ("secrets", "joined"),
    [
        ((SUPABASE_NEW,), " "),
        ((SUPABASE_OLD,), " "),
        ((SUPABASE_NEW, SUPABASE_OLD), " "),
        ((SUPABASE_NEW, SUPABASE_OLD), ", "),
        ((SUPABASE_OLD, SUPABASE_NEW), ","),
    ],
)
async def test_supabase_signs(
    bare: httpx.AsyncClient, gateways: Gateways, phone: str, secrets: tuple[str, ...], joined: str
) -> None:
    raw = callers.supabase(phone, CODE)
    answer = await supabase(bare, raw, callers.supabase_headers(raw, *secrets, joined=joined))
    assert (answer.status_code, answer.json()) == (200, {})
    assert CODE in (await texts(gateways, phone))[0]


async def test_supabase_signature_is_looked_at_before_the_body(bare: httpx.AsyncClient, phone: str) -> None:
    raw = callers.supabase(phone, CODE)
    good = callers.supabase_headers(raw)
    assert (await supabase(bare, raw + b" ", good)).status_code == 401
    assert (await supabase(bare, b"{", good)).status_code == 401
    assert (await supabase(bare, raw, {})).status_code == 401
    for at in (time.time() - 400, time.time() + 400):
        assert (await supabase(bare, raw, callers.supabase_headers(raw, at=at))).status_code == 401
    for name in good:
        if name != "Content-Type":
            assert (await supabase(bare, raw, {**good, name: "1"})).status_code == 401
    stranger = callers.supabase_headers(raw, "c3RyYW5nZXJzLXNlY3JldC1vZi1ub2JvZHktaGVyZQ==")
    assert (await supabase(bare, raw, stranger)).status_code == 401
    assert (await supabase(bare, raw, {"Authorization": f"Bearer {API_KEY}"})).status_code == 401


async def test_supabase_tries_three_times_and_one_sms_goes_out(
    bare: httpx.AsyncClient, gateways: Gateways, phone: str
) -> None:
    """A retry has the same body and a new webhook-id."""
    raw = callers.supabase(phone, CODE, by_user=True)
    answers = await asyncio.gather(*(supabase(bare, raw, callers.supabase_headers(raw)) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.headers["x-otp-delivery-id"] for answer in answers}) == 1
    assert len(await texts(gateways, phone)) == 1


async def test_supabase_tells_the_person_what_they_can_mend(bare: httpx.AsyncClient, gateways: Gateways) -> None:
    for phone, status in (("+79161", 400), ("+4915123456789", 403)):
        raw = callers.supabase(phone, CODE)
        answer = await supabase(bare, raw, callers.supabase_headers(raw))
        assert answer.status_code == 200
        assert answer.json()["error"]["http_code"] == status
        sentence = answer.json()["error"]["message"]
        assert 0 < len(sentence) <= 160
        assert phone[1:] not in sentence
        assert CODE not in sentence


async def test_supabase_is_asked_to_try_again(bare: httpx.AsyncClient, gateways: Gateways, phone: str) -> None:
    await gateways.fail("*", "status", status=404)
    raw = callers.supabase(phone, CODE)
    answer = await supabase(bare, raw, callers.supabase_headers(raw))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


# ZITADEL


@pytest.mark.parametrize("keys", [("zitadel-new-key",), ("zitadel-old-key",), ("zitadel-other", "zitadel-old-key")])
async def test_zitadel_signs(bare: httpx.AsyncClient, gateways: Gateways, phone: str, keys: tuple[str, ...]) -> None:
    raw = callers.zitadel(phone, CODE)
    answer = await bare.post("/v1/hooks/zitadel/web", content=raw, headers=callers.zitadel_headers(raw, *keys))
    assert (answer.status_code, answer.json()) == (200, {})
    assert CODE in (await texts(gateways, phone))[0]


async def test_zitadel_without_a_good_signature_is_refused(bare: httpx.AsyncClient, theirs: Api, phone: str) -> None:
    raw = callers.zitadel(phone, CODE)
    for headers in (
        {},
        {"Authorization": f"Bearer {API_KEY}"},
        callers.zitadel_headers(raw + b" ", "zitadel-new-key"),
        callers.zitadel_headers(raw, "zitadel-other"),
        callers.zitadel_headers(raw, "zitadel-new-key", at=time.time() - 301),
        callers.zitadel_headers(raw, "zitadel-new-key", at=time.time() + 301),
        {"ZITADEL-Signature": "t=,v1="},
    ):
        problem(await bare.post("/v1/hooks/zitadel/web", content=raw, headers=headers), 401, "unauthorized")


async def test_zitadel_without_a_signing_key_sends_an_api_key(theirs: Api, gateways: Gateways, phone: str) -> None:
    raw = callers.zitadel(phone, CODE, text=f"Zitadel says {CODE}")
    answer = await theirs.http.post("/v1/hooks/zitadel/theirs", content=raw)
    assert answer.status_code == 200, answer.text
    assert await texts(gateways, phone) == [f"Zitadel says {CODE}"]


# What is answered when it fails


@pytest.mark.parametrize("kind", KEYED)
async def test_what_a_person_can_mend(api: Api, gateways: Gateways, kind: str) -> None:
    for phone, status in (("+79161", 400), ("+4915123456789", 403)):
        answer = await api.http.post(f"/v1/hooks/{kind}/web", json=body_of(kind, phone, CODE))
        assert answer.status_code == status, answer.text
        assert phone[1:] not in answer.text
        assert CODE not in answer.text
        if kind == "authentik":
            assert answer.headers["content-type"].startswith("text/plain")
            assert len(answer.text) <= 160
        elif kind in ("privacyidea", "linotp"):
            assert answer.text in ("ERROR invalid_phone", "ERROR country_not_allowed")
        else:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status


@pytest.mark.parametrize("kind", KEYED)
async def test_no_gateway_is_503(api: Api, gateways: Gateways, phone: str, kind: str) -> None:
    await gateways.fail("*", "status", status=404)
    answer = await api.http.post(f"/v1/hooks/{kind}/web", json=body_of(kind, phone, CODE))
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(("kind", "seconds"), [("privacyidea", 2.9), ("authentik", 4.5)])
async def test_it_is_answered_in_time_and_the_next_gateway_sends(
    api: Api, gateways: Gateways, phone: str, kind: str, seconds: float
) -> None:
    """XML is silent, twice, and sms-ka is slow: the answer does not wait for them."""
    await gateways.fail("xml", "stall")
    await gateways.fail("smska", "latency", seconds=0.8)
    began = time.monotonic()
    answer = await api.http.post(f"/v1/hooks/{kind}/web", json=body_of(kind, phone, CODE))
    assert time.monotonic() - began < seconds
    assert answer.status_code == 200, answer.text
    delivery = answer.headers["x-otp-delivery-id"]
    for _ in range(60):
        kept = (await api.http.get(f"/v1/deliveries/{delivery}")).json()
        if len(kept["messages"]) == 2 and kept["messages"][1]["status"] in ("accepted", "delivered"):
            break
        await asyncio.sleep(0.1)
    assert [message["gateway"] for message in kept["messages"]] == ["targetsms-xml", "smska"]
    assert any(CODE in text for text in await texts(gateways, phone))


@pytest.mark.parametrize(
    ("kind", "status", "media", "said"),
    [
        ("kratos", 413, "application/problem+json", "A body may have at most 65536 bytes."),
        ("authentik", 413, "text/plain; charset=utf-8", "Отправить сообщение не удалось."),
        ("privacyidea", 413, "text/plain; charset=utf-8", "ERROR body_too_large"),
        ("supabase", 200, "application/json", '"http_code":400,"message":"Отправить сообщение не удалось."'),
        ("nothing", 413, "application/problem+json", '"code":"body_too_large"'),
    ],
)
async def test_what_never_reaches_a_hook_is_refused_in_its_words(
    api: Api, kind: str, status: int, media: str, said: str
) -> None:
    answer = await api.http.post(f"/v1/hooks/{kind}/web", content=b"x" * 70_000)
    assert (answer.status_code, answer.headers["content-type"]) == (status, media)
    assert said in answer.text
    assert answer.headers["x-request-id"]
    packed = await api.http.post(f"/v1/hooks/{kind}/web", content=b"x", headers={"Content-Encoding": "gzip"})
    assert packed.status_code == (415 if status == 413 else 200)
    assert packed.headers["content-type"] == media
