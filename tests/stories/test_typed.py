"""P-1, P-2, P-5: what people type reaches every route the same way, and what is wrong is said in words for people."""

from __future__ import annotations

import re
import secrets
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from otp_service.api import application  # noqa: F401  it loads every body
from otp_service.domain import phone as phones
from otp_service.schemas.incoming import Incoming, rule_of
from tests.api import Api, Gateways, problem
from tests.authenticator import asked, confirmed, enrolled, outcome, step_with_room

DECORATED = (" {} ", "\u202a{}\u202c", "\u200b{}\ufeff", "\t{}\u00a0")


def spread(code: str) -> list[str]:
    """A code as people type and paste it."""
    half = len(code) // 2
    inner = [f"{code[:half]}{sign}{code[half:]}" for sign in (" ", "\u00a0", "-", "\u2011", ".", "\u2009", "\u00ad")]
    return [*inner, *(each.format(code) for each in DECORATED)]


async def test_p1_phones_as_they_are_pasted(api: Api, gateways: Gateways, phone: str) -> None:
    pasted = f"\u202a{phone[:2]}\u00a0({phone[2:5]}) {phone[5:8]}\u2011{phone[8:10]}\u2013{phone[10:]}\u202c"
    started = await api.started(pasted)
    assert started["to"] == phone
    code = (await gateways.codes(phone))[0]
    assert await api.outcome(started["id"], code, to=f"tel:{phone}") == "approved"
    found = await api.post("/v1/verifications/search", {"to": f"\ufeff{phone}\n"})
    assert [one["id"] for one in found.json()["verifications"]] == [started["id"]]


@pytest.mark.parametrize("wrong", ["", "1", "123", "12345", "+7916", "phone", "8 800 FLOWERS", "+" + "7" * 200])
async def test_p1_one_mistake_one_code_one_sentence(api: Api, wrong: str) -> None:
    for answer in (await api.start(wrong), await api.post("/v1/verifications/search", {"to": wrong})):
        found = problem(answer, 422, "invalid_phone")
        assert found["detail"] == phones.WRONG
        assert found["errors"] == [{"field": "to", "message": phones.WRONG}]


async def test_p2_codes_as_they_are_typed(api: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(phone)
    code = (await gateways.codes(phone))[0]
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for typed in spread(wrong):
        assert (await api.check(started["id"], typed, key="one-try")).json()["attempts_left"] == 4
    assert await api.outcome(started["id"], spread(code)[0]) == "approved"


async def test_p2_a_code_of_another_length_costs_nothing(api: Api, gateways: Gateways, phone: str) -> None:
    started = await api.started(phone)
    code = (await gateways.codes(phone))[0]
    for typed in (code[:-1], code + "0", code * 2 if len(code) <= 5 else code[:4], "1234567890"):
        for key in ("", "same"):
            found = problem(await api.check(started["id"], typed, key=key), 422, "wrong_length")
            assert (found["code_length"], found["errors"][0]["field"]) == (6, "code")
            assert "6 digits" in found["detail"]
    assert (await api.status(started["id"])).json()["attempts_left"] == 5
    assert await api.outcome(started["id"], code, key="same") == "approved"
    assert await api.outcome(started["id"], "1234") == "already_approved"


async def test_p2_second_factors_as_they_are_typed(api: Api) -> None:
    subject = f"user-{secrets.token_hex(6)}"
    step = await step_with_room()
    factor, app = await enrolled(api, subject)
    path = f"/v1/factors/totp/{factor['id']}"
    for act in ("confirm", "check"):
        if act == "check":
            assert await outcome(api, factor["id"], spread(app.at(step - 1))[3], "confirm") == "approved"
        found = problem(await api.post(f"{path}/{act}", {"code": "12345678"}), 422, "wrong_length")
        assert found["code_length"] == 6
    assert await outcome(api, factor["id"], spread(app.at(step))[1]) == "approved"
    assert (await asked(api, subject, spread(app.at(step + 1))[-1]))["outcome"] == "approved"
    codes = (await api.post("/v1/factors/backup-codes", {"subject": subject})).json()["codes"]
    for code, typed in zip(codes, ("{}", " {} ", "\u202a{}\u202c"), strict=False):
        for_people = typed.format(code.replace("-", "\u2013").lower())
        assert (await asked(api, subject, for_people))["outcome"] == "approved"


async def test_p3_a_clock_three_minutes_off_is_recognised_and_remembered(api: Api) -> None:
    subject = f"user-{secrets.token_hex(6)}"
    step = await step_with_room()
    factor, app = await enrolled(api, subject)
    assert await outcome(api, factor["id"], app.at(step + 5), "confirm") == "approved"
    assert (await asked(api, subject, app.at(step + 6)))["outcome"] == "approved"
    other, slow = await enrolled(api, subject)
    assert await outcome(api, other["id"], slow.at(step - 5), "confirm") == "approved"
    assert await outcome(api, other["id"], slow.at(step - 4)) == "approved"
    assert await outcome(api, other["id"], slow.at(step)) == "approved"  # its clock was set right


@pytest.mark.parametrize(
    ("minutes", "words"), [(10, "10 minutes fast"), (-20, "20 minutes slow"), (180, "180 minutes fast")]
)
async def test_p3_a_wrong_clock_is_named(api: Api, minutes: int, words: str) -> None:
    subject = f"user-{secrets.token_hex(6)}"
    step = await step_with_room()
    factor, app = await enrolled(api, subject)
    path, body = f"/v1/factors/totp/{factor['id']}/confirm", {"code": app.at(step + 2 * minutes)}
    for _ in range(2):  # the repeat says the same
        found = (await api.post(path, body, key="first")).json()
        assert (found["outcome"], found["approved"], found["status"]) == ("clock_off", False, "unconfirmed")
        assert abs(found["seconds"] - minutes * 60) <= 30
        assert words in found["detail"]
    assert await outcome(api, factor["id"], app.at(step), "confirm") == "approved"


async def test_p3_a_login_says_it_too_and_who_guessed_it_gains_nothing(api: Api, admin: Api) -> None:
    subject = f"user-{secrets.token_hex(6)}"
    factor, app, step = await confirmed(api, subject)
    soon = app.at(step + 9)
    found = await asked(api, subject, soon)
    assert (found["outcome"], found["approved"], found["factor_id"]) == ("clock_off", False, None)
    assert 240 <= found["seconds"] <= 270
    assert await outcome(api, factor, app.at(step - 40)) == "clock_off"
    assert await outcome(api, factor, app.wrong(step)) == "wrong_code"
    unlocked = await admin.post(f"/v1/subjects/{subject}/unlock", {})
    assert unlocked.json()["forgotten"] == 3  # each of them counted
    assert await outcome(api, factor, app.at(step)) == "approved"


FOREIGN = re.compile(r"[Ee]xpected|regex|\^|\\x|got `|\bstr\b|\bint\b|`object`|`array`|Struct|null`|Invalid")
BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    ("/v1/verifications", {}, ["to"]),
    ("/v1/verifications", {"to": 79161234567}, ["to"]),
    (
        "/v1/verifications",
        {"to": "x", "purpose": "LOGIN", "channel": "fax", "locale": "d", "reference": "r" * 129, "subject": "..",
         "client": {"ip": "1.2", "platform": "tv", "os": 1}, "limits": {"device": ""}, "phone": 1},
        ["to", "channel", "purpose", "locale", "reference", "subject", "client.ip", "client.platform", "client.os",
         "limits.device", "phone"],
    ),
    ("/v1/verifications", {"to": "+79161234567", "limits": {"Device": "x"}}, ["limits"]),
    ("/v1/verifications", {"to": "+79161234567", "limits": {"never": "x"}}, ["limits.never"]),
    ("/v1/verifications", {"to": "+79161234567", "limits": []}, ["limits"]),
    ("/v1/verifications/x/check", {"code": "12", "purpose": ""}, ["code", "purpose"]),
    ("/v1/factors/totp", {"subject": "a b", "digits": 7, "algorithm": "MD5", "name": "\n"},
     ["subject", "name", "digits", "algorithm"]),
    ("/v1/factors/totp/import", {"rows": [{"subject": "a"}, {"secret": 1}, 5], "csv": []},
     ["rows[1].subject", "rows[1].secret", "rows[2]", "csv"]),
    ("/v1/subjects/a/check", {"code": "12"}, ["code"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "fields"), BAD)
async def test_p5_all_wrong_fields_at_once_in_our_words(
    api: Api, path: str, body: dict[str, Any], fields: list[str]
) -> None:
    found = problem(await api.post(path, body), 422, "validation_failed")
    assert [one["field"] for one in found["errors"]] == fields
    assert not FOREIGN.search(str(found)), found
    assert all(
        re.match(r"must |is missing|there is no|has a|no limit|is not", one["message"]) for one in found["errors"]
    )
    assert f"`{fields[0]}" in found["detail"]


def bodies(kind: type[Incoming] = Incoming) -> Iterator[type[Incoming]]:
    for one in kind.__subclasses__():
        yield one
        yield from bodies(one)


def test_p5_every_field_has_a_sentence_and_an_example() -> None:
    found = [*bodies()]
    assert {"StartVerification", "EnrolTotp", "UnlockPhone", "Deliver"} <= {kind.__name__ for kind in found}
    for kind in found:
        for name, hint in typing.get_type_hints(kind, include_extras=True).items():
            sentence = rule_of(hint).sentence
            assert sentence.startswith("must be"), (kind, name)
            assert re.search(r"for example|`\w+` or|as in|up to|from|1 to", sentence), (kind, name, sentence)


@pytest.mark.parametrize(
    ("path", "field", "sentence"),
    [
        ("/v1/verifications/x?wait=x", "wait", "must be a whole number from 0 to 30"),
        ("/v1/events?limit=0", "limit", "must be a whole number from 1 to 100"),
        ("/v1/events?after=x", "after", "is not understood; it is: The id of the last event"),
        ("/v1/subjects/a?phones=all", "phones", "must be `masked` or `clear`"),
        ("/v1/subjects/..a", "subject", "is not understood; it is: Your own id of the person"),
    ],
)
async def test_p5_parameters_have_sentences_too(api: Api, path: str, field: str, sentence: str) -> None:
    found = problem(await api.http.get(path), 422, "validation_failed")
    assert found["errors"][0]["field"] == field
    assert found["errors"][0]["message"].startswith(sentence)
    assert not FOREIGN.search(str(found)), found


async def test_p5_nothing_there_and_no_such_method_are_said_in_our_words(api: Api) -> None:
    assert "docs/api.md" in problem(await api.http.get("/v1/nothing"), 404, "not_found")["detail"]
    assert "Allow" in problem(await api.http.put("/v1/verifications"), 405, "method_not_allowed")["detail"]
