"""X8–X16, X18, X21, X22, X25 beyond the samples: filters, pages, what stays as it was."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

import pytest

from .speak import PHONE, Sandbox, sms

NOW = "%Y-%m-%d %H:%M:%S"


def words(answer: Element) -> list[str | None]:
    return [part.text for part in answer]


async def now(sandbox: Sandbox) -> datetime:
    """The account's time, without a zone."""
    return datetime.fromisoformat((await sandbox.operation("time"))[0].text or "")


async def receive(sandbox: Sandbox, text: str) -> dict[str, str]:
    answer = await sandbox.http.post("/_sim/incoming", json={"originator": PHONE, "text": text})
    assert answer.status_code == 201
    return answer.json()


async def test_incoming_between_two_times_both_excluded(sandbox: Sandbox) -> None:
    for text in ("first", "second", "third"):
        await receive(sandbox, text)
        await sandbox.advance(60)
    everything = await sandbox.operation("incoming", '<time start="2020-01-01 00:00:00"/>')
    times = [one.attrib["date_receive"] for one in everything]

    async def between(start: str, end: str) -> list[str | None]:
        return words(await sandbox.operation("incoming", f'<time start="{start}" end="{end}"/>'))

    assert words(everything) == ["first", "second", "third"]
    assert await between(times[0], times[2]) == ["second"]
    assert await between(times[0], "") == ["second", "third"]
    assert {(one.get("phone"), one.get("prefix")) for one in everything} == {("3443", "")}
    assert len({one.get("id_sms") for one in everything}) == 3


async def test_incoming_for_nobody(sandbox: Sandbox) -> None:
    new = {"originator": PHONE, "text": "x", "login": "nobody"}
    assert (await sandbox.http.post("/_sim/incoming", json=new)).status_code == 404


@pytest.mark.parametrize(
    ("phone", "told"),
    [
        ("79161234567", ("МТС", "Москва", "0")),
        ("79231234567", ("Мегафон", "Новосибирск", "4")),
        ("79031234567", ("Beeline", "Москва", "0")),
        ("79771234567", ("Теле2", "Москва", "0")),
        ("380441234567", ("", "", "")),
        ("7916", ("", "", "")),
        ("", ("", "", "")),
    ],
)
async def test_number_information(sandbox: Sandbox, phone: str, told: tuple[str, str, str]) -> None:
    [answered] = await sandbox.operation("def", f"<phones><phone>{phone}</phone></phones>")

    assert tuple(answered.attrib.values()) == told


async def test_bases(sandbox: Sandbox) -> None:
    added = await sandbox.operation(
        "bases", '<bases><base number_base="1" name_base="A">Hi</base><base number_base="2"/></bases>'
    )
    first, second = (base.attrib["id_base"] for base in added)
    edit = f'<bases><base id_base="{first}" on_birth="yes"/><base id_base="1"/></bases>'
    edited = await sandbox.operation("bases", edit)
    deleted = await sandbox.operation("bases", f'<delete_bases><base id_base="{second}"/></delete_bases>')

    assert [(base.text, base.get("number_base")) for base in added] == [("insert", "1"), ("insert", "2")]
    assert words(edited) == ["edit", "not_found"]
    assert words(deleted) == ["delete"]
    [left] = await sandbox.operation("list_bases")
    assert (left.text, dict(left.attrib)) == (
        "Hi",
        {
            "id_base": first,
            "name_base": "A",
            "time_birth": "",
            "local_time_birth": "no",
            "day_before": "0",
            "originator_birth": "",
            "on_birth": "yes",
        },
    )


async def new_base(sandbox: Sandbox) -> str:
    return (await sandbox.operation("bases", '<bases><base number_base="1"/></bases>'))[0].attrib["id_base"]


async def test_subscribers_come_in_pages(sandbox: Sandbox) -> None:
    base = await new_base(sandbox)
    phones = "".join(f'<phone phone="7916000{number:04}"/>' for number in range(120))
    await sandbox.operation("phones", f'<base id_base="{base}">{phones}</base>')

    pages = [(await sandbox.operation("list_phones", f'<base id_base="{base}" page="{n}"/>'))[0] for n in (1, 2, 3, 4)]
    [default] = await sandbox.operation("list_phones", f'<base id_base="{base}"/>')

    assert [len(page) for page in pages] == [50, 50, 20, 0]
    assert {page.get("num_pages") for page in pages} == {"3"}
    assert [page.get("page") for page in pages] == ["1", "2", "3", "4"]
    assert [phone.get("phone") for phone in default] == [phone.get("phone") for phone in pages[0]]
    assert (await sandbox.operation("list_phones", f'<base id_base="{await new_base(sandbox)}"/>'))[0].get(
        "num_pages"
    ) == "1"


async def test_subscribers_since_a_time(sandbox: Sandbox) -> None:
    base = await new_base(sandbox)
    await sandbox.operation("phones", f'<base id_base="{base}"><phone phone="1"/><phone phone="2"/></base>')
    await sandbox.advance(100)
    await sandbox.operation("phones", f'<base id_base="{base}"><phone phone="2" name="Анна" male="женский"/></base>')
    since = (await now(sandbox) - timedelta(seconds=50)).strftime(NOW)

    [phones] = await sandbox.operation("list_phones", f'<base id_base="{base}" page="1" last_update="{since}"/>')

    assert [(phone.get("phone"), phone.get("male")) for phone in phones] == [("2", "f")]


async def test_a_subscriber_is_edited_in_what_is_given(sandbox: Sandbox) -> None:
    base = await new_base(sandbox)

    async def edit(attributes: str) -> Element:
        return (await sandbox.operation("phones", f'<base id_base="{base}"><phone {attributes}/></base>'))[0][0]

    inserted = await edit(f'phone="{PHONE}" name="Анна" surname="Ли" operator="Yota" male="?"')
    edited = await edit(f'phone="{PHONE}" surname="Цой" number_phone="7"')
    assert (await edit('phone="" name="nobody"')).text == "not_found"
    [[subscriber]] = await sandbox.operation("list_phones", f'<base id_base="{base}"/>')

    assert (inserted.text, inserted.attrib) == ("insert", {"phone": PHONE})
    assert (edited.text, edited.attrib) == ("edit", {"phone": PHONE, "number_phone": "7"})
    told = {name: subscriber.get(name) for name in ("name", "surname", "operator", "region", "male", "addition_5")}
    assert told == {
        "name": "Анна",
        "surname": "Цой",
        "operator": "Yota",
        "region": "Москва",
        "male": "",
        "addition_5": "",
    }


async def test_an_unknown_base_leaves_the_others_alone(sandbox: Sandbox) -> None:
    base = await new_base(sandbox)

    refused = await sandbox.xml(
        "/xml/phones.php", f'<base id_base="{base}"><phone phone="1"/></base><base id_base="9"/>'
    )

    assert refused.findtext("error") == "Базы с таким номером не существует"
    assert len((await sandbox.operation("list_phones", f'<base id_base="{base}"/>'))[0]) == 0


@pytest.mark.parametrize("spelling", ["object", "obgect"])
async def test_time_of_change(sandbox: Sandbox, spelling: str) -> None:
    base = await new_base(sandbox)

    async def changed(what: str) -> str:
        [answered] = await sandbox.operation("check_change", f'<check {spelling}="{what}" id="{base}"/>')
        assert answered.tag == spelling
        return answered.attrib["time_update"]

    created, untouched = await changed("base"), await changed("stop")
    await sandbox.advance(60)
    await sandbox.operation("phones", f'<base id_base="{base}"><phone phone="1" action="delete"/></base>')
    same = await changed("base")
    await sandbox.operation("phones", f'<base id_base="{base}"><phone phone="1"/></base>')
    await sandbox.operation("stop", f'<add_stop><phone phone="{PHONE}"/></add_stop>')

    assert (same, untouched) == (created, "")
    assert await changed("base") > created
    assert await changed("stop") == await changed("stop-лист") > created


async def test_scheduled_in_pages_without_what_left_or_was_deleted(sandbox: Sandbox) -> None:
    await sandbox.xml("/xml/", "".join(sms(time_send="2100-01-01 12:00") for _ in range(51)) + sms())
    await sandbox.account(money=0)
    held = await sandbox.send(sms(validity_period="2100-01-01 12:00"))
    [first] = await sandbox.operation("list_scheduled", '<scheduled page="1"/>')
    [second] = await sandbox.operation("list_scheduled", '<scheduled page="2"/>')
    assert (len(first), len(second), first.get("num_pages")) == (50, 2, "2")
    assert (second[1].get("id_sms"), second[1].get("time_send")) == (held.get("id_sms"), "")
    assert (first[0].get("validity_period"), first[0].get("name_delivery")) == ("", "Шлюз")

    schedules = "".join(f'<schedule id_sms="{one.get("id_sms")}"/>' for one in first)
    await sandbox.operation("scheduled", f"<delete_schedule>{schedules}</delete_schedule>")

    assert len((await sandbox.operation("list_scheduled", "<scheduled/>"))[0]) == 2


async def test_patterns_keep_their_places(sandbox: Sandbox) -> None:
    inserted = await sandbox.operation(
        "patterns", '<patterns><pattern number_pattern="5" name="A">a</pattern></patterns>'
    )
    key = inserted[0].attrib["id_pattern"]

    async def edit(pattern: str) -> list[str | None]:
        return words(await sandbox.operation("patterns", f"<patterns>{pattern}</patterns>"))

    assert inserted[0].get("number_base") == "5"
    assert await edit(f'<pattern id_pattern="{key}" name="A">a</pattern>') == ["not_edit"]
    assert await edit(f'<pattern id_pattern="{key}" name="A">b</pattern>') == ["edit"]
    assert await edit('<pattern id_pattern="1" name="A">b</pattern>') == ["not_found"]
    assert words(await sandbox.operation("list_patterns")) == ["b"]


async def test_callback_address(sandbox: Sandbox) -> None:
    assert words(await sandbox.operation("get_state", '<get_state type="get"/>')) == [None]
    await sandbox.operation("get_state", '<get_state type="set"> http://127.0.0.1:1/a?b=1&amp;c=2 </get_state>')

    assert words(await sandbox.operation("get_state", '<get_state type="get"/>')) == ["http://127.0.0.1:1/a?b=1&c=2"]
    assert (await sandbox.account())["callback_url"] == "http://127.0.0.1:1/a?b=1&c=2"


async def test_reset_empties_the_cabinet(sandbox: Sandbox) -> None:
    await new_base(sandbox)
    await receive(sandbox, "x")

    await sandbox.http.post("/_sim/reset")

    assert len(await sandbox.operation("list_bases")) == 0
    assert len(await sandbox.operation("incoming", '<time start="2020-01-01 00:00:00"/>')) == 0


async def test_requests_tell_the_operation(sandbox: Sandbox) -> None:
    await new_base(sandbox)
    await sandbox.operation("stats", "<stats/>")
    await sandbox.operation("def", "<phones/>")

    asked = [(row["operation"], row["outcome"]) for row in await sandbox.requests()]

    assert asked == [("def", ""), ("stats", "stats"), ("bases", "insert")]
    assert re.fullmatch(r"\d+", await new_base(sandbox))
