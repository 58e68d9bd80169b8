"""Kind `http`: what a table may say, how it is filled in, and that neither a table nor an answer can do harm."""

# ruff: noqa: E501  tables of cases
from __future__ import annotations

import base64
import gc
import hashlib
import hmac
import json
import random
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree.ElementTree import fromstring

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Outgoing, Push, TakesCallbacks, Then
from otp_service.gateways.described.reading import bounded_pattern, document, locator
from otp_service.gateways.registry import build, warnings
from tests.gateways.stub import PATIENT, Stub
from tests.gateways.test_hostile_answers import check, mutated, outcome
from tests.sizes import sized

TEXT = "Код 654321 \"'&<b>=1%\r\n{text} \\ ё 😀 +;|"
RULES = [{"status": ["2xx"], "at": "/ok", "is": ["true"], "then": "accepted"}]


def table(url: str = "http://127.0.0.1:9", **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": "http",
        "base_url": url,
        "sender": "Shop & Co",
        "secrets": {"key": "canary-key", "password": "canary \u00e4/+pass"},
        "send": {"path": "/send", "json": {"to": "{phone}", "text": "{text}"}, "answer": {"rules": RULES, "id": "/id"}},
    }
    return {**found, **changes}


def message(**changes: Any) -> Outgoing:
    fields: dict[str, Any] = {
        "phone": "+79161234567", "text": TEXT, "client_id": "170000000000101", "code": "654321", "locale": "ru",
        "expires_at": datetime.now(UTC) + timedelta(minutes=5), **changes,
    }  # fmt: skip
    return Outgoing(**fields)


def send(**request: Any) -> dict[str, Any]:
    return {"path": "/send", "answer": {"rules": RULES, "id": "/id"}, **request}


async def sent(stub: Stub, **changes: Any) -> Any:
    stub.body = b'{"ok": true, "id": "7"}'
    gateway = build("tested", table(stub.url, **changes))
    try:
        assert await gateway.send(message(), PATIENT) == Accepted("7")
    finally:
        await gateway.close()
    return stub.read[-1]


# Requests


async def test_each_value_is_escaped_for_its_place(stub: Stub) -> None:
    """A text that would end a string, a tag, a parameter or a line arrives as it is, and nothing besides it."""
    request = await sent(
        stub, send=send(json={"to": "{phone}", "nested": [{"text": "a {text} b"}], "ttl": "{ttl_seconds:int}"})
    )
    found = json.loads(request.body)
    assert (found["to"], found["nested"], isinstance(found["ttl"], int)) == (
        "+79161234567",
        [{"text": f"a {TEXT} b"}],
        True,
    )

    request = await sent(stub, send=send(form={"to": "{phone_digits}", "text": "{text}", "fixed": "a&b=c"}))
    assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == {
        "to": "79161234567", "text": TEXT, "fixed": "a&b=c",
    }  # fmt: skip

    request = await sent(stub, send=send(method="GET", path="/v1/{phone}/send", query={"text": "{text}", "a b": "1"}))
    assert urlsplit(request.path).path == "/v1/%2B79161234567/send"
    assert dict(parse_qsl(urlsplit(request.path).query, strict_parsing=True)) == {"text": TEXT, "a b": "1"}

    request = await sent(stub, send=send(xml='<sms to="{phone}" key="{secret.key}"><text>{text}</text>{{x}}</sms>'))
    root = fromstring(request.body)
    assert (root.get("to"), len(root), root[0].text) == ("+79161234567", 1, TEXT.replace("\r\n", "\n"))


HOSTILE = (
    "\r\n\r\nGET / HTTP/1.1\r\n",
    "\u2028\u2029\u0085",
    "\u202e\u200b\ufeff",
    "]]><!DOCTYPE a>&lt;",
    "%00%0d%0a",
    "\0\x1b\x7f",
    '","x":"',
    '\\"\\u0022',
    "&x=1#y?z",
    "{phone}{{x}}",
    "{secret.key}",
    "\ufffe\uffff",
    "\ud800",
    "\udfff\ud800",
    "😀" * 200,
)
PLACES = {
    "json": {"json": {"to": "{phone}", "text": "{text}", "more": "fixed"}},
    "form": {"form": {"to": "{phone}", "text": "{text}", "more": "fixed"}},
    "query": {"method": "GET", "query": {"to": "{phone}", "text": "{text}", "more": "fixed"}},
    "path": {"method": "GET", "path": "/{phone}/{text}/fixed"},
    "xml": {"xml": '<a to="{phone}" text="{text}"><text>{text}</text><more>fixed</more></a>'},
    "header": {"json": {"to": "{phone}"}, "headers": {"X-Text": "{text}"}},
}


@pytest.mark.parametrize("place", PLACES)
async def test_whatever_a_value_is_it_stays_in_its_place(stub: Stub, place: str) -> None:
    """A strict reader finds the value where it belongs, and everything around it as it was written; or nothing is sent."""
    stub.body = b'{"ok": true, "id": "7"}'
    gateway = build("tested", table(stub.url, send=send(**PLACES[place])))
    went = 0
    for text in HOSTILE:
        before, refused = len(stub.read), None
        try:
            await gateway.send(message(text=text), PATIENT)
        except GatewayError as error:
            refused = (error.reason, error.then)
        if len(stub.read) == before:
            assert refused == (Reason.BAD_REQUEST, Then.NEXT), text
            continue
        assert refused is None
        (request,) = stub.read[before:]
        went += 1
        whole = text.encode("utf-8", "replace").decode()
        if place == "json":
            assert json.loads(request.body) == {"to": "+79161234567", "text": whole, "more": "fixed"}
        elif place in ("form", "query"):
            written = request.body.decode() if place == "form" else urlsplit(request.path).query
            found = dict(parse_qsl(written, strict_parsing=True, keep_blank_values=True))
            assert found == {"to": "+79161234567", "text": whole, "more": "fixed"}
        elif place == "path":
            assert [unquote(each) for each in urlsplit(request.path).path.split("/")[1:]] == [
                "+79161234567", whole, "fixed",
            ]  # fmt: skip
        elif place == "xml":
            root = fromstring(request.body)
            assert (root.get("to"), len(root), root[1].text) == ("+79161234567", 2, "fixed")
            assert not set(root[0].text or "") - set(text) - {"\n"}
        else:
            assert request.headers["x-text"] == text
    await gateway.close()
    assert went >= (4 if place == "header" else len(HOSTILE) - 2)
    assert "canary" not in str([request.body for request in stub.read])


@pytest.mark.parametrize("hostile", ["a\r\nX-Evil: 1", "a\nb", "\u00e4", "a\0b"])
async def test_what_has_no_place_in_a_header_is_not_sent(stub: Stub, hostile: str) -> None:
    gateway = build("tested", table(stub.url, send=send(json={"to": "{phone}"}, headers={"X-Text": "{text}"})))
    with pytest.raises(GatewayError) as caught:
        await gateway.send(message(text=hostile), PATIENT)
    await gateway.close()
    assert (caught.value.reason, caught.value.then, stub.read) == (Reason.BAD_REQUEST, Then.NEXT, [])


async def test_credentials(stub: Stub) -> None:
    request = await sent(stub, auth={"basic": {"user": "me", "password": "{secret.password}"}})
    pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "me:canary \u00e4/+pass"
    request = await sent(stub, auth={"bearer": "{secret.key}"})
    assert request.headers["authorization"] == "Bearer canary-key"


async def test_a_signature_is_one_over_what_is_sent(stub: Stub) -> None:
    signature = {
        "header": "X-Sign", "key": "{secret.key}", "over": "{method}\n{path}\n{timestamp}\n{nonce}\n{body}",
        "algorithm": "sha512", "encoding": "base64", "value": "t={timestamp},n={nonce},s={signature}",
    }  # fmt: skip
    request = await sent(stub, auth={"signature": signature})

    given = dict(part.split("=", 1) for part in request.headers["x-sign"].split(","))
    over = f"POST\n/send\n{given['t']}\n{given['n']}\n".encode() + request.body
    assert given["s"] == base64.b64encode(hmac.new(b"canary-key", over, hashlib.sha512).digest()).decode()
    assert abs(int(given["t"]) - time.time()) < 60


async def test_messages_are_not_more_than_allowed(stub: Stub) -> None:
    stub.body = b'{"ok": true, "id": "7"}'
    gateway = build("tested", table(stub.url, max_per_second=10))
    began = time.monotonic()
    for _ in range(4):
        await gateway.send(message(), PATIENT)
    assert time.monotonic() - began > 0.28
    for _ in range(4):
        with pytest.raises(GatewayError) as caught:
            await gateway.send(message(), 0.1)
    await gateway.close()
    assert (caught.value.reason, caught.value.then) == (Reason.THROTTLED, Then.NEXT)


async def test_countries(stub: Stub) -> None:
    gateway = build("tested", table(stub.url, countries=["DE"]))
    with pytest.raises(GatewayError) as caught:
        await gateway.send(message(), PATIENT)
    await gateway.close()
    assert (caught.value.reason, stub.read) == (Reason.DIRECTION_CLOSED, [])


# Refused at the start


GOOD = {"json": {"to": "{phone}", "text": "{text}"}}
STATUS = {"path": "/s", "answer": {"state": "/s", "states": {"ok": "delivered"}}}
CALLBACK = {"token": "t" * 32, "id": "/id", "state": "/s", "states": {"ok": "delivered"}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"send": send(json={"to": "{phone}", "text": "{txt}"})}, r"send\.json\.text: there is no \{txt\} here; there are: .*\{text\}"),
        ({"send": send(json={"to": "{phone}", "text": "{text"})}, r"send\.json\.text: a lone '\{'"),
        ({"send": send(json={"to": "{phone}", "text": "a {ttl_seconds:int} {text}"})}, "must be the whole of a text"),
        ({"send": send(json={"to": "x", "text": "{text}"})}, r"send: says to nobody"),
        ({"send": send(json={"to": "{phone}"})}, r"send: sends no code"),
        ({"send": send(json={"to": "{secret.nobody}", "text": "{text}"})}, r"there is no \{secret\.nobody\}"),
        ({"send": send(path="send", **GOOD)}, r"send\.path: must begin with /"),
        ({"send": send(path="/send?a=1", **GOOD)}, "parameters go to `query`"),
        ({"send": send(form={"a": "{phone}{text}"}, **GOOD)}, "a request has one body"),
        ({"send": send(method="GET", **GOOD)}, "a GET has no body"),
        ({"send": send(xml="<a>{phone}{text}")}, r"send\.xml: is no well-formed XML"),
        ({"send": send(xml='<!DOCTYPE a><a>{phone}{text}</a>')}, r"send\.xml: is no well-formed XML"),
        ({"send": send(headers={"Host": "evil"}, **GOOD)}, "cannot be set"),
        ({"send": send(headers={"X-A\r\nB": "1"}, **GOOD)}, "cannot be set"),
        ({"send": {"path": "/send", **GOOD}}, "no rule says when a message is accepted"),
        ({"send": {**send(**GOOD), "answer": {"rules": [{"then": "accepted", "at": "/a"}]}}}, r"rules\[0\]: what about"),
        ({"send": {**send(**GOOD), "answer": {"rules": [{"then": "accepted", "is": ["1"]}]}}}, r"rules\[0\]\.at: is missing"),
        ({"send": {**send(**GOOD), "answer": {"rules": [{"then": "accepted", "status": ["ok"]}]}}}, "neither an HTTP status"),
        ({"send": {**send(**GOOD), "answer": {"rules": [{"then": "accepted", "at": "a", "is": ["1"]}]}}}, "JSON pointer"),
        ({"send": {**send(**GOOD), "answer": {"rules": [{"then": "taken"}]}}}, "then"),
        ({"send": {**send(**GOOD), "answer": {"rules": [{"then": "accepted"}]}}}, r"rules\[0\]: says accepted of every answer"),
        ({"send": {**send(**GOOD), "answer": {"rules": RULES, "id": "id"}}}, r"send\.answer\.id: must be a JSON pointer"),
        ({"send": {**send(**GOOD), "answer": {"rules": RULES}}, "status": STATUS}, r"send\.answer\.id: is missing"),
        ({"status": {"path": "/s"}}, r"status\.answer\.state: is missing"),
        ({"status": {**STATUS, "path": "/s/{phone}"}}, r"status\.path: there is no \{phone\}"),
        ({"status": {"path": "/s", "answer": {"state": "/s"}}}, r"status\.answer\.states: says what"),
        ({"balance": {"path": "/b"}}, r"balance\.answer\.balance: is missing"),
        ({"repeatable": True}, r"repeatable: is true, so \{client_id\}"),
        ({"sender": "", "send": send(json={"to": "{phone}", "a": "{text} {sender}"})}, r"sender: is missing"),
        ({"callback": {**CALLBACK, "believe": True}}, r"callback\.believe: needs"),
        ({"callback": {**CALLBACK, "networks": ["10.0.0.1/8"]}}, r"callback\.networks"),
        ({"callback": {**CALLBACK, "from": "/f", "said": "/t"}}, r"callback\.from: needs"),
        ({"callback": {**CALLBACK, "from": "/f", "networks": ["10.0.0.0/8"]}}, r"callback\.said: `from` and `said`"),
        ({"callback": {**CALLBACK, "id": ""}}, r"callback\.id: is missing"),
        ({"callback": {**CALLBACK, "states": {}}}, r"callback\.states: says what"),
        ({"callback": {**CALLBACK, "states": {"ok": "arrived"}}}, r"callback\.states"),
        ({"provider": "nobody"}, r"provider: must be one of .*twilio"),
        ({"base_url": "http://provider.example"}, "allow_plaintext"),
        ({"nonsense": 1}, "there is no key 'nonsense'"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_work_is_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        build("tested", table(**changes))
    assert str(caught.value).startswith("gateways.tested")
    assert "canary" not in str(caught.value)


def test_plain_http_is_warned_about() -> None:
    (sentence,) = warnings("tested", table("http://provider.example", allow_plaintext=True))
    assert "plain http" in sentence


# Regular expressions


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$", r"(a|a)*b", r"(?:a*)*", r"((a))", r"(\w+\s?)+x", r"a*?b", r"a{2}?", r"(?=a)", r"(?P<n>a)", r"(?i)a", r"\1",
        r"a|b|c|d|e", r"(", r"[", "a" * 201, r"(a)(b)", r"*", r"a**", r"\Aa", r"(?:a|b)+",
    ],
)  # fmt: skip
def test_a_pattern_that_could_take_long_is_refused(pattern: str) -> None:
    with pytest.raises(SettingsError, match=r"^here: "):
        bounded_pattern(pattern, "here")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"OK - \d+ SMS, ID - (\d+)", "OK - 2 SMS, ID - 1234", "1234"),
        (r"^ERROR = (\d+)", "ERROR = 6 (denied)", "6"),
        (r"id: ?([0-9a-f-]{36})", "id: 32343a19-da5e-4b1b-a767-3298a73703cb", "32343a19-da5e-4b1b-a767-3298a73703cb"),
        (r"(?:accepted|queued);([^;]+);", "queued;abc;1", "abc"),
        (r"balance=(-?[0-9]+\.?[0-9]*)", "balance=10.5", "10.5"),
        (r"(\d+)", "no", None),
    ],
)
def test_patterns(pattern: str, text: str, found: str | None) -> None:
    where = locator(pattern, "text", "here")
    assert where
    assert where.find(document(text, "text")) == found


PIECES = [
    r"\w+",
    r"\d*",
    "[a-z]+",
    "[^;]*",
    ".",
    ".*",
    "a?",
    "a",
    "(?:a|b)",
    "(?:ab|a|b)",
    r"\s*",
    "(a+)",
    "|",
    "[ab]{2,500}",
    "$",
    r"\b",
]
SUBJECTS = ["a" * 300_000, "ab" * 150_000, "a " * 150_000, ";" * 300_000, "a" * 1023 + "!", "\n" * 300_000]


def test_no_pattern_takes_over_50_ms() -> None:
    """Thousands of patterns made of what is allowed, against texts that they nearly match."""
    draw = random.Random(20260301)
    tried, worst = 0, 0.0
    for _ in range(3000):
        pattern = "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 30))) + draw.choice(["", "!", "$", "x"])
        try:
            where = locator(pattern, "text", "here")
        except SettingsError:
            continue
        assert where
        tried += 1
        for subject in draw.sample(SUBJECTS, 2):
            began = time.thread_time()
            where.find(document(subject, "text"))
            worst = max(worst, time.thread_time() - began)
    assert tried > 300
    assert worst < 0.05


# Answers


FORMATS: dict[str, tuple[dict[str, Any], list[bytes]]] = {
    "json": (
        {"rules": [{"at": "/data/0/state", "is": ["ok", "queued"], "then": "accepted"}, {"at": "/error", "exists": True, "then": "rejected"}],
         "id": "/data/0/id", "parts": "/data/0/parts", "words": "/error"},
        [b'{"data": [{"state": "OK", "id": "a-1", "parts": 2}]}', b'{"error": "No such thing 12345"}'],
    ),
    "xml": (
        {"format": "xml", "rules": [{"at": "/response/sms[1]/@state", "is": ["ok"], "then": "accepted"}, {"at": "/response/error", "exists": True, "then": "rejected"}],
         "id": "/response/sms/@id", "parts": "/*/sms/parts", "words": "/response/error"},
        [b'<?xml version="1.0"?><response><sms state="ok" id="a-1"><parts>2</parts></sms></response>', b"<response><error>No</error></response>"],
    ),
    "text": (
        {"format": "text", "rules": [{"at": r"^OK;", "exists": True, "then": "accepted"}, {"at": r"^ERR (\d+)", "exists": True, "then": "rejected"}],
         "id": r"^OK;([^;]+);", "parts": r";(\d+)$", "words": r"^ERR \d+ ([^\n]+)"},
        [b"OK;a-1;2", b"ERR 7 no such thing"],
    ),
    "form": (
        {"format": "form", "rules": [{"at": "state", "is": ["ok"], "then": "accepted"}, {"at": "error", "exists": True, "then": "rejected"}],
         "id": "id", "parts": "parts", "words": "error"},
        [b"state=ok&id=a-1&parts=2", b"error=No"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
async def test_each_reader_reads_its_form(form: str, stub: Stub) -> None:
    answer, (good, bad) = FORMATS[form]
    gateway = build("tested", table(stub.url, send={**send(**GOOD), "answer": answer}))
    stub.body = good
    assert await gateway.send(message(), PATIENT) == Accepted("a-1", parts=2)
    stub.body = bad
    error = await outcome(gateway.send(message(), PATIENT))
    assert isinstance(error, GatewayError)
    assert (error.reason, error.then, bool(error.words)) == (Reason.UNKNOWN_ERROR, Then.NEXT, True)
    await gateway.close()


async def read(form: str, body: bytes) -> object:
    from otp_service.gateways.described.answers import AnswerReader
    from otp_service.gateways.described.config import Answer
    from otp_service.gateways.http import Reply
    from otp_service.settings import convert

    reader = AnswerReader(convert(Answer, FORMATS[form][0], "here"), "here")

    async def judged() -> object:
        return reader.accepted(Reply(200, body))

    return await outcome(judged())


@pytest.mark.parametrize("form", FORMATS)
async def test_mutated_answers(form: str) -> None:
    draw = random.Random(f"{form} 20260301")
    for _ in range(400):
        check(await read(form, mutated(draw.choice(FORMATS[form][1]), draw)))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
async def test_many_mutated_answers_cost_little(form: str) -> None:
    draw = random.Random(f"{form} many")
    for _ in range(sized(10_000, 3_000)):
        body = mutated(draw.choice(FORMATS[form][1]), draw)
        gc.disable()  # only the reader decides, not the garbage of other tests
        tracemalloc.start()
        began = time.thread_time()
        result = await read(form, body)
        spent, (_, peak) = time.thread_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        gc.enable()
        check(result)
        assert spent < 0.05, body
        assert peak < 5_000_000, body


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000, b'{"a":' * 50_000, b"<a>" * 80_000, b"&" * 250_000, b"a=" * 100_000, b"9" * 250_000, b"<a/>" * 60_000,
        b'<!DOCTYPE a [<!ENTITY b "c">]><response>&b;</response>', b'{"data": ' + b"9" * 200_000 + b"}", b"\xff" * 250_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", FORMATS)
async def test_hostile_answers_are_broken_ones(form: str, body: bytes) -> None:
    began = time.thread_time()
    error = await read(form, body)
    assert time.thread_time() - began < 0.25
    assert isinstance(error, GatewayError)
    assert error.reason is Reason.BROKEN_ANSWER


async def test_a_page_with_status_200_is_no_success(stub: Stub) -> None:
    """Though the table looks at the status alone."""
    answer = {
        "rules": [
            {"then": "accepted", "status": [200, 201]},
            {"then": "rejected", "status": [409], "reason": "content"},
        ]
    }
    gateway = build("tested", table(stub.url, send={**send(**GOOD), "answer": answer}))
    for status, body, meaning in (
        (200, b"{}", None), (200, b"<html>502</html>", (Reason.BROKEN_ANSWER, Then.UNCLEAR)),
        (200, b"", (Reason.BROKEN_ANSWER, Then.UNCLEAR)), (409, b"", (Reason.CONTENT, Then.NEXT)),
    ):  # fmt: skip
        stub.status, stub.body = status, body
        found = await outcome(gateway.send(message(), PATIENT))
        assert (found.reason, found.then) == meaning if isinstance(found, GatewayError) else meaning is None
    await gateway.close()


# States and pushes


async def asked(stub: Stub, body: bytes, status: int = 200) -> list[Any]:
    gateway = build("tested", table(stub.url, status={"path": "/s/{id}", "method": "GET", "answer": {
        "state": "/s", "states": {"Done": "delivered", "no": "undelivered"}, "price": "/p", "parts": "/n",
        "rules": [{"at": "/s", "is": ["gone"], "then": "unknown_id"}, {"at": "/s", "is": ["auth"], "then": "rejected", "reason": "credentials"}]}}))  # fmt: skip
    stub.body, stub.status = body, status
    try:
        return await gateway.deliveries(["a/b?c"])
    finally:
        await gateway.close()


async def test_states(stub: Stub) -> None:
    (told,) = await asked(stub, b'{"s": "DONE", "p": 1.15, "n": 2}')
    assert (told.status, str(told.price), told.parts, told.provider_id) == (MessageStatus.DELIVERED, "1.15", 2, "a/b?c")
    assert stub.read[-1].path == "/s/a%2Fb%3Fc"
    assert [each.status for each in await asked(stub, b'{"s": "something new"}')] == [MessageStatus.ACCEPTED]
    assert await asked(stub, b'{"s": "gone"}') == []
    for body, status, reason in (
        (b'{"s": "auth"}', 200, Reason.CREDENTIALS), (b"{}", 200, Reason.BROKEN_ANSWER), (b'{"s": "done"}', 500, Reason.BROKEN_ANSWER),
        (b"", 429, Reason.THROTTLED),
    ):  # fmt: skip
        with pytest.raises(GatewayError) as caught:
            await asked(stub, body, status)
        assert caught.value.reason is reason


def pushing(**changes: Any) -> TakesCallbacks:
    gateway: Gateway = build("tested", table(callback={**CALLBACK, **changes}))
    assert isinstance(gateway, TakesCallbacks)
    return gateway


def told(gateway: TakesCallbacks, body: bytes, method: str = "POST", **query: str) -> list[tuple[str, str]]:
    pushed = gateway.read_push(Push(method, "/callbacks/tested", query, {}, body))
    return [(each.provider_id, str(each.status)) for each in pushed.deliveries]


def test_what_people_send_us_is_pushed() -> None:
    """An SMS of a person names its sender and says something; what has no phone for a sender is none."""
    gateway = pushing(**{"from": "/from", "said": "/text", "networks": ["127.0.0.0/8"], "items": "/all"})
    items = [
        {"from": "79161234567", "text": "SHOP 123456"}, {"from": "+79161234567", "text": "Привет"},
        {"from": "BANK", "text": "123456"}, {"from": "79161234567"}, {"id": "a", "s": "ok"}, 7,
        {"from": "7" * 40, "text": "1"}, {"from": ["79161234567"], "text": "1"},
    ]  # fmt: skip
    pushed = gateway.read_push(Push("POST", "/callbacks/tested", {}, {}, json.dumps({"all": items}).encode()))
    assert [(each.phone, each.text) for each in pushed.incoming] == [
        ("+79161234567", "SHOP 123456"), ("+79161234567", "Привет"),
    ]  # fmt: skip
    assert [each.provider_id for each in pushed.deliveries] == ["a"]


async def test_pushes() -> None:
    assert told(pushing(), b'{"id": "a-1", "s": "OK"}') == [("a-1", "delivered")]
    assert told(pushing(), b'{"id": 12, "s": "new"}') == [("12", "accepted")]
    assert told(
        pushing(items="/all"), b'{"all": [{"id": "a", "s": "ok"}, {"s": "ok"}, 7, {"id": "<b>", "s": "ok"}]}'
    ) == [("a", "delivered")]
    assert told(pushing(format="form", id="mid", state="st"), b"mid=a-1&st=ok") == [("a-1", "delivered")]
    assert told(pushing(format="form", id="mid", state="st"), b"", "GET", mid="a-1", st="ok") == [("a-1", "delivered")]
    assert told(pushing(format="xml", id="/r/@id", state="/r/s"), b'<r id="a-1"><s>ok</s></r>') == [
        ("a-1", "delivered")
    ]
    for nonsense in (
        b"",
        b"x",
        b"[1]",
        b"null",
        b"\xff",
        b'{"all": ' + b"[" * 100_000,
        json.dumps({"all": [1] * 1001}).encode(),
    ):
        assert told(pushing(items="/all"), nonsense) == []


async def test_a_signed_push_is_fresh() -> None:
    signature = {"header": "X-Sign", "key": "{secret.key}", "over": "{timestamp}\n{body}"}
    gateway = pushing(signature=signature, believe=True)
    body = b'{"id": "a-1", "s": "ok"}\xff'
    for age, good in ((0, True), (290, True), (400, False), (-400, False)):
        at = str(int(time.time()) - age)
        sign = hmac.new(b"canary-key", at.encode() + b"\n" + body, hashlib.sha256).hexdigest()
        pushed = gateway.read_push(
            Push("POST", "/callbacks/tested", {}, {"x-sign": sign, "x-request-timestamp": at}, body[:-1])
        )
        assert pushed.status == 400, "over other bytes"
        sign = hmac.new(b"canary-key", at.encode() + b"\n" + body[:-1], hashlib.sha256).hexdigest()
        pushed = gateway.read_push(
            Push("POST", "/callbacks/tested", {}, {"x-sign": sign, "x-request-timestamp": at}, body[:-1])
        )
        assert pushed.understood is good
