"""The same SMS through three gateways: parts, price, charge and state are the same wherever they are asked."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from otp_service.sandbox.parts import count_parts

from .speak import Sandbox, sms

LETTERS = "aZ09 .€[{яЁё😀é"
WORDS = {"02": "send", "03": "not_deliver", "04": "expired", "05": "partly_deliver", "67": "deliver"}


async def test_agreement(sandbox: Sandbox) -> None:
    rng = Random("agreement")
    for _ in range(25):
        text = "".join(rng.choices(rng.choice([LETTERS, LETTERS[:9]]), k=rng.randint(1, 400))).strip() or "x"
        ending = rng.choice(list(WORDS))
        price = Decimal(rng.randint(1, 300)) / 100
        await sandbox.account(money=10_000, prices={"Россия": str(price)})
        await _check(sandbox, f"791612345{ending}", text, WORDS[ending], price)


async def _check(sandbox: Sandbox, phone: str, text: str, word: str, price: Decimal) -> None:
    parts = count_parts(text)
    login = {"user": "demo", "pwd": "demo-password"}
    by_x = (await sandbox.send(sms(phone, text))).attrib
    by_g = (await sandbox.http.get("/sendsms.php", params=login | {"sadr": "DEMO", "dadr": phone, "text": text})).text
    by_j = await sandbox.cascade(send_viber="0", text_sms=text, phones=[{"phone": phone}])
    spent = Decimal(10_000) - Decimal((await sandbox.account())["money"])
    await sandbox.advance(61)

    assert (by_x["parts"], by_j["count_message"], spent) == (str(parts), str(parts), 3 * parts * price)
    shown = f"{price.normalize():f}"
    for id_sms in (by_x["id_sms"], by_g, by_j["id_sms"]):
        state = await sandbox.state(id_sms)
        assert (state.text, state.get("num_parts"), state.get("price")) == (word, str(parts), shown)
        asked = login | {"smsid": id_sms}
        assert (await sandbox.http.get("/sendsms.php", params=asked)).text == word
        detail = (await sandbox.http.get("/sendsms.php", params=asked | {"detail": "1"})).text
        assert f's:9:"num_parts";s:{len(str(parts))}:"{parts}";s:5:"price";s:{len(shown)}:"{shown}";}}' in detail
        assert f'"state_sms";s:{len(word)}:"{word}"' in detail
    [of_j] = (await sandbox.json(state=[{"id_message": by_j["id_message"]}]))["state"]
    assert (of_j["state_sms"], of_j["num_parts_sms"]) == (word, str(parts))
    assert Decimal(of_j["price_sms"]) == parts * price


async def test_characters_that_xml_cannot_carry(sandbox: Sandbox) -> None:
    """They come by GET and JSON, and X20 and X16 show them."""
    await sandbox.cascade(send_viber="0", text_sms="a\x00b\x0bc", time_send="2100-01-01 12:00")
    [[scheduled]] = await sandbox.operation("list_scheduled", "<scheduled/>")

    assert scheduled.get("text_sms") == "abc"
    body = b'{"login": "demo", "password": "demo-password", "message": [{"name_delivery": "\\ud800"}]}'
    refused = await sandbox.http.post("/sendmessagejson.php", content=body)
    assert refused.json() == {"error": "Неправильный формат JSON документа"}
