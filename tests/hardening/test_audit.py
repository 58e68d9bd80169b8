"""The audit log: what is done is in it, nobody's phone is, and it neither changes nor grows for ever."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyotp
import pytest
from redis.asyncio import Redis

from otp_service import __version__
from otp_service.storage import keys
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import Database
from tests.api import Api, problem
from tests.authenticator import confirmed, step_with_room
from tests.hardening.conftest import Operator, make_key
from tests.running import API_KEY, SECRET, RedisServer, running_service
from tests.test_project import sections

NEW = "new-secret-" + "n" * 40


def exported(operator: Operator) -> list[dict[str, Any]]:
    found = operator("audit", "export")
    assert (found.code, found.err) == (0, "")
    return [json.loads(line) for line in found.out.splitlines()]


async def test_what_is_done_to_second_factors_is_in_it(operator: Operator, api: Api, tmp_path: Path) -> None:
    """By whom, to whom by a keyed index, to which; checks are not, refused ones neither."""
    factor, app, step = await confirmed(api, "audited-person")
    await api.post(f"/v1/factors/totp/{factor}/check", {"code": app.at(step)})
    await api.post("/v1/factors/backup-codes", {"subject": "audited-person"})
    await api.http.delete(f"/v1/factors/totp/{factor}")
    await api.http.delete("/v1/subjects/audited-person")
    file = tmp_path / "secrets.csv"
    file.write_text(f"subject,secret\naudited-person,{app.totp.secret}\n")
    operator("factors", "import", "--application", "web", str(file))
    operator("factors", "unlock", "--application", "web", "--subject", "audited-person")

    entries = [entry for entry in exported(operator) if re.match("factor|backup|subject", entry["action"])][-7:]

    assert [(entry["action"], entry["actor"].partition(":")[0], entry["details"]) for entry in entries] == [
        ("factor.enrolled", "key", {"factor": factor}),
        ("factor.confirmed", "key", {"factor": factor}),
        ("backup_codes.issued", "key", {}),
        ("factor.removed", "key", {"factor": factor}),
        ("subject.forgotten", "key", {}),
        ("factors.imported", "cli", {"imported": 1}),
        ("subject.unlocked", "cli", {}),
    ]
    assert len({entry["subject"] for entry in entries if entry["subject"]}) == 1
    assert "audited-person" not in json.dumps(entries)


async def test_a12_what_did_not_happen_is_not_in_it(operator: Operator, api: Api, other: Api) -> None:
    """What was 404, another application's, or only repeated."""
    factor, *_ = await confirmed(api, "audit-nothing")
    enrolment = await api.post("/v1/factors/totp", {"subject": "audit-nothing"}, "enrol-once")
    second, uri = enrolment.json()["id"], enrolment.json()["uri"]
    await step_with_room()
    code = pyotp.parse_uri(uri).now()
    for _ in range(2):
        assert (await api.post("/v1/factors/totp", {"subject": "audit-nothing"}, "enrol-once")).status_code == 201
        answer = await api.post(f"/v1/factors/totp/{second}/confirm", {"code": code}, "confirm-once")
        assert answer.json()["approved"]
        issued = await api.post("/v1/factors/backup-codes", {"subject": "audit-nothing"}, "issue-once")
        assert issued.status_code == 201
    for caller, wanted in ((api, second), (other, factor), (api, "f" * 36)):
        await caller.http.delete(f"/v1/factors/totp/{wanted}")
    for _ in range(2):
        assert (await api.http.delete(f"/v1/factors/totp/{second}")).status_code == 404
    await api.http.delete("/v1/subjects/audit-nobody")
    operator("keys", "revoke", "0123abcd")
    operator("keys", "rotate", "0123abcd")

    entries = [entry for entry in exported(operator) if re.match("factor|backup|subject|key", entry["action"])]
    mine = next(entry["subject"] for entry in entries if entry["details"].get("factor") == factor)
    found = [(entry["action"], entry["details"].get("factor")) for entry in entries if entry["subject"] == mine]
    assert found == [
        ("factor.enrolled", factor),
        ("factor.confirmed", factor),
        ("factor.enrolled", second),
        ("factor.confirmed", second),
        ("backup_codes.issued", None),
        ("factor.removed", second),
    ]
    assert entries[-1]["details"] == {"factor": second}, "something that did not happen came later"


async def test_what_operators_do_is_in_it(operator: Operator, service_urls: list[str], phone: str) -> None:
    key_id, _ = make_key(operator, "--scope", "read")
    new_id = operator("keys", "rotate", key_id).err.split()[1]
    operator("keys", "revoke", key_id)
    operator("phones", "unlock", "--application", "web", "--phone", phone)

    entries = exported(operator)

    assert [entry["id"] for entry in entries] == sorted(
        (entry["id"] for entry in entries), key=lambda place: [int(part) for part in place.split("-")]
    )
    told = [(entry["action"], entry["subject"], entry["details"]) for entry in entries[-4:]]
    assert told[:3] == [
        ("key.created", key_id, {"scopes": "read"}),
        ("key.rotated", key_id, {"successor": new_id}),
        ("key.revoked", key_id, {}),
    ]
    assert told[3][0] == "phone.unlocked"
    assert re.fullmatch(r"[0-9a-f]{18}", told[3][1])
    for entry in entries[-4:]:
        assert entry["actor"].startswith("cli:")
        assert entry["application"] == "web"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["at"])
    assert phone[1:] not in json.dumps(entries)
    starts = [entry for entry in entries if entry["action"] == "service.started"]
    assert starts[0]["details"]["version"] == __version__
    same = Counter(entry["details"]["settings"] for entry in starts).most_common(1)
    assert same[0][1] >= 2  # two processes of the session have the same settings
    assert {entry["actor"] for entry in starts} == {"service"}
    secrets = {SECRET, API_KEY, "demo-password"}
    assert not [secret for secret in secrets if secret in json.dumps(entries)]


async def test_over_http_each_application_sees_its_own(operator: Operator, service_urls: list[str]) -> None:
    of_web, web_secret = make_key(operator, "--scope", "admin")
    of_other, other_secret = make_key(operator, "--scope", "admin", application="other")
    async with Api(service_urls[0], web_secret) as web, Api(service_urls[1], other_secret) as other:
        for api, own, foreign in ((web, of_web, of_other), (other, of_other, of_web)):
            seen = [entry for page in [page async for page in pages(api)] for entry in page]
            subjects = {entry["subject"] for entry in seen}
            assert own in subjects
            assert foreign not in subjects
            assert "service.started" in {entry["action"] for entry in seen}
            everything = {entry["id"]: entry for entry in exported(operator)}
            assert all(everything[entry["id"]] == entry for entry in seen)
        for wrong in ("x", "1", "-1-0", "1-1-1", "%", "+", "1" * 20 + "-0"):
            problem(await web.http.get("/v1/audit", params={"after": wrong}), 422, "validation_failed")


async def pages(api: Api) -> Any:
    after = ""
    while True:
        answer = await api.http.get("/v1/audit", params={"after": after} if after else {})
        assert answer.status_code == 200, answer.text
        yield answer.json()["entries"]
        after = answer.json()["next"]
        if not after:
            return


async def test_it_is_kept_as_long_as_the_settings_say_and_is_read_in_pages(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    async with Redis.from_url(server.url, protocol=2) as redis:
        long_ago = int((time.time() - 90_000) * 1000)
        fields = {"actor": "a", "action": "b", "application": "", "subject": "", "details": "{}"}
        await redis.xadd(keys.AUDIT, fields, id=f"{long_ago}-0")
        log = AuditLog(Database(redis), 86_400)
        for number in range(1200):
            await log.record("service", Action.KEY_REVOKED, str(number), note="+79161234567 and 9161234567")
        found = [entry async for entry in log.entries()]
        assert [entry.subject for entry in found] == [str(number) for number in range(1200)]
        assert found[0].details == {"note": "[phone] and 9161234567"}
        assert 86_000 < await redis.ttl(keys.AUDIT) <= 86_400
    server.kill()


def test_every_action_is_documented() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", sections("security.md")["Audit log"], flags=re.MULTILINE)
    words = [word for row in rows for word in re.findall(r"`([a-z_.]+)`", row)]
    assert sorted(words) == sorted(Action)


@pytest.mark.slow
async def test_a_new_root_secret_is_told_once(tmp_path: Path, sandbox_process: str) -> None:
    server = RedisServer(tmp_path)
    for secret in (SECRET, f"{NEW},{SECRET}", f"{NEW},{SECRET}"):
        with running_service(tmp_path, server.url, sandbox_process, OTP__SERVICE__SECRET=secret):
            pass
    async with Redis.from_url(server.url, protocol=2) as redis:
        entries = [entry async for entry in AuditLog(Database(redis), 86_400).entries()]
    rotated = [entry for entry in entries if entry.action == "secret.rotated"]
    assert len(rotated) == 1
    assert rotated[0].subject != rotated[0].details["before"]
    settings = [entry.details["settings"] for entry in entries if entry.action == "service.started"]
    assert settings[0] != settings[1] == settings[2]
    server.kill()
