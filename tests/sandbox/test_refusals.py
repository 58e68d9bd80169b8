"""Every error that the documents list and the sandbox can be brought to say."""

from __future__ import annotations

import pytest

from otp_service.sandbox.drafts import TEXTS
from otp_service.sandbox.gateways import XML, smska

from .speak import Sandbox, password_request, security, sms

XML_PATHS = ["/xml/", *(f"/xml/{name}.php" for name in XML)]
BILLION_LAUGHS = f'<!DOCTYPE request [<!ENTITY a "a">]><request>{security()}</request>'
COMMON_ERRORS = {
    "": "POST данные отсутствуют",
    "это не XML": "Неправильный формат XML документа",
    "<request><security>": "Неправильный формат XML документа",
    "<other/>": "Неправильный формат XML документа",
    "<request/>": "Неправильный формат XML документа",
    BILLION_LAUGHS: "Неправильный формат XML документа",
}
WRONG_PASSWORD = '<request><security><login value="demo"/><password value="x"/></security></request>'


@pytest.mark.parametrize("path", [*XML_PATHS, "/password_generation/api.php"])
async def test_common_errors(sandbox: Sandbox, path: str) -> None:
    answers = {document: await sandbox.ask(path, document) for document in COMMON_ERRORS}

    assert {document: [(part.tag, part.text) for part in answer] for document, answer in answers.items()} == {
        document: [("error", text)] for document, text in COMMON_ERRORS.items()
    }


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
    ("changes", "number"),
    [
        ({"gateway_out_of_sms": True}, 1),
        ({"out_of_sms": True}, 2),
        ({"blocked": True, "blocked_in": "message"}, 3),
    ],
)
async def test_x3_refuses_a_message_for_the_account(sandbox: Sandbox, changes: dict[str, object], number: int) -> None:
    await sandbox.account(**changes)

    information = await sandbox.send(sms())

    assert (information.text, information.attrib) == (TEXTS[number], {"number_sms": "1"})
    assert await sandbox.messages() == []


async def test_x3_a_wap_push_needs_a_link(sandbox: Sandbox) -> None:
    """`type` and the text are X3's; the field of the link is ours."""
    push = sms().replace('type="sms"', 'type="wappush"')

    assert (await sandbox.send(push)).text == TEXTS[14]
    assert (await sandbox.send(push.replace("<text>", "<url>http://site.ru</url><text>"))).text == "send"


@pytest.mark.parametrize(
    "attributes",
    [
        {"client_id_sms": "abc"},
        {"time_send": "tomorrow"},
        {"time_send": "2030-02-32 10:00"},
        {"time_send": "9999-12-31 23:59"},
        {"validity_period": "2030-01-01 10:00:00"},
    ],
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


NO_BASE = "Базы с таким номером не существует"
BAD_FORMAT = "Неправильный формат XML документа"


@pytest.mark.parametrize(
    ("path", "inside", "text"),
    [
        ("list_phones", '<base id_base="1"/>', NO_BASE),
        ("phones", '<base id_base="1"/>', NO_BASE),
        ("check_change", '<check object="base" id="1"/>', NO_BASE),
        ("stats", '<stats date_start="21.08.2016"/>', "Некорректный формат даты"),
        ("stats", '<stats date_stop="2016-08-211"/>', "Некорректный формат даты"),
        ("stats", '<stats date_stop="2016-08-21" to_minute="60"/>', "Некорректный формат даты"),
        ("stats", '<stats from_hour="x"/>', "Некорректный формат даты"),
        ("stats", '<stats operator="Мегафон Плюс"/>', "Такой оператор не обнаружен"),
        # Ours from here: what the documents leave open.
        ("stats", "", BAD_FORMAT),
        ("incoming", "", BAD_FORMAT),
        ("incoming", "<time/>", BAD_FORMAT),
        ("incoming", '<time start="2020-01-31"/>', BAD_FORMAT),
        ("incoming", '<time start="2020-01-31 12:23:00" end="later"/>', BAD_FORMAT),
        ("list_phones", "", BAD_FORMAT),
        ("list_scheduled", "", BAD_FORMAT),
        ("list_scheduled", '<scheduled page="0"/>', BAD_FORMAT),
        ("list_scheduled", '<scheduled page="-1"/>', BAD_FORMAT),
        ("list_scheduled", f'<scheduled page="{"9" * 5000}"/>', BAD_FORMAT),
        ("check_change", "", BAD_FORMAT),
        ("check_change", '<check object="phone" id="1"/>', BAD_FORMAT),
        ("get_state", "", BAD_FORMAT),
        ("get_state", '<get_state type="delete"/>', BAD_FORMAT),
    ],
)
async def test_x_refuses_a_request(sandbox: Sandbox, path: str, inside: str, text: str) -> None:
    answer = await sandbox.xml(f"/xml/{path}.php", inside)

    assert [(part.tag, part.text) for part in answer] == [("error", text)]


async def test_a_fault_says_what_nothing_else_brings_about(sandbox: Sandbox) -> None:
    """X20 lists an error about bases, and has none."""
    await sandbox.fault("error", gateway="stats", error=NO_BASE)

    assert (await sandbox.xml("/xml/stats.php", "<stats/>")).findtext("error") == NO_BASE
