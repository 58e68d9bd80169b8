"""G: TargetSMS by GET."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import httpx
import pytest

from otp_service.sandbox.drafts import TEXTS
from otp_service.sandbox.gateways.get import GET_TEXTS, REPEATED
from otp_service.sandbox.gateways.php import serialize
from otp_service.sandbox.gateways.states import UNKNOWN_ID

from .speak import PHONE, Sandbox, sms

DETAIL = re.compile(
    r'a:5:\{s:6:"id_sms";s:10:"(\d+)";s:17:"time_change_state";s:19:"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)";'
    r's:9:"state_sms";s:7:"deliver";s:9:"num_parts";s:1:"1";s:5:"price";s:1:"1";\}'
)


async def get(sandbox: Sandbox, **fields: str) -> str:
    answer = await sandbox.http.get("/sendsms.php", params={"user": "demo", "pwd": "demo-password"} | fields)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


async def send(sandbox: Sandbox, dadr: str = PHONE, **fields: str) -> str:
    return await get(sandbox, **({"sadr": "DEMO", "dadr": dadr, "text": "Код 123456"} | fields))


async def test_send_and_status(sandbox: Sandbox, sample) -> None:
    one, several, status = sample("g_answers.txt").splitlines()[:3]
    id_sms = await send(sandbox)
    ids = await send(sandbox, f"{PHONE},380441234567")

    assert re.sub(r"\d", "0", id_sms) == re.sub(r"\d", "0", one)
    assert re.sub(r"\d", "0", ids) == re.sub(r"\d", "0", several)
    assert await get(sandbox, smsid=id_sms) == "send"
    await sandbox.advance(61)
    assert await get(sandbox, smsid=id_sms) == status
    assert [row["gateway"] for row in await sandbox.messages()] == ["targetsms-get"] * 3


@pytest.mark.parametrize(
    ("ending", "word"), [("02", "send"), ("03", "not_deliver"), ("04", "expired"), ("05", "partly_deliver")]
)
async def test_status_words(sandbox: Sandbox, ending: str, word: str) -> None:
    id_sms = await send(sandbox, f"791612345{ending}")
    await sandbox.advance(3)

    assert await get(sandbox, smsid=id_sms) == word


async def test_one_table_for_the_platform(sandbox: Sandbox) -> None:
    by_x = (await sandbox.send(sms())).attrib["id_sms"]
    by_g = await send(sandbox)
    await sandbox.advance(3)

    assert await get(sandbox, smsid=by_x) == "deliver"
    assert (await sandbox.state(by_g)).text == "deliver"


async def test_detail(sandbox: Sandbox, sample) -> None:
    id_sms = await send(sandbox)
    early = await get(sandbox, smsid=id_sms, detail="1")
    await sandbox.advance(61)
    late = await get(sandbox, smsid=id_sms, detail="1")

    found = DETAIL.fullmatch(late)
    assert found
    assert found[1] == id_sms
    assert 's:17:"time_change_state";s:0:"";s:9:"state_sms";s:4:"send"' in early
    assert re.findall(r's:\d+:"(\w+)";s:', late) == re.findall(r"\[(\w+)\]", sample("g_detail.txt"))


async def test_balance(sandbox: Sandbox, sample) -> None:
    await sandbox.account(money="445.6", prices={"Россия": 1, "Украина": 2})

    answer = await get(sandbox, balance="1")

    assert answer == "445.6 RUR\nРоссия:445,Украина:222"
    money, areas = sample("g_answers.txt").splitlines()[3:]
    assert answer.splitlines()[0] == money
    assert all(re.fullmatch(r"[^:]+:\d+", area) for area in areas.split(","))


async def test_an_identical_request_is_refused_for_a_minute(sandbox: Sandbox) -> None:
    async def everything() -> list[str]:
        return [
            await send(sandbox),
            await get(sandbox, smsid="1"),
            await get(sandbox, smsid="1", detail="1"),
            await get(sandbox, balance="1"),
        ]

    first = await everything()
    assert await everything() == [REPEATED] * 4
    await sandbox.advance(55)
    assert await everything() == [REPEATED] * 4
    assert await send(sandbox, text="another") != REPEATED
    assert await send(sandbox, "380441234567") != REPEATED
    await sandbox.advance(6)
    again = await everything()

    assert REPEATED not in first + again
    assert first[1:3] == again[1:3] == [UNKNOWN_ID] * 2
    assert again[0] != first[0]
    assert len(await sandbox.messages(PHONE)) == 3


async def test_the_minute_is_of_what_was_answered(sandbox: Sandbox) -> None:
    await sandbox.fault("reset", gateway="get")
    with pytest.raises(httpx.ReadError):
        await send(sandbox)
    assert await get(sandbox, user="nobody", balance="1") == await get(sandbox, user="nobody", balance="1")
    assert (await send(sandbox)).isdigit()
    await sandbox.http.post("/_sim/reset")
    assert (await send(sandbox)).isdigit()


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"dadr": ""}, 4),
        ({"dadr": "+79161234567"}, 4),
        ({"dadr": "791612345678901"}, 12),
        ({"text": ""}, 13),
        ({"sadr": ""}, 10),
        ({"sadr": "TwelveLetter"}, 11),
        ({"sadr": "nobody"}, 15),
        ({"sadr": "NEW"}, 16),
        ({"dadr": "79161234500"}, 5),
        ({"dadr": "380441234567"}, 6),
        ({"dadr": "79161234501"}, 7),
        ({"text": "Казино"}, 9),
    ],
)
async def test_refusals(sandbox: Sandbox, fields: dict[str, str], number: int) -> None:
    await sandbox.account(closed_areas=["Украина"], moderated_words=["казино"])

    assert await send(sandbox, **fields) == GET_TEXTS[number]
    assert await sandbox.messages() == []


@pytest.mark.parametrize(
    ("changes", "number"),
    [({"gateway_out_of_sms": True}, 1), ({"out_of_sms": True}, 2), ({"blocked": True}, 3), ({"money": 0}, 8)],
)
async def test_refusals_for_the_account(sandbox: Sandbox, changes: dict[str, object], number: int) -> None:
    await sandbox.account(**changes)

    assert await send(sandbox) == GET_TEXTS[number]
    if number == 3:
        assert await get(sandbox, balance="1") == await get(sandbox, smsid="1") == GET_TEXTS[3]
    if number == 8:
        await sandbox.account(money=1)
        assert [row["status"] for row in await sandbox.messages()] == ["accepted"]


async def test_the_rest_of_the_list_comes_by_fault(sandbox: Sandbox, sample) -> None:
    for text in sample("g_errors.txt").splitlines():
        await sandbox.fault("error", gateway="get", error=text)
        assert await send(sandbox) == text
    await sandbox.fault("message_error", gateway="get", error=TEXTS[14])
    assert await send(sandbox, f"{PHONE},1") == f"{TEXTS[14]},{TEXTS[14]}"
    assert set(sample("g_errors.txt").splitlines()) == {*GET_TEXTS.values(), REPEATED}


async def test_wrong_login(sandbox: Sandbox) -> None:
    assert await send(sandbox, pwd="x") == "Неправильный логин или пароль"
    assert (await sandbox.http.get("/sendsms.php")).text == "Неправильный логин или пароль"


async def test_a_list_of_which_one_is_refused(sandbox: Sandbox) -> None:
    first, second, third = (await send(sandbox, f"{PHONE}, 79161234500,{PHONE}")).split(",")

    assert first.isdigit()
    assert third.isdigit()
    assert second == TEXTS[5]


@pytest.mark.slow
def test_real_php_reads_the_detail() -> None:
    php = shutil.which("php")
    if php is None:
        assert "CI" not in os.environ, "php is not installed"
        pytest.skip("php is not installed (apt-get install php-cli)")
    fields = {"id_sms": "2700000000", "time_change_state": "", "state_sms": 'Статус "x";', "price": "1.15"}
    script = "echo json_encode(unserialize(stream_get_contents(STDIN), ['allowed_classes' => false]));"
    written = serialize(fields).encode()
    read = subprocess.run([php, "-r", script], input=written, capture_output=True, timeout=20, check=True)

    assert json.loads(read.stdout) == fields
