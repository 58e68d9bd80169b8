"""J: what is refused, as a whole document, as a message or for one phone."""

from __future__ import annotations

from typing import Any

import pytest

from otp_service.sandbox.drafts import TEXTS
from otp_service.sandbox.gateways import json_message as rules
from otp_service.sandbox.gateways.json_send import BAD_CLIENT_ID

from .speak import PHONE, Sandbox, cascade

VIBER = {"send_viber": "1", "sender_viber": "DEMO", "text_viber": "Код 1234"}
SMS = {"send_sms": "1", "sender_sms": "DEMO", "text_sms": "Код 1234"}
BAD_FORMAT = "Неправильный формат JSON документа"


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

    refused = await sandbox.cascade(phones=[{"phone": phone, "client_id_message": 7}], **changes)

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

    assert (await sandbox.cascade())["error"] == TEXTS[number]


async def test_blocked(sandbox: Sandbox) -> None:
    await sandbox.account(blocked=True)

    assert await sandbox.json(message=[cascade()]) == {"error": "Ваш аккаунт заблокирован"}


async def test_a_client_id_is_a_number(sandbox: Sandbox) -> None:
    refused = await sandbox.cascade(phones=[{"phone": PHONE, "client_id_message": "otp_1"}])

    assert refused["error"] == BAD_CLIENT_ID
