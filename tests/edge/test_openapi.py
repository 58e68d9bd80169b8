"""The OpenAPI document and the page to try it: complete, true, and served from here alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from otp_service.api.problems import STATUSES
from otp_service.app import create_app
from otp_service.domain.scopes import KeyScope
from tests.api import Api
from tests.running import API_KEY

SETTINGS = SimpleNamespace(http=SimpleNamespace(trusted_proxies=()))
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
    return {(path, method): found for path, methods in document["paths"].items() for method, found in methods.items()}


Operations = dict[tuple[str, str], dict[str, Any]]


def test_every_route_is_listed(operations: Operations) -> None:
    service = SimpleNamespace(verifications=None, settings=SETTINGS, stopping=asyncio.Event())
    app = cast("Any", create_app(cast("Any", service)))._app
    routes = {
        (re.sub(r"\{([a-z_]+):[a-z]+\}", r"{\1}", route.path_format or route.path), method.lower())
        for route in app.routes
        for method in getattr(route, "methods", ())
    }
    hidden = {"/metrics", "/callbacks/targetsms/{token}"}
    own = {(path, m) for path, m in routes if not path.startswith("/schema") and m not in ("options", "head")}
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
            assert media == (["application/problem+json"] if int(status) >= 400 else ["application/json"]), (
                key,
                status,
            )
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
                codes = re.findall(r"`([a-z_]+)`", response["description"])
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
        "startVerification", "checkVerification", "searchVerifications", "enrolTotp", "confirmTotp", "checkTotp",
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
    assert (
        set(started) == set(schemas["VerificationView"]["properties"]) == set(schemas["VerificationView"]["required"])
    )
    assert set(started["messages"][0]) == set(schemas["MessageView"]["properties"])
    checked = (await api.check(started["id"], "0000")).json()
    assert set(checked) == set(schemas["CheckResult"]["properties"])
    refusal = (await api.start("nobody")).json()
    assert set(schemas["Problem"]["required"]) <= set(refusal) <= set(schemas["Problem"]["properties"])


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
