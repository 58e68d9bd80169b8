"""J: which channel is tried when, what ends a message, and what J2 says meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .receiver import receiving
from .speak import PHONE, Sandbox, cascade

MINUTE = 60


async def send(sandbox: Sandbox, ending: str = "67", **changes: Any) -> dict[str, str]:
    phones = [{"phone": f"791612345{ending}"}]
    [[item]] = (await sandbox.json(message=[cascade() | {"phones": phones} | changes]))["message"]
    assert "error" not in item
    return item


async def state(sandbox: Sandbox, item: dict[str, str]) -> dict[str, str]:
    [found] = (await sandbox.json(state=[{"id_message": item["id_message"]}]))["state"]
    return found


def words(found: dict[str, str]) -> tuple[str, str, str]:
    return found["state"], found["state_viber"], found["state_sms"]


VIBER_ONLY = {"send_sms": "0"}
SMS_ONLY = {"send_viber": "0"}
SMS_FIRST = {"send_viber": "2", "send_sms": "1"}
UNTIL_READ = {"finale_viber_read": "1"}


@pytest.mark.parametrize(
    ("ending", "changes", "soon", "late"),
    [
        # Viber, then SMS: `soon` after 3 s, `late` after the 60 minutes of Viber and 3 s more
        ("67", {}, ("deliver", "deliver", "send"), ("deliver", "deliver", "send")),
        ("07", {}, ("deliver", "deliver", "send"), ("deliver", "deliver", "send")),
        ("08", {}, ("deliver", "deliver", "send"), ("deliver", "read", "send")),
        ("10", {}, ("deliver", "deliver", "send"), ("deliver", "deliver", "send")),
        ("02", {}, ("send", "send", "send"), ("send", "expired", "send")),
        ("03", {}, ("send", "not_deliver", "send"), ("not_deliver", "not_deliver", "not_deliver")),
        ("04", {}, ("send", "send", "send"), ("expired", "expired", "expired")),
        ("05", {}, ("partly_deliver", "partly_deliver", "send"), ("partly_deliver", "partly_deliver", "send")),
        # one channel
        ("67", VIBER_ONLY, ("deliver", "deliver", "send"), ("deliver", "deliver", "send")),
        ("02", VIBER_ONLY, ("send", "send", "send"), ("expired", "expired", "send")),
        ("03", VIBER_ONLY, ("not_deliver", "not_deliver", "send"), ("not_deliver", "not_deliver", "send")),
        ("67", SMS_ONLY, ("deliver", "send", "deliver"), ("deliver", "send", "deliver")),
        ("02", SMS_ONLY, ("send", "send", "send"), ("send", "send", "send")),
        ("04", SMS_ONLY, ("expired", "send", "expired"), ("expired", "send", "expired")),
        # SMS, then Viber
        ("67", SMS_FIRST, ("deliver", "send", "deliver"), ("deliver", "send", "deliver")),
        ("03", SMS_FIRST, ("send", "send", "not_deliver"), ("not_deliver", "not_deliver", "not_deliver")),
        ("04", SMS_FIRST, ("send", "send", "expired"), ("expired", "expired", "expired")),
        # only what was read counts
        ("67", UNTIL_READ, ("send", "deliver", "send"), ("deliver", "deliver", "send")),
        ("08", UNTIL_READ, ("send", "deliver", "send"), ("deliver", "read", "send")),
        ("07", UNTIL_READ, ("send", "deliver", "send"), ("deliver", "deliver", "deliver")),
        ("07", UNTIL_READ | VIBER_ONLY, ("send", "deliver", "send"), ("expired", "deliver", "send")),
        ("67", UNTIL_READ | VIBER_ONLY, ("send", "deliver", "send"), ("deliver", "deliver", "send")),
        ("67", UNTIL_READ | SMS_FIRST, ("deliver", "send", "deliver"), ("deliver", "send", "deliver")),
    ],
)
async def test_cascade(
    sandbox: Sandbox, ending: str, changes: dict[str, str], soon: tuple[str, ...], late: tuple[str, ...]
) -> None:
    item = await send(sandbox, ending, **changes)
    await sandbox.advance(3)
    first = await state(sandbox, item)
    await sandbox.advance(60 * MINUTE + 3)
    second = await state(sandbox, item)

    assert (words(first), words(second)) == (soon, late)


async def test_equal_numbers_mean_viber_first(sandbox: Sandbox) -> None:
    item = await send(sandbox, send_viber="5", send_sms="5")

    assert (item["id_viber"] != "0", item["id_sms"]) == (True, "0")


async def test_time_and_prices_of_an_unread_viber_message_and_its_sms(sandbox: Sandbox) -> None:
    """Each channel is paid when it is tried; the SMS leaves when the validity of the Viber message ends."""
    await sandbox.account(money=100, viber_price="0.7", prices={"Россия": "1.2"})
    item = await send(sandbox, "07", **UNTIL_READ, validity_period_viber="5", text_sms="я" * 71)
    at_first = await state(sandbox, item)
    [viber] = await sandbox.messages()
    await sandbox.advance(5 * MINUTE - 2)
    assert words(await state(sandbox, item)) == ("send", "deliver", "send")
    await sandbox.advance(1000)

    done = await state(sandbox, item)
    sms, _ = await sandbox.messages()

    assert (at_first["price_viber"], at_first["price_sms"], at_first["num_parts_sms"]) == ("0.7", "0", "0")
    assert (done["price_viber"], done["price_sms"], done["num_parts_sms"]) == ("0.7", "2.4", "2")
    assert (await sandbox.account())["money"] == "96.9"
    left = datetime.fromisoformat(sms["sent_at"]) - datetime.fromisoformat(viber["sent_at"])
    assert left == timedelta(minutes=5)
    moscow = datetime.fromisoformat(sms["status_at"]).astimezone(UTC) + timedelta(hours=3)
    assert done["time_change_state"] == moscow.strftime("%Y-%m-%d %H:%M:%S")


async def test_the_sms_of_a_cascade_is_in_the_table_of_the_platform(sandbox: Sandbox) -> None:
    """X4, G, X20 and X5 know it; of a Viber message they know nothing."""
    async with receiving() as receiver:
        await sandbox.account(callback_url=receiver.url)
        item = await send(sandbox, "67", **SMS_ONLY)
        viber = await send(sandbox, "67")
        await sandbox.advance(10)
        told = [one for post in receiver.posts for one in post]
        await sandbox.http.post("/_sim/reset")

    assert [(id_sms, word) for id_sms, _, word in told] == [(item["id_sms"], "deliver")]
    assert viber["id_viber"] != "0"


async def test_x4_and_x20_see_the_sms_only(sandbox: Sandbox) -> None:
    item, viber = await send(sandbox, "67", **SMS_ONLY), await send(sandbox, "67")
    await sandbox.advance(10)

    assert (await sandbox.state(item["id_sms"])).text == "deliver"
    assert (await sandbox.state(viber["id_viber"])).text == "Сообщение с таким ID не принималось"
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()  # the day may have ended meanwhile
    [stats] = await sandbox.operation("stats", f'<stats date_start="{yesterday}"/>')
    assert [row.get("id_sms") for row in stats] == [item["id_sms"]]


async def test_count_message_is_of_the_first_channel(sandbox: Sandbox) -> None:
    long = "я" * 200

    assert (await send(sandbox, text_viber=long, text_sms=long))["count_message"] == "1"
    assert (await send(sandbox, text_viber=long, text_sms=long, **SMS_FIRST))["count_message"] == "3"


async def test_scheduled(sandbox: Sandbox) -> None:
    await sandbox.account(utc_offset_hours=0)
    later = (datetime.now(UTC) + timedelta(minutes=10)).strftime("%Y-%m-%d %H:%M")
    viber = await send(sandbox, "02", time_send=later, validity_period_viber="1", **VIBER_ONLY)
    sms = await send(sandbox, time_send=later, **SMS_ONLY)
    before = [await state(sandbox, item) for item in (viber, sms)]
    await sandbox.advance(15 * MINUTE)

    assert [found["state"] for found in before] == ["send", "send"]
    assert [found["price_sms"] for found in before] == ["0", "0"]
    assert [(await state(sandbox, item))["state"] for item in (viber, sms)] == ["expired", "deliver"]


async def test_a_scheduled_sms_can_be_deleted(sandbox: Sandbox) -> None:
    sms = await send(sandbox, time_send="2100-01-01 12:00", **SMS_FIRST)
    [scheduled] = (await sandbox.operation("list_scheduled", "<scheduled/>"))[0]
    assert scheduled.get("id_sms") == sms["id_sms"]

    deleted = f'<delete_schedule><schedule id_sms="{sms["id_sms"]}"/></delete_schedule>'
    assert (await sandbox.operation("scheduled", deleted))[0].text == "delete"

    assert words(await state(sandbox, sms)) == ("not_deliver", "send", "not_deliver")
    assert len(await sandbox.messages()) == 1


async def test_a_channel_that_is_refused_by_then_is_passed_over(sandbox: Sandbox) -> None:
    item = await send(sandbox, "03")
    await sandbox.account(stop_list=["79161234503"])
    await sandbox.advance(3)

    assert words(await state(sandbox, item)) == ("not_deliver", "not_deliver", "send")
    assert len(await sandbox.messages()) == 1


async def test_a_second_channel_without_money_waits_for_it(sandbox: Sandbox) -> None:
    await sandbox.account(money="0.5")
    item = await send(sandbox, "03", send_viber="1")
    await sandbox.advance(3)
    waiting = await state(sandbox, item)
    await sandbox.account(money=10)
    await sandbox.advance(3)

    assert words(waiting) == ("send", "not_deliver", "send")
    assert words(await state(sandbox, item)) == ("not_deliver", "not_deliver", "not_deliver")


async def test_the_inbox_shows_viber_as_such(sandbox: Sandbox) -> None:
    attack = "<img src=x>"
    await send(sandbox, button_text=attack, button_url='"><script>', image_url=f"http://site.ru/{attack}")

    page = (await sandbox.http.get("/", headers={"Accept-Language": "ru"})).text

    assert "TargetSMS · JSON · Viber" in page
    assert "&lt;img src=x&gt; → &quot;&gt;&lt;script&gt;" in page
    assert "http://site.ru/&lt;img src=x&gt;" in page
    assert attack not in page
    [message] = await sandbox.messages(PHONE)
    assert (message["channel"], message["button_text"], message["gateway"]) == ("viber", attack, "targetsms-json")
