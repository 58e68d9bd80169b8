"""Ten codes on paper: shown once, each good once, gone when new ones are issued."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter

import pytest

from tests.api import Api, problem
from tests.authenticator import asked, confirmed

ISSUE = "/v1/factors/backup-codes"


@pytest.fixture
def subject() -> str:
    return f"user-{secrets.token_hex(6)}"


async def issued(api: Api, subject: str, key: str = "") -> list[str]:
    answer = await api.post(ISSUE, {"subject": subject}, key)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["left"], answer.json()["subject"]) == (10, subject)
    codes: list[str] = answer.json()["codes"]
    return codes


async def test_each_is_good_once_and_new_ones_end_them(api: Api, second: Api, subject: str) -> None:
    codes = await issued(api, subject)
    assert len({code[:4] for code in codes}) == 10
    assert all(re.fullmatch(r"[2-9A-HJKMNP-TV-Z]{4}(-[2-9A-HJKMNP-TV-Z]{4}){2}", code) for code in codes)

    found = await asked(second, subject, codes[3])
    assert found == {
        "subject": subject, "outcome": "approved", "approved": True, "factor": "backup_code", "factor_id": None,
        "name": None, "backup_codes_left": 9, "seconds": None, "detail": None,
    }  # fmt: skip
    assert (await asked(api, subject, codes[3]))["outcome"] == "already_used"
    assert (await asked(api, subject, codes[4].replace("-", " ").lower()))["outcome"] == "approved"
    swapped = codes[0][:4] + codes[1][4:]  # the selector of one, the verifier of another
    wrong = await asked(api, subject, swapped)
    nobody = await asked(api, "nobody-" + subject, swapped)
    assert (wrong["outcome"], wrong | {"subject": ""}) == ("wrong_code", nobody | {"subject": ""})
    overview = (await api.http.get(f"/v1/subjects/{subject}")).json()["backup_codes"]
    assert (overview["left"], overview["status"]) == (8, "confirmed")
    assert codes[0] not in str(overview)

    fresh = await issued(second, subject)

    assert (await asked(api, subject, codes[0]))["outcome"] == "wrong_code"
    assert (await asked(api, subject, fresh[0]))["outcome"] == "approved"


async def test_one_code_at_once_one_is_approved(api: Api, second: Api, subject: str) -> None:
    code, *_ = await issued(api, subject)
    path = f"/v1/subjects/{subject}/check"
    answers = await asyncio.gather(*((api, second)[n % 2].post(path, {"code": code}) for n in range(50)))
    told = Counter(answer.json().get("outcome") or answer.json()["code"] for answer in answers)
    assert told.pop("approved") == 1
    assert set(told) <= {"already_used", "too_many_failures"}


async def test_the_file_to_save(api: Api, subject: str) -> None:
    headers = {"Accept": "text/plain;q=0.9, */*;q=0.1", "Idempotency-Key": "file"}
    answer = await api.http.post(ISSUE, json={"subject": subject}, headers=headers)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="backup-codes.txt"'
    assert answer.text.startswith("Example: backup codes\n")
    codes = re.findall(r"^ ?\d+\. (\S+)$", answer.text, re.MULTILINE)
    assert len(codes) == 10
    shown_again = (await api.post(ISSUE, {"subject": subject}, "file")).json()
    assert shown_again["codes"] == codes  # the answer was lost: the same ones, for ten minutes
    assert (await asked(api, subject, codes[9]))["outcome"] == "approved"


async def test_the_lost_answer(api: Api, second: Api, subject: str) -> None:
    code, other, *_ = await issued(api, subject)
    first = await asked(api, subject, code, "k1")
    assert (first["outcome"], first["backup_codes_left"]) == ("approved", 9)
    assert await asked(second, subject, code, "k1") == first
    problem(await api.post(f"/v1/subjects/{subject}/check", {"code": other}, "k1"), 422, "idempotency_key_reused")
    assert (await asked(api, subject, code, "k2"))["outcome"] == "already_used"


async def test_wrong_backup_codes_leave_the_authenticator_alone(api: Api, subject: str) -> None:
    _, app, step = await confirmed(api, subject)
    codes = await issued(api, subject)
    for n in range(20):
        assert (await asked(api, subject, codes[n % 10][:4] + "2222-2222"))["outcome"] == "wrong_code"
    problem(await api.post(f"/v1/subjects/{subject}/check", {"code": codes[0]}), 429, "too_many_failures")
    assert (await asked(api, subject, app.at(step)))["outcome"] == "approved"


async def test_a_person_is_forgotten(api: Api, subject: str) -> None:
    _, app, step = await confirmed(api, subject)
    codes = await issued(api, subject)
    gone = (await api.http.delete(f"/v1/subjects/{subject}")).json()
    assert (len(gone["totp"]), gone["backup_codes"]["left"]) == (1, 10)
    for code in (app.at(step), codes[0]):
        assert (await asked(api, subject, code))["outcome"] == "wrong_code"
    empty = {"subject": subject, "phones": [], "totp": [], "backup_codes": None}
    assert (await api.http.get(f"/v1/subjects/{subject}")).json() == empty
    assert (await api.http.delete(f"/v1/subjects/{subject}")).json() == empty
