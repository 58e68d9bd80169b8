"""What an operator does acts where it should, in every process, and is written down."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from redis.asyncio import Redis

from tests.api import Api, Gateways, problem
from tests.console.conftest import command
from tests.console.desk import Desk


def test_a_key_is_rotated_once(admin_desk: Desk) -> None:
    page = "/console/keys"
    made = admin_desk.send(page, name="rotated twice", days="0", scope="read").text
    (key,) = re.findall(r"<strong>([0-9a-f]{8})</strong>", made)
    assert admin_desk.send(page, f"{page}/{key}", action="rotate").status_code == 200
    again = admin_desk.send(page, f"{page}/{key}", action="rotate")
    assert again.status_code == 422
    assert "This key has ended, or was rotated before." in again.text


async def test_a_gateway_is_left_alone_and_used_again(
    api: Api, second: Api, gateways: Gateways, admin_desk: Desk, phone: str
) -> None:
    """Also one whose circuit breaker is off, as all are here, and by both processes."""
    page, first = "/console/gateways", "targetsms-password"
    refused = admin_desk.send(page, f"{page}/{first}", action="leave_alone", minutes="7")
    assert refused.status_code == 422
    assert admin_desk.send(page, f"{page}/{first}", action="leave_alone", minutes="15").status_code == 303
    try:
        await asyncio.sleep(1.2)
        for n, caller in enumerate((api, second)):
            started = await caller.started(f"{phone[:-1]}{n}")
            assert [message["gateway"] for message in started["messages"]] == ["targetsms-xml"]
        shown = admin_desk.get("/console").text
        assert re.search(r'<article class="tile down">\s*<h3>targetsms-password', shown)
    finally:
        assert admin_desk.send(page, f"{page}/{first}", action="use").status_code == 303
    await asyncio.sleep(1.2)
    for n, caller in enumerate((api, second)):
        started = await caller.started(f"{phone[:-1]}{n + 2}")
        assert started["messages"][0]["gateway"] == first


async def test_why_messages_of_a_gateway_failed(
    api: Api, gateways: Gateways, desks: Mapping[str, Desk], phone: str
) -> None:
    def shown() -> list[tuple[str, ...]]:
        page = desks["viewer"].get("/console/gateways").text
        (card,) = re.findall(r"<h2>targetsms-password</h2>.*?</article>", page, re.DOTALL)
        return re.findall(r"<tr><th scope=\"row\">([^<]+)</th><td[^>]*>(\d+)</td><td[^>]*>(\d+)</td></tr>", card)

    def counts() -> list[int]:
        return [int(count) for why, *counts in shown() if why == "wrong credentials" for count in counts] or [0, 0]

    before = counts()
    await gateways.fail("password", "error", times=1, error="Неверный логин или пароль")
    await api.started(phone)
    for _ in range(100):
        if counts() != before:
            break
        await asyncio.sleep(0.1)
    assert counts() == [count + 1 for count in before]


async def test_how_a_gateway_did_with_the_people_of_an_operator(
    api: Api, gateways: Gateways, desks: Mapping[str, Desk], phone: str
) -> None:
    """By the number plan, where no provider was asked; a phone beginning with 916 is one of МТС."""

    def sent() -> int:
        page = desks["viewer"].get("/console/gateways").text
        found = re.findall(
            r"<th scope=\"row\">МТС</th><td>targetsms-password</td><td[^>]*>(\d+)</td><td[^>]*>[\d–]", page
        )
        return int(found[0]) if found else 0

    before = sent()
    started = await api.started(phone)
    assert started["operator"] is None, "callers are told what a provider says, and here nobody asked one"
    for _ in range(100):
        if sent() > before:
            break
        await asyncio.sleep(0.1)
    assert sent() == before + 1


async def test_a_list_acts_in_every_process_and_its_entries_are_sealed(
    api: Api, second: Api, gateways: Gateways, admin_desk: Desk, redis: Redis, phone: str
) -> None:
    page = "/console/fraud"
    for wrong in ("", "7916", "+7916x", "10.0.0.0/33", "+" + "1" * 16):
        assert admin_desk.send(page, f"{page}/lists", list="block", value=wrong, action="add").status_code == 422
    listed = {"list": "block", "value": f"{phone[:2]} {phone[2:]}", "action": "add"}
    assert admin_desk.send(page, f"{page}/lists", **listed).status_code == 303
    try:
        await asyncio.sleep(2.5)
        for caller in (api, second):
            problem(await caller.start(phone), 403, "on_block_list")
        assert phone in admin_desk.get(page).text
        assert phone.encode() not in repr(await redis.hgetall("otp:lists")).encode()
    finally:
        listed |= {"action": "remove"}
        assert admin_desk.send(page, f"{page}/lists", **listed).status_code == 303
    await asyncio.sleep(2.5)
    for caller in (api, second):
        assert (await caller.start(phone)).status_code in (201, 429)


async def test_an_entry_that_cannot_be_read_can_be_removed(admin_desk: Desk, redis: Redis, phone: str) -> None:
    """Nobody sees it, so it is named by what stood in it."""
    page, entry = "/console/fraud", {"list": "block", "value": phone}
    before = await redis.hgetall("otp:lists")
    assert admin_desk.send(page, f"{page}/lists", **entry, action="add").status_code == 303
    (name,) = (await redis.hgetall("otp:lists")).keys() - before.keys()
    await redis.hset("otp:lists", name, b"damaged")
    assert admin_desk.send(page, f"{page}/lists", **entry, action="remove").status_code == 303
    assert await redis.hgetall("otp:lists") == before


async def test_what_changes_nothing_is_not_in_the_audit_log(
    api: Api, gateways: Gateways, admin_desk: Desk, phone: str
) -> None:
    """A second click, or a second operator: it said that a canceled verification was resent, and canceled again."""
    started = await api.started(phone)
    find, page = "/console/find", f"/console/verifications/{started['id']}"

    def told(action: str) -> int:
        return admin_desk.get(f"/console/audit?action={action}&actor={admin_desk.name}").text.count("<tr><td>")

    before = {action: told(action) for action in ("verification.canceled", "verification.resent", "list.changed")}
    assert admin_desk.send(find, page, action="cancel").status_code == 303
    for action in ("cancel", "resend"):
        assert admin_desk.send(find, page, action=action).status_code == 409
    lists, entry = "/console/fraud/lists", {"list": "block", "value": phone, "application": "web"}
    for action in ("add", "add", "remove", "remove"):
        assert admin_desk.send(find, lists, **entry, action=action).status_code == 303
    assert {action: told(action) - count for action, count in before.items()} == {
        "verification.canceled": 1, "verification.resent": 0, "list.changed": 2,
    }  # fmt: skip


def test_the_lists_are_shown_to_nobody_who_may_see_no_phones(desks: Mapping[str, Desk]) -> None:
    assert 'name="value"' not in desks["viewer"].get("/console/fraud").text
    assert "Never sent to" not in desks["viewer"].get("/console/fraud").text
    assert "Never sent to" in desks["support"].get("/console/fraud").text


def test_settings_are_shown_without_secrets(admin_desk: Desk) -> None:
    shown = admin_desk.get("/console/settings").text
    for secret in ("demo-password", "test-secret-", "twilio-auth-token", "whsec_", "zitadel-new-key", "bmV3LXNlY3JldC"):
        assert secret not in shown, secret
    assert "•••" in shown
    for known in ("targetsms-xml", "production", "plain_evidence", "resend_pause_seconds"):
        assert known in shown, known


def test_the_audit_log_is_searched_and_exported(admin_desk: Desk) -> None:
    admin_desk.get("/console/events?application=web")
    own = admin_desk.get(f"/console/audit?actor=operator:{admin_desk.name}&action=events.viewed").text
    assert len(re.findall(r"<td>events\.viewed</td>", own)) >= 1
    assert "No such" not in own
    other = admin_desk.get("/console/audit?actor=nobody-at-all").text
    assert "<tbody>" not in other
    exported = admin_desk.send("/console/audit", "/console/audit/export")
    assert exported.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    assert f'"operator:{admin_desk.name}"' in exported.text.splitlines()[-1]
    assert '"audit.exported"' in exported.text.splitlines()[-1]


async def test_an_export_that_cannot_begin_is_answered(admin_desk: Desk, redis: Redis) -> None:
    """An answer of Redis beyond its bound; once an export has begun, all that is left is to hang up."""
    await redis.rename("otp:audit", "otp:audit:before")
    try:
        await redis.xadd("otp:audit", {"actor": "x" * 9 * 2**20})
        answer = admin_desk.send("/console/audit", "/console/audit/export")
        assert answer.status_code == 503
        assert "Redis does not answer" in answer.text
    finally:
        await redis.rename("otp:audit:before", "otp:audit")


async def test_support_sees_why_no_code_was_sent(
    strict: Api, desks: Mapping[str, Desk], gateways: Gateways, phone: str, folder: Path, redis_url: str,
    sandbox_process: str,
) -> None:  # fmt: skip
    """A refused start leaves no verification behind."""
    await strict.started(phone)
    for _ in range(2):
        problem(await strict.start(phone, key="again"), 429, "too_soon")
    desk, asked = desks["support"], {"q": phone, "application": "strict"}
    for _ in range(50):
        if "sent to this phone just now" in (shown := desk.send("/console/find", **asked).text):
            break
        await asyncio.sleep(0.1)
    assert shown.count("sent to this phone just now") == 1
    assert "sent to this phone just now" not in desk.send("/console/find", q=phone, application="web").text
    told = command(
        folder, redis_url, sandbox_process, "phones", "refusals", "--application", "strict", "--phone", phone
    )
    assert re.search(r"\n  \d{4}-\d\d-\d\d [\d:+]+  too_soon\n$", told.stdout), told
    assert phone not in told.stdout


async def test_a_reference_and_a_subject_find_their_person(
    api: Api, gateways: Gateways, desks: Mapping[str, Desk], phone: str
) -> None:
    reference = f"order-{phone[1:]}"
    started = await api.started(phone, reference=reference, subject=f"person-{phone[1:]}")
    await api.post("/v1/factors/totp", {"subject": f"person-{phone[1:]}", "name": "old phone"})
    link = f"/console/verifications/{started['id']}"
    for _ in range(100):
        found = desks["support"].send("/console/find", q=reference, application="web").text
        if link in found:
            break
        await asyncio.sleep(0.1)
    assert link in found
    person = desks["support"].send("/console/find", q=f"person-{phone[1:]}", application="web").text
    assert "old phone" in person
    (factor,) = re.findall(r'name="about" value="([A-Za-z0-9_=-]{30,})"', person)
    gone = (
        desks["support"]
        .send("/console/find", q=f"person-{phone[1:]}", application="web", action="remove_factor", about=factor)
        .text
    )
    assert "old phone" not in gone
    direct = desks["support"].send("/console/find", q=started["id"], application="web")
    assert direct.headers["location"] == link


async def test_a_subject_or_reference_that_reads_like_a_phone_or_an_address_finds_its_person(
    api: Api, gateways: Gateways, desks: Mapping[str, Desk], phone: str
) -> None:
    """Addresses are the most frequent names of accounts, and ten digits are a phone and an order number alike."""
    desk = desks["support"]
    for subject in (f"person-{phone[1:]}@example.com", phone[2:], phone[1:]):
        made = await api.post("/v1/factors/totp", {"subject": subject, "name": f"app of {subject}"})
        assert made.status_code == 201, made.text
        assert f"app of {subject}" in desk.send("/console/find", q=subject, application="web").text
    reference = f"{phone[2:-1]}{(int(phone[-1]) + 5) % 10}"
    for kept in (reference, f"  order {reference} "):  # nobody sees blanks around it, nor types them
        started = await api.started(phone, reference=kept)
        for _ in range(100):
            found = desk.send("/console/find", q=kept.strip(), application="web").text
            if started["id"] in found:
                break
            await asyncio.sleep(0.1)
        assert f"/console/verifications/{started['id']}" in found


async def test_a_delivery_is_found_and_says_nothing_of_its_code(
    api: Api, gateways: Gateways, desks: Mapping[str, Desk], phone: str
) -> None:
    """By phone, by id, by reference and from its events; a viewer sees nothing of it."""
    desk, reference = desks["support"], f"delivery-{phone[1:]}"
    answer = await api.post("/v1/deliveries", {"to": phone, "code": "AB12-CD34", "reference": reference})
    delivery = answer.json()["id"]
    link = f"/console/verifications/{delivery}"
    assert link in desk.send("/console/find", q=phone, application="web").text
    assert desk.send("/console/find", q=delivery, application="web").headers["location"] == link
    for _ in range(100):
        if link in (found := desk.send("/console/find", q=reference, application="web").text):
            break
        await asyncio.sleep(0.1)
    assert link in found
    await api.post(f"/v1/deliveries/{delivery}/converted", {})
    shown = desk.get(link).text
    for word in ("<h1>Delivery", phone, "targetsms-xml", reference, "••••••", delivery, "The caller reports"):
        assert word in shown, word
    for word in ("AB12-CD34", "AB12", 'value="resend"', 'value="cancel"', "None"):
        assert word not in shown, word
    assert desk.get(f"/console/verifications/{delivery.removeprefix('dlv_')}").status_code == 200, "as events name it"
    for action in ("resend", "cancel"):
        assert desk.send(link, action=action).status_code == 422
    assert desk.send(link, action="unlock").headers["location"].startswith(link)
    assert desks["viewer"].get(link).status_code == 403
    assert desk.get("/console/verifications/dlv_nothing").status_code == 404
    listed = (await api.post("/v1/verifications/search", {"to": phone})).json()
    assert delivery.removeprefix("dlv_") not in str(listed), "callers search verifications alone"
