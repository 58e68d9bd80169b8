"""Ready tables of kind `http`, each against a stub that knows the provider's public documents and nothing of ours.

What the stub demands of a request and how it answers was written from the documents: no account was asked.
"""

# ruff: noqa: E501  tables of cases
from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Outgoing, Push, TakesCallbacks, Then
from otp_service.gateways.described import providers
from otp_service.gateways.registry import build
from tests.gateways.stub import PATIENT, Request, Stub
from tests.gateways.test_hostile_answers import outcome

PHONE, CODE, TEXT = "+79161234567", "654321", 'Код 654321 & "ещё" <b>=1%'
DIGITS = PHONE[1:]
CLIENT_ID = "170000000000101"
STATUS = MessageStatus


def form(request: Request) -> dict[str, str]:
    assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")
    return dict(parse_qsl(request.body.decode(), strict_parsing=True, keep_blank_values=True))


def query(request: Request) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query, strict_parsing=True, keep_blank_values=True))


def document(request: Request) -> Any:
    assert request.headers["content-type"].startswith("application/json")
    return json.loads(request.body)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(frozen=True)
class Provider:
    """secrets: as the operator gives them. check: what a send must look like. sent: answers to it, with their HTTP
    status, and what each means. states: answers to a question about `id`. balance: an answer and its amount."""

    secrets: dict[str, str]
    check: Callable[[Request], None]
    id: str
    sent: list[tuple[int, Any, Accepted | tuple[Reason, Then]]]
    path: str
    states: list[tuple[int, Any, MessageStatus | None]] = field(default_factory=list)
    state_path: str = ""
    balance: tuple[Any, Decimal] | None = None
    values: dict[str, str] = field(default_factory=dict)
    pushed: tuple[str, Any] | None = None

    def build(self, name: str, url: str, **changes: Any) -> Gateway:
        table = {
            "kind": "http", "provider": name, "base_url": url, "sender": "Shop", "secrets": self.secrets,
            "values": self.values, **changes,
        }  # fmt: skip
        return build("tested", table)


def smsc(request: Request) -> None:
    sent = form(request)
    assert {key: sent[key] for key in ("login", "psw", "phones", "mes", "sender", "fmt", "charset", "id")} == {
        "login": "canary-login", "psw": "canary-password", "phones": DIGITS, "mes": TEXT, "sender": "Shop", "fmt": "3",
        "charset": "utf-8", "id": CLIENT_ID,
    }  # fmt: skip


def smsru(request: Request) -> None:
    sent = form(request)
    assert (sent["api_id"], sent["to"], sent["msg"], sent["json"], sent["from"]) == (
        "canary-key", DIGITS, TEXT, "1", "Shop",
    )  # fmt: skip
    assert 1 <= int(sent["ttl"]) <= 1440


def smsaero(request: Request) -> None:
    assert request.headers["authorization"] == basic("canary-login", "canary-key")
    assert document(request) == {"number": DIGITS, "text": TEXT, "sign": "Shop"}


def exolve(request: Request) -> None:
    assert request.headers["authorization"] == "Bearer canary-key"
    assert document(request) == {"number": "Shop", "destination": DIGITS, "text": TEXT}


def twilio(request: Request) -> None:
    assert request.headers["authorization"] == basic("AC123", "canary-token")
    sent = form(request)
    assert (sent["To"], sent["From"], sent["Body"]) == (PHONE, "Shop", TEXT)
    assert 1 <= int(sent["ValidityPeriod"]) <= 36_000


def vonage(request: Request) -> None:
    sent = form(request)
    assert (sent["api_key"], sent["api_secret"], sent["to"], sent["from"], sent["text"], sent["type"]) == (
        "canary-key", "canary-secret", DIGITS, "Shop", TEXT, "unicode",
    )  # fmt: skip
    assert 20_000 <= int(sent["ttl"]) <= 604_800_000


def infobip(request: Request) -> None:
    assert request.headers["authorization"] == "App canary-key"
    (message,) = document(request)["messages"]
    assert (message["from"], message["destinations"], message["text"]) == ("Shop", [{"to": DIGITS}], TEXT)
    assert isinstance(message["validityPeriod"], int)


def messagebird(request: Request) -> None:
    assert request.headers["authorization"] == "AccessKey canary-key"
    sent = document(request)
    assert (sent["originator"], sent["recipients"], sent["body"]) == ("Shop", [DIGITS], TEXT)
    assert isinstance(sent["validity"], int)


def whatsapp(request: Request) -> None:
    assert request.headers["authorization"] == "Bearer canary-token"
    sent = document(request)
    assert (sent["messaging_product"], sent["to"], sent["type"]) == ("whatsapp", DIGITS, "template")
    template = sent["template"]
    assert (template["name"], template["language"]) == ("otp", {"code": "ru"})
    body, button = template["components"]
    assert body["parameters"] == button["parameters"] == [{"type": "text", "text": CODE}]
    assert (button["type"], button["sub_type"], button["index"]) == ("button", "url", "0")


def smsgate(request: Request) -> None:
    assert request.headers["authorization"] == basic("canary-login", "canary-password")
    sent = document(request)
    assert (sent["phoneNumbers"], sent["textMessage"], sent["id"]) == ([PHONE], {"text": TEXT}, CLIENT_ID)
    assert isinstance(sent["ttl"], int)


def httpsms(request: Request) -> None:
    assert request.headers["x-api-key"] == "canary-key"
    sent = document(request)
    assert (sent["from"], sent["to"], sent["content"]) == ("Shop", PHONE, TEXT)


NEXT, STOP, UNCLEAR = Then.NEXT, Then.STOP, Then.UNCLEAR

PROVIDERS = {
    "smsc": Provider(
        {"login": "canary-login", "password": "canary-password"}, smsc, "1234", path="/sys/send.php",
        sent=[
            (200, {"id": 1234, "cnt": 2, "cost": "1.40", "balance": "100.50"}, Accepted("1234", parts=2)),
            (200, {"error": "authorise error", "error_code": 2}, (Reason.CREDENTIALS, NEXT)),
            (200, {"error": "no money", "error_code": 3}, (Reason.FUNDS, NEXT)),
            (200, {"error": "message is denied", "error_code": 6}, (Reason.CONTENT, NEXT)),
            (200, {"error": "invalid number", "error_code": 7, "id": 1234}, (Reason.INVALID_NUMBER, STOP)),
            (200, {"error": "too many requests", "error_code": 9}, (Reason.THROTTLED, NEXT)),
            (200, {"error": "new", "error_code": 77}, (Reason.UNKNOWN_ERROR, NEXT)),
        ],
        balance=({"balance": "100.50"}, Decimal("100.50")),
        pushed=("form", "id=1234&phone=79161234567&status=1&time=01.01.2026+12%3A00%3A00"),
    ),
    "smsru": Provider(
        {"api_id": "canary-key"}, smsru, "000000-10000000", path="/sms/send",
        sent=[
            (
                200,
                {"status": "OK", "status_code": 100, "balance": 4122.56,
                 "sms": {DIGITS: {"status": "OK", "status_code": 100, "sms_id": "000000-10000000"}}},
                Accepted("000000-10000000"),
            ),
            (200, {"status": "ERROR", "status_code": 200, "status_text": "api_id"}, (Reason.CREDENTIALS, NEXT)),
            *(
                (200, {"status": "OK", "status_code": 100,
                       "sms": {DIGITS: {"status": "ERROR", "status_code": code, "status_text": "текст"}}}, meaning)
                for code, meaning in {
                    201: (Reason.FUNDS, NEXT), 202: (Reason.INVALID_NUMBER, STOP), 204: (Reason.SENDER, NEXT),
                    207: (Reason.DIRECTION_CLOSED, NEXT), 209: (Reason.STOP_LIST, STOP), 231: (Reason.THROTTLED, NEXT),
                    299: (Reason.UNKNOWN_ERROR, NEXT),
                }.items()
            ),
        ],
        state_path="/sms/status",
        states=[
            (200, {"status": "OK", "status_code": 100, "sms": {"000000-10000000": {"status_code": code}}}, status)
            for code, status in {
                100: STATUS.ACCEPTED, 102: STATUS.ACCEPTED, 103: STATUS.DELIVERED, 104: STATUS.EXPIRED,
                105: STATUS.UNDELIVERED, 108: STATUS.REJECTED, -1: None,
            }.items()
        ],
        balance=({"status": "OK", "status_code": 100, "balance": 4122.56}, Decimal("4122.56")),
    ),
    "smsaero": Provider(
        {"login": "canary-login", "api_key": "canary-key"}, smsaero, "1", path="/v2/sms/send",
        sent=[
            (200, {"success": True, "data": {"id": 1, "status": 8, "cost": 1.95}, "message": None},
             Accepted("1", price=Decimal("1.95"))),
            (401, {"success": False, "data": None, "message": "Auth"}, (Reason.CREDENTIALS, NEXT)),
            (402, {"success": False, "data": None, "message": "Pay"}, (Reason.FUNDS, NEXT)),
            (200, {"result": "no credits"}, (Reason.FUNDS, NEXT)),
            (200, {"result": "reject", "reason": "words"}, (Reason.UNKNOWN_ERROR, NEXT)),
            (400, {"success": False, "data": None, "message": "Validation error."}, (Reason.UNKNOWN_ERROR, NEXT)),
        ],
        state_path="/v2/sms/status",
        states=[
            (200, {"success": True, "data": {"id": 1, "status": code}}, status)
            for code, status in {0: STATUS.ACCEPTED, 1: STATUS.DELIVERED, 2: STATUS.UNDELIVERED, 6: STATUS.REJECTED}.items()
        ],
        balance=({"success": True, "data": {"balance": 1389.26}}, Decimal("1389.26")),
    ),
    "exolve": Provider(
        {"api_key": "canary-key"}, exolve, "439166148451", path="/messaging/v1/SendSMS",
        sent=[
            (200, {"message_id": "439166148451"}, Accepted("439166148451")),
            (401, {}, (Reason.CREDENTIALS, NEXT)),
            (400, {"error": {"code": 3, "message": "Validation"}}, (Reason.UNKNOWN_ERROR, NEXT)),
            (400, {}, (Reason.BAD_REQUEST, NEXT)),
        ],
    ),
    "twilio": Provider(
        {"account_sid": "AC123", "auth_token": "canary-token"}, twilio, "SM77",
        path="/2010-04-01/Accounts/AC123/Messages.json",
        sent=[
            (201, {"sid": "SM77", "status": "queued", "num_segments": "2", "price": None}, Accepted("SM77", parts=2)),
            (400, {"code": 21211, "message": "To", "status": 400}, (Reason.INVALID_NUMBER, STOP)),
            (400, {"code": 21610, "message": "stop", "status": 400}, (Reason.STOP_LIST, STOP)),
            (400, {"code": 21408, "message": "region", "status": 400}, (Reason.DIRECTION_CLOSED, NEXT)),
            (401, {"code": 20003, "message": "Authenticate", "status": 401}, (Reason.CREDENTIALS, NEXT)),
            (429, {"code": 20429, "status": 429}, (Reason.THROTTLED, NEXT)),
            (400, {"code": 99999, "message": "new"}, (Reason.UNKNOWN_ERROR, NEXT)),
        ],
        state_path="/2010-04-01/Accounts/AC123/Messages/SM77.json",
        states=[
            (200, {"sid": "SM77", "status": "sent"}, STATUS.ACCEPTED),
            (200, {"sid": "SM77", "status": "delivered", "num_segments": "2"}, STATUS.DELIVERED),
            (200, {"sid": "SM77", "status": "undelivered"}, STATUS.UNDELIVERED),
            (404, {"code": 20404}, None),
        ],
        balance=({"balance": "10.28", "currency": "USD"}, Decimal("10.28")),
    ),
    "vonage": Provider(
        {"api_key": "canary-key", "api_secret": "canary-secret"}, vonage, "0A0000000123ABCD1", path="/sms/json",
        sent=[
            (200, {"message-count": "1", "messages": [{"status": "0", "message-id": "0A0000000123ABCD1"}]},
             Accepted("0A0000000123ABCD1", parts=1)),
            *(
                (200, {"message-count": "1", "messages": [{"status": code, "error-text": "words"}]}, meaning)
                for code, meaning in {
                    "1": (Reason.THROTTLED, NEXT), "4": (Reason.CREDENTIALS, NEXT), "9": (Reason.FUNDS, NEXT),
                    "7": (Reason.INVALID_NUMBER, STOP), "15": (Reason.SENDER, NEXT), "99": (Reason.UNKNOWN_ERROR, NEXT),
                }.items()
            ),
        ],
        balance=({"value": 10.28, "autoReload": False}, Decimal("10.28")),
        pushed=("json", {"messageId": "0A0000000123ABCD1", "status": "delivered", "msisdn": DIGITS}),
    ),
    "infobip": Provider(
        {"api_key": "canary-key"}, infobip, "2034072219640523072", path="/sms/2/text/advanced",
        sent=[
            (200, {"messages": [{"to": DIGITS, "messageId": "2034072219640523072",
                                 "status": {"groupId": 1, "groupName": "PENDING", "name": "PENDING_ACCEPTED"}}]},
             Accepted("2034072219640523072")),
            (200, {"messages": [{"status": {"groupName": "REJECTED", "name": "REJECTED_NOT_ENOUGH_CREDITS"}}]},
             (Reason.FUNDS, NEXT)),
            (401, {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED", "text": "Invalid login"}}},
             (Reason.CREDENTIALS, NEXT)),
        ],
        state_path="/sms/1/logs",
        states=[
            (200, {"results": [{"messageId": "1", "smsCount": 1,
                                "status": {"groupName": name.partition("_")[0], "name": name}}]}, status)
            for name, status in {
                "PENDING_ENROUTE": STATUS.ACCEPTED, "DELIVERED_TO_HANDSET": STATUS.DELIVERED,
                "DELIVERED_TO_OPERATOR": STATUS.ACCEPTED,  # in the group DELIVERED, and not the end
                "UNDELIVERABLE_NOT_DELIVERED": STATUS.UNDELIVERED, "EXPIRED_EXPIRED": STATUS.EXPIRED,
                "EXPIRED_DLR_UNKNOWN": STATUS.UNKNOWN, "REJECTED_DESTINATION": STATUS.REJECTED,
                "A_NAME_OF_TOMORROW": STATUS.ACCEPTED,
            }.items()
        ] + [(200, {"results": []}, None)],
        balance=({"balance": 47.79134, "currency": "EUR"}, Decimal("47.79134")),
    ),
    "messagebird": Provider(
        {"access_key": "canary-key"}, messagebird, "e8077d803532c0b5937c639b60216938", path="/messages",
        sent=[
            (201, {"id": "e8077d803532c0b5937c639b60216938",
                   "recipients": {"items": [{"status": "sent", "messagePartCount": 1}]}},
             Accepted("e8077d803532c0b5937c639b60216938", parts=1)),
            (401, {"errors": [{"code": 2, "description": "Request not allowed", "parameter": "access_key"}]},
             (Reason.CREDENTIALS, NEXT)),
            (500, {"errors": [{"code": 99, "description": "Internal error"}]}, (Reason.BROKEN_ANSWER, Then.UNCLEAR)),
            (402, {"errors": [{"code": 25, "description": "Not enough balance", "parameter": None}]}, (Reason.FUNDS, NEXT)),
            (422, {"errors": [{"code": 9, "description": "no (correct) recipients", "parameter": "recipients"}]},
             (Reason.INVALID_NUMBER, STOP)),
        ],
        state_path="/messages/e8077d803532c0b5937c639b60216938",
        states=[
            (200, {"recipients": {"items": [{"status": "delivered", "messagePartCount": 1}]}}, STATUS.DELIVERED),
            (200, {"recipients": {"items": [{"status": "delivery_failed"}]}}, STATUS.UNDELIVERED),
            (404, {"errors": [{"code": 20}]}, None),
        ],
        balance=({"payment": "prepaid", "type": "credits", "amount": 9.2}, Decimal("9.2")),
    ),
    "whatsapp": Provider(
        {"access_token": "canary-token", "app_secret": "canary-app-secret"}, whatsapp, "wamid.HBgLMTY1MDM4NzkzNTIVAgARGA==",
        path="/v21.0/106540352242922/messages",
        values={"template": "otp", "phone_number_id": "106540352242922", "language": "ru"},
        sent=[
            (200, {"messaging_product": "whatsapp", "messages": [{"id": "wamid.HBgLMTY1MDM4NzkzNTIVAgARGA=="}]},
             Accepted("wamid.HBgLMTY1MDM4NzkzNTIVAgARGA==")),
            (401, {"error": {"message": "expired", "code": 190}}, (Reason.CREDENTIALS, NEXT)),
            (400, {"error": {"message": "Message undeliverable", "code": 131026}}, (Reason.INVALID_NUMBER, NEXT)),
            (400, {"error": {"message": "Template", "code": 132001}}, (Reason.CONTENT, NEXT)),
            (400, {"error": {"message": "neu", "code": 777}}, (Reason.UNKNOWN_ERROR, NEXT)),
        ],
        pushed=("json", {"object": "whatsapp_business_account", "entry": [{"changes": [{"value": {"statuses": [
            {"id": "wamid.HBgLMTY1MDM4NzkzNTIVAgARGA==", "status": "delivered", "timestamp": "1750263773"}]}}]}]}),
    ),
    "smsgate": Provider(
        {"login": "canary-login", "password": "canary-password"}, smsgate, "PyDmBQZZXYmyxMwED8Fzy",
        path="/3rdparty/v1/messages",
        sent=[
            (202, {"id": "PyDmBQZZXYmyxMwED8Fzy", "state": "Pending"}, Accepted("PyDmBQZZXYmyxMwED8Fzy")),
            (409, {"message": "duplicate id"}, Accepted("", earlier=True)),
            (401, {"message": "Unauthorized"}, (Reason.CREDENTIALS, NEXT)),
            (400, {"message": "no phones"}, (Reason.BAD_REQUEST, NEXT)),
        ],
        state_path="/3rdparty/v1/messages/PyDmBQZZXYmyxMwED8Fzy",
        states=[
            (200, {"id": "1", "state": state}, status)
            for state, status in {
                "Pending": STATUS.ACCEPTED, "Sent": STATUS.ACCEPTED, "Delivered": STATUS.DELIVERED,
                "Failed": STATUS.UNDELIVERED, "Cancelling": STATUS.ACCEPTED, "Cancelled": STATUS.CANCELED,
            }.items()
        ] + [(404, {"message": "not found"}, None)],
    ),
    "httpsms": Provider(
        {"api_key": "canary-key"}, httpsms, "32343a19-da5e-4b1b-a767-3298a73703cb", path="/v1/messages/send",
        sent=[
            (200, {"status": "success", "data": {"id": "32343a19-da5e-4b1b-a767-3298a73703cb", "status": "pending"}},
             Accepted("32343a19-da5e-4b1b-a767-3298a73703cb")),
            (401, {"status": "error", "message": "unauthorized"}, (Reason.CREDENTIALS, NEXT)),
            (422, {"status": "error", "message": "validation"}, (Reason.BAD_REQUEST, NEXT)),
        ],
        state_path="/v1/messages/32343a19-da5e-4b1b-a767-3298a73703cb",
        states=[
            (200, {"data": {"status": "sent"}}, STATUS.ACCEPTED), (200, {"data": {"status": "delivered"}}, STATUS.DELIVERED),
            (200, {"data": {"status": "failed"}}, STATUS.UNDELIVERED), (404, {}, None),
        ],
    ),
}  # fmt: skip


def message() -> Outgoing:
    return Outgoing(
        phone=PHONE, text=TEXT, client_id=CLIENT_ID, expires_at=datetime.now(UTC) + timedelta(minutes=5), code=CODE,
        locale="ru",
    )  # fmt: skip


def test_every_shipped_table_is_here() -> None:
    assert sorted(PROVIDERS) == providers.names()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_send_is_as_the_documents_say(name: str, stub: Stub) -> None:
    provider = PROVIDERS[name]
    gateway = provider.build(name, stub.url)
    for status, body, meaning in provider.sent:
        stub.status, stub.body = status, json.dumps(body, ensure_ascii=False).encode()
        found = await outcome(gateway.send(message(), PATIENT))
        if isinstance(found, GatewayError):
            assert "canary" not in found.words
            found = (found.reason, found.then)
        assert found == meaning, body
    for request in stub.read:
        assert (request.method, urlsplit(request.path).path) == ("POST", provider.path)
        provider.check(request)
    await gateway.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_pages_and_faults_are_unclear(name: str, stub: Stub) -> None:
    gateway = PROVIDERS[name].build(name, stub.url)
    for status, body in (
        (200, b"<html>502</html>"),
        (502, b"Bad Gateway"),
        (200, b""),
        (200, b"{}"),
        (500, b"{}"),
        (302, b""),
    ):
        stub.status, stub.body = status, body
        with pytest.raises(GatewayError) as caught:
            await gateway.send(message(), PATIENT)
        assert (caught.value.reason, caught.value.then) == (Reason.BROKEN_ANSWER, UNCLEAR), (status, body)
    await gateway.close()


@pytest.mark.parametrize("name", [name for name, each in PROVIDERS.items() if each.states])
async def test_states_are_as_the_documents_say(name: str, stub: Stub) -> None:
    provider = PROVIDERS[name]
    gateway = provider.build(name, stub.url)
    for status, body, meaning in provider.states:
        stub.status, stub.body = status, json.dumps(body).encode()
        found = await gateway.deliveries([provider.id])
        assert [each.status for each in found] == ([meaning] if meaning else []), body
    for request in stub.read:
        assert urlsplit(request.path).path == provider.state_path
        assert provider.id in request.path or provider.id in request.body.decode()
    await gateway.close()


@pytest.mark.parametrize("name", [name for name, each in PROVIDERS.items() if each.balance])
async def test_the_balance_is_read(name: str, stub: Stub) -> None:
    provider = PROVIDERS[name]
    gateway = provider.build(name, stub.url)
    assert provider.balance
    stub.body = json.dumps(provider.balance[0]).encode()

    assert await gateway.balance(1.0) == provider.balance[1]
    await gateway.close()


def push(provider: Provider, body: bytes, **headers: str) -> Push:
    return Push("POST", "/callbacks/tested", {}, headers, body)


@pytest.mark.parametrize("name", [name for name, each in PROVIDERS.items() if each.pushed])
async def test_pushes_are_read(name: str) -> None:
    provider = PROVIDERS[name]
    assert provider.pushed
    gateway = provider.build(name, "http://127.0.0.1:9", callback={"token": "t" * 32})
    assert isinstance(gateway, TakesCallbacks)
    body = provider.pushed[1].encode() if provider.pushed[0] == "form" else json.dumps(provider.pushed[1]).encode()
    signature = hmac.new(b"canary-app-secret", body, hashlib.sha256).hexdigest()

    told = gateway.read_push(push(provider, body, **{"x-hub-signature-256": f"sha256={signature}"}))

    assert [(each.provider_id, each.status) for each in told.deliveries] == [(provider.id, STATUS.DELIVERED)]
    await gateway.close()


async def test_a_push_of_whatsapp_is_believed_only_with_its_signature() -> None:
    provider = PROVIDERS["whatsapp"]
    assert provider.pushed
    gateway = provider.build("whatsapp", "http://127.0.0.1:9", callback={"token": "t" * 32})
    assert isinstance(gateway, TakesCallbacks)
    assert gateway.believes_pushes
    body = json.dumps(provider.pushed[1]).encode()
    for headers in ({}, {"x-hub-signature-256": "sha256=" + "0" * 64}, {"x-hub-signature-256": ""}):
        refused = gateway.read_push(push(provider, body, **headers))
        assert (refused.deliveries, refused.status, refused.understood) == ([], 400, False)
    shaken = gateway.read_push(Push("GET", "/callbacks/tested", {"hub.challenge": "1158201444"}, {}, b""))
    assert (shaken.answer, shaken.status) == (b"1158201444", 200)
    hostile = gateway.read_push(Push("GET", "/callbacks/tested", {"hub.challenge": "<script>"}, {}, b""))
    assert hostile.status == 400
    await gateway.close()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_table_without_its_secrets_says_which(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^gateways\.tested\.secrets: \w+"):
        build("tested", {"kind": "http", "provider": name, "base_url": "https://a.example", "sender": "Shop"})


def test_every_table_says_that_it_was_not_tried() -> None:
    for name in providers.names():
        head = (providers._FOLDER / f"{name}.toml").read_text("utf-8").splitlines()[:2]
        assert "From the documents, not tried live." in " ".join(head).replace(" # ", " ").replace(
            "not # tried", "not tried"
        )
