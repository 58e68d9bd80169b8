"""Every error that the documents list and the sandbox can be brought to say."""

from __future__ import annotations

import pytest

from otp_service.sandbox.drafts import TEXTS
from otp_service.sandbox.gateways import smska

from .speak import Sandbox, password_request, security, sms

XML_PATHS = [
    "/xml/",
    "/xml/state.php",
    "/xml/balance.php",
    "/xml/originator.php",
    "/xml/scheduled.php",
    "/xml/time.php",
]
BILLION_LAUGHS = f'<!DOCTYPE request [<!ENTITY a "a">]><request>{security()}</request>'
WRONG_PASSWORD = '<request><security><login value="demo"/><password value="x"/></security></request>'


@pytest.mark.parametrize("path", [*XML_PATHS, "/password_generation/api.php"])
@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("", "POST данные отсутствуют"),
        ("это не XML", "Неправильный формат XML документа"),
        ("<request><security>", "Неправильный формат XML документа"),
        ("<other/>", "Неправильный формат XML документа"),
        ("<request/>", "Неправильный формат XML документа"),
        (BILLION_LAUGHS, "Неправильный формат XML документа"),
    ],
)
async def test_common_errors(sandbox: Sandbox, path: str, document: str, text: str) -> None:
    answer = await sandbox.ask(path, document)

    assert [(part.tag, part.text) for part in answer] == [("error", text)]


@pytest.mark.parametrize("path", XML_PATHS)
async def test_wrong_password(sandbox: Sandbox, path: str) -> None:
    assert (await sandbox.ask(path, WRONG_PASSWORD)).findtext("error") == "Неправильный логин или пароль"


async def test_get_has_no_post_data(sandbox: Sandbox) -> None:
    assert "POST данные отсутствуют" in (await sandbox.http.get("/xml/")).text


@pytest.mark.parametrize(
    ("path", "request_text"), [("/xml/", ""), ("/password_generation/api.php", password_request())]
)
async def test_blocked_account(sandbox: Sandbox, path: str, request_text: str) -> None:
    await sandbox.account(blocked=True)

    answer = await sandbox.ask(path, request_text or f"<request>{security()}{sms()}</request>")

    assert answer.findtext("error") == "Ваш аккаунт заблокирован"


@pytest.mark.parametrize(
    ("message", "number"),
    [
        (sms(phone=""), 4),
        (sms(phone="+79161234567"), 4),
        (sms(phone="791612345678901"), 12),
        (sms(text=""), 13),
        (sms(sender=""), 10),
        (sms(sender="TwelveLetter"), 11),
        (sms(sender="1234567890123456"), 11),
        (sms(sender="nobody"), 15),
        (sms(sender="Demo"), 15),
        (sms(sender="NEW"), 16),
        (sms(phone="79161234500"), 5),
        (sms(phone="79161112233"), 5),
        (sms(phone="380441234567"), 6),
        (sms(phone="79161234501"), 7),
        (sms(phone="4915112345678"), 7),
        (sms(text="Лучшее КАЗИНО"), 9),
    ],
)
async def test_x3_refuses_a_message(sandbox: Sandbox, message: str, number: int) -> None:
    await sandbox.account(stop_list=["79161112233"], closed_areas=["Украина"], moderated_words=["казино"])

    information = await sandbox.send(message)

    assert information.text == TEXTS[number]
    assert information.attrib == {"number_sms": "1"}
    assert await sandbox.messages() == []


@pytest.mark.parametrize(
    "attributes", [{"client_id_sms": "abc"}, {"time_send": "tomorrow"}, {"validity_period": "2030-01-01 10:00:00"}]
)
async def test_x3_refuses_the_document_for_a_malformed_attribute(sandbox: Sandbox, attributes: dict[str, str]) -> None:
    answer = await sandbox.xml("/xml/", sms() + sms(**attributes))

    assert answer.findtext("error") == "Неправильный формат XML документа"
    assert await sandbox.messages() == []


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (password_request(extra="<text>Без кода</text>"), "Текст сообщения должен содержать {код}"),
        (password_request(extra="<random_string_len>x</random_string_len>"), "Неправильное количество цифр в коде"),
        (password_request(extra="<random_string_len>0</random_string_len>"), "Неправильное количество цифр в коде"),
        (
            password_request(extra=f"<random_string_len>{'9' * 5000}</random_string_len>"),
            "Неправильное количество цифр в коде",
        ),
        (password_request(phone=""), TEXTS[4]),
        (password_request(sender="nobody"), TEXTS[15]),
        (password_request(phone="+79161234500"), TEXTS[5]),
        (password_request(phone="+79161234501"), TEXTS[7]),
    ],
)
async def test_p_refuses(sandbox: Sandbox, document: str, text: str) -> None:
    answer = await sandbox.ask("/password_generation/api.php", document)

    assert [(part.tag, part.text) for part in answer] == [("error", text)]
    assert await sandbox.messages() == []


async def test_p_without_money_sends_nothing_later(sandbox: Sandbox) -> None:
    await sandbox.account(money=0)
    answer = await sandbox.ask("/password_generation/api.php", password_request())
    await sandbox.account(money=100)

    assert answer.findtext("error") == TEXTS[2]
    assert await sandbox.messages() == []


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"APIKey": ""}, smska.ARGUMENTS),
        ({"APIPassword": "x"}, smska.AUTHENTICATION),
        ({"Action": "dance"}, smska.ARGUMENTS),
        ({"Action": "query", "BatchId": "nosuchid"}, smska.ARGUMENTS),
        ({"Message": ""}, smska.ARGUMENTS),
        ({"MSISDN": "+79161234567"}, smska.MSISDN),
        ({"MSISDN": "79161234500"}, smska.MSISDN),
        ({"MSISDN": "79161234501"}, smska.MSISDN),
        ({"SenderID": "nobody"}, smska.SENDER),
    ],
)
async def test_k_refuses(sandbox: Sandbox, fields: dict[str, str], answer: str) -> None:
    assert await sandbox.smska_send(**fields) == answer
    assert await sandbox.messages() == []


async def test_k_blocked_and_out_of_credits(sandbox: Sandbox) -> None:
    await sandbox.account("smska", money=0)
    assert await sandbox.smska_send() == smska.CREDITS

    await sandbox.account("smska", blocked=True)
    assert await sandbox.smska_send() == smska.AUTHENTICATION
