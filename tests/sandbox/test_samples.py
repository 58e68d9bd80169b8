"""The sandbox against the samples of the vendor documents."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, fromstring

import pytest

from otp_service.sandbox.drafts import TEXTS
from otp_service.sandbox.gateways import smska

from .speak import PHONE, Sandbox, password_request, sms


def shape(element: Element) -> tuple:
    """Names of elements and attributes; equal children in a row count once."""
    children = dict.fromkeys(shape(child) for child in element)
    return element.tag, tuple(sorted(element.attrib)), tuple(children)


def with_login(document: str) -> str:
    return document.replace("логин", "demo", 1).replace("пароль", "demo-password", 1).replace("\n", "")


def ids(element: Element) -> list[str]:
    return [child.get("id_sms", "") for child in element]


async def test_p(sandbox: Sandbox, sample) -> None:
    request = with_login(sample("p_request.xml"))
    for word, value in {
        "телефон": "+79001234567",
        "отправитель": "target",
        "количество_цифр_в_коде": "8",
        "текст_сообщения": "Код: {код}",
    }.items():
        request = request.replace(f">{word}<", f">{value}<")

    answer = await sandbox.ask("/password_generation/api.php", request)

    assert shape(answer) == shape(fromstring(sample("p_success.xml")))
    assert re.fullmatch(r"\d{8}", answer[0].attrib["code"])
    assert answer[0].attrib["status"] == "send"


async def test_p_wrong_login(sandbox: Sandbox, sample) -> None:
    response = await sandbox.http.post("/password_generation/api.php", content=password_request(login="nobody"))

    assert re.sub(r"\s+<", "<", response.text) == re.sub(r"\s+<", "<", sample("p_error.xml")).strip()


async def test_x3_all_messages_of_the_sample_but_for_its_too_long_senders(sandbox: Sandbox, sample) -> None:
    """The sender names of the sample have 13 characters, 2 more than X3 itself allows."""
    await sandbox.account(any_originator=True)
    request = with_login(sample("x3_request.xml"))

    refused = await sandbox.ask("/xml/", request)
    sent = await sandbox.ask("/xml/", request.replace("Отправитель ", "Sender"))

    assert {information.text for information in refused} == {TEXTS[11]}
    assert shape(sent) == shape(fromstring(sample("x3_answer.xml")))
    assert [information.get("number_sms") for information in sent] == ["1", "2", "10", "11", "12", "20"]
    assert {information.text for information in sent} == {"send"}


async def test_x4(sandbox: Sandbox, sample) -> None:
    sent = await sandbox.xml("/xml/", sms() * 4)
    request = with_login(sample("x4_request.xml"))
    for id_sms in ids(sent):
        request = request.replace("IDSMS в системе для проверки статуса", id_sms, 1)

    answer = await sandbox.ask("/xml/state.php", request)

    assert shape(answer) == shape(fromstring(sample("x4_answer.xml")))
    assert ids(answer) == ids(sent)


async def test_x6_the_worked_example(sandbox: Sandbox, sample) -> None:
    """10 units, Россия 1, Украина 2: 10/10/5, and after two SMS to Россия 8/8/4."""
    request = with_login(sample("x6_request.xml"))
    await sandbox.account(money=10)

    before = await sandbox.ask("/xml/balance.php", request)
    await sandbox.xml("/xml/", sms() * 2)
    after = await sandbox.ask("/xml/balance.php", request)

    assert shape(before) == shape(fromstring(sample("x6_answer.xml")))
    assert [part.text for part in before] == [part.text for part in fromstring(sample("x6_money_10.xml"))]
    assert [part.text for part in after] == [part.text for part in fromstring(sample("x6_money_8.xml"))]


async def test_x7(sandbox: Sandbox, sample) -> None:
    answer = await sandbox.xml("/xml/originator.php")

    assert shape(answer) == shape(fromstring(sample("x7_answer.xml")))
    assert {sender.text: sender.get("state") for sender in answer[1]} == {
        "target": "completed",
        "DEMO": "completed",
        "NEW": "order",
    }


async def test_x7_any_originator_has_no_list(sandbox: Sandbox) -> None:
    await sandbox.account(any_originator=True)

    answer = await sandbox.xml("/xml/originator.php")

    assert [(part.tag, part.text) for part in answer] == [("any_originator", "TRUE")]


async def test_x17(sandbox: Sandbox, sample) -> None:
    scheduled = await sandbox.send(sms(time_send="2100-01-01 12:00"))
    request = with_login(sample("x17_request.xml")).replace("1234", scheduled.attrib["id_sms"])

    answer = await sandbox.ask("/xml/scheduled.php", request)

    expected = fromstring(sample("x17_answer.xml"))
    assert shape(answer) == shape(expected)
    assert [part.text for part in answer] == [part.text for part in expected]


@pytest.mark.parametrize(("with_date", "name"), [(False, "x19_time.xml"), (True, "x19_date_time.xml")])
async def test_x19(sandbox: Sandbox, sample, with_date: bool, name: str) -> None:
    await sandbox.account(time_with_date=with_date)

    answer = await sandbox.xml("/xml/time.php")

    expected = fromstring(sample(name))
    assert shape(answer) == shape(expected)
    assert re.sub(r"\d", "0", answer[0].text) == re.sub(r"\d", "0", expected[0].text)


async def test_x19_is_the_time_of_the_account(sandbox: Sandbox) -> None:
    """The example: Moscow 15:34, three hours more in the answer. Here: UTC+0 against UTC+3."""
    hours = []
    for offset in (0, 3):
        await sandbox.account(utc_offset_hours=offset)
        answer = await sandbox.xml("/xml/time.php")
        hours.append(int(answer[0].text.split()[1][:2]))

    assert (hours[1] - hours[0]) % 24 in (3, 4)  # 4: the hour struck in between


async def test_k(sandbox: Sandbox, sample) -> None:
    await sandbox.account("smska", money=7465)
    send_sample, balance_sample, query_sample = sample("k_answers.txt").split("\n")[:3]

    balance = await sandbox.smska(Action="balance")
    sent = await sandbox.smska_send()
    batch_id = sent.split("|")[2]
    await sandbox.advance(3)
    queried = await sandbox.smska(Action="query", BatchId=batch_id)

    assert balance == balance_sample.replace("7464", "7465")
    assert sent == send_sample.replace("ah1acugxz98a27t9z", batch_id).replace("7463", "7464")
    assert re.fullmatch(r"[a-z0-9]{17}", batch_id)
    assert queried == query_sample


async def test_k_by_get_as_in_its_examples(sandbox: Sandbox) -> None:
    query = "APIKey=demo&APIPassword=demo-password&SenderID=DEMO&MSISDN=79041764995&Message=Проверка"

    answer = await sandbox.http.get(f"/api/httppost.php?{query}")

    assert answer.text.startswith("0|Message sent|")
    assert (await sandbox.messages("79041764995"))[0]["text"] == "Проверка"


def test_texts_are_verbatim(sample) -> None:
    assert [f"{number}. {text}" for number, text in TEXTS.items()] == sample("x3_texts.txt").splitlines()
    known = {smska.AUTHENTICATION, smska.ARGUMENTS, smska.CREDITS, smska.MSISDN, smska.SENDER, "-3|Sent Error"}
    assert known == set(sample("k_errors.txt").splitlines())
    statuses = {line.split(" = ")[0] for line in sample("k_statuses.txt").splitlines()}
    assert set(smska.CODES.values()) == statuses


async def test_ids_do_not_fit_into_31_bits(sandbox: Sandbox) -> None:
    first, second = ids(await sandbox.xml("/xml/", sms() + sms(PHONE)))

    assert int(first) > 2**31
    assert int(second) == int(first) + 1
