"""The phone and the shop, as a browser gets them."""

from __future__ import annotations

import re

import httpx
import pytest

from otp_service.sandbox.app import create_sandbox
from otp_service.sandbox.pages.html import TEMPLATES
from otp_service.sandbox.pages.words import EN, PROBLEMS_IN_RUSSIAN, RU

from .speak import PHONE, Sandbox, sms
from .stub_service import (
    BACKUP_CODES,
    CODE,
    REFUSED_PHONE,
    SWAPPED_CODE,
    SWAPPED_PHONE,
    TOO_SOON,
    USED_CODE,
    StubService,
)


async def test_inbox(sandbox: Sandbox) -> None:
    await sandbox.send(sms(text="Код: 042137, никому его не говорите"))
    await sandbox.smska_send("79160000099")

    everything = await sandbox.http.get("/")
    one = await sandbox.http.get("/", params={"phone": f"+{PHONE}"})

    assert everything.status_code == 200
    assert everything.headers["content-type"] == "text/html; charset=utf-8"
    assert '<button type="button" class="code" data-code="042137">042137</button>, никому' in everything.text
    for words in ("TargetSMS · XML", "sms-ka", f"+{PHONE}", "+79160000099", "DEMO", "✓"):
        assert words in everything.text
    assert "sms-ka</span>" not in one.text


async def test_everything_is_escaped(sandbox: Sandbox) -> None:
    attack = "<script>alert(1)</script>"
    await sandbox.account(any_originator=True)
    await sandbox.send(sms(text=f"{attack} 1234 {attack}", sender="&lt;b&gt;"))

    for path in ("/", f"/?phone={PHONE}", "/fragments/screen", "/fragments/phones", f'/?phone="{attack}'):
        page = await sandbox.http.get(path)
        assert page.status_code == 200
        assert attack not in page.text
        assert "<b></b>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in (await sandbox.http.get("/")).text
    assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_fragments_follow_the_messages(sandbox: Sandbox) -> None:
    assert "No messages yet" in (await sandbox.http.get("/fragments/screen")).text

    await sandbox.send(sms())
    await sandbox.advance(3)

    assert "delivered" in (await sandbox.http.get("/fragments/screen")).text
    assert f"+{PHONE}" in (await sandbox.http.get("/fragments/phones")).text


async def test_p15_clear_hides_and_forgets_nothing(sandbox: Sandbox) -> None:
    await sandbox.send(sms(text="Old one"))
    assert "<title>(1) Sandbox phone</title>" in (await sandbox.http.get("/")).text
    cleared = await sandbox.http.post("/clear", follow_redirects=True)
    assert "Old one" not in cleared.text
    assert "<title>Sandbox phone</title>" in cleared.text
    assert [found["text"] for found in (await sandbox.http.get("/_sim/messages")).json()] == ["Old one"]
    await sandbox.send(sms(text="New one"))
    page = (await sandbox.http.get("/")).text
    assert "New one" in page
    assert "Old one" not in page
    assert 'data-total="1"' in (await sandbox.http.get("/fragments/phones")).text
    await sandbox.http.post("/_sim/reset")
    assert "No messages yet" in (await sandbox.http.get("/")).text


async def test_p15_search_in_texts(sandbox: Sandbox) -> None:
    await sandbox.send(sms(text="Код: 042137"))
    await sandbox.send(sms(text="Ваш заказ едет"))

    async def found(q: str) -> str:
        return (await sandbox.http.get("/fragments/screen", params={"q": q})).text

    assert "042137" in await found(" код ")
    assert "заказ" not in await found("код")
    assert "заказ" in await found("ЗАКАЗ")
    assert "042137" in await found("2137")
    assert "No message has these words." in await found("чай")
    assert 'value="&quot;&gt;&lt;b&gt;"' in (await sandbox.http.get("/", params={"q": '"><b>'})).text


async def test_p15_a_fault_by_a_click(sandbox: Sandbox) -> None:
    await sandbox.http.post("/traffic/faults", data={"gateway": "xml", "fault": "fault_html"})
    page = await sandbox.http.post(
        "/traffic/faults", data={"gateway": "xml", "fault": "fault_down"}, follow_redirects=True
    )
    assert page.text.count('class="state ill"') == 1
    for _ in range(2):  # until it is well again
        assert (await sandbox.http.post("/xml/", content=b"<request/>")).status_code == 503
    assert "<td>xml</td><td></td><td>status</td>" in (await sandbox.http.get("/fragments/requests")).text
    await sandbox.http.post("/traffic/faults", data={"gateway": "xml", "fault": ""})
    assert (await sandbox.http.get("/_sim/faults")).json() == []
    await sandbox.send(sms())
    for wrong in ({"gateway": "nobody", "fault": "fault_down"}, {"gateway": "xml", "fault": "<b>"}, {}):
        assert (await sandbox.http.post("/traffic/faults", data=wrong)).status_code == 400


async def test_p15_faults_of_others_stay(sandbox: Sandbox) -> None:
    await sandbox.http.post("/_sim/faults", json={"gateway": "*", "fault": "latency", "seconds": 0.0, "times": None})
    await sandbox.http.post("/traffic/faults", data={"gateway": "smska", "fault": "fault_slow"})
    await sandbox.http.post("/traffic/faults", data={"gateway": "smska", "fault": ""})
    page = await sandbox.http.get("/traffic")
    assert "latency" in page.text
    assert [row["fault"]["gateway"] for row in (await sandbox.http.get("/_sim/faults")).json()] == ["*"]


async def test_languages(sandbox: Sandbox) -> None:
    for accept, words in [("ru-RU,ru;q=0.9,en;q=0.8", RU), ("en-GB", EN), ("", EN), ("fr", EN)]:
        page = await sandbox.http.get("/", headers={"Accept-Language": accept})
        assert f'<html lang="{words["lang"]}">' in page.text
        assert words["inbox_lead"] in page.text


def test_both_languages_say_everything() -> None:
    assert EN.keys() == RU.keys()
    assert set(TEMPLATES) >= {"page", "inbox", "demo"}


@pytest.mark.parametrize(("name", "media_type"), [("pages.css", "text/css"), ("live.js", "text/javascript")])
async def test_static_files(sandbox: Sandbox, name: str, media_type: str) -> None:
    found = await sandbox.http.get(f"/static/{name}")

    assert found.status_code == 200
    assert found.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert (await sandbox.http.get("/static/nothing.js")).status_code == 404


class Visitor:
    """A browser: keeps cookies, follows redirects, reads the page."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.page = ""

    async def do(self, action: str, **form: str) -> str:
        response = await self.http.post(f"/demo/{action}", data=form, follow_redirects=True)
        assert response.status_code == 200
        self.page = response.text
        return self.alert

    @property
    def alert(self) -> str:
        found = re.search(r'role="alert">(.*?)</p>', self.page)
        return found[1] if found else ""


@pytest.fixture
def visitor(sandbox: Sandbox) -> Visitor:
    return Visitor(sandbox.http)


async def test_demo_from_phone_to_welcome(sandbox: Sandbox, visitor: Visitor) -> None:
    await sandbox.send(sms(text=f"Code {CODE}"))
    assert 'action="/demo/start"' in (await sandbox.http.get("/demo")).text

    assert await visitor.do("start", phone=f"+{PHONE}") == ""
    assert 'autocomplete="one-time-code"' in visitor.page
    assert re.search(r'data-resend-at="\d{4}-', visitor.page)
    assert f'data-code="{CODE}"' in visitor.page
    assert "v-1" not in visitor.page

    assert await visitor.do("check", code="000000") == EN["wrong_code"]
    assert f"{EN['attempts_left']} <b>4</b>" in visitor.page
    assert await visitor.do("resend") == ""
    assert await visitor.do("check", code=CODE) == ""
    assert EN["welcome"] in visitor.page
    assert f"+{PHONE}" in visitor.page

    paths = [path for path, _, _ in StubService.asked]
    assert paths == [
        "/v1/verifications",
        "/v1/verifications/v-1/check",
        "/v1/verifications/v-1/resend",
        "/v1/verifications/v-1/check",
    ]
    assert StubService.asked[1][1] == {"code": "000000", "to": f"+{PHONE}", "purpose": "signup"}
    assert len({key for _, _, key in StubService.asked}) == 4

    await visitor.do("restart")
    assert 'action="/demo/start"' in visitor.page


async def test_demo_says_what_the_service_says(visitor: Visitor) -> None:
    assert await visitor.do("start", phone=REFUSED_PHONE) == TOO_SOON
    assert f'value="{REFUSED_PHONE}"' in visitor.page


async def test_p5_demo_says_it_in_russian_too(visitor: Visitor) -> None:
    visitor.http.headers["accept-language"] = "ru"
    assert await visitor.do("start", phone=REFUSED_PHONE) == PROBLEMS_IN_RUSSIAN["too_soon"]


async def test_demo_begins_again_when_the_attempts_are_used_up(visitor: Visitor) -> None:
    await visitor.do("start", phone=f"+{PHONE}")

    assert await visitor.do("check", code="999999") == EN["exhausted"]
    assert 'action="/demo/start"' in visitor.page


async def test_demo_does_not_believe_an_approval_of_another_phone(visitor: Visitor) -> None:
    await visitor.do("start", phone=SWAPPED_PHONE)

    assert await visitor.do("check", code=CODE) == EN["mismatch"]
    assert EN["welcome"] not in visitor.page


async def test_demo_without_a_start(visitor: Visitor) -> None:
    assert await visitor.do("check", code=CODE) == EN["nothing_pending"]
    assert await visitor.do("resend") == EN["nothing_pending"]
    assert StubService.asked == []


async def test_demo_with_an_authenticator(sandbox: Sandbox, visitor: Visitor) -> None:
    """From the welcome to a login by backup code; what is approved for another account is not believed."""
    assert await visitor.do("enrol") == EN["nothing_pending"]
    await visitor.do("start", phone=f"+{PHONE}")
    await visitor.do("check", code=CODE)

    assert await visitor.do("enrol") == ""
    assert 'src="data:,qr"' in visitor.page
    assert re.search(r'class="app" data-live="/demo/authenticator".*data-code="[0-9]{6}"', visitor.page, re.DOTALL)
    assert "f-1" not in visitor.page
    assert await visitor.do("confirm", code="000000") == EN["wrong_code"]
    assert await visitor.do("confirm", code=SWAPPED_CODE) == EN["mismatch"]
    assert await visitor.do("confirm", code=CODE) == ""
    assert all(code in visitor.page for code in BACKUP_CODES)
    assert (await sandbox.http.get("/demo/backup-codes.txt")).text.split() == BACKUP_CODES
    assert EN["login_lead"] not in visitor.page

    await visitor.do("logout")
    assert BACKUP_CODES[0] not in visitor.page
    assert (await sandbox.http.get("/demo/backup-codes.txt")).status_code == 404
    assert await visitor.do("login", code=USED_CODE) == EN["used_code"]
    assert await visitor.do("login", code=SWAPPED_CODE) == EN["mismatch"]
    await visitor.do("lose")
    assert EN["app_gone"] in visitor.page
    assert EN["app_gone"] in (await sandbox.http.get("/demo/authenticator")).text
    assert await visitor.do("login", code=BACKUP_CODES[1]) == ""
    assert f"{EN['codes_left']} 9" in visitor.page
    account = StubService.asked[0][1]["subject"]
    assert account.startswith("demo-")
    assert StubService.asked[-1][0] == f"/v1/subjects/{account}/check"


async def test_demo_cookie_is_a_random_key_of_ours(sandbox: Sandbox) -> None:
    response = await sandbox.http.post("/demo/restart", headers={"Cookie": "sandbox_demo=chosen-by-an-attacker"})

    cookie = response.headers["set-cookie"]
    assert "chosen" not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


@pytest.mark.parametrize(("api_key", "word"), [("", "no_api_key"), ("key", "unreachable")])
async def test_demo_without_the_service(api_key: str, word: str) -> None:
    app = create_sandbox(service_url="http://127.0.0.1:9", api_key=api_key)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sandbox") as client:
        visitor = Visitor(client)

        assert (await visitor.do("start", phone=f"+{PHONE}")).startswith(EN[word])
        assert (await client.get("/demo")).status_code == 200


async def test_the_phone_sends(sandbox: Sandbox) -> None:
    """A form of the phone that is shown; what it sent stands beside what came."""
    attack = '<script>alert(1)</script>"'
    assert 'action="/send"' not in (await sandbox.http.get("/")).text
    assert 'action="/send"' not in (await sandbox.http.get("/", params={"phone": "anna@example.org"})).text
    assert f'name="from" value="{PHONE}"' in (await sandbox.http.get("/", params={"phone": f"+{PHONE}"})).text
    told = await sandbox.http.post("/send", data={"from": f"+{PHONE}", "to": "+7 900 111-22-33", "text": attack})
    assert (told.status_code, told.headers["location"]) == (303, f"/?phone={PHONE}")
    page = (await sandbox.http.get("/", params={"phone": PHONE})).text
    assert "message own" in page
    assert "+79001112233" in page
    assert attack not in page
    assert "message own" not in (await sandbox.http.get("/", params={"phone": "79160000099"})).text
    right = {"from": PHONE, "to": "7900", "text": "x"}
    for wrong in ({"from": ""}, {"from": "1" * 16}, {"to": "x"}, {"text": " "}, {"text": "x" * 1001}):
        assert (await sandbox.http.post("/send", data=right | wrong)).status_code == 400
    elsewhere = await sandbox.http.post(
        "/send", data={"from": PHONE, "to": "7900", "text": "x", "back": "//evil.example"}
    )
    assert elsewhere.headers["location"] == f"/?phone={PHONE}"
