"""The life of an SMS: code, parts, money, holding, schedule, validity, repeats, fates."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from otp_service.sandbox.drafts import TEXTS
from otp_service.sandbox.parts import count_parts

from .speak import PHONE, Sandbox, password_request, sms

MOSCOW = timezone(timedelta(hours=3))


def moscow(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).astimezone(MOSCOW).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # an escaped character is not split between two parts
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("😀" * 35, 1),
        ("я" * 66 + "😀" + "я" * 66, 3),  # nor a surrogate pair
    ],
)
def test_parts(text: str, parts: int) -> None:
    assert count_parts(text) == parts


async def test_p_makes_a_code_and_sends_it(sandbox: Sandbox) -> None:
    for extra, pattern in [
        ("", r"Временный пароль: (\d{4})"),
        ("<random_string_len>6</random_string_len><text>Ваш {код}, да\\n{код}</text>", r"Ваш (\d{6}), да\n\1"),
    ]:
        answer = await sandbox.ask("/password_generation/api.php", password_request(extra=extra))
        [message] = (await sandbox.messages(PHONE))[:1]

        assert re.fullmatch(pattern, message["text"])[1] == answer[0].attrib["code"]
        assert message["id"] == answer[0].attrib["id_sms"]
        assert message["gateway"] == "targetsms-password"


async def test_p_codes_may_begin_with_zero(sandbox: Sandbox) -> None:
    codes = set()
    for _ in range(100):
        answer = await sandbox.ask("/password_generation/api.php", password_request())
        codes.add(answer[0].attrib["code"])

    assert any(code.startswith("0") for code in codes)
    assert {len(code) for code in codes} == {4}
    assert len(codes) > 90


@pytest.mark.parametrize(("phone", "has_id"), [("+79161234506", True), ("+7916123", True), ("+7916x", False)])
async def test_p_not_valid_phone_is_a_success_with_a_status(sandbox: Sandbox, phone: str, has_id: bool) -> None:
    answer = await sandbox.ask("/password_generation/api.php", password_request(phone))

    expected = "not_valid_phone" if phone != "+7916123" else "send"
    assert answer[0].attrib["status"] == expected
    assert bool(answer[0].attrib["id_sms"]) is has_id


async def test_line_breaks_and_transliteration(sandbox: Sandbox) -> None:
    await sandbox.send(sms(text=r"Код 1234\n@example.ru #1234", inside="<translite>1</translite>"))

    [message] = await sandbox.messages(PHONE)
    assert message["text"] == "Kod 1234\n@example.ru #1234"


async def test_money_is_parts_times_price(sandbox: Sandbox) -> None:
    await sandbox.account(money=10, prices={"Россия": 1.15})

    information = await sandbox.send(sms(text="я" * 71))
    state = await sandbox.state(information.attrib["id_sms"])
    balance = await sandbox.xml("/xml/balance.php")

    assert information.get("parts") == "2"
    assert (state.get("num_parts"), state.get("price")) == ("2", "1.15")
    assert [part.text for part in balance] == ["7.7", "6"]


@pytest.mark.parametrize("with_id", [True, False])
async def test_held_until_top_up(sandbox: Sandbox, with_id: bool) -> None:
    await sandbox.account(money=0, held_with_id=with_id)

    information = await sandbox.send(sms(client_id_sms="7"))
    [held] = await sandbox.messages(PHONE)
    await sandbox.account(money=5)
    [sent] = await sandbox.messages(PHONE)

    assert information.text == TEXTS[8]
    assert information.get("id_sms") == (held["id"] if with_id else None)
    assert (held["status"], sent["status"]) == ("held", "accepted")
    assert (await sandbox.xml("/xml/balance.php")).findtext("money") == "4"


async def test_a_held_message_can_be_deleted_or_die(sandbox: Sandbox) -> None:
    await sandbox.account(money=0)
    deleted = await sandbox.send(sms())
    dying = await sandbox.send(sms(validity_period=moscow(5)))

    schedule = f'<delete_schedule><schedule id_sms="{deleted.attrib["id_sms"]}"/></delete_schedule>'
    assert (await sandbox.xml("/xml/scheduled.php", schedule))[0].text == "delete"
    assert (await sandbox.xml("/xml/scheduled.php", schedule))[0].text == "not_found"
    await sandbox.advance(600)
    await sandbox.account(money=100)

    assert [message["status"] for message in await sandbox.messages()] == ["expired", "canceled"]
    assert (await sandbox.state(dying.attrib["id_sms"])).text == "expired"
    assert (await sandbox.xml("/xml/balance.php")).findtext("money") == "100"


@pytest.mark.parametrize("mode", ["id", "error"])
async def test_a_repeated_client_id_sends_nothing(sandbox: Sandbox, mode: str) -> None:
    await sandbox.account(dedupe=mode)

    first = await sandbox.send(sms(client_id_sms="42"))
    await sandbox.advance(30 * 86400)
    again = await sandbox.send(sms(client_id_sms="42", text="another"))
    other = await sandbox.send(sms(client_id_sms="43"))

    if mode == "id":
        assert (again.text, again.attrib) == ("send", first.attrib)
    else:
        assert (again.text, again.attrib) == (TEXTS[17], {"number_sms": "1"})
    assert other.text == "send"
    assert len(await sandbox.messages()) == 2


async def test_a_refused_message_does_not_use_up_its_client_id(sandbox: Sandbox) -> None:
    refused = await sandbox.send(sms(sender="nobody", client_id_sms="1"))
    sent = await sandbox.send(sms(client_id_sms="1"))

    assert (refused.text, sent.text) == (TEXTS[15], "send")


async def test_scheduled(sandbox: Sandbox) -> None:
    await sandbox.account(money=1)
    information = await sandbox.send(sms(time_send=moscow(10)))
    before = await sandbox.state(information.attrib["id_sms"])
    assert (information.text, before.text, before.get("time")) == ("send", "send", "")
    assert (await sandbox.messages())[0]["status"] == "scheduled"
    assert (await sandbox.xml("/xml/balance.php")).findtext("money") == "1"

    await sandbox.advance(700)

    assert (await sandbox.state(information.attrib["id_sms"])).text == "deliver"
    assert (await sandbox.xml("/xml/balance.php")).findtext("money") == "0"


async def test_validity_period_passed(sandbox: Sandbox) -> None:
    dead = await sandbox.send(sms(validity_period=moscow(-2)))
    alive = await sandbox.send(sms(validity_period=moscow(5)))
    await sandbox.advance(3)

    assert (await sandbox.state(dead.attrib["id_sms"])).text == "expired"
    assert (await sandbox.state(alive.attrib["id_sms"])).text == "deliver"


@pytest.mark.parametrize(
    ("ending", "x4", "k"),
    [
        ("02", "send", "3|ACCEPTD"),
        ("03", "not_deliver", "6|REJECTD"),
        ("04", "expired", "7|EXPIRED"),
        ("05", "partly_deliver", "3|ACCEPTD"),
        ("06", "not_deliver", "5|REJECTD"),
        ("09", "read", "4|DELIVRD"),
        ("67", "deliver", "4|DELIVRD"),
    ],
)
async def test_the_last_two_digits_decide(sandbox: Sandbox, ending: str, x4: str, k: str) -> None:
    phone = f"791612345{ending}"
    id_sms = (await sandbox.send(sms(phone))).attrib["id_sms"]
    batch_id = (await sandbox.smska_send(phone)).split("|")[2]
    early = await sandbox.state(id_sms)
    assert (early.text, early.get("time")) == ("send", "")
    assert await sandbox.smska(Action="query", BatchId=batch_id) == "0|Status|3|ACCEPTD"

    await sandbox.advance(2.1)

    late = await sandbox.state(id_sms)
    assert late.text == x4
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d" if ending != "02" else "", late.get("time"))
    assert await sandbox.smska(Action="query", BatchId=batch_id) == f"0|Status|{k}"


async def test_x4_sees_what_p_sent_and_nothing_of_k(sandbox: Sandbox) -> None:
    by_p = await sandbox.ask("/password_generation/api.php", password_request())
    by_k = (await sandbox.smska_send()).split("|")[2]

    assert (await sandbox.state(by_p[0].attrib["id_sms"])).text == "send"
    for unknown in (by_k, "1"):
        state = await sandbox.state(unknown)
        assert (state.text, state.get("time")) == ("Сообщение с таким ID не принималось", "")
