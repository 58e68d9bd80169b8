"""What a hostile page, a hostile caller and a hostile gateway get of the console: nothing."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping
from html import escape

import httpx
import pytest
from redis.asyncio import Redis

from otp_service.console.visit import host_and_port
from tests.api import Api, Gateways
from tests.console.desk import Desk, fields

HOSTILE = "<script>alert(1)</script>"
BREAKING = "\" onmouseover='alert(1)' x="
VIEWS = ("/console", "/console/find", "/console/gateways", "/console/fraud", "/console/webhooks", "/console/events",
         "/console/keys", "/console/operators", "/console/audit", "/console/settings")  # fmt: skip


def test_a_form_of_another_session_or_site_changes_nothing(desks: Mapping[str, Desk]) -> None:
    admin, other = desks["admin"], desks["viewer"]
    own = fields(admin.get("/console").text)["csrf"]
    foreign = fields(other.get("/console").text)["csrf"]
    add = {"name": "planted", "role": "admin"}
    for csrf in ({}, {"csrf": ""}, {"csrf": foreign}, {"csrf": own[:-1]}, {"csrf": "é"}):
        assert admin.post("/console/operators", {**add, **csrf}).status_code == 403
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://[::1"},
    ):
        answer = admin.post("/console/operators", {**add, "csrf": own}, headers=headers)
        assert answer.status_code == 403, headers
        assert admin.post("/console/sign-in", {"name": "x", "password": "y"}, headers=headers).status_code == 403
    assert "planted" not in admin.get("/console/operators").text
    for path in ("/console/operators", "/console/keys", "/console/fraud/lists", "/console/audit/export"):
        assert admin.get(f"{path}?csrf={own}&name=planted&role=admin&action=add").status_code in (200, 303, 404)
    assert "planted" not in admin.get("/console/operators").text, "no GET changes anything"


def test_what_is_older_than_all_entries_is_an_empty_page(admin_desk: Desk) -> None:
    for before in ("0-0", "0-1", "9" * 19 + "-" + "9" * 19, "x"):
        assert admin_desk.get(f"/console/audit?before={before}").status_code == 200, before


async def test_passwords_of_strangers_keep_no_code_waiting(api: Api, gateways: Gateways, phone: str) -> None:
    """A password costs as much as many codes: few are judged at a time, and who would wait too long hears so."""
    started = await api.started(phone)
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False, verify=False, timeout=60) as http:
        forms = [{"name": f"nobody-{phone[1:]}-{n}", "password": "a long guess at it"} for n in range(120)]
        guesses = [asyncio.create_task(http.post("/console/sign-in", data=form)) for form in forms]
        await asyncio.sleep(0.3)
        began = time.monotonic()
        assert await api.outcome(started["id"], (await gateways.codes(phone))[0]) == "approved"
        took = time.monotonic() - began
        waited = not all(guess.done() for guess in guesses)
        heard = Counter(answer.status_code for answer in await asyncio.gather(*guesses))
    assert set(heard) <= {401, 429, 503}, heard
    assert heard[503] > 0, heard
    assert took < 1.5 or not waited, took


@pytest.mark.parametrize("path", VIEWS)
def test_a_page_runs_nothing_but_our_own_script_and_is_in_no_frame(path: str, admin_desk: Desk) -> None:
    answer = admin_desk.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert not re.search(r"<[^>]+\s(?:on\w+|style)=|<style|javascript:|<script(?![^>]* src=)", answer.text)


async def test_what_callers_and_gateways_write_is_text(
    api: Api, gateways: Gateways, admin_desk: Desk, redis: Redis, phone: str
) -> None:
    desk = admin_desk
    for n, hostile in enumerate((HOSTILE, BREAKING)):
        body = {"reference": hostile, "subject": "anna", "purpose": "login"}
        to = f"{phone[:-1]}{n}"
        started = (await api.start(to, **body)).json()
        assert started.get("reference", hostile) == hostile, started
        (name,) = [key async for key in redis.scan_iter(match=f"otp:v:*{started['id']}", count=1000)]
        await redis.hset(name, mapping={"m1:words": hostile, "m1:reason": hostile, "m1:gateway": hostile})
        csrf = {"csrf": fields(desk.get("/console/find").text)["csrf"], "application": "web"}
        seen = [desk.get(f"/console/verifications/{started['id']}"), desk.get("/console/events?application=web")]
        seen += [desk.post("/console/find", {**csrf, "q": words}) for words in (to, hostile)]
        made = desk.post("/console/keys", {**csrf, "name": hostile, "days": "0", "scope": "read"})
        seen += [made, desk.get(f"/console/audit?actor={hostile}"), desk.get(f"/console/fraud?days={hostile}")]
        seen += [desk.post("/console/fraud/lists", {**csrf, "list": "block", "value": hostile, "action": "add"})]
        seen += [desk.post("/console/operators", {**csrf, "name": hostile, "role": "viewer"})]
        seen += [desk.post("/console/sign-in", {"name": hostile, "password": "x"})]
        for answer in seen:
            assert hostile not in answer.text, answer.url
        assert str(escape(hostile)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in seen[0].text
    found = re.search(r'/console/keys/([0-9a-f]{8})"', made.text)
    assert found


def test_the_answer_of_a_form_can_be_loaded_again(admin_desk: Desk) -> None:
    """In the other language, too; it showed the JSON of callers. Nothing is done a second time."""
    for form, page in (
        ("/console/operators/nobody", "/console/operators"), ("/console/keys/00000000", "/console/keys"),
        ("/console/webhooks/x", "/console/webhooks"), ("/console/gateways/smska", "/console/gateways"),
        ("/console/fraud/lists", "/console/fraud"), ("/console/audit/export", "/console/audit"),
        ("/console/sign-out", "/console"),
    ):  # fmt: skip
        answer = admin_desk.get(form)
        assert (answer.status_code, answer.headers.get("location")) == (303, page), form
        assert admin_desk.get(page).status_code == 200


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://OTP.Example.ru", "otp.example.ru"), ("https://otp.example.ru:443/", "otp.example.ru"),
        ("https://otp.example.ru:8443", "otp.example.ru:8443"), ("http://127.0.0.1:80/x", "127.0.0.1"),
        ("http://otp.example.ru:443", "otp.example.ru:443"), ("https://[2001:DB8::1]:443", "[2001:db8::1]"),
        ("https://otp.example.ru@evil.example", "evil.example"), ("null", ""), ("https://", ""), ("http://[", ""),
        ("https://otp.example.ru:x", ""), ("https://otp.example.ru:99999", ""),
    ],
)  # fmt: skip
def test_sites_are_compared_as_browsers_write_them(url: str, written: str) -> None:
    assert host_and_port(url) == written


def test_nobody_is_led_away(admin_desk: Desk) -> None:
    for back in ("//evil.example", "https://evil.example", "/\\evil.example", "/other", "javascript:alert(1)", ""):
        answer = admin_desk.get("/console/language/ru", params={"back": back})
        assert answer.headers["location"] == "/console"
    assert (
        admin_desk.get("/console/language/ru", params={"back": "/console/keys"}).headers["location"] == "/console/keys"
    )


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=%ff", b"&".join(b"a%d=1" % n for n in range(500))])
def test_what_is_no_form_is_refused(body: bytes, admin_desk: Desk) -> None:
    cookie = {"Cookie": f"otp_console={admin_desk.token}", "Content-Type": "application/x-www-form-urlencoded"}
    assert admin_desk.http.post("/console/find", content=body, headers=cookie).status_code == 400


@pytest.mark.parametrize("token", [".", "x" * 5000 + ".y", "a.b\x7f", "é.é", "0123456789abcdef.", "../../x.y"])
def test_a_made_up_session_opens_nothing(token: str, service_urls: list[str]) -> None:
    desk = Desk(service_urls[0])
    answer = desk.http.get("/console", headers={"Cookie": f"otp_console={token}".encode()})
    assert answer.status_code in (303, 400, 431)


async def test_a_phone_is_in_no_log_and_no_address(
    api: Api, gateways: Gateways, admin_desk: Desk, redis: Redis, phone: str
) -> None:
    started = (await api.start(phone)).json()
    found = admin_desk.send("/console/find", q=phone, application="web")
    assert phone in found.text
    assert all(phone not in link for link in re.findall(r'(?:href|action)="([^"]*)"', found.text))
    admin_desk.get(f"/console/verifications/{started['id']}")
    entries = [fields for _, fields in await redis.xrevrange("otp:audit", count=2)]
    viewed = [entry for entry in entries if entry[b"action"] in (b"person.viewed", b"verification.viewed")]
    assert len(viewed) == 2
    assert all(entry[b"actor"] == f"operator:{admin_desk.name}".encode() for entry in viewed)
    assert phone.encode() not in repr(entries).encode()


async def test_nobody_looks_unseen_by_saying_that_a_page_renews_itself(
    api: Api, gateways: Gateways, desks: Mapping[str, Desk], redis: Redis, phone: str
) -> None:
    """The first look is written down whatever it says; those of the page that stays open are not, or they were all."""
    desk, renewal = desks["support"], {"X-Console-Renewal": "1"}
    started = await api.started(phone)
    actor = f"operator:{desk.name}".encode()

    async def told(action: bytes, subject: bytes) -> int:
        entries = [entry for _, entry in await redis.xrevrange("otp:audit", count=200)]
        return sum(
            (entry[b"actor"], entry[b"action"], entry[b"subject"]) == (actor, action, subject) for entry in entries
        )

    for path, action, subject in (
        (f"/console/verifications/{started['id']}", b"verification.viewed", started["id"].encode()),
        ("/console/events?application=other", b"events.viewed", b""),
    ):
        before = await told(action, subject)
        for _ in range(3):
            assert desk.get(path, headers=renewal).status_code == 200
        assert await told(action, subject) == before + 1, path
        desk.get(path)
        assert await told(action, subject) == before + 2, path


async def test_whatever_is_stored_is_text(
    api: Api, gateways: Gateways, admin_desk: Desk, redis: Redis, phone: str
) -> None:
    """Every field of every record that a page shows, written by somebody who got at Redis: none becomes HTML."""
    started = await api.started(phone, subject="anna", reference="order")
    pages = (*VIEWS, f"/console/verifications/{started['id']}", "/console?span=30d", "/console/events?application=web")
    stored = ("otp:gateway:*", "otp:hook:*", "otp:fraud:*", "otp:challenges:*", "otp:spending:*", "otp:twilio:*",
              f"otp:v:*{started['id']}", "otp:{apikeys}:*", "otp:hours:*", "otp:days:*")  # fmt: skip
    for pattern in stored:
        for name in [name async for name in redis.scan_iter(match=pattern, count=1000)][:6]:
            if await redis.type(name) != b"hash":
                continue
            kept, ttl = await redis.dump(name), await redis.pttl(name)
            fields_of = await redis.hgetall(name)
            try:
                for field, value in fields_of.items():
                    if not value.isdigit() and field not in (b"phone", b"key_id", b"status", b"application"):
                        await redis.hset(name, field, HOSTILE)
                await redis.hset(name, f"1|{HOSTILE}|{HOSTILE}|x", "1")
                for path in pages:
                    answer = admin_desk.get(path)
                    assert HOSTILE not in answer.text, (pattern, path)
                    assert answer.status_code in (200, 303, 404, 503), (pattern, path)
            finally:
                await redis.restore(name, max(ttl, 0), kept, replace=True)


def test_what_is_shown_once_is_kept_nowhere(admin_desk: Desk) -> None:
    """Secrets and links are on pages that no cache keeps and no address names."""
    csrf = {"csrf": fields(admin_desk.get("/console/keys").text)["csrf"]}
    made = admin_desk.post("/console/keys", {**csrf, "name": "x", "days": "30", "scope": "read", "application": "web"})
    invited = admin_desk.post("/console/operators", {**csrf, "name": f"op-{time.time_ns()}", "role": "viewer"})
    for answer in (made, invited):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
    (link,) = re.findall(r'id="link">([^<]+)<', invited.text)
    page = admin_desk.get("/console/enrol/" + link.rpartition("/")[2])
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
