"""X8–X25 against the samples of the vendor document."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

from .speak import Sandbox, sms
from .test_samples import ids, shape, with_login

LATER = "2100-01-01 12:00"


async def ask(sandbox: Sandbox, path: str, document: str) -> Element:
    """On one line, as X1 wants it."""
    return await sandbox.ask(f"/xml/{path}.php", with_login(document.replace("\n", " ")))


def words(answer: Element) -> list[str | None]:
    return [part.text for part in answer]


async def add_base(sandbox: Sandbox) -> str:
    answer = await sandbox.xml("/xml/bases.php", '<bases><base number_base="1" name_base="first">Hi</base></bases>')
    return answer[0].attrib["id_base"]


async def test_x8(sandbox: Sandbox, sample) -> None:
    """The sample asks for 2020: nothing, up to the 31st of February."""
    request = sample("x8_request.xml")
    for originator in ("79001234567", "79001234568"):
        new = {"originator": originator, "text": "ТекстСМС.", "prefix": "АКЦИЯ"}
        assert (await sandbox.http.post("/_sim/incoming", json=new)).status_code == 201

    assert len(await ask(sandbox, "incoming", request)) == 0
    answer = await ask(sandbox, "incoming", request.replace('end="2020-02-31', 'end="2100-02-31'))

    expected = fromstring(sample("x8_answer.xml"))
    assert shape(answer) == shape(expected)
    for received, shown in zip(answer, expected, strict=True):
        assert received.text == shown.text
        assert {name: received.attrib[name] for name in ("originator", "prefix", "phone")} == {
            name: shown.attrib[name] for name in ("originator", "prefix", "phone")
        }


async def test_x9(sandbox: Sandbox, sample) -> None:
    """The sample as printed, though by its text time_zone counts from Moscow."""
    answer = await ask(sandbox, "def", sample("x9_request.xml"))

    told = [(phone.text, phone.get("operator"), phone.get("region")) for phone in answer]
    expected = fromstring(sample("x9_answer.xml"))
    assert shape(answer) == shape(expected)
    assert told == [(phone.text, phone.get("operator"), phone.get("region")) for phone in expected]
    assert [phone.get("time_zone") for phone in answer] == ["3", "-1"]


async def test_x11_and_x10(sandbox: Sandbox, sample) -> None:
    edited, deleted = await add_base(sandbox), await add_base(sandbox)
    request = sample("x11_request.xml").replace('"1234"', f'"{edited}"').replace('"1235"', f'"{deleted}"')

    answer = await ask(sandbox, "bases", request)
    listed = await sandbox.xml("/xml/list_bases.php")

    expected = fromstring(sample("x11_answer.xml"))
    assert words(answer) == ["edit", "insert", "delete", "not_found"]
    assert {(part.text, *sorted(part.attrib)) for part in answer} < {
        (part.text, *sorted(part.attrib)) for part in expected
    }
    assert shape(listed) == shape(fromstring(sample("x10_answer.xml")))
    assert [base.get("name_base") for base in listed] == ["База главного офиса", "База Московского офиса"]
    assert [base.get("id_base") for base in listed] == [edited, answer[1].get("id_base")]
    assert words(listed) == ["Поздравляем!"] * 2


async def test_x13_and_x12(sandbox: Sandbox, sample) -> None:
    id_base = await add_base(sandbox)
    before = f'<base id_base="{id_base}"><phone phone="79001234568" name="Пётр"/><phone phone="79001234569"/></base>'
    await sandbox.xml("/xml/phones.php", before)

    answer = await ask(sandbox, "phones", sample("x13_request.xml").replace("1234", id_base, 1))
    listed = await ask(sandbox, "list_phones", sample("x12_request.xml").replace("1234", id_base, 1))

    expected = fromstring(sample("x13_answer.xml"))
    assert shape(answer) == shape(expected)
    assert words(answer[0]) == words(expected[0])
    assert [dict(phone.attrib) for phone in answer[0]] == [dict(phone.attrib) for phone in expected[0]]
    shown = fromstring(sample("x12_answer.xml"))
    assert shape(listed) == shape(shown)
    assert {phone.get("male") for phone in listed[0]} == {"m"}
    assert {phone.get("patronymic") for phone in listed[0]} == {"Иванович"}
    assert [phone.get("phone") for phone in listed[0]] == ["79001234568", "79001234567"]


async def test_x15_and_x14(sandbox: Sandbox, sample) -> None:
    await sandbox.account(stop_list=["79001234569"])

    answer = await ask(sandbox, "stop", sample("x15_request.xml"))

    assert shape(answer) == shape(fromstring(sample("x15_answer.xml")))
    assert words(answer) == ["add", "add", "delete", "not_found"]
    listed = await sandbox.xml("/xml/list_stop.php")
    assert [(phone.tag, phone.text) for phone in listed] == [
        (phone.tag, phone.text) for phone in fromstring(sample("x14_answer.xml"))
    ]
    assert (await sandbox.send(sms("79001234567"))).text == "Номер телефона присутствует в стоп-листе."


async def test_x16(sandbox: Sandbox, sample) -> None:
    await sandbox.account(any_originator=True)
    shown = fromstring(sample("x16_answer.xml"))[0]
    long = "Текст" * 20
    sent = await sandbox.xml(
        "/xml/",
        "".join(
            sms(
                one.attrib["phone"],
                long,
                sender="SENDER_1",
                inside="<name_delivery>Название рассылки</name_delivery>",
                time_send=LATER,
                validity_period="2100-01-03 21:00",
            )
            for one in shown
        ),
    )

    answer = await ask(sandbox, "list_scheduled", sample("x16_request.xml"))

    assert shape(answer) == shape(fromstring(sample("x16_answer.xml")))
    assert ids(answer[0]) == ids(sent)
    told = answer[0][0].attrib
    assert (told["count_sms"], told["type_sms"], told["name_delivery"]) == ("2", "sms", "Название рассылки")
    assert (told["time_send"], told["validity_period"]) == (LATER, "2100-01-03 21:00:00")


async def test_x18(sandbox: Sandbox, sample) -> None:
    id_base = await add_base(sandbox)

    answer = await ask(sandbox, "check_change", sample("x18_request.xml").replace('id="1"', f'id="{id_base}"'))

    assert shape(answer) == shape(fromstring(sample("x18_answer.xml")))


async def test_x20(sandbox: Sandbox, sample) -> None:
    """The SMS of the sample, of today: 2 parts."""
    await sandbox.account(any_originator=True, prices={"Россия": 1.05})
    text = "Текст смс, " * 10
    await sandbox.send(sms("79101234567", text, sender="SENDER_1", inside="<name_delivery>Кабинет</name_delivery>"))
    await sandbox.advance(3)
    request = sample("x20_request.xml").replace('"2016-08-21"', '""')

    answer = await ask(sandbox, "stats", request)

    shown = fromstring(sample("x20_answer.xml"))
    assert shape(answer) == shape(shown)
    rows = [dict(stat.attrib) for stat in answer[0]]
    assert answer[0].get("num_stats") == "2"
    assert "".join(row["text"] for row in rows) == text
    for row, sample_row in zip(rows, shown[0], strict=True):
        same = ("operator", "name_delivery", "originator", "status", "price", "part_no", "num_parts")
        assert {name: row[name] for name in same} == {name: sample_row.get(name) for name in same}
        assert row.get("status_translate") == sample_row.get("status_translate")
        assert row["phone"] == "7910123****"
    assert len({row["id_state"] for row in rows}) == 2


async def test_x22_and_x21(sandbox: Sandbox, sample) -> None:
    added = await sandbox.xml(
        "/xml/patterns.php",
        '<patterns><pattern number_pattern="1" name="old">Шаблон1</pattern>'
        '<pattern number_pattern="2" name="ЗаголовокШаблон2">Шаблон2</pattern>'
        '<pattern number_pattern="3" name="third">Шаблон</pattern></patterns>',
    )
    request = sample("x22_request.xml")
    for written, made in zip(("1234", "1235", "1236"), added, strict=True):
        request = request.replace(f'"{written}"', f'"{made.get("id_pattern")}"')

    answer = await ask(sandbox, "patterns", request)
    listed = await sandbox.xml("/xml/list_patterns.php")

    expected = fromstring(sample("x22_answer.xml"))
    assert shape(answer) == shape(expected)
    assert words(answer) == words(expected)
    assert shape(listed) == shape(fromstring(sample("x21_answer.xml")))
    assert [(pattern.get("name"), pattern.text) for pattern in listed] == [
        (f"ЗаголовокШаблон{number}", f"Шаблон{number}") for number in (1, 2, 3)
    ]


async def test_x24_and_x23(sandbox: Sandbox, sample) -> None:
    add = (
        '<registry_originator><originator originator="Отправитель 3" legal_entity="ИП" operator="mts" inn="1"/>'
        '<originator originator="Отправитель 1" legal_entity="ИП" operator="tele2" inn="1"/></registry_originator>'
    )
    await sandbox.xml("/xml/registry_originator.php", add)

    answer = await ask(sandbox, "registry_originator", sample("x24_request.xml"))

    expected = fromstring(sample("x24_answer.xml"))
    assert shape(answer) == shape(expected)
    for block, shown in zip(answer, expected, strict=True):
        assert [one.get("status") for one in block] == [one.get("status") for one in shown]
        assert [bool(one.get("error")) for one in block] == [bool(one.get("error")) for one in shown]
    assert answer[1][1].get("error") == expected[1][1].get("error")
    listed = await sandbox.xml("/xml/list_registry_originator.php")
    assert shape(listed) == shape(fromstring(sample("x23_answer.xml")))
    assert [(operator.get("name"), operator.get("title")) for operator in listed[0]] == [
        ("mts", "МТС"),
        ("tele2", "Теле2"),
    ]
    assert len((await ask(sandbox, "list_registry_originator", sample("x23_request.xml")))[0]) == 0


async def test_x25(sandbox: Sandbox, sample) -> None:
    answer = await ask(sandbox, "get_state", sample("x25_request.xml"))
    read = await sandbox.xml("/xml/get_state.php", '<get_state type="get"/>')

    expected = fromstring(sample("x25_answer.xml"))
    for answered in (answer, read):
        assert shape(answered) == shape(expected)
        assert words(answered) == words(expected)
