"""`/_sim`: what can be seen and changed, and what it says to mistakes."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from otp_service.errors import SettingsError
from otp_service.sandbox.app import create_sandbox
from otp_service.sandbox.server import serve
from tests.running import free_port, process, wait_for

from .speak import PHONE, Sandbox, cascade, password_request, sms


async def test_messages_newest_first_and_by_digits(sandbox: Sandbox) -> None:
    await sandbox.send(sms(text="first", client_id_sms="9"))
    await sandbox.smska_send(Message="second")
    await sandbox.send(sms("79160000099", text="of another"))

    messages = await sandbox.messages("+7 (916) 123-45-67")

    assert [message["text"] for message in messages] == ["second", "first"]
    created = messages[1].pop("created_at")
    assert created.endswith("Z")
    arrives_at = datetime.fromisoformat(messages[1].pop("arrives_at"))
    assert arrives_at - datetime.fromisoformat(created) == timedelta(seconds=2)
    assert messages[1] == {
        "id": messages[1]["id"],
        "gateway": "targetsms-xml",
        "login": "demo",
        "phone": PHONE,
        "sender": "DEMO",
        "text": "first",
        "status": "accepted",
        "parts": 1,
        "price": "1",
        "client_id": "9",
        "sent_at": created,
        "status_at": None,
        "channel": "sms",
        "name_delivery": "Шлюз",
        "id_message": "",
        "button_text": "",
        "button_url": "",
        "image_url": "",
        "subject": "",
        "html": "",
    }


async def test_requests_count_calls_and_tell_outcomes(sandbox: Sandbox) -> None:
    await sandbox.send(sms(), sms(sender="nobody"))
    await sandbox.fault("status", gateway="xml")
    await sandbox.http.post("/xml/", content=b"")
    await sandbox.ask("/password_generation/api.php", password_request())

    asked = [(row["operation"], row["fault"], row["outcome"]) for row in await sandbox.requests()]

    assert asked == [
        ("password", "", "send"),
        ("xml", "status", ""),
        ("xml", "", "send; Такого отправителя нет."),
    ]
    assert len(await sandbox.requests("xml")) == 2


async def test_an_account_is_shown_without_its_password(sandbox: Sandbox) -> None:
    account = await sandbox.account(senders={"NEW": "completed"}, password="other")

    assert account["senders"] == {"NEW": "completed"}
    assert "password" not in account
    assert (await sandbox.xml("/xml/time.php")).findtext("error") == "Неправильный логин или пароль"


@pytest.mark.parametrize(
    ("path", "content", "status", "words"),
    [
        ("/_sim/accounts/nobody", {}, 404, "There is no targetsms account 'nobody'"),
        ("/_sim/accounts/demo", {"login": "x"}, 400, "login cannot be changed"),
        ("/_sim/accounts/demo", {"mony": 1}, 400, "unknown field `mony`"),
        ("/_sim/accounts/demo", {"dedupe": "maybe"}, 400, "dedupe"),
        ("/_sim/accounts/demo", {"money": "much"}, 400, "money"),
        ("/_sim/accounts/demo", {"money": "NaN"}, 400, "money must be a number"),
        ("/_sim/accounts/demo", {"prices": {"Россия": 0}}, 400, "above 0"),
        ("/_sim/accounts/demo", {"utc_offset_hours": 99}, 400, "utc_offset_hours"),
        ("/_sim/faults", {"fault": "reset", "gateway": "sms"}, 400, "known: *, password, xml"),
        ("/_sim/faults", {"fault": "code_length", "gateway": "xml"}, 400, "code_length concerns password only"),
        ("/_sim/faults", {"fault": "message_error", "gateway": "state"}, 400, "concerns xml, get, json only"),
        ("/_sim/accounts/demo", {"viber_price": 0}, 400, "above 0"),
        ("/_sim/incoming", {"text": "x"}, 400, "originator"),
        ("/_sim/registry", {"originator": "x", "operator": "mts", "status": "x"}, 400, "status"),
        (
            "/_sim/registry",
            {"originator": "x", "operator": "mts", "status": "delete"},
            404,
            "not in the registry of 'mts'",
        ),
        ("/_sim/faults", {"fault": "explode"}, 400, "fault"),
        ("/_sim/faults", {"fault": "reset", "times": 0}, 400, "times"),
        ("/_sim/clock/advance", {"seconds": -1}, 400, "seconds"),
        ("/_sim/clock/advance", {}, 400, "seconds"),
    ],
)
async def test_mistakes(sandbox: Sandbox, path: str, content: dict[str, object], status: int, words: str) -> None:
    response = await sandbox.http.post(path, json=content)

    assert response.status_code == status
    assert words in str(response.json())


async def test_the_list_of_messages_is_bounded(sandbox: Sandbox) -> None:
    await sandbox.send(sms(), sms(), sms())

    assert len((await sandbox.http.get("/_sim/messages?limit=2")).json()) == 2
    assert (await sandbox.http.get("/_sim/messages?limit=0")).status_code == 400


async def test_reset_forgets_all_but_never_repeats_an_id(sandbox: Sandbox) -> None:
    before = await sandbox.send(sms(client_id_sms="1"))
    await sandbox.account(money=0)
    await sandbox.fault("empty", times=None)
    await sandbox.advance(10_000)

    await sandbox.http.post("/_sim/reset")

    after = await sandbox.send(sms(client_id_sms="1"))
    assert after.text == "send"
    assert int(after.attrib["id_sms"]) > int(before.attrib["id_sms"])
    assert len(await sandbox.messages()) == 1
    assert len(await sandbox.requests()) == 1


def test_not_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTP__SERVICE__ENVIRONMENT", "production")
    with pytest.raises(SettingsError, match=r"service\.environment is production"):
        create_sandbox()

    command = [sys.executable, "-m", "otp_service.sandbox", "--port", str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "service.environment is production: the sandbox does not start there.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_clean_and_quick_end_even_with_a_stalled_request(tmp_path: Path, number: signal.Signals) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    log = tmp_path / "sandbox.log"
    with process(["otp_service.sandbox", "--port", str(port)], {}, log) as child:
        wait_for(f"{url}/_sim/requests", child, log)
        httpx.post(f"{url}/_sim/faults", json={"fault": "stall"}, verify=False)
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(b"POST /xml/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            while not httpx.get(f"{url}/_sim/requests", verify=False).json():
                time.sleep(0.02)
            begun = time.monotonic()
            child.send_signal(number)
            assert child.wait(5) == 0

    assert time.monotonic() - begun < 2
    output = log.read_text()
    assert len(output.splitlines()) == 1
    assert url in output


async def everything_random(seed: str) -> list[object]:
    """One request of each kind, and what could be drawn by lot in the answers."""
    transport = httpx.ASGITransport(app=create_sandbox(seed=seed))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        sandbox = Sandbox(client)
        await sandbox.fault("empty", gateway="smska", times=None, probability=0.5)
        password = await sandbox.ask("/password_generation/api.php", password_request(extra=EIGHT_DIGITS))
        incoming = await client.post("/_sim/incoming", json={"originator": PHONE, "text": "x"})
        get = {"user": "demo", "pwd": "demo-password", "sadr": "DEMO", "dadr": PHONE, "text": "x"}
        return [
            password[0].attrib,
            (await sandbox.send(sms())).attrib,
            (await sandbox.operation("bases", "<bases><base/></bases>"))[0].attrib,
            (await sandbox.operation("patterns", "<patterns><pattern/></patterns>"))[0].attrib,
            incoming.json()["id"],
            (await client.get("/sendsms.php", params=get)).text,
            await sandbox.json(message=[cascade()]),
            [await sandbox.smska_send() for _ in range(20)],
        ]


EIGHT_DIGITS = "<random_string_len>8</random_string_len>"


async def test_the_same_seed_and_requests_give_the_same_ids_and_codes() -> None:
    first, again, other = [await everything_random(seed) for seed in ("1", "1", "2")]

    assert first == again
    assert first[0]["code"] != other[0]["code"]
    assert first[-1] != other[-1]


async def test_a_faster_clock() -> None:
    """At 1,000 seconds a second the 2 s until delivery are over at once, and 100 s in a tenth of a second."""
    transport = httpx.ASGITransport(app=create_sandbox(speed=1000))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        sandbox = Sandbox(client)
        id_sms = (await sandbox.send(sms())).attrib["id_sms"]
        begun = datetime.fromisoformat((await client.post("/_sim/clock/advance", json={"seconds": 0})).json()["now"])
        await asyncio.sleep(0.1)
        ended = datetime.fromisoformat((await client.post("/_sim/clock/advance", json={"seconds": 0})).json()["now"])

        assert (await sandbox.state(id_sms)).text == "deliver"
        assert ended - begun > timedelta(seconds=90)


@pytest.mark.parametrize(
    ("name", "written", "sentence"),
    [
        ("OTP_SANDBOX_SPEED", "fast", "OTP_SANDBOX_SPEED is 'fast': it must be a number from 0.001 to 100000."),
        ("OTP_SANDBOX_SPEED", "nan", "OTP_SANDBOX_SPEED is 'nan': it must be a number from 0.001 to 100000."),
        ("OTP_SANDBOX_CALLBACKS", "all", "OTP_SANDBOX_CALLBACKS is 'all': it must be loopback or anywhere."),
    ],
)
def test_mistakes_in_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, written: str, sentence: str) -> None:
    monkeypatch.setenv(name, written)

    with pytest.raises(SettingsError) as raised:
        serve(port=free_port())
    assert str(raised.value) == sentence
