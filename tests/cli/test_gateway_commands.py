"""`otp-service targetsms …` and `otp-service smska …` against the sandbox, as an operator and a script meet them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from otp_service.cli.accounts.output import Output, as_json, as_text
from otp_service.cli.accounts.running import function_of
from otp_service.cli.accounts.table import SMSKA, TARGETSMS
from tests.api import Gateways
from tests.cli.commands import Commands, Result, clean
from tests.running import free_port, running_sandbox, service_environ

PHONE, SECOND, STOPPED = "+79161234567", "+79161234568", "+79161234500"
TOKEN = "callback-token-9f31c7"
SECRETS = (TOKEN, "demo-password", "wrong-password")
MOSCOW = ZoneInfo("Europe/Moscow")
FAMILIES = {"targetsms": TARGETSMS, "smska": SMSKA}
COMMANDS = [(family, command) for family, table in FAMILIES.items() for command in table]

Run = Callable[..., Result]
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One of its own: what is counted here, no worker of another test adds to."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as url:
        yield url


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, sandbox_process: str) -> dict[str, str]:
    """No Redis answers there: these commands need none. Reports that are pushed meet a closed port."""
    folder = tmp_path_factory.mktemp("accounts")
    return service_environ(folder, f"redis://127.0.0.1:{free_port()}/0", sandbox_process) | {
        "OTP__SERVICE__PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
        "OTP__GATEWAYS__TARGETSMS_XML__CALLBACK_TOKEN": TOKEN,
    }


@pytest.fixture
def run(commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path) -> Run:
    def run(words: str, *arguments: str, **changed: str) -> Result:
        found = commands.run(*words.split(), *arguments, environ=environ | changed, folder=tmp_path)
        assert "Traceback" not in found.err, found.err
        assert not [secret for secret in SECRETS if secret in found.text]
        return found

    return run


@pytest.fixture
def ask(run: Run) -> Ask:
    """What a script is told; where it is harmless, a person is then told the same."""

    def ask(words: str, *arguments: str, code: int = 0) -> Any:
        family, _, rest = words.partition(" ")
        command = next(each for each in FAMILIES[family] if each.words == rest)
        found = run(words, *arguments, "--json", *(["--yes"] if command.question else []))
        assert found.code == code, found
        told = json.loads(found.out)
        for row in [told] if isinstance(told, dict) else told:
            assert list(row) == command.fields.split()
        if not command.question and command.interface != "get":
            table = run(words, *arguments)
            assert table.code == code
            for name, value in (item for row in ([told] if isinstance(told, dict) else told) for item in row.items()):
                goes_on = (command.words, name) == ("time", "time")
                assert goes_on or not isinstance(value, str) or value in table.out, (value, table.out)
        return told

    return ask


def sent(ask: Ask, *arguments: str) -> str:
    (row,) = ask("targetsms send", PHONE, "--text", "Код 1234", *arguments)
    return str(row["id"])


# Everything in the table


def test_every_command_is_tried_here() -> None:
    source = Path(__file__).read_text("utf-8")
    assert not {f"{family} {each.words}" for family, each in COMMANDS if f'"{family} {each.words}"' not in source}


@pytest.mark.parametrize(("family", "command"), COMMANDS, ids=[f"{f} {c.words}" for f, c in COMMANDS])
def test_a_command_names_a_function_and_has_help(run: Run, family: str, command: Any) -> None:
    assert callable(function_of(command))
    found = run(f"{family} {command.words}", "--help")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith(f"usage: otp-service {family} {command.words}")


# Asking


async def test_balance(ask: Ask, run: Run, gateways: Gateways) -> None:
    await gateways.account(money="10.50")
    told = {"money": "10.5", "currency": "RUR", "sms": {"Россия": "10", "Украина": "5"}}
    assert ask("targetsms balance") == told
    assert ask("targetsms get-balance") == told
    assert re.search(r"^sms Россия +10$", run("targetsms balance").out, re.MULTILINE)
    assert ask("smska balance") == {"sms_parts": "1000000"}


async def test_senders(ask: Ask, gateways: Gateways) -> None:
    states = {"target": "completed", "DEMO": "completed", "NEW": "order"}
    assert ask("targetsms senders") == {"any_sender": False, "senders": states}
    await gateways.account(any_originator=True)
    assert ask("targetsms senders") == {"any_sender": True, "senders": {}}


async def test_states(ask: Ask, run: Run, gateways: Gateways) -> None:
    first = sent(ask)
    await gateways.http.post("/_sim/clock/advance", json={"seconds": 5})

    known, unknown = ask("targetsms state", first, "1", code=1)
    assert (known["id"], known["status"], known["parts"], known["price"]) == (first, "delivered", 1, "1")
    assert datetime.fromisoformat(known["changed_at"]).utcoffset() == timedelta(hours=3)
    assert unknown == {"id": "1", "status": "not_found", "changed_at": None, "parts": None, "price": None}

    assert ask("targetsms get-state", first) == [known]
    assert ask("targetsms get-state", first, "--plain")[0]["status"] == "delivered"
    throttled = run("targetsms get-state", "1", first)
    assert throttled.code == 1
    assert re.search(rf"^{first} +not_asked$", throttled.out, re.MULTILINE), throttled.out
    assert "once a minute" in throttled.err


async def test_clock(ask: Ask, run: Run, gateways: Gateways) -> None:
    await gateways.account(utc_offset_hours=7)
    told = ask("targetsms time")
    assert told["time_zone"] == "Europe/Moscow"
    assert abs(told["ahead_seconds"] - 4 * 3600) < 5
    there = datetime.now(ZoneInfo("Asia/Novosibirsk")).replace(tzinfo=None)
    assert abs(datetime.fromisoformat(told["time"]) - there) < timedelta(seconds=5)
    table = re.search(r"^time +(\S+)$", run("targetsms time").out, re.MULTILINE)
    assert table
    assert abs(datetime.fromisoformat(table[1]) - there) < timedelta(seconds=5)


def test_number_info(ask: Ask) -> None:
    (row,) = ask("targetsms number-info", "8 (900) 123-45-67")
    assert row["phone"] == "+79001234567"
    assert row["operator"]
    assert row["region"]


async def test_incoming(ask: Ask, run: Run, gateways: Gateways) -> None:
    written = {"originator": PHONE[1:], "text": "АКЦИЯ да\n\x1b[31m", "prefix": "АКЦИЯ"}
    received = (await gateways.http.post("/_sim/incoming", json=written)).json()
    later = (datetime.now(MOSCOW) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")

    found = json.loads(run("targetsms incoming", "--json").out)
    assert [(row["id"], row["phone"], row["to"], row["prefix"]) for row in found] == [
        (received["id"], PHONE, "3443", "АКЦИЯ")
    ]
    assert ask("targetsms incoming", "--since", later) == []
    assert ask("targetsms incoming", "--since", "2026-01-01", "--until", "2026-01-02T00:00+00:00") == []
    table = run("targetsms incoming").out
    assert len(table.splitlines()) == 2
    assert "\x1b" not in table


async def test_statistics(ask: Ask, run: Run, gateways: Gateways) -> None:
    first = sent(ask)
    await gateways.http.post("/_sim/clock/advance", json={"seconds": 5})
    (row,) = ask("targetsms stats")
    assert (row["id"], row["part"], row["sender"], row["phone"]) == (first, 1, "DEMO", "7916123****")
    assert ask("targetsms stats", "--phone", SECOND, "--from", "2020-01-01", "--to", "2020-01-02") == []
    unknown = run("targetsms stats", "--operator", "Nobody")
    assert unknown.code == 1
    assert "«Такой оператор не обнаружен»" in unknown.err


# Changing


def test_stop_list(ask: Ask) -> None:
    assert ask("targetsms changes") == {"thing": "stop-list", "id": "", "changed_at": None}
    assert ask("targetsms stop-list add", "8 916 123-45-67") == [{"phone": PHONE, "done": "add"}]
    assert ask("targetsms stop-list list") == [{"phone": PHONE}]
    assert ask("targetsms changes")["changed_at"].endswith("+03:00")
    assert ask("targetsms stop-list remove", PHONE, SECOND, code=1) == [
        {"phone": PHONE, "done": "delete"},
        {"phone": SECOND, "done": "not_found"},
    ]


def test_scheduled(ask: Ask) -> None:
    tomorrow = (datetime.now(MOSCOW) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    first = sent(ask, "--at", tomorrow, "--name-delivery", "Тест")
    (row,) = ask("targetsms scheduled list")
    assert (row["id"], row["phone"], row["text"], row["type"]) == (first, PHONE, "Код 1234", "sms")
    assert row["send_at"] == f"{tomorrow}:00+03:00"
    assert ask("targetsms scheduled list", "--page", "7") == []
    assert ask("targetsms scheduled delete", first, "1", code=1) == [
        {"id": first, "done": "delete"},
        {"id": "1", "done": "not_found"},
    ]


def test_templates(ask: Ask) -> None:
    (added,) = ask("targetsms templates add", "--name", "Вход", "--text", "Код: %code%")
    assert added["done"] == "insert"
    ask("targetsms templates edit", added["id"], "--text", "Ваш код: %code%")
    assert ask("targetsms templates list") == [{"id": added["id"], "name": "Вход", "text": "Ваш код: %code%"}]
    assert ask("targetsms templates edit", "1", "--name", "Нет", code=1) == [{"id": "1", "done": "not_found"}]
    assert ask("targetsms templates delete", added["id"]) == [{"id": added["id"], "done": "delete"}]


def test_bases_and_subscribers(ask: Ask, run: Run) -> None:
    (added,) = ask("targetsms bases add", "--name", "Клиенты", "--greeting-time", "10:30", "--greeting-on")
    base = added["id"]
    ask("targetsms bases edit", base, "--name", "Гости", "--days-before", "2")
    (row,) = ask("targetsms bases list")
    assert (row["id"], row["name"], row["greeting_time"], row["greeting_on"], row["days_before"]) == (
        base, "Гости", "10:30:00", True, 2,
    )  # fmt: skip
    assert ask("targetsms changes", "--base", base)["changed_at"]

    person = ("--name", "Анна", "--born", "1988-08-28", "--gender", "f", "--addition", "a", "--addition", "b")
    assert ask("targetsms subscribers edit", base, PHONE, *person) == [{"phone": PHONE, "done": "insert"}]
    (row,) = ask("targetsms subscribers list", base, "--since", "2020-01-01")
    assert (row["phone"], row["name"], row["born"], row["gender"]) == (PHONE, "Анна", "1988-08-28", "f")
    assert row["additions"][:2] == ["a", "b"]
    assert ask("targetsms subscribers delete", base, PHONE, SECOND, code=1)[1] == {"phone": SECOND, "done": "not_found"}

    assert ask("targetsms bases delete", base) == [{"id": base, "done": "delete"}]
    gone = run("targetsms subscribers list", base)
    assert gone.code == 1
    assert "«Базы с таким номером не существует»" in gone.err


def test_all_pages_are_told(ask: Ask) -> None:
    (base,) = ask("targetsms bases add", "--name", "Многие")
    tomorrow = (datetime.now(MOSCOW) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    phones = [f"+7916123{number:04}" for number in range(2010, 2100)] + [
        f"+7916124{number:04}" for number in range(2010, 2100)
    ]
    phones = [phone for phone in phones if not phone.endswith(("00", "01"))]
    ask("targetsms send", *phones, "--text", "Код", "--at", tomorrow)
    everything = ask("targetsms scheduled list")
    assert {row["phone"] for row in everything} == set(phones)
    assert base


def test_registry(ask: Ask) -> None:
    entry = ("--operator", "mts", "--legal-entity", "ООО Ромашка", "--inn", "7701234567", "--comment", "для входа")
    assert ask("targetsms registry add", "SHOP", *entry)[0]["done"] == "add"
    (row,) = ask("targetsms registry list", "--sender", "SHOP")
    assert (row["sender"], row["operator"], row["inn"]) == ("SHOP", "mts", "7701234567")
    assert row["approval"] == "posted_for_approval"
    assert ask("targetsms registry list", "--operator", "tele2") == []
    assert ask("targetsms registry delete", "SHOP", "--operator", "mts")[0]["done"] == "delete"
    assert ask("targetsms registry delete", "NOBODY", code=1)[0]["done"] in ("not_found", "error")


def test_callback(ask: Ask, run: Run, environ: dict[str, str]) -> None:
    ours = f"{environ['OTP__SERVICE__PUBLIC_URL']}/callbacks/targetsms"
    assert ask("targetsms callback get") == {"address": "", "ours": False}
    assert ask("targetsms callback set") == {"address": f"{ours}/…", "ours": True}
    assert ask("targetsms callback get") == {"address": f"{ours}/…", "ours": True}
    other = f"http://user:{SECRETS[2]}@127.0.0.1:9/a/{TOKEN}?b={TOKEN}"
    assert ask("targetsms callback set", "--url", other) == {"address": "http://127.0.0.1:9/a/…", "ours": False}
    for strange in ("http://[", f"http://a:{TOKEN}/b", "http:///a"):
        assert ask("targetsms callback set", "--url", strange)["address"] == "…"
    refused = run("targetsms callback set", "--yes", "--gateway", "targetsms-password")
    assert refused.code == 2
    assert "callback_token" in refused.err


# Sending


async def test_send(ask: Ask, run: Run, gateways: Gateways) -> None:
    good, refused = ask("targetsms send", PHONE, STOPPED, "--text", "Привет", "--translite", code=1)
    assert (good["status"], good["parts"], good["reason"]) == ("accepted", 1, None)
    assert (refused["status"], refused["id"], refused["parts"], refused["reason"]) == (
        "refused",
        None,
        None,
        "stop_list",
    )
    assert "«Номер телефона присутствует в стоп-листе.»" in refused["explanation"]
    (arrived,) = await gateways.messages(PHONE)
    assert (arrived["id"], arrived["sender"], arrived["text"].isascii()) == (good["id"], "DEMO", True)

    once = sent(ask, "--client-id", "7001", "--sender", "target")
    assert sent(ask, "--client-id", "7001", "--sender", "target") == once
    several = run("targetsms send", PHONE, SECOND, "--text", "x", "--client-id", "1", "--yes")
    assert (several.code, several.out) == (2, "")


async def test_get_send(ask: Ask, gateways: Gateways) -> None:
    rows = ask("targetsms get-send", PHONE, SECOND, "--text", "Привет")
    assert [row["status"] for row in rows] == ["accepted", "accepted"]
    assert (await gateways.messages(SECOND))[0]["id"] == rows[1]["id"]


async def test_viber(ask: Ask, run: Run, gateways: Gateways) -> None:
    button = ("--button-text", "Открыть", "--button-url", "https://example.ru", "--sms-text", "Код 1")
    (row,) = ask("targetsms viber-send", PHONE, "--text", "Код 1", *button)
    assert (row["status"], row["sms_id"], bool(row["viber_id"])) == ("accepted", None, True)
    await gateways.http.post("/_sim/clock/advance", json={"seconds": 5})
    known, unknown = ask("targetsms viber-state", row["id"], "1", code=1)
    assert (known["id"], known["status"], known["viber"], known["sms"]) == (row["id"], "delivered", "delivered", None)
    assert unknown["status"] == "not_found"
    broken = run("targetsms viber-send", PHONE, "--text", "x", "--button-text", "Открыть", "--yes")
    assert (broken.code, broken.out) == (2, "")
    assert "a button needs both a text and a URL" in broken.err


async def test_sms_ka(ask: Ask, gateways: Gateways) -> None:
    (row,) = ask("smska send", PHONE, "--text", "Привет")
    await gateways.http.post("/_sim/clock/advance", json={"seconds": 5})
    assert ask("smska status", row["id"], "nobody", code=1) == [
        {"id": row["id"], "status": "delivered", "provider_code": "4"},
        {"id": "nobody", "status": "not_found", "provider_code": None},
    ]
    first, abroad = ask("smska send", STOPPED, "+380441234567", "--text", "x", code=1)
    assert (first["reason"], abroad["reason"]) == ("invalid_number", "direction_closed")


async def test_an_unclear_send_says_so(run: Run, gateways: Gateways) -> None:
    await gateways.fail("xml", "processed_then_reset", times=1)
    found = run("targetsms send", PHONE, "--text", "x", "--yes")
    assert (found.code, found.out) == (1, "")
    assert "look before you repeat it" in found.err
    assert len(await gateways.messages(PHONE)) == 1
    await gateways.fail("smska", "processed_then_reset", times=1)
    found = run("smska send", PHONE, "--text", "x", "--yes")
    assert found.code == 1
    assert re.search(r" unclear ", found.out)
    assert "before you repeat" in found.err


HELD = (
    "Недостаточно средств для отправки SMS. SMS будет отправлена как только вы пополните счет по данному направлению."
)
ALREADY_SENT = "Данное сообщение уже было отправлено."


@pytest.mark.parametrize(
    ("words", "simulator"),
    [("targetsms send", "xml"), ("targetsms get-send", "get"), ("targetsms viber-send", "json")],
)
async def test_8_held_and_sent_before_are_said_and_have_exit_codes(
    ask: Ask, run: Run, gateways: Gateways, words: str, simulator: str
) -> None:
    for text, status, code, said in (
        (HELD, "held", 3, "top-up"),
        (ALREADY_SENT, "already_sent", 4, "nothing was sent"),
    ):
        await gateways.fail(simulator, "message_error", error=text)
        (row,) = ask(words, PHONE, "--text", f"Код {code}", code=code)
        assert (row["status"], row["id"], row["parts"], row["reason"]) == (status, None, None, None)
        assert f"«{text}»" in row["explanation"]
        found = run(words, PHONE, "--text", f"Код {code}1", "--yes")
        assert (found.code, said in found.err, f" {status} " in found.out) == (code, True, True)
        await gateways.reset()


async def test_8_several_messages_in_one_request(ask: Ask, gateways: Gateways) -> None:
    rows = ask("targetsms send", PHONE, SECOND, "--text", "Один", "--text", "Два")

    assert [(row["message"], row["phone"], row["status"]) for row in rows] == [
        (1, PHONE, "accepted"), (1, SECOND, "accepted"), (2, PHONE, "accepted"), (2, SECOND, "accepted"),
    ]  # fmt: skip
    assert sorted(each["text"] for each in await gateways.messages(SECOND)) == ["Два", "Один"]
    assert len((await gateways.http.get("/_sim/requests", params={"operation": "xml"})).json()) == 1


@pytest.mark.parametrize("channels", ["sms", "sms-viber", "viber-sms", "viber"])
async def test_8_sms_first_or_alone(ask: Ask, run: Run, gateways: Gateways, channels: str) -> None:
    (row,) = ask("targetsms viber-send", PHONE, "--text", "Код 1", "--channels", channels)
    by_sms = channels.startswith("sms")
    assert (row["status"], bool(row["sms_id"]), bool(row["viber_id"])) == ("accepted", by_sms, not by_sms)
    refused = run("targetsms viber-send", PHONE, "--text", "x", "--channels", "viber", "--sms-text", "y", "--yes")
    assert (refused.code, refused.out) == (2, "")


async def test_8_several_subscribers_in_one_request(ask: Ask, run: Run, gateways: Gateways, tmp_path: Path) -> None:
    (base,) = ask("targetsms bases add", "--name", "Гости")
    people = [
        {"phone": PHONE, "name": "Иван", "born": "1988-08-28", "gender": "m", "additions": ["a", "b"]},
        {"phone": SECOND, "surname": "Петрова", "gender": "f"},
    ]
    file = tmp_path / "people.json"
    file.write_text(json.dumps(people), "utf-8")

    rows = ask("targetsms subscribers import", base["id"], str(file))

    assert rows == [{"phone": PHONE, "done": "insert"}, {"phone": SECOND, "done": "insert"}]
    listed = ask("targetsms subscribers list", base["id"])
    assert [(each["phone"], each["name"], each["surname"], each["gender"]) for each in listed] == [
        (PHONE, "Иван", "", "m"), (SECOND, "", "Петрова", "f"),
    ]  # fmt: skip
    file.write_text(json.dumps(listed), "utf-8")  # what was listed can be written back
    assert [row["done"] for row in ask("targetsms subscribers import", base["id"], str(file))] == ["edit", "edit"]
    for wrong, sentence in (
        ("[", "not JSON"), ("{}", "must be a JSON list"), ('[{"name": "Иван"}]', "contact 1: must be an object"),
        ('[{"phone": "12"}]', "is not a phone number"), ('[{"phone": "+79161234567", "age": "7"}]', "unknown field"),
        ('[{"phone": "+79161234567", "born": "soon"}]', "YYYY-MM-DD"),
        ('[{"phone": "+79161234567", "name": 7}]', "text"),
    ):  # fmt: skip
        file.write_text(wrong, "utf-8")
        refused = run("targetsms subscribers import", base["id"], str(file), "--yes")
        assert (refused.code, refused.out, sentence in refused.err) == (2, "", True), refused


@pytest.mark.parametrize(
    ("words", "simulator"),
    [
        ("targetsms send", "xml"),
        ("targetsms get-send", "get"),
        ("targetsms viber-send", "json"),
        ("smska send", "smska"),
    ],
)
async def test_8_a_refused_send_is_json_for_scripts(ask: Ask, gateways: Gateways, words: str, simulator: str) -> None:
    await gateways.fail(simulator, "status", status=403)
    (row,) = ask(words, PHONE, "--text", "x", code=1)
    assert (row["phone"], row["status"], row["id"], row["parts"], row["reason"]) == (
        PHONE, "refused", None, None, "credentials",
    )  # fmt: skip


# What goes wrong


@pytest.mark.parametrize(
    ("fault", "details", "sentence"),
    [
        ("error", {"error": "Ваш аккаунт заблокирован"}, "the account is blocked («Ваш аккаунт заблокирован»)"),
        ("error", {"error": "demo-password не подходит"}, "refused with a text that no document lists"),
        ("html", {}, "not what the document describes"),
        ("reset", {}, "not what the document describes"),
        ("status", {"status": 403}, "login or password is wrong"),
    ],
)
async def test_a_gateway_that_refuses(
    run: Run, gateways: Gateways, fault: str, details: dict[str, Any], sentence: str
) -> None:
    await gateways.fail("balance", fault, **details)
    for arguments in ([], ["--json"]):
        found = run("targetsms balance", *arguments)
        assert (found.code, found.out) == (1, "")
        assert sentence in found.err
        assert found.err.startswith("targetsms-xml: ")
        assert len(found.err.splitlines()) == 1


def test_a_wrong_password_and_a_closed_port(run: Run) -> None:
    found = run("targetsms balance", OTP__GATEWAYS__TARGETSMS_XML__PASSWORD="wrong-password")
    assert (found.code, found.out) == (1, "")
    assert "login or password is wrong" in found.err
    found = run("smska balance", OTP__GATEWAYS__SMSKA__BASE_URL=f"http://127.0.0.1:{free_port()}")
    assert (found.code, found.err) == (1, "smska: no connection was made.\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["targetsms balance", "--gateway", "smska"], "--gateway: 'smska' is no gateway that this command can use"),
        (["targetsms balance", "--gateway", "nobody"], "there are: targetsms-xml, targetsms-password"),
        (["smska balance", "--gateway", "targetsms-xml"], "there are: smska"),
        (["targetsms number-info", "12"], "'12' is not a phone number"),
        (["targetsms incoming", "--since", "yesterday"], "'yesterday' is not a time such as"),
        (["targetsms stats", "--from", "2020-02-31"], "is not a day such as"),
        (["targetsms scheduled list", "--page", "0"], "must be 1 or more"),
        (["targetsms send", PHONE, "--text", "x", "--client-id", "a"], "is not 1 to 18 digits"),
        (["targetsms stop-list"], "the following arguments are required"),
        (["targetsms registry add", "SHOP", "--operator", "nobody"], "invalid choice"),
    ],
)
def test_what_cannot_work(run: Run, words: list[str], sentence: str) -> None:
    found = run(*words)
    assert (found.code, found.out) == (2, "")
    assert sentence in found.err


def settings(environ: dict[str, str], folder: Path, *kinds: str) -> dict[str, str]:
    """Those of the session with the gateways of some kinds alone."""
    text = Path(environ["OTP_CONFIG"]).read_text("utf-8")
    kept = re.sub(r"\[gateways\.([\w-]+)\]\n(?:[^\[]+\n)?", lambda table: table[0] if table[1] in kinds else "", text)
    kept = re.sub(r'gateways = \["t.*\]', f"gateways = {json.dumps(kinds)}", kept)
    (folder / "some.toml").write_text(kept)
    return {"OTP_CONFIG": str(folder / "some.toml"), "OTP__SERVICE__PUBLIC_URL": "http://127.0.0.1:9"}


def test_the_login_of_the_password_gateway_serves(
    commands: Commands, environ: dict[str, str], gateways: Gateways, tmp_path: Path
) -> None:
    """P, X, G and J are one platform with one login; where none is configured, the sentence says what is missing."""
    kept = {name: value for name, value in environ.items() if "TARGETSMS_XML" not in name}
    only = kept | settings(environ, tmp_path, "targetsms-password")
    for words in (["targetsms", "balance"], ["targetsms", "get-balance"], ["targetsms", "viber-state", "1"]):
        found = commands.run(*words, "--json", environ=only, folder=tmp_path)
        assert found.code == (1 if "1" in words else 0), found
        assert json.loads(found.out)
    missing = commands.run("smska", "balance", environ=only, folder=tmp_path)
    assert (missing.code, missing.out) == (2, "")
    assert missing.err == "otp-service: gateways: this command needs one of the kind smska\n"


# Asking first


CHANGING = [(family, each) for family, each in COMMANDS if each.question]


@pytest.mark.parametrize(
    "words",
    [
        ["targetsms send", PHONE, "--text", "x"],
        ["targetsms stop-list add", PHONE],
        ["targetsms callback set"],
        ["smska send", PHONE, "--text", "x"],
    ],
)
async def test_nothing_changes_without_a_terminal_and_yes(run: Run, gateways: Gateways, words: list[str]) -> None:
    found = run(*words)
    assert (found.code, found.out) == (2, "")
    assert "--yes" in found.err
    assert (await gateways.http.get("/_sim/requests")).json() == []


def test_what_changes_asks() -> None:
    harmless = {"list", "get", "balance", "state", "status", "senders", "time", "incoming", "changes", "stats"}
    for _, command in COMMANDS:
        last = command.words.split()[-1].split("-")[-1]
        assert bool(command.question) != (last in harmless or command.words == "number-info"), command.words


def _take_the_terminal() -> None:
    """So that Ctrl-C is one, also where the tests run in the background of a shell, which ignores it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def at_a_terminal(environ: dict[str, str], answer: str, *words: str) -> tuple[int, str, str]:
    """Exit code, output, and what the terminal showed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "otp_service", *words]
    with subprocess.Popen(
        command,
        env=clean(environ),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        start_new_session=True,
        preexec_fn=_take_the_terminal,
    ) as child:
        os.close(theirs)
        shown = ""
        try:
            while "[y/N]" not in shown:
                assert select.select([ours], [], [], 10)[0], shown
                shown += os.read(ours, 4096).decode()
            while "(sleeping)" not in Path(f"/proc/{child.pid}/status").read_text():  # until it reads: a Ctrl-C that
                time.sleep(0.01)  # comes right before is only looked at when something was typed
            os.write(ours, answer.encode())
            out, _ = child.communicate(timeout=10)
        finally:
            child.kill()
    os.close(ours)
    return child.returncode, out, shown


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 1), ("\x03", 130)])
async def test_a_person_is_asked(environ: dict[str, str], gateways: Gateways, answer: str, code: int) -> None:
    """y, n, Enter, end of input, Ctrl-C."""
    found = at_a_terminal(environ, answer, "targetsms", "send", "8 916 123-45-67", "--text", "Привет")
    assert "targetsms-xml: Send SMS to +79161234567? It costs money. [y/N] " in found[2]
    assert found[0] == code
    assert len(await gateways.messages(PHONE)) == (code == 0)
    assert ("accepted" in found[1]) == (code == 0)


# Telling


def test_a_table_and_json_carry_no_steering_characters() -> None:
    rows = Output([{"a": "x" * 100, "b": None, "c": "1\n2\u202e\x9b"}, {"a": "", "b": "", "c": True}])
    table = as_text(rows, ["a", "b", "c"])
    assert table.splitlines()[0].split() == ["A", "C"]
    assert table.splitlines()[1] == f"{'x' * 59}…  1 2  "[:-2].rstrip()
    assert table.splitlines()[2].split() == ["yes"]
    written = as_json(rows, ["a", "b", "c"])
    assert json.loads(written)[0]["c"] == "1\n2\u202e\x9b"
    assert written.isprintable()


# Doctor


@pytest.mark.slow
def test_doctor_looks_at_the_callback_address(run: Run, environ: dict[str, str]) -> None:
    def line() -> str:
        return next(line for line in run("doctor").out.splitlines() if "targetsms-xml callback" in line)

    assert re.match(r"PROBLEM .* nowhere: run `otp-service targetsms callback set`$", line())
    run("targetsms callback set", "--yes")
    prefix = re.escape(f"{environ['OTP__SERVICE__PUBLIC_URL']}/callbacks/targetsms/…")
    assert re.match(rf"ok .* states are pushed to {prefix}$", line())
    run("targetsms callback set", "--yes", "--url", f"http://127.0.0.1:9/{TOKEN}")
    assert re.match(r"PROBLEM .* to another address: ", line())
