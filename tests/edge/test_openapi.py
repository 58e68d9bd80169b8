"""The OpenAPI document and the page to try it: complete, true, and served from here alone."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import jsonschema
import msgspec
import pytest

from otp_service.api import descriptions, examples
from otp_service.api.application import create_litestar
from otp_service.api.problems import STATUSES
from otp_service.domain.events import Event, EventType
from otp_service.domain.factors import FactorOutcome, FactorStatus
from otp_service.domain.messages import MessageStatus
from otp_service.domain.scopes import KeyScope
from otp_service.domain.verifications import Outcome, Status
from otp_service.schemas import webhooks
from otp_service.schemas.events import webhook_body
from tests.api import Api
from tests.running import API_KEY

SETTINGS = SimpleNamespace(
    http=SimpleNamespace(trusted_proxies=()), service=SimpleNamespace(environment="production"), gateways={}
)
PUBLIC = {"/health/live", "/health/ready"}
BY_THE_ROUTER = {"method_not_allowed", "head_too_large"}
"""Codes that no operation has: the path, the method or the head was wrong."""


@pytest.fixture(scope="module")
def http(service_urls: list[str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_urls[0], trust_env=False, verify=False) as client:
        yield client


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    answer = http.get("/schema/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/")
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """With the answers that they share in place of references to them."""
    shared = document["components"]["responses"]
    return {
        (path, method): found
        | {"responses": {status: answer_of(answer, shared) for status, answer in found["responses"].items()}}
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    }


def answer_of(answer: dict[str, Any], shared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer


Operations = dict[tuple[str, str], dict[str, Any]]


def test_every_route_is_listed(operations: Operations) -> None:
    service = SimpleNamespace(verifications=None, settings=SETTINGS, stopping=asyncio.Event(), load=None)
    app = create_litestar(cast("Any", service))
    routes = {
        (re.sub(r"\{([a-z_]+):[a-z]+\}", r"{\1}", route.path_format or route.path), method.lower())
        for route in app.routes
        for method in getattr(route, "methods", ())
    }
    hidden = {"/metrics", "/callbacks/{gateway}/{token}"}
    own = {
        (path, m)
        for path, m in routes
        if not path.startswith(("/schema", "/twilio/", "/v1/hooks/")) and m not in ("options", "head")
    }
    assert {(path, m) for path, m in own if path not in hidden} == set(operations)


def test_every_operation_has_a_name_and_a_sentence(operations: Operations) -> None:
    names = [found["operationId"] for found in operations.values()]
    assert len(set(names)) == len(names)
    assert all(found["summary"] for found in operations.values())


def test_who_needs_a_key(document: dict[str, Any], operations: Operations) -> None:
    """What the document says is what happens."""
    assert document["components"]["securitySchemes"]["apiKey"] == {"type": "http", "scheme": "bearer"}
    for (path, _), found in operations.items():
        needed = found.get("security", document["security"])
        assert needed == [] if path in PUBLIC else set(needed[0]["apiKey"]) & set(KeyScope), path
        assert ("401" in found["responses"]) == (path not in PUBLIC), path


def test_every_refusal_is_a_problem(operations: Operations) -> None:
    for key, found in operations.items():
        for status, response in found["responses"].items():
            media = list(response["content"])
            if int(status) >= 400:
                assert media == ["application/problem+json"], (key, status)
            else:
                files = ["text/plain"] if found["operationId"] == "issueBackupCodes" else []
                assert media == ["application/json", *files], key
            assert response["content"][media[0]]["schema"], (key, status)
    assert "503" in operations["/health/ready", "get"]["responses"]


def test_numbers_in_queries_keep_their_bounds(http: httpx.Client, operations: Operations) -> None:
    refused = 0
    for (path, method), found in operations.items():
        for parameter in found.get("parameters", ()):
            bounds = parameter["schema"]
            if parameter["in"] == "query" and bounds.get("type") == "integer":
                for number in (bounds["minimum"] - 1, bounds["maximum"] + 1):
                    where, told = path.replace("{verification_id}", "unknown"), {parameter["name"]: str(number)}
                    headers = {"Authorization": f"Bearer {API_KEY}"}
                    answer = http.request(method, where, params=told, headers=headers)
                    assert answer.status_code == 422, (path, told)
                    refused += 1
    assert refused >= 6


def test_every_documented_code_exists(operations: Operations) -> None:
    told: set[str] = set()
    for found in operations.values():
        for status, response in found["responses"].items():
            if int(status) >= 400:
                codes = re.findall(r"(?m)^- `([a-z_]+)`: ", response["description"])
                assert [*response["content"]["application/problem+json"]["examples"]] == codes
                assert codes
                assert {STATUSES.get(code) for code in codes} == {int(status)}
                told |= set(codes)
    assert told == set(STATUSES) - BY_THE_ROUTER


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for name in re.findall(r"#/components/schemas/([A-Za-z]+)", str(document)):
        assert name in document["components"]["schemas"]


def test_bodies_are_closed_and_optional_where_they_are(document: dict[str, Any], operations: Operations) -> None:
    schemas = document["components"]["schemas"]
    for name in (
        "StartVerification",
        "Client",
        "CheckCode",
        "Resend",
        "Deliver",
        "EnrolTotp",
        "TotpCheck",
        "ImportRow",
        "SubjectCheck",
    ):
        assert schemas[name]["additionalProperties"] is False
    required = {
        found["operationId"]: found["requestBody"]["required"]
        for found in operations.values()
        if "requestBody" in found
    }
    assert required.pop("resendVerification") is False
    assert set(required) == {
        "startVerification", "checkVerification", "checkPhone", "deliver", "searchVerifications",
        "enrolTotp", "confirmTotp", "checkTotp",
        "searchTotp", "importTotp", "issueBackupCodes", "checkSubject", "unlockPhone",
    }  # fmt: skip
    assert all(required.values())


def test_every_post_takes_an_idempotency_key(operations: Operations) -> None:
    for (path, method), found in operations.items():
        names = [parameter["name"] for parameter in found.get("parameters", ())]
        assert ("Idempotency-Key" in names) == (method == "post"), path


async def test_answers_have_the_documented_fields(document: dict[str, Any], api: Api, phone: str) -> None:
    schemas = document["components"]["schemas"]
    started = await api.started(phone)
    of_admin = {"route", "gateway_words"}
    assert set(started) == set(schemas["VerificationView"]["properties"]) - of_admin
    assert set(started) == set(schemas["VerificationView"]["required"])
    assert set(started["messages"][0]) == set(schemas["MessageView"]["properties"]) - of_admin
    checked = (await api.check(started["id"], "000000")).json()
    assert set(checked) == set(schemas["CheckResult"]["properties"])
    refusal = (await api.start("nobody")).json()
    assert set(schemas["Problem"]["required"]) <= set(refusal) <= set(schemas["Problem"]["properties"])


def test_p19_closed_words_have_one_type_each(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, words in (
        ("Outcome", Outcome), ("Status", Status), ("MessageStatus", MessageStatus), ("FactorOutcome", FactorOutcome),
        ("FactorStatus", FactorStatus), ("EventType", EventType), ("ProblemCode", STATUSES),
    ):  # fmt: skip
        assert schemas[name]["enum"] == [*words], name
    assert schemas["CheckResult"]["properties"]["outcome"]["allOf"] == [{"$ref": "#/components/schemas/Outcome"}]
    assert schemas["Problem"]["properties"]["code"]["allOf"] == [{"$ref": "#/components/schemas/ProblemCode"}]
    told = [tuple(schema["enum"]) for schema in schemas.values() if "enum" in schema]
    assert len(set(told)) == len(told)  # no two components say the same
    inline = [
        (owner, name)
        for owner, schema in schemas.items()
        for name, found in schema.get("properties", {}).items()
        if "enum" in found
    ]
    assert set(inline) == {("EnrolTotp", "digits"), *((event.__name__, "type") for event in webhooks.bodies().values())}


def test_p19_what_generators_stumble_over(document: dict[str, Any], operations: Operations) -> None:
    text = json.dumps(document)
    for pattern in re.findall(r'"pattern": ("(?:[^"\\\\]|\\\\.)*")', text):
        # RE2 has no look-around, no back-references, and writes characters beyond ASCII otherwise than JavaScript
        assert not re.search(r"\(\?[=!<]|\\[1-9uUp]", json.loads(pattern)), pattern
    for schema in document["components"]["schemas"].values():
        if schema.get("additionalProperties") is False:
            assert not any("default" in found for found in schema["properties"].values())
    (resend,) = (found for found in operations.values() if found["operationId"] == "resendVerification")
    assert resend["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Resend"}
    for found in operations.values():
        for status, answer in found["responses"].items():
            assert "X-Request-Id" in answer["headers"]
            waits = status in ("429", "503") or "request_in_progress" in answer["description"]
            assert ("Retry-After" in answer["headers"]) == waits
            assert ("WWW-Authenticate" in answer["headers"]) == (status == "401")


def test_p19_patterns_of_names_say_what_every_engine_can_read(document: dict[str, Any]) -> None:
    for owner in ("EnrolTotp", "ImportRow"):
        for name in ("name", "label", "issuer"):
            found = json.dumps(document["components"]["schemas"][owner]["properties"][name])
            (pattern,) = re.findall(r'"pattern": ("(?:[^"\\\\]|\\\\.)*")', found)
            for text, taken in (("Work phone", True), ("Zoë \u200d", True), ("a\xadb", False), ("a\x9bb", False)):
                assert bool(re.search(json.loads(pattern), text)) == taken, (name, text)
            assert "cannot be seen" in found  # the rest


def test_p19_somebody_who_never_saw_the_code_understands(document: dict[str, Any], operations: Operations) -> None:
    groups = {tag["name"]: tag["description"] for tag in document["tags"]}
    for found in operations.values():
        assert set(found["tags"]) <= set(groups), found["operationId"]
        assert found["description"].endswith("."), found["operationId"]
        assert all(one["description"] for one in found.get("parameters", ())), found["operationId"]
        for status, answer in found["responses"].items():
            assert "Document created" not in answer["description"], found["operationId"]
            assert "Request fulfilled" not in answer["description"], (found["operationId"], status)
    for owner, schema in document["components"]["schemas"].items():
        assert schema["description"], f"say in api/descriptions.py what {owner} is"
        for name, field in schema.get("properties", {}).items():
            assert field["description"], f"say in api/descriptions.py what {name} of {owner} is"
    assert set(descriptions.PROBLEMS) == set(STATUSES)


def test_p19_the_document_begins_with_verifications(document: dict[str, Any]) -> None:
    assert next(iter(document["paths"])) == "/v1/verifications"
    assert document["tags"][0]["name"] == "verifications"


def test_p19_examples_are_what_the_types_say(document: dict[str, Any], operations: Operations) -> None:
    examined = 0
    for found in operations.values():
        bodies = [found["requestBody"]] if "requestBody" in found else []
        for body in (*bodies, *(answer for status, answer in found["responses"].items() if int(status) < 400)):
            media = body["content"]["application/json"]
            assert "example" in media, f"api/examples.py has none of {found['operationId']}"
            validate(document, media["schema"], media["example"])
            examined += 1
    for sample in document["components"]["examples"].values():
        validate(document, {"$ref": "#/components/schemas/Problem"}, sample["value"])
    assert examined > 35


def validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    jsonschema.validate(
        value, {**schema, "components": document["components"]}, format_checker=jsonschema.FormatChecker()
    )


async def test_p19_examples_can_be_sent(api: Api) -> None:
    for path, name in (("/v1/verifications", "startVerification"), ("/v1/deliveries", "deliver")):
        answer = await api.post(path, examples.REQUESTS[name])
        assert answer.status_code in (201, 429), answer.text  # somebody sent it before
    assert (await api.post("/v1/factors/totp/import", examples.REQUESTS["importTotp"])).status_code == 200


def test_p19_every_event_is_a_webhook(document: dict[str, Any]) -> None:
    assert set(document["webhooks"]) == {*EventType, "webhook.test"}
    for kind, item in document["webhooks"].items():
        hook = item["post"]
        media = hook["requestBody"]["content"]["application/json"]
        validate(document, media["schema"], media["example"])
        assert media["example"]["type"] == kind
        assert {one["name"] for one in hook["parameters"]} == {"webhook-id", "webhook-timestamp", "webhook-signature"}


async def test_p19_webhooks_tell_what_the_document_says(document: dict[str, Any], api: Api, phone: str) -> None:
    """What really happened, held against the closed form of its schema, so that no field is left out there."""
    began = (await api.http.get("/v1/events", params={"limit": 100})).json()["next"]
    started = await api.started(phone, reference="order-77")
    await api.cancel(started["id"])
    delivery = (await api.post("/v1/deliveries", {"to": phone, "code": "AB12-CD34"})).json()
    if "id" in delivery:
        await api.post(f"/v1/deliveries/{delivery['id']}/converted", None)
    person = f"person-{phone[-6:]}"
    await api.post("/v1/factors/backup-codes", {"subject": person})
    await api.http.delete(f"/v1/subjects/{person}")
    wanted = {"verification.created", "verification.canceled", "message.updated", "delivery.created", "factor.enrolled"}
    async with asyncio.timeout(20):  # those of factors come by the worker
        while not wanted <= set(told := await events_after(api, began)):
            await asyncio.sleep(0.2)
    closed = json.loads(json.dumps(document["components"]))
    for schema in closed["schemas"].values():
        if schema.get("type") == "object" and "properties" in schema:
            schema["additionalProperties"] = False
    for kind, bodies in told.items():
        schema = document["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]["schema"]
        for body in bodies:
            jsonschema.validate(body, {**schema, "components": closed}, format_checker=jsonschema.FormatChecker())


async def events_after(api: Api, after: str | None) -> dict[str, list[dict[str, Any]]]:
    """Bodies as a webhook has them, by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    while (page := (await api.http.get("/v1/events", params={"after": after} if after else {})).json())["events"]:
        after = page["next"]
        for event in page["events"]:
            found.setdefault(event["type"], []).append({name: event[name] for name in event if name != "id"})
    return found


@pytest.mark.parametrize(
    ("kind", "subject", "fields"),
    [
        ("gateway.circuit_opened", "a", {"reason": "timeout"}),
        ("gateway.circuit_closed", "a", {"reason": "timeout", "opened_at": "1767268800000"}),
        ("gateway.balance_low", "a", {"balance": "480.00", "threshold": "500"}),
        ("application.budget_warning", "web", {"spent": "1150000", "budget": "2000000"}),
        ("application.budget_exhausted", "web", {"spent": "1150000", "budget": "2000000"}),
        ("application.wrong_codes", "web", {"wrong": "70", "budget": "60"}),
        ("service.wrong_codes", "", {"wrong": "70", "budget": "60"}),
        ("factor.confirmed", "f1", {"factor": "totp"}),
        ("backup_code.used", "", {"factor": "backup_code", "left": "3"}),
    ],
)
def test_p19_rare_webhooks_tell_what_the_document_says(
    document: dict[str, Any], kind: str, subject: str, fields: dict[str, str]
) -> None:
    event = Event(
        id="evt_web_1-0", sequence=1, type=kind, at=1767268800000, application="web", subject=subject, fields=fields
    )
    body = json.loads(webhook_body(event))
    schema = document["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validate(document, schema, body)
    (data,) = webhooks.PAYLOADS[kind]
    assert set(body["data"]) <= {field.encode_name for field in msgspec.structs.fields(data)}


TYPED = """
import type { components } from "./api";
const start: components["schemas"]["StartVerification"] = { to: "+79161234567" };
declare const checked: components["schemas"]["CheckResult"];
if (checked.outcome === "WORD") console.log(start.to);
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm") and not os.environ.get("CI"), reason="apt-get install npm")
def test_p19_typescript_refuses_a_misspelt_outcome(document: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "package.json").write_text("{}")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    packages = ("openapi-typescript@7.13.0", "typescript@5.9.3")
    installed = run("npm", "install", "--silent", "--no-audit", "--no-fund", *packages)
    assert installed.returncode == 0, installed.stderr
    made = run("npx", "openapi-typescript", "openapi.json", "-o", "api.d.ts")
    assert made.returncode == 0, made.stderr
    for word, wanted in (("approved", 0), ("aproved", 2)):
        (tmp_path / "use.ts").write_text(TYPED.replace("WORD", word))
        told = run("npx", "tsc", "--strict", "--noEmit", "--lib", "es2022,dom", "use.ts")
        assert told.returncode == wanted, told.stdout


def test_no_secret_is_in_the_document(http: httpx.Client) -> None:
    for path in ("/schema/openapi.json", "/schema"):
        text = http.get(path).text
        assert API_KEY not in text
        assert "demo-password" not in text
        assert "127.0.0.1" not in text


def test_the_page_needs_nobody_else(http: httpx.Client) -> None:
    """A machine without the internet shows it, and no stranger's server learns that it was opened."""
    page = http.get("/schema")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    html = re.sub(r"spec: \{.*", "", page.text)  # the document itself may name licences and examples
    assets = re.findall(r"""(?:src|href)=['"]([^'"]*)['"]""", html)
    assert len(assets) >= 3
    assert not re.findall(r"""https?://|['"(]//""", html)
    for asset in assets:
        if asset.startswith("data:"):
            continue
        assert asset.startswith("/schema/assets/")
        found = http.get(asset)
        assert found.status_code == 200
        assert len(found.content) > 100
        assert found.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "application/javascript")
        if asset.endswith(".css"):
            assert not re.findall(r"""@import|url\(['"]?(?!['"]?data:)""", found.text)


def test_the_page_is_closed_to_others(http: httpx.Client) -> None:
    """An API key is typed into it, so no other page may frame it."""
    page = http.get("/schema")
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/schema", "/schema/", "/schema/openapi.json"])
def test_forms_of_the_document(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 200
