"""The PHP samples of the vendor documents, run by PHP against the sandbox; PHP's own serialize() against our reader.

`tests/fixtures/php` holds them verbatim: only address, login and password are replaced when they run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from otp_service.gateways.targetsms.get import php
from tests.api import Gateways

SAMPLES = Path(__file__).parent / "fixtures" / "php"
PHONE = "79161234567"
LOGIN = {"логин": "demo", "пароль": "demo-password"}
XML_ADDRESS = "https://server/script.php"
JSON_ADDRESS = "https://sms.targetsms.ru/sendmessagejson.php"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def has_php() -> None:
    found = shutil.which("php") and "curl" in subprocess.run(["php", "-m"], capture_output=True, text=True).stdout
    if not found and os.environ.get("CI"):
        pytest.fail("CI has to have php-cli and php-curl")
    if not found:
        pytest.skip("php-cli and php-curl are not installed")


def run(source: str) -> str:
    """What a script prints. Warnings of PHP are failures."""
    done = subprocess.run(
        ["php", "-d", "error_reporting=-1", "-d", "display_errors=stderr", "-d", "serialize_precision=-1"],
        input=source,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def sample(name: str, **replaced: str) -> str:
    source = (SAMPLES / name).read_text("utf-8")
    for printed, ours in replaced.items():
        assert printed in source
        source = source.replace(printed, ours)
    return source


def xml(sandbox: str, path: str, inside: str = "") -> str:
    """The sample of X2 with an operation in its document."""
    source = sample("xml.php", **{XML_ADDRESS: f"{sandbox}{path}"}, **LOGIN)
    return run(source.replace("</security>", f"</security>{inside}"))


def posted(sandbox: str, **added: object) -> str:
    """The sample of J0 with a message or a question in its array: what print_r shows."""
    login = {printed.upper(): ours for printed, ours in LOGIN.items()}
    source = sample("json.php", **{JSON_ADDRESS: f"{sandbox}/sendmessagejson.php"}, **login)
    more = f"$param += json_decode({json.dumps(json.dumps(added))}, true);\n$params_json ="
    return run(source.replace("$params_json =", more, 1))


def by_get(sandbox: str, query: str) -> str:
    """As a customer asks G in PHP."""
    address = f"{sandbox}/sendsms.php?user=demo&pwd=demo-password&{query}"
    return run(f"<?php echo file_get_contents('{address}');")


# X


def test_xml_sample_as_printed(sandbox_process: str, gateways: Gateways) -> None:
    """Login and password of the sample are nobody's: the documented error."""
    answer = run(sample("xml.php", **{XML_ADDRESS: f"{sandbox_process}/xml/balance.php"}))
    assert "<response><error>Неправильный логин или пароль</error></response>" in answer


def test_xml_sample_with_a_login(sandbox_process: str, gateways: Gateways) -> None:
    answer = xml(sandbox_process, "/xml/balance.php")
    assert '<money currency="RUR">1000000</money><sms area="Россия">1000000</sms>' in answer


async def test_xml_sample_sends(sandbox_process: str, gateways: Gateways) -> None:
    message = f'<message><sender>DEMO</sender><text>Код 1</text><abonent phone="{PHONE}" number_sms="1"/></message>'
    answer = xml(sandbox_process, "/xml/", message)
    (arrived,) = await gateways.messages(PHONE)
    assert f'number_sms="1" id_sms="{arrived["id"]}" parts="1">send</information>' in answer
    state = xml(sandbox_process, "/xml/state.php", f"<get_state><id_sms>{arrived['id']}</id_sms></get_state>")
    assert f'<state id_sms="{arrived["id"]}"' in state


# J


def test_json_sample_as_printed(sandbox_process: str, gateways: Gateways) -> None:
    answer = run(sample("json.php", **{JSON_ADDRESS: f"{sandbox_process}/sendmessagejson.php"}))
    assert answer == "Array\n(\n    [error] => Неправильный логин или пароль\n)\n"


def test_json_state_sample(sandbox_process: str, gateways: Gateways) -> None:
    """Its two ids are nobody's: the documented text in `state`."""
    question = (SAMPLES / "json_state.php").read_text("utf-8").removeprefix("<?php\n")
    question = question.replace("=> 'login'", "=> 'demo'").replace("=> 'password'", "=> 'demo-password'")
    source = sample("json.php", **{JSON_ADDRESS: f"{sandbox_process}/sendmessagejson.php"})
    answer = run(source.replace("$params_json =", f"{question}$params_json =", 1))
    assert answer.count("[state] => Сообщение с таким ID не принималось") == 2
    assert "[id_message] => 111" in answer


async def test_json_sample_sends(sandbox_process: str, gateways: Gateways) -> None:
    channels = {"send_viber": "1", "sender_viber": "DEMO", "text_viber": "Code 1"}
    message = channels | {"phones": [{"phone": PHONE, "client_id_message": "111"}]}
    answer = posted(sandbox_process, message=[message])
    (arrived,) = await gateways.messages(PHONE)
    assert f"[id_message] => {arrived['id_message']}\n" in answer
    assert f"[id_viber] => {arrived['id']}\n" in answer
    assert "[id_sms] => 0\n" in answer


def test_the_message_sample_is_no_php() -> None:
    """JQ1: as printed, one parenthesis is missing; with it, PHP reads three messages."""
    broken = (SAMPLES / "json_message.php").read_text("utf-8")
    with pytest.raises(AssertionError, match="syntax error"):
        run(broken)
    mended = broken.rstrip().removesuffix(");") + "));\n"
    assert run(f"{mended}echo count($param['message']);") == "3"


# G


async def test_detailed_status_is_unserialized_by_php(sandbox_process: str, gateways: Gateways) -> None:
    """G3: «необходимо использовать php функцию unserialize()»."""
    sent = by_get(sandbox_process, f"sadr=DEMO&dadr={PHONE}&text=Code")
    assert sent.isdigit()
    query = f"{sandbox_process}/sendsms.php?user=demo&pwd=demo-password&smsid={sent}&detail=1"
    printed = run(f"<?php print_r(unserialize(file_get_contents('{query}'), ['allowed_classes' => false]));")
    assert printed.startswith(f"Array\n(\n    [id_sms] => {sent}\n    [time_change_state] => ")
    assert "    [state_sms] => send\n    [num_parts] => 1\n    [price] => 1\n)\n" in printed
    assert by_get(sandbox_process, "balance=1").startswith("999999 RUR\nРоссия:999999,")


VALUES = {
    "array('id_sms' => '1179038981', 'state_sms' => 'deliver', 'num_parts' => '2', 'price' => '1.15')": {
        "id_sms": "1179038981", "state_sms": "deliver", "num_parts": "2", "price": "1.15",
    },
    "array('a' => 1, 'b' => -5, 'c' => 1.15, 'd' => true, 'e' => false, 'f' => null)": {
        "a": 1, "b": -5, "c": Decimal("1.15"), "d": True, "e": False, "f": None,
    },
    "array('Россия' => 'тёплый \"чай\"; }', 5 => array('x', array()))": {
        "Россия": 'тёплый "чай"; }', 5: {0: "x", 1: {}},
    },
    "array(1.0E+25, 1e-7, PHP_INT_MAX, '')": {
        0: Decimal("1.0E+25"), 1: Decimal("1.0E-7"), 2: 9223372036854775807, 3: "",
    },
    "'send'": "send",
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_what_php_serializes_is_read(value: str) -> None:
    assert php.read(run(f"<?php echo serialize({value});").encode()) == VALUES[value]


@pytest.mark.parametrize("value", ["new stdClass", "array(new ArrayObject())", "NAN", "INF"])
def test_what_is_refused(value: str) -> None:
    with pytest.raises(php.PhpError):
        php.read(run(f"<?php echo serialize({value});").encode())


def test_references_are_refused() -> None:
    with pytest.raises(php.PhpError):
        php.read(run("<?php $a = array(1); $a[1] = &$a[0]; echo serialize($a);").encode())
