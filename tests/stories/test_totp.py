"""An authenticator's life over HTTP: enrolled, confirmed, each code once, guessed at, removed."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.api import Api, problem
from tests.authenticator import App, asked, confirmed, enrolled, outcome, step_with_room


@pytest.fixture
def subject() -> str:
    return f"user-{secrets.token_hex(6)}"


async def test_enrol_confirm_and_log_in(api: Api, second: Api, subject: str) -> None:
    step = await step_with_room()
    factor, app = await enrolled(api, subject, label="anna@example.ru", name="Work phone")
    assert factor["status"] == "unconfirmed"
    assert len(factor["secret"]) == 32  # 160 bits
    assert (app.totp.secret, app.totp.digits, app.totp.interval) == (factor["secret"], 6, 30)
    assert (app.totp.name, app.totp.issuer) == ("anna@example.ru", "Example")
    assert factor["qr_svg"].startswith("data:image/svg+xml")
    assert factor["qr_png"].startswith("data:image/png;base64,")
    problem(await api.post(f"/v1/factors/totp/{factor['id']}/check", {"code": app.at(step)}), 409, "not_confirmed")
    assert (await asked(api, subject, app.at(step)))["outcome"] == "wrong_code"  # it opens nothing yet

    assert await outcome(second, factor["id"], app.wrong(step), "confirm") == "wrong_code"
    assert await outcome(second, factor["id"], app.at(step - 1), "confirm") == "approved"
    assert await outcome(api, factor["id"], app.at(step - 1), "confirm") == "already_confirmed"

    assert await outcome(second, factor["id"], app.at(step)) == "approved"
    assert await outcome(api, factor["id"], app.at(step)) == "already_used"
    assert await outcome(api, factor["id"], app.at(step - 1)) == "already_used"  # also those before it
    assert await outcome(api, factor["id"], app.wrong(step)) == "wrong_code"
    found = await asked(second, subject, f"{app.at(step + 1)[:3]} {app.at(step + 1)[3:]}")
    assert found == {
        "subject": subject, "outcome": "approved", "approved": True, "factor": "totp", "factor_id": factor["id"],
        "name": "Work phone", "backup_codes_left": None, "seconds": None, "detail": None,
    }  # fmt: skip
    listed = (await api.http.get(f"/v1/subjects/{subject}")).json()["totp"]
    assert [(one["id"], one["status"], one["name"]) for one in listed] == [(factor["id"], "confirmed", "Work phone")]
    assert "secret" not in listed[0]


@pytest.mark.parametrize(("digits", "algorithm"), [(8, "SHA1"), (6, "SHA256"), (8, "SHA512")])
async def test_other_forms_of_codes(api: Api, subject: str, digits: int, algorithm: str) -> None:
    _, app, step = await confirmed(api, subject, digits=digits, algorithm=algorithm)
    assert len(app.at(step)) == digits
    assert (await asked(api, subject, app.at(step)))["outcome"] == "approved"


async def test_several_of_one_person(api: Api, subject: str) -> None:
    first, app, step = await confirmed(api, subject, name="Phone")
    other, tablet, _ = await confirmed(api, subject, name="Tablet")

    assert (await asked(api, subject, tablet.at(step)))["factor_id"] == other
    assert (await asked(api, subject, app.at(step)))["factor_id"] == first
    removed = await api.http.delete(f"/v1/factors/totp/{other}")
    assert (removed.status_code, removed.json()["name"]) == (200, "Tablet")

    problem(await api.http.delete(f"/v1/factors/totp/{other}"), 404, "not_found")
    assert (await asked(api, subject, tablet.at(step + 1)))["outcome"] == "wrong_code"
    assert (await asked(api, subject, app.at(step + 1)))["outcome"] == "approved"
    found = await api.post("/v1/factors/totp/search", {"subject": subject})
    assert [one["id"] for one in found.json()["factors"]] == [first]


async def test_s19_100_right_codes_at_once_one_is_approved(api: Api, second: Api, subject: str) -> None:
    factor, app, step = await confirmed(api, subject)
    answers = await asyncio.gather(
        *((api, second)[n % 2].post(f"/v1/factors/totp/{factor}/check", {"code": app.at(step)}) for n in range(100))
    )
    told = Counter(answer.json().get("outcome") or answer.json()["code"] for answer in answers)
    assert told.pop("approved") == 1
    assert set(told) <= {"already_used", "too_many_failures"}


async def test_the_lost_answer(api: Api, second: Api, subject: str) -> None:
    first = await api.post("/v1/factors/totp", {"subject": subject}, key="enrol")
    again = await second.post("/v1/factors/totp", {"subject": subject}, key="enrol")
    assert again.json() == first.json()  # with the secret, as long as it is not confirmed
    problem(
        await api.post("/v1/factors/totp", {"subject": subject, "name": "x"}, key="enrol"),
        422,
        "idempotency_key_reused",
    )
    step = await step_with_room()
    factor, app = first.json()["id"], App(first.json()["uri"])
    assert await outcome(api, factor, app.at(step - 1), "confirm", key="c") == "approved"
    assert await outcome(second, factor, app.at(step - 1), "confirm", key="c") == "approved"

    assert await outcome(api, factor, app.wrong(step), key="k0") == "wrong_code"
    assert await outcome(api, factor, app.at(step), key="k1") == "approved"
    assert await outcome(second, factor, app.at(step), key="k1") == "approved"
    assert await outcome(second, factor, app.wrong(step), key="k0") == "wrong_code"
    assert await outcome(api, factor, app.at(step), key="k2") == "already_used"
    problem(
        await api.post(f"/v1/factors/totp/{factor}/check", {"code": app.at(step + 1)}, "k1"),
        422,
        "idempotency_key_reused",
    )
    later = (await api.post("/v1/factors/totp", {"subject": subject}, key="enrol")).json()
    assert (later["id"], later["status"], later["secret"], later["qr_svg"]) == (factor, "confirmed", None, None)


async def test_20_wrong_codes_wait_and_a_right_one_clears_them(api: Api, admin: Api, subject: str) -> None:
    factor, app, step = await confirmed(api, subject)
    for n in range(19):
        assert await outcome(api, factor, app.wrong(step, n)) == "wrong_code"
    assert await outcome(api, factor, app.at(step)) == "approved"
    for n in range(20):
        assert await outcome(api, factor, app.wrong(step, n)) == "wrong_code"

    answer = await api.post(f"/v1/factors/totp/{factor}/check", {"code": app.at(step + 1)})

    problem(answer, 429, "too_many_failures")
    assert 25 <= int(answer.headers["retry-after"]) <= 30
    problem(await api.post(f"/v1/subjects/{subject}/check", {"code": app.at(step + 1)}), 429, "too_many_failures")
    problem(await api.post(f"/v1/subjects/{subject}/unlock", {}), 403, "insufficient_scope")
    assert (await admin.post(f"/v1/subjects/{subject}/unlock", {})).json() == {"subject": subject, "forgotten": 20}
    assert await outcome(api, factor, app.at(step + 1)) == "approved"


async def test_what_is_not_there_answers_like_what_is(api: Api, subject: str) -> None:
    """A stranger's guesses at a person without a second factor look, count and wait like all others."""
    _, app, step = await confirmed(api, subject)
    nobody = f"nobody-{secrets.token_hex(4)}"
    for n in range(20):
        known, unknown = await asked(api, subject, app.wrong(step, n)), await asked(api, nobody, app.wrong(step, n))
        assert known | {"subject": ""} == unknown | {"subject": ""}
    for one in (subject, nobody):
        answer = await api.post(f"/v1/subjects/{one}/check", {"code": app.wrong(step)})
        problem(answer, 429, "too_many_failures")
    empty = (await api.http.get(f"/v1/subjects/{nobody}")).json()
    assert empty == {"subject": nobody, "phones": [], "totp": [], "backup_codes": None}


async def test_another_subject_or_application_is_not_found(api: Api, other: Api, subject: str) -> None:
    factor, app, step = await confirmed(api, subject)
    path = f"/v1/factors/totp/{factor}/check"
    problem(await api.post(path, {"code": app.at(step), "subject": "somebody"}), 404, "not_found")
    for act in ("check", "confirm"):
        problem(await other.post(f"/v1/factors/totp/{factor}/{act}", {"code": app.at(step)}), 404, "not_found")
    problem(await other.http.delete(f"/v1/factors/totp/{factor}"), 404, "not_found")
    assert (await asked(other, subject, app.at(step)))["outcome"] == "wrong_code"
    assert (await other.http.get(f"/v1/subjects/{subject}")).json()["totp"] == []
    await other.http.delete(f"/v1/subjects/{subject}")
    found = await api.post(path, {"code": app.at(step), "subject": subject})
    assert found.json()["outcome"] == "approved"


@pytest.mark.parametrize("unknown", ["x", "A" * 40, "A" * 36, "ы" * 40, "%00"])
async def test_unknown_ids(api: Api, unknown: str) -> None:
    for answer in (
        await api.post(f"/v1/factors/totp/{unknown}/check", {"code": "123456"}),
        await api.http.delete(f"/v1/factors/totp/{unknown}"),
    ):
        problem(answer, 404, "not_found")


@pytest.mark.parametrize("odd", ["", "..", "a/b", "-a", "a b", "ы", "a" * 129, "a\n"])
async def test_what_is_no_subject(api: Api, odd: str) -> None:
    found = problem(await api.post("/v1/factors/totp", {"subject": odd}), 422, "validation_failed")
    assert found["errors"][0]["field"] == "subject"


@pytest.mark.parametrize(
    "odd", ["12345", "123456789", "123456\n", "１２３４５６", "ABCD-EFGH", "ABCD-EFGH-JKM0", "a" * 99]
)
async def test_what_is_no_code_costs_no_attempt(api: Api, odd: str) -> None:
    problem(await api.post("/v1/subjects/anna/check", {"code": odd}), 422, "validation_failed")


async def test_the_eleventh_is_refused_and_unconfirmed_ones_make_room(api: Api, subject: str) -> None:
    ids = [(await enrolled(api, subject))[0]["id"] for _ in range(11)]
    listed = (await api.http.get(f"/v1/subjects/{subject}")).json()["totp"]
    assert [one["id"] for one in listed] == ids[1:]
    uris = "\n".join(
        f"{subject},{secrets.token_bytes(20).hex().translate(str.maketrans('0189', 'abcd'))}" for _ in range(11)
    )
    taken = (await api.post("/v1/factors/totp/import", {"csv": f"subject,secret\n{uris}"})).json()
    assert (taken["imported"], taken["refused"]) == (10, 1)
    problem(await api.post("/v1/factors/totp", {"subject": subject}), 409, "too_many_factors")


async def test_import_moves_people_without_a_new_enrolment(api: Api, subject: str) -> None:
    uri = f"otpauth://totp/Old:anna?secret={'JBSWY3DPEHPK3PXP' * 2}&issuer=Old&digits=8&algorithm=SHA256"
    app = App(uri)
    rows = [
        {"subject": subject, "uri": uri, "name": "Phone"},
        {"subject": subject, "secret": "short"},
        {"subject": subject, "uri": "otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP&counter=1"},
    ]
    answer = (await api.post("/v1/factors/totp/import", {"rows": rows})).json()
    assert [row["result"] for row in answer["rows"]] == ["imported", "refused", "refused"]
    again = (await api.post("/v1/factors/totp/import", {"rows": rows[:1]})).json()
    assert (again["imported"], again["already_there"]) == (0, 1)

    found = await asked(api, subject, app.at(await step_with_room()))
    assert (found["outcome"], found["name"]) == ("approved", "Phone")
    text = str(answer)
    assert "short" not in text
    assert not re.search("JBSWY3", unquote(text))
    for nothing in ({}, {"csv": ""}, {"rows": []}, {"csv": "subject,secret\n"}, {"csv": "anna,JBSWY3DPEHPK3PXP"}):
        problem(await api.post("/v1/factors/totp/import", nothing), 422, "validation_failed")
    many = {"csv": "subject,secret\n" + "a,b\n" * 501}
    problem(await api.post("/v1/factors/totp/import", many), 422, "validation_failed")


async def test_events_tell_what_changed(api: Api, subject: str) -> None:
    """Whose it is, what it is; never a secret. In the order in which it happened."""
    factor, _, _ = await confirmed(api, subject, name="Phone")
    codes = (await api.post("/v1/factors/backup-codes", {"subject": subject})).json()["codes"]
    assert (await asked(api, subject, codes[0]))["approved"]
    await api.http.delete(f"/v1/subjects/{subject}")

    told = await events_of(api, subject, 6)

    assert [(one["type"], one["data"]["factor"], one["data"]["backup_codes_left"]) for one in told] == [
        ("factor.enrolled", "totp", None),
        ("factor.confirmed", "totp", None),
        ("factor.enrolled", "backup_code", 10),
        ("backup_code.used", "backup_code", 9),
        ("factor.removed", "totp", None),
        ("factor.removed", "backup_code", 9),
    ]
    assert [one["data"]["factor_id"] for one in told] == [factor, factor, None, None, factor, None]


async def events_of(api: Api, subject: str, count: int) -> list[dict[str, Any]]:
    """Those about a person, once there are so many of them."""
    for _ in range(100):
        found: list[dict[str, Any]] = []
        after = ""
        while page := (await api.http.get("/v1/events", params={"after": after} if after else {})).json()["events"]:
            found += [one for one in page if one["data"].get("subject") == subject]
            after = page[-1]["id"]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(found)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("zbarimg") and not os.environ.get("CI"), reason="apt-get install zbar-tools")
async def test_a_reader_of_qr_codes_reads_the_uri(api: Api, subject: str, tmp_path: Path) -> None:
    """By zbar; with the longest label and issuer, in Cyrillic, as well."""
    long = {"label": "Анна " * 12, "issuer": "Ж" * 64, "algorithm": "SHA512", "digits": 8}
    for number, body in enumerate(({}, {"label": "anna@example.ru"}, long)):
        factor, app = await enrolled(api, subject, **body)
        image = tmp_path / f"{number}.png"
        image.write_bytes(base64.b64decode(factor["qr_png"].partition(",")[2]))
        read = subprocess.run(["zbarimg", "-q", "--raw", str(image)], capture_output=True, text=True, check=True)
        assert read.stdout.strip() == factor["uri"]
        assert app.totp.name == body.get("label", subject)
