"""J1 and J2: the samples, repeats, held messages, faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otp_service.sandbox.drafts import TEXTS
from otp_service.sandbox.gateways import json_message as rules
from otp_service.sandbox.gateways.states import UNKNOWN_ID

from .speak import PHONE, Sandbox, cascade, sms


def shape(value: Any) -> Any:
    """Names, and lists by what differs in them."""
    if isinstance(value, dict):
        return {name: shape(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [json.loads(one) for one in dict.fromkeys(json.dumps(shape(item)) for item in value)]
    return type(value).__name__


async def test_j1_the_sample(sandbox: Sandbox, sample) -> None:
    """The placeholders become values. The second phone is in the stop list: it has the error of the sample."""
    await sandbox.account(any_originator=True, stop_list=["79800000001"])
    request = json.loads(sample("j1_request.json"))
    values = {"validity_period_viber": "60", "finale_viber_read": "1", "time_send": "", "sender_sms": "DEMO"}
    request["message"][0] |= values

    answer = await sandbox.json(message=request["message"])

    assert shape(answer) == shape(json.loads(sample("j1_answer.json")))
    [[first, refused], [second], third] = answer["message"]
    assert (first["phone"], first["client_id_message"], first["count_message"]) == ("79801234567", "111", "1")
    assert (first["id_viber"] != "0", first["id_sms"]) == (True, "0")
    assert refused == {"client_id_message": "112", "phone": "79800000001", "error": TEXTS[5]}
    assert (second["phone"], second["id_sms"]) == ("79800000002", "0")
    assert third == {"error": rules.NO_CHANNEL}


async def test_j2_the_sample(sandbox: Sandbox, sample) -> None:
    sent = await sandbox.cascade()
    asked = json.loads(sample("j2_request.json"))["state"]
    asked[0]["id_message"] = sent["id_message"]

    answer = await sandbox.json(state=asked)

    assert shape(answer) == shape(json.loads(sample("j2_answer.json")))
    assert answer["state"][1] == {
        "id_message": "112",
        "time_change_state": "",
        "state": UNKNOWN_ID,
        **dict.fromkeys(["state_sms", "state_viber", "num_parts_sms", "price_sms", "price_viber"], ""),
    }


@pytest.mark.parametrize("mode", ["id", "error"])
async def test_a_repeated_client_id_sends_nothing(sandbox: Sandbox, mode: str) -> None:
    await sandbox.account(dedupe=mode)
    phones = [{"phone": PHONE, "client_id_message": "42"}]

    first = await sandbox.cascade(phones=phones)
    await sandbox.advance(30 * 86400)
    again = await sandbox.cascade(phones=phones, text_viber="another")
    other = await sandbox.cascade(phones=[{"phone": PHONE, "client_id_message": "43"}])

    if mode == "id":
        assert again == first
    else:
        assert again == {"client_id_message": "42", "phone": PHONE, "error": TEXTS[17]}
    assert other["id_message"] != first["id_message"]
    assert len(await sandbox.messages()) == 2


async def test_a_repeat_after_the_cascade_went_on_has_both_ids(sandbox: Sandbox) -> None:
    phones = [{"phone": "79161234503", "client_id_message": "42"}]
    first = await sandbox.cascade(phones=phones)
    await sandbox.advance(3)

    again = await sandbox.cascade(phones=phones)

    assert again == first | {"id_sms": (await sandbox.messages())[0]["id"]}
    assert first["id_sms"] == "0"


async def test_one_space_of_client_ids_for_x_and_j(sandbox: Sandbox) -> None:
    """Both say «с этого аккаунта». What the other API answers then is ours."""
    by_x = await sandbox.send(sms(client_id_sms="1"))
    by_j = await sandbox.cascade(phones=[{"phone": PHONE, "client_id_message": "2"}], send_viber="0")

    assert (await sandbox.cascade(phones=[{"phone": PHONE, "client_id_message": "1"}]))["error"] == TEXTS[17]
    assert (await sandbox.send(sms(client_id_sms="2"))).get("id_sms") == by_j["id_sms"]
    assert by_x.get("id_sms") != by_j["id_sms"]
    assert len(await sandbox.messages()) == 2


async def test_another_account_sees_nothing(sandbox: Sandbox) -> None:
    sent = await sandbox.cascade()
    await sandbox.http.post("/_sim/reset")

    assert (await sandbox.json(state=[{"id_message": sent["id_message"]}]))["state"][0]["state"] == UNKNOWN_ID


@pytest.mark.parametrize("with_id", [True, False])
async def test_held_until_top_up(sandbox: Sandbox, with_id: bool) -> None:
    await sandbox.account(money=0, held_with_id=with_id)

    item = await sandbox.cascade()
    [held] = await sandbox.messages()
    await sandbox.account(money=100)
    [sent] = await sandbox.messages()

    assert item["error"] == TEXTS[8]
    assert ("id_message" in item) is with_id
    assert (held["status"], sent["status"]) == ("held", "accepted")


async def test_faults(sandbox: Sandbox) -> None:
    await sandbox.fault("message_error", gateway="json", error="Нет ссылки.")
    assert (await sandbox.cascade())["error"] == "Нет ссылки."
    await sandbox.fault("error", gateway="json", error="Ошибка")
    assert await sandbox.json(message=[cascade()]) == {"error": "Ошибка"}
    await sandbox.fault("numbers", gateway="json")
    numbers = await sandbox.cascade()
    assert (type(numbers["id_message"]), numbers["id_sms"]) == (int, 0)
    assert [row["outcome"] for row in await sandbox.requests("json")] == ["send", "", "Нет ссылки."]
