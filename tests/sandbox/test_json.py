"""J1 and J2: documents, mistakes, repeats, prices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otp_service.sandbox.drafts import TEXTS
from otp_service.sandbox.gateways import json_message as rules
from otp_service.sandbox.gateways.json_send import BAD_CLIENT_ID
from otp_service.sandbox.gateways.states import UNKNOWN_ID

from .speak import PHONE, Sandbox, cascade, sms

VIBER = {"send_viber": "1", "sender_viber": "DEMO", "text_viber": "Код 1234"}
SMS = {"send_sms": "1", "sender_sms": "DEMO", "text_sms": "Код 1234"}
BAD_FORMAT = "Неправильный формат JSON документа"


def shape(value: Any) -> Any:
    """Names, and lists by what differs in them."""
    if isinstance(value, dict):
        return {name: shape(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [json.loads(one) for one in dict.fromkeys(json.dumps(shape(item)) for item in value)]
    return type(value).__name__


async def send_one(sandbox: Sandbox, **changes: Any) -> dict[str, str]:
    """One message to one phone: its item."""
    [[item]] = (await sandbox.json(message=[cascade() | changes]))["message"]
    return item


async def test_j1_the_sample(sandbox: Sandbox, sample) -> None:
    """The placeholders become values. The second phone is in the stop list: it has the error of the sample."""
    await sandbox.account(any_originator=True, stop_list=["79800000001"])
    request = json.loads(sample("j1_request.json"))
    values = {"validity_period_viber": "60", "finale_viber_read": "1", "time_send": "", "sender_sms": "DEMO"}
    request["message"][0] |= values

    answer = await sandbox.json(message=request["message"])

    assert shape(answer) == shape(json.loads(sample("j1_answer.json")))
    [[first, refused], [second], third] = answer["message"]
    assert (first["phone"], first["client_id_message"], first["count_message"]) == ("79801234567", "111", "1")
    assert (first["id_viber"] != "0", first["id_sms"]) == (True, "0")
    assert refused == {"client_id_message": "112", "phone": "79800000001", "error": TEXTS[5]}
    assert (second["phone"], second["id_sms"]) == ("79800000002", "0")
    assert third == {"error": rules.NO_CHANNEL}


async def test_j2_the_sample(sandbox: Sandbox, sample) -> None:
    sent = await send_one(sandbox)
    asked = json.loads(sample("j2_request.json"))["state"]
    asked[0]["id_message"] = sent["id_message"]

    answer = await sandbox.json(state=asked)

    assert shape(answer) == shape(json.loads(sample("j2_answer.json")))
    assert answer["state"][1] == {
        "id_message": "112",
        "time_change_state": "",
        "state": UNKNOWN_ID,
        **dict.fromkeys(["state_sms", "state_viber", "num_parts_sms", "price_sms", "price_viber"], ""),
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "POST данные отсутствуют"),
        (b" \n", "POST данные отсутствуют"),
        (b"<request/>", BAD_FORMAT),
        (b'{"login"', BAD_FORMAT),
        (b"[]", BAD_FORMAT),
        (b"[" * 100_000, BAD_FORMAT),
        (b"\xff\xfe\xfd", BAD_FORMAT),
        (b'{"login": {}, "password": "x"}', BAD_FORMAT),
        (b"{}", "Неправильный логин или пароль"),
        (b'{"login": "demo", "password": "x", "state": []}', "Неправильный логин или пароль"),
        (b'{"login": "demo", "password": "demo-password"}', BAD_FORMAT),
        (b'{"login": "demo", "password": "demo-password", "message": {}}', BAD_FORMAT),
        (b'{"login": "demo", "password": "demo-password", "message": [1]}', BAD_FORMAT),
        (b'{"login": "demo", "password": "demo-password", "state": ["1"]}', BAD_FORMAT),
        (b'{"login": "demo", "password": "demo-password", "state": [{"id_message": [1]}]}', BAD_FORMAT),
    ],
)
async def test_a_document_is_refused(sandbox: Sandbox, body: bytes, text: str) -> None:
    answer = await sandbox.http.post("/sendmessagejson.php", content=body)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json() == {"error": text}


@pytest.mark.parametrize(
    "wrong", [{"phones": 1}, {"phones": ["1"]}, {"phones": [{"phone": True}]}, {"text_viber": ["x"]}, {"send_sms": 1.5}]
)
async def test_a_value_of_the_wrong_type_sends_nothing(sandbox: Sandbox, wrong: dict[str, Any]) -> None:
    assert await sandbox.json(message=[cascade(), cascade() | wrong]) == {"error": BAD_FORMAT}
    assert await sandbox.messages() == []


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({}, rules.NO_CHANNEL),
        ({"send_viber": "0", "send_sms": 0}, rules.NO_CHANNEL),
        (VIBER | {"send_sms": "10"}, rules.BAD_ORDER),
        (VIBER | {"send_viber": "yes"}, rules.BAD_ORDER),
        (VIBER | {"send_viber": "-1"}, rules.BAD_ORDER),
        (VIBER | {"phones": []}, rules.NO_PHONES),
        (VIBER | {"text_viber": "я" * 1001}, rules.TEXT_TOO_LONG),
        (VIBER | {"button_text": "b" * 20, "button_url": "u"}, rules.BUTTON_TEXT_TOO_LONG),
        (VIBER | {"button_text": "b"}, rules.HALF_A_BUTTON),
        (VIBER | {"button_url": "u"}, rules.HALF_A_BUTTON),
        (VIBER | {"image_url": "i"}, rules.IMAGE_ALONE),
        (VIBER | {"validity_period_viber": "0"}, rules.BAD_VALIDITY),
        (VIBER | {"validity_period_viber": "an hour"}, rules.BAD_VALIDITY),
        (VIBER | {"validity_period_viber": "9" * 5000}, rules.BAD_VALIDITY),
        (VIBER | {"time_send": "tomorrow"}, rules.BAD_TIME),
        (VIBER | {"time_send": "9999-12-31 23:59"}, rules.BAD_TIME),
    ],
)
async def test_a_message_is_refused(sandbox: Sandbox, message: dict[str, Any], text: str) -> None:
    bad = {"phones": [{"phone": PHONE}]} | message

    answer = (await sandbox.json(message=[bad, cascade()]))["message"]

    assert answer[0] == {"error": text}
    assert "id_message" in answer[1][0]


@pytest.mark.parametrize(
    "message",
    [
        VIBER | {"text_viber": "я" * 1000},
        VIBER | {"button_text": "b" * 19, "button_url": "u", "image_url": "i"},
        VIBER | {"send_viber": 9, "validity_period_viber": 1},
        SMS | {"text_viber": "я" * 1001, "button_text": "only"},
        SMS | {"send_viber": "", "time_send": None},
    ],
)
async def test_within_the_limits(sandbox: Sandbox, message: dict[str, Any]) -> None:
    [[item]] = (await sandbox.json(message=[message | {"phones": [{"phone": PHONE}]}]))["message"]

    assert "error" not in item
    assert len(await sandbox.messages()) == 1


@pytest.mark.parametrize(
    ("phone", "changes", "number"),
    [
        ("", {}, 4),
        ("+79161234567", {}, 4),
        ("791612345678901", {}, 12),
        ("79161234500", {}, 5),
        ("380441234567", {}, 6),
        ("79161234501", {}, 7),
        (PHONE, {"text_viber": ""}, 13),
        (PHONE, {"text_sms": ""}, 13),
        (PHONE, {"sender_viber": ""}, 10),
        (PHONE, {"sender_sms": "TwelveLetter"}, 11),
        (PHONE, {"sender_viber": "A long name of a shop"}, 15),
        (PHONE, {"sender_sms": "nobody"}, 15),
        (PHONE, {"sender_viber": "NEW"}, 16),
        (PHONE, {"text_viber": "Казино"}, 9),
    ],
)
async def test_a_phone_is_refused(sandbox: Sandbox, phone: str, changes: dict[str, str], number: int) -> None:
    await sandbox.account(closed_areas=["Украина"], moderated_words=["казино"])

    refused = await send_one(sandbox, phones=[{"phone": phone, "client_id_message": 7}], **changes)

    assert refused == {"client_id_message": "7", "phone": phone, "error": TEXTS[number]}
    assert await sandbox.messages() == []


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"gateway_out_of_sms": True}, 1),
        ({"out_of_sms": True}, 2),
        ({"blocked": True, "blocked_in": "message"}, 3),
    ],
)
async def test_a_phone_is_refused_for_the_account(sandbox: Sandbox, changes: dict[str, Any], number: int) -> None:
    await sandbox.account(**changes)

    assert (await send_one(sandbox))["error"] == TEXTS[number]


async def test_blocked(sandbox: Sandbox) -> None:
    await sandbox.account(blocked=True)

    assert await sandbox.json(message=[cascade()]) == {"error": "Ваш аккаунт заблокирован"}


async def test_a_client_id_is_a_number(sandbox: Sandbox) -> None:
    refused = await send_one(sandbox, phones=[{"phone": PHONE, "client_id_message": "otp_1"}])

    assert refused["error"] == BAD_CLIENT_ID


@pytest.mark.parametrize("mode", ["id", "error"])
async def test_a_repeated_client_id_sends_nothing(sandbox: Sandbox, mode: str) -> None:
    await sandbox.account(dedupe=mode)
    phones = [{"phone": PHONE, "client_id_message": "42"}]

    first = await send_one(sandbox, phones=phones)
    await sandbox.advance(30 * 86400)
    again = await send_one(sandbox, phones=phones, text_viber="another")
    other = await send_one(sandbox, phones=[{"phone": PHONE, "client_id_message": "43"}])

    if mode == "id":
        assert again == first
    else:
        assert again == {"client_id_message": "42", "phone": PHONE, "error": TEXTS[17]}
    assert other["id_message"] != first["id_message"]
    assert len(await sandbox.messages()) == 2


async def test_a_repeat_after_the_cascade_went_on_has_both_ids(sandbox: Sandbox) -> None:
    phones = [{"phone": "79161234503", "client_id_message": "42"}]
    first = await send_one(sandbox, phones=phones)
    await sandbox.advance(3)

    again = await send_one(sandbox, phones=phones)

    assert again == first | {"id_sms": (await sandbox.messages())[0]["id"]}
    assert first["id_sms"] == "0"


async def test_one_space_of_client_ids_for_x_and_j(sandbox: Sandbox) -> None:
    """Both say «с этого аккаунта». What the other API answers then is ours."""
    by_x = await sandbox.send(sms(client_id_sms="1"))
    by_j = await send_one(sandbox, phones=[{"phone": PHONE, "client_id_message": "2"}], send_viber="0")

    assert (await send_one(sandbox, phones=[{"phone": PHONE, "client_id_message": "1"}]))["error"] == TEXTS[17]
    assert (await sandbox.send(sms(client_id_sms="2"))).get("id_sms") == by_j["id_sms"]
    assert by_x.get("id_sms") != by_j["id_sms"]
    assert len(await sandbox.messages()) == 2


async def test_another_account_sees_nothing(sandbox: Sandbox) -> None:
    sent = await send_one(sandbox)
    await sandbox.http.post("/_sim/reset")

    assert (await sandbox.json(state=[{"id_message": sent["id_message"]}]))["state"][0]["state"] == UNKNOWN_ID


@pytest.mark.parametrize("with_id", [True, False])
async def test_held_until_top_up(sandbox: Sandbox, with_id: bool) -> None:
    await sandbox.account(money=0, held_with_id=with_id)

    item = await send_one(sandbox)
    [held] = await sandbox.messages()
    await sandbox.account(money=100)
    [sent] = await sandbox.messages()

    assert item["error"] == TEXTS[8]
    assert ("id_message" in item) is with_id
    assert (held["status"], sent["status"]) == ("held", "accepted")


async def test_faults(sandbox: Sandbox) -> None:
    await sandbox.fault("message_error", gateway="json", error="Нет ссылки.")
    assert (await send_one(sandbox))["error"] == "Нет ссылки."
    await sandbox.fault("error", gateway="json", error="Ошибка")
    assert await sandbox.json(message=[cascade()]) == {"error": "Ошибка"}
    await sandbox.fault("numbers", gateway="json")
    numbers = await send_one(sandbox)
    assert (type(numbers["id_message"]), numbers["id_sms"]) == (int, 0)
    assert [row["outcome"] for row in await sandbox.requests("json")] == ["send", "", "Нет ссылки."]
