"""P-8, P-10, P-13: what probes, scrapers and people with curl and a spreadsheet meet first."""

from __future__ import annotations

import gzip
import json

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.api import Api, problem


async def test_p13_a_byte_order_mark_is_read_past(api: Api, phone: str) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"to": phone}).encode()
    headers = {"Content-Type": "application/json"}
    answer = await api.http.post("/v1/verifications", content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    body = b"\xef\xbb\xbf\xef\xbb\xbf" + json.dumps({"to": phone}).encode()
    problem(await api.http.post("/v1/verifications", content=body, headers=headers), 400, "malformed_request")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity", "x"])
async def test_p13_a_packed_body_is_refused_in_a_sentence(api: Api, phone: str, coding: str) -> None:
    body = gzip.compress(json.dumps({"to": phone}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    found = problem(
        await api.http.post("/v1/verifications", content=body, headers=headers), 415, "unsupported_media_type"
    )
    assert "Content-Encoding" in found["detail"]


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/metrics", "/schema", "/schema/openapi.json", "/v1/gateways"]
)
async def test_p10_head_works_wherever_get_does(api: Api, path: str) -> None:
    got, headed = await api.http.get(path), await api.http.head(path)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]
    again = await api.http.get("/health/live")  # on the same connection: nothing was left in it
    assert again.json()["status"] == "ok"
    assert "HEAD" in (await api.http.put(path)).headers["allow"]


async def test_p10_head_of_what_has_no_get(api: Api) -> None:
    answer = await api.http.head("/v1/verifications")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "OPTIONS, POST", b"")


async def test_p10_metrics_have_one_charset_and_speak_openmetrics_when_asked(api: Api) -> None:
    usual = await api.http.get("/metrics")
    assert usual.headers["content-type"].count("charset") == 1
    assert usual.headers["content-type"].startswith("text/plain; version=")
    asked = await api.http.get(
        "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"}
    )
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.headers["content-type"].count("charset") == 1
    names = {family.name for family in text_string_to_metric_families(asked.text)}
    assert {"otp_http_requests", "otp_worker_last_round_seconds", "otp_hash_places_free"} <= names


async def test_p8_in_production_nothing_is_at_the_front_door(api: Api) -> None:
    found = problem(await api.http.get("/"), 404, "not_found")
    assert "development" not in str(found)


async def test_p5_an_address_with_a_slash_too_many_is_told_so(api: Api) -> None:
    found = problem(await api.post("/v1/verifications/", {"to": "+79161234567"}), 404, "not_found")
    assert "without a slash at the end" in found["detail"]
