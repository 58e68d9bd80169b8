"""Nothing that is secret gets out: a story of everything that can go wrong, and then a search for its canaries.

Searched are the service's output at DEBUG, every refusal, /metrics, all of Redis, and its append-only file.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from redis.asyncio import Redis

from tests.api import Api, Gateways
from tests.authenticator import asked, enrolled, outcome, step_with_room
from tests.edge.hostile import exchange
from tests.running import RedisServer, code_in, running_sandbox, running_service, written

PASSWORD = "pässwörd&<" + secrets.token_hex(8)
LOGIN = "login-" + secrets.token_hex(8)
KEY = "api-key/+=" + secrets.token_hex(16)
ROOT_SECRET = "root secret&" + secrets.token_hex(16)
IDEMPOTENCY_KEY = "order-" + secrets.token_hex(8)
SUBJECT = "anna-" + secrets.token_hex(8)
REDIS_PASSWORD = "redis-" + secrets.token_hex(8)
PHONES = [f"+7916{n}" for n in ("7350021", "7350133", "7350233", "7350344", "7350455")]

SETTINGS = {
    "OTP__APPLICATIONS__WEB__CODE_LENGTH": "10",  # so long that no time and no id looks like one by chance
    "OTP__APPLICATIONS__WEB__MAX_SENDS": "10",
    "OTP__GATEWAYS__TARGETSMS_PASSWORD__PASSWORD": PASSWORD,
    "OTP__GATEWAYS__TARGETSMS_PASSWORD__ATTEMPT_SECONDS": "0.3",
    "OTP__GATEWAYS__TARGETSMS_XML__PASSWORD": PASSWORD,
    "OTP__GATEWAYS__TARGETSMS_XML__ATTEMPT_SECONDS": "0.3",
    "OTP__GATEWAYS__SMSKA__API_KEY": LOGIN,  # nobody there has this name
    "OTP__GATEWAYS__SMSKA__API_PASSWORD": PASSWORD,
    "OTP__GATEWAYS__SMSKA__ATTEMPT_SECONDS": "0.3",
    "OTP__LIMITS__PHONE_BURST__QUOTA": "0",  # the story asks often for four phones
    "OTP__LIMITS__PHONE_DAY__QUOTA": "0",
    "OTP_BOOTSTRAP_API_KEY": KEY,
    "TEST_SECRET": ROOT_SECRET,
}
FAULTS: list[dict[str, Any]] = [
    {"fault": "error", "error": f"Неверный логин {LOGIN} или пароль {PASSWORD}, {PHONES[1]}"},
    {"fault": "cut"},
    {"fault": "error", "error": "Номер телефона присутствует в стоп-листе."},
    {"fault": "html"},
    {"fault": "garbage"},
    {"fault": "empty"},
    {"fault": "windows1251"},
    {"fault": "status", "status": 500},
    {"fault": "status", "status": 302},
    {"fault": "reset"},
    {"fault": "processed_then_reset"},
    {"fault": "stall"},
    {"fault": "drip"},
]


@dataclass
class Evidence:
    """What came out of one run of the story."""

    output: str = ""
    refusals: list[str] = field(default_factory=list)
    metrics: str = ""
    redis: bytes = b""
    file: bytes = b""
    codes: set[str] = field(default_factory=set)
    factors: set[str] = field(default_factory=set)
    """Secrets of authenticators, and backup codes."""
    asked: list[str] = field(default_factory=list)
    """Request ids that the story drew."""
    statuses: Counter[int] = field(default_factory=Counter)
    when_full: list[int] = field(default_factory=list)
    """Answers while Redis had no memory left."""
    when_replica: list[int] = field(default_factory=list)
    """Answers while Redis was not the primary."""


@pytest.fixture(scope="module", params=["production", pytest.param("development", marks=pytest.mark.slow)])
async def evidence(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp(request.param)
    found = Evidence()
    server = RedisServer(folder)
    host = server.url.removeprefix("redis://")
    async with Redis.from_url(server.url) as redis:
        await redis.config_set("requirepass", REDIS_PASSWORD)
    url = f"redis://:{REDIS_PASSWORD}@{host}"
    faults = FAULTS if request.param == "production" else FAULTS[:2]  # the form of a line does not change what it says
    settings = SETTINGS | {"OTP__SERVICE__ENVIRONMENT": request.param}
    try:
        with running_sandbox(folder) as sandbox, running_service(folder, url, sandbox, **settings) as (service, _, log):
            async with Redis.from_url(url) as redis:
                await tell(found, service, sandbox, redis, server, faults)
                await written(redis)
            found.output = log.read_text()
        found.output += log.read_text()[len(found.output) :]
        found.file = b"".join(file.read_bytes() for file in (folder / "appendonlydir").iterdir())
    finally:
        server.thaw()
        server.kill()
    return found


async def tell(
    found: Evidence, service: str, sandbox: str, redis: Redis, server: RedisServer, faults: list[dict[str, Any]]
) -> None:
    """The story. Every request has an id of its own; every refusal is kept."""

    async def number(request: httpx.Request) -> None:
        request.headers["X-Request-Id"] = f"story-{len(found.asked):04}"
        found.asked.append(request.headers["X-Request-Id"])

    async def keep(response: httpx.Response) -> None:
        found.statuses[response.status_code] += 1
        if response.status_code >= 400:
            await response.aread()
            found.refusals.append(f"{response.headers}\n{response.text}")

    async with httpx.AsyncClient(base_url=sandbox, trust_env=False, verify=False) as http, Api(service, KEY) as api:
        gateways = Gateways(http)
        await gateways.account(password=PASSWORD)
        api.http.event_hooks = {"request": [number], "response": [keep]}

        await everyday(found, api, gateways)
        await second_factors(found, api)
        await codes_of_others(found, api, gateways)
        await gateways_fail(found, api, gateways, faults)
        await strangers_come(found, api)
        for garbage in (f"GET /{PHONES[0]} HTTP/9.9", KEY, f"POST / HTTP/1.1\r\nContent-Length: {PASSWORD}"):
            exchange(service, garbage.encode() + b"\r\n\r\n")
        found.metrics = (await api.http.get("/metrics")).text
        await redis_fails(found, api, redis, server)
        await the_service_has_a_bug(api, redis)
        found.redis = await dump(redis)


async def everyday(found: Evidence, api: Api, gateways: Gateways) -> None:
    started = await api.start(PHONES[0], key=IDEMPOTENCY_KEY, subject=SUBJECT)
    assert started.status_code == 201, started.text
    await api.start(PHONES[0], key=IDEMPOTENCY_KEY, subject=SUBJECT)
    await api.start(PHONES[1], key=IDEMPOTENCY_KEY)  # refused: another body
    code = (await gateways.codes(PHONES[0]))[0]
    found.codes.add(code)
    verification = started.json()["id"]
    assert await api.outcome(verification, code[::-1] if code != code[::-1] else "0000000000") == "wrong_code"
    await api.check(verification, code, to=PHONES[1])
    await api.check(verification, code, key=IDEMPOTENCY_KEY, to=PHONES[0])
    await api.check(verification, code, key=IDEMPOTENCY_KEY, to=PHONES[0])
    await api.check(verification, code)
    await api.resend(verification)
    await api.cancel(verification)


async def second_factors(found: Evidence, api: Api) -> None:
    body = {"subject": SUBJECT, "label": SUBJECT, "name": SUBJECT}
    factor, app = await enrolled(api, **body)
    issued = await api.post("/v1/factors/backup-codes", {"subject": SUBJECT}, IDEMPOTENCY_KEY)
    codes = issued.json()["codes"]
    plain = [code.replace("-", "") for code in codes]
    imported = base64.b32encode(secrets.token_bytes(20)).decode()
    found.factors |= {app.totp.secret, app.totp.byte_secret().hex(), imported, *codes, *plain}
    step = await step_with_room()
    await outcome(api, factor["id"], app.at(step - 1), "confirm", key=IDEMPOTENCY_KEY + "-2")
    for code in (codes[0], codes[0], plain[1].lower(), codes[2][:9] + "2222", app.at(step), app.wrong(step)):
        await asked(api, SUBJECT, code)
    uri = f"otpauth://totp/{SUBJECT}?secret={imported}"
    for row in ({"uri": uri}, {"uri": uri + "&period=60"}, {"secret": imported + "!"}, {"uri": imported}):
        await api.post("/v1/factors/totp/import", {"rows": [{"subject": SUBJECT, **row}]})
    for odd in ({"subject": app.totp.secret + "/"}, {"subject": SUBJECT, "secret": app.totp.secret}, {"csv": imported}):
        await api.post("/v1/factors/totp", odd)
        await api.post("/v1/factors/totp/import", odd)
    await api.post(f"/v1/subjects/{SUBJECT}/check", {"code": plain[5] + "0"})
    await api.http.get(f"/v1/subjects/{SUBJECT}?phones={SUBJECT}")


async def codes_of_others(found: Evidence, api: Api, gateways: Gateways) -> None:
    """Deliveries, hooks and the Twilio facade, rightly used and wrongly."""
    delivered, handed, custom = "QWERTY-7788", "HOOK-445566", "77665544"
    found.codes |= {delivered, handed, custom}
    phone, http = PHONES[4], api.http
    made = await api.post("/v1/deliveries", {"to": phone, "code": delivered}, IDEMPOTENCY_KEY + "-d")
    assert made.status_code == 201, made.text
    await api.post("/v1/deliveries", {"to": phone, "code": handed}, IDEMPOTENCY_KEY + "-d")
    for body in (
        {"to": phone, "text": f"{delivered} is your code"},
        {"to": phone, "code": delivered + "!"},
        {"to": delivered, "code": phone},
        {"to": phone, "code": delivered, "webotp_host": phone},
        [phone, delivered],
    ):
        assert (await http.post("/v1/deliveries", json=body)).status_code in (400, 403, 422)
    await http.get(f"/v1/deliveries/{delivered}")
    await api.post(f"/v1/deliveries/{made.json()['id']}/converted", None)
    keycloak = {"to": phone, "message": f"Code {handed}", "token": KEY}
    assert (await http.post("/v1/hooks/keycloak/web", json=keycloak)).status_code == 200
    for kind in ("kratos", "authentik", "keycloak", "logto", "supertokens", "privacyidea", "zitadel", "supabase"):
        for raw in (
            f'{{"to": "{phone}", "code": "{handed}"',
            f'{{"phone": ["{phone}", "{handed}"]}}',
            f"{phone}={handed}",
        ):
            answer = await http.post(f"/v1/hooks/{kind}/web", content=raw)
            assert answer.status_code in (400, 401)
    await http.post("/v1/hooks/authentik/web", json={"To": "+4915123456789", "Body": handed, "Message": handed})
    service = "/twilio/v2/Services/web"
    account = httpx.BasicAuth("me", KEY)
    started = await http.post(f"{service}/Verifications", data={"To": phone, "Channel": "sms"}, auth=account)
    assert started.status_code == 201, started.text
    found.codes.add((await gateways.codes(phone))[0])
    for fields in (
        {"To": phone, "Channel": delivered},
        {"To": delivered, "Channel": "sms"},
        {"To": phone, "Channel": "sms", "CustomCode": custom},
        {"To": phone, "Channel": "sms", "Tags": handed, "RateLimits": phone},
    ):
        assert (await http.post(f"{service}/Verifications", data=fields, auth=account)).status_code in (400, 403)
    for fields in (
        {"Code": delivered, "To": phone},
        {"Code": "00000000", "To": phone},
        {"Code": custom, "To": PHONES[2]},
    ):
        await http.post(f"{service}/VerificationCheck", data=fields, auth=account)
    for which in (phone, PHONES[2], custom, delivered):
        await http.get(f"{service}/Verifications/{which}", auth=account)
    await http.get(f"{service}/Verifications/{PHONES[2]}", auth=httpx.BasicAuth(phone, delivered))


async def gateways_fail(found: Evidence, api: Api, gateways: Gateways, faults: list[dict[str, Any]]) -> None:
    started = await api.started(PHONES[2])
    for fault in faults:
        await gateways.fail("*", times=8, **fault)
        await asyncio.gather(api.start(PHONES[1]), api.resend(started["id"]))
        assert (await gateways.http.delete("/_sim/faults")).status_code == 204
    await gateways.account(password="another")
    await api.start(PHONES[1])
    await gateways.account(password=PASSWORD, money=0)
    await gateways.fail("password", "error", error="Закончились SMS.")
    await api.start(PHONES[1])
    await gateways.account(money=1000)
    await gateways.fail("password", "error", error="Закончились SMS.")
    await api.start("+79161234500", reference="on the stop list")
    for phone in PHONES:
        found.codes |= {code_in(message["text"]) for message in await gateways.messages(phone)}


async def strangers_come(found: Evidence, api: Api) -> None:
    """Secrets in the wrong places: a program with a bug sends them there."""
    phone, code = PHONES[0], min(filter(str.isdigit, found.codes))
    path, http = "/v1/verifications", api.http
    for body in (
        {"to": phone, "channel": phone},
        {"to": phone, "purpose": phone},
        {"to": phone, "locale": code},
        {"to": phone, "client": {"ip": phone}},
        {"to": phone, "client": {"platform": phone}},
        {"to": int(phone), "code": int(code)},
        {"to": [phone]},
        {"to": phone + "x"},
        {"to": phone * 3},
        {"to": f"{code}x"},
        [phone, code],
        phone,
        {"to": phone, "reference": f"{code}\n{KEY}"},
    ):
        assert (await http.post(path, json=body)).status_code in (400, 422)
    for body in (
        {"code": code + "x"},
        {"code": int(code)},
        {"code": code + "\n"},
        {"code": [code]},
    ):
        await http.post(f"{path}/{'A' * 36}/check", json=body)
    for content in (
        f'{{"to": "{phone}", "code": {code}',
        f'{{"to": "{phone}", "to": "{code}"}}',
        f"to={phone}&code={code}",
    ):
        await http.post(path, content=content, headers={"Content-Type": "application/json"})
    await http.post(
        path, content=b'{"to": "' + phone.encode() + b'\xff"}', headers={"Content-Type": "application/json"}
    )
    await http.post(
        path, content=f"to={phone}&key={KEY}", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    for odd in (phone, quote(phone), code, quote(KEY, safe=""), quote(PASSWORD)):
        await http.get(f"{path}/{odd}")
        await http.post(f"{path}/{odd}/check", json={"code": code})
        await http.get(f"/nowhere/{odd}?phone={odd}&code={code}&api_key={quote(KEY, safe='')}")
        await http.request("DELETE", f"{path}?to={odd}")
        await http.get(f"/schema/assets/{odd}")
    await http.get(
        "/nowhere", headers={"X-Forwarded-For": phone, "User-Agent": f"{phone} {KEY}", "Cookie": f"k={code}"}
    )
    await http.post(path, json={"to": phone}, headers={"Idempotency-Key": f"{phone} {code}"})
    for authorization in (f"Basic {base64.b64encode(KEY.encode()).decode()}", f"Bearer {KEY}x", KEY, f"Bearer {phone}"):
        await http.post(path, json={"to": phone}, headers={"Authorization": authorization})


async def redis_fails(found: Evidence, api: Api, redis: Redis, server: RedisServer) -> None:
    started = await api.started(PHONES[3])
    await redis.config_set("maxmemory", 1)
    found.when_full = await writing(api, started["id"])
    await redis.config_set("maxmemory", 0)
    await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    found.when_replica = await writing(api, started["id"])
    await redis.execute_command("REPLICAOF", "NO", "ONE")
    server.freeze()
    answers = await asyncio.gather(
        api.start(PHONES[1]),
        api.check(started["id"], "0000000000"),
        api.status(started["id"]),
        api.resend(started["id"]),
    )
    server.thaw()
    assert {answer.status_code for answer in answers} == {503}
    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await api.status(started["id"])


async def writing(api: Api, verification: str) -> list[int]:
    answers = [
        await api.start(PHONES[1], key="other-" + IDEMPOTENCY_KEY),
        await api.check(verification, "0000000000"),
        await api.resend(verification),
        await api.status(verification),
    ]
    return [answer.status_code for answer in answers]


async def the_service_has_a_bug(api: Api, redis: Redis) -> None:
    """Something in Redis that is not what we wrote is a crash, with its trace in the log."""
    started = await api.started(PHONES[3])
    (name,) = [key async for key in redis.scan_iter(f"otp:v:*{started['id']}", count=1000)]
    kept = await redis.dump(name)
    await redis.delete(name)
    await redis.set(name, "nonsense")
    crashed = [
        await api.check(started["id"], "0000000000"),
        await api.status(started["id"]),
        await api.resend(started["id"]),
    ]
    assert {answer.status_code for answer in crashed} == {500}
    await redis.delete(name)
    await redis.restore(name, 0, kept)


async def dump(redis: Redis) -> bytes:
    """Names and values of everything, as text: DUMP would hide a number in its binary form."""
    found: list[bytes] = []
    async for key in redis.scan_iter(count=1000):
        found.append(key)
        match await redis.type(key):
            case b"hash":
                found += [part for pair in (await redis.hgetall(key)).items() for part in pair]
            case b"zset":
                found += await redis.zrange(key, 0, -1)
            case b"string":
                found.append(await redis.get(key))
            case b"list":
                found += await redis.lrange(key, 0, -1)
            case b"stream":
                found += [part for _, fields in await redis.xrange(key) for pair in fields.items() for part in pair]
            case other:
                raise AssertionError(f"what is {other!r}?")
    return b"\n".join(found)


def spellings(secret: str) -> set[str]:
    """How a secret may look when it has passed through somebody's hands."""
    raw = secret.encode()
    found = {secret, secret[::-1], quote(secret), quote(secret, safe=""), quote_plus(secret), raw.hex()}
    found |= {repr(secret)[1:-1], json.dumps(secret)[1:-1]}
    for shift in range(3):  # base64 depends on where in its text the secret begins
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            begin, end = (0, 2, 3)[shift], -(-(len(raw) + shift) // 3) * 4
            found.add(encode(b"\0" * shift + raw).decode()[begin + (shift > 0) : end - 4])
    return {text for text in found if len(text) >= 8}


def phone_spellings(phone: str) -> set[str]:
    bare = phone.removeprefix("+")
    return spellings(phone) | spellings(bare) | spellings(bare[1:]) | spellings(f"8{bare[1:]}")


def canaries(evidence: Evidence) -> dict[str, set[str]]:
    assert len(evidence.codes) > 5
    return {
        "phone": set().union(*(phone_spellings(phone) for phone in PHONES)),
        "code": set().union(*(spellings(code) for code in evidence.codes)),
        "gateway password": spellings(PASSWORD),
        "gateway login": spellings(LOGIN),
        "API key": spellings(KEY),
        "root secret": spellings(ROOT_SECRET),
        "subject": spellings(SUBJECT),
        "factor": set().union(*(spellings(secret) for secret in evidence.factors)),
        "Idempotency-Key": spellings(IDEMPOTENCY_KEY),
        "Redis password": spellings(REDIS_PASSWORD),
    }


WHAT = (
    "subject",
    "factor",
    "phone",
    "code",
    "gateway password",
    "gateway login",
    "API key",
    "root secret",
    "Idempotency-Key",
    "Redis password",
)


def test_the_search_finds_what_it_looks_for() -> None:
    """Otherwise all of this proves nothing."""
    for text in (
        f"Authorization: Basic {base64.b64encode(f'x:{PASSWORD}:y'.encode()).decode()}",
        base64.b64encode(f"ab{PASSWORD}".encode()).decode(),
        f"http://gateway/?pwd={quote(PASSWORD)}",
        json.dumps({"password": PASSWORD}),
    ):
        assert any(spelling in text for spelling in spellings(PASSWORD)), text
    assert any(spelling in "8 not a phone 9167350021" for spelling in phone_spellings(PHONES[0]))
    assert not any(spelling in "+7916***0021" for spelling in phone_spellings(PHONES[0]))


def test_the_story_had_everything(evidence: Evidence) -> None:
    assert set(evidence.statuses) >= {200, 201, 400, 401, 404, 405, 409, 415, 422, 500, 502, 503}
    for event in ("request_failed", "storage_unavailable", "message_attempted"):
        assert event in evidence.output
    for reason in ("credentials", "broken_answer", "funds", "stop_list"):
        assert reason in evidence.output
    assert len(evidence.redis) > 5_000
    assert len(evidence.file) > 10_000


def test_a_redis_that_does_not_write_is_no_bug_of_ours(evidence: Evidence) -> None:
    assert evidence.when_full == [503, 200, 503, 200], (
        "nothing begins, codes that are out are judged, what is there is read"
    )
    assert set(evidence.when_replica) == {503}


@pytest.mark.parametrize("what", WHAT)
def test_s12_no_canary_in_the_logs(evidence: Evidence, what: str) -> None:
    for spelling in canaries(evidence)[what]:
        assert spelling not in evidence.output, [line for line in evidence.output.splitlines() if spelling in line][:3]


@pytest.mark.parametrize("what", WHAT)
def test_s12_no_canary_in_refusals_and_metrics(evidence: Evidence, what: str) -> None:
    for spelling in canaries(evidence)[what]:
        assert spelling not in evidence.metrics
        assert [refusal for refusal in evidence.refusals if spelling in refusal] == []


@pytest.mark.parametrize("what", WHAT)
def test_s12_no_canary_in_redis(evidence: Evidence, what: str) -> None:
    for spelling in canaries(evidence)[what]:
        assert spelling.encode() not in evidence.redis
        assert spelling.encode() not in evidence.file


def test_one_line_for_each_request(evidence: Evidence) -> None:
    told = Counter(re.findall(r"story-\d{4}", "\n".join(requests_of(evidence))))
    assert told == Counter(evidence.asked)


def requests_of(evidence: Evidence) -> list[str]:
    """The lines that tell of a request, in either form."""
    return [
        line
        for line in evidence.output.splitlines()
        if '"event":"request"' in line or re.match(r"\S+ \[\w+ *\] request ", line)
    ]


def test_the_form_of_the_lines(evidence: Evidence, request: pytest.FixtureRequest) -> None:
    lines = evidence.output.splitlines()
    if request.node.callspec.params["evidence"] == "development":
        assert re.search(
            r"^\S+ \[info +\] request +.*method=POST .*route=/v1/verifications .*status=201",
            evidence.output,
            re.MULTILINE,
        )
        assert "\x1b[" not in evidence.output  # no colours where nobody looks
        assert not [line for line in lines if line.startswith("{")]
        assert "Warning" not in evidence.output
        return
    for line in lines:
        assert line.startswith("{"), line
        told = json.loads(line)
        assert told["level"] in ("debug", "info", "warning", "error")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", told["timestamp"])
        assert told["event"]
        if told["event"] == "request":
            assert told["request_id"]
            assert told["method"] in ("GET", "POST", "DELETE")
            assert isinstance(told["status"], int)
            assert told["ms"] >= 0
            assert told["route"] == "unmatched" or told["route"].startswith("/")
            assert told["status"] in (401, 404, 405) or told.get("application", "web") == "web"


def test_a_crash_is_explained_in_the_log(evidence: Evidence) -> None:
    assert evidence.output.count("request_failed") == evidence.statuses[500]
    assert "Traceback (most recent call last)" in evidence.output
    assert "WRONGTYPE" in evidence.output


def test_a_masked_phone_helps_support(evidence: Evidence) -> None:
    assert f"{PHONES[0][:5]}***{PHONES[0][-4:]}" in evidence.output


def test_log_level(tmp_path: Path, redis_url: str, sandbox_process: str) -> None:
    with running_service(tmp_path, redis_url, sandbox_process, OTP_LOG_LEVEL="ERROR") as (url, _, log):
        assert httpx.get(f"{url}/health/live", trust_env=False, verify=False).status_code == 200
        assert log.read_text() == ""
