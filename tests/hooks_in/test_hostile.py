"""What no hook takes: texts that are none, and bodies that two readers would read differently."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api import Api, Gateways
from tests.hooks_in.test_hooks import CODE, KEYED, body_of, texts

HALF = "\ud800"


def halved(body: Any, path: str) -> list[tuple[str, Any]]:
    """The body once for each of its texts, which is half a surrogate pair then."""
    found = []
    for name, value in body.items():
        if isinstance(value, dict):
            found += [(where, {**body, name: inner}) for where, inner in halved(value, f"{path}{name}.")]
        elif isinstance(value, str):
            found.append((f"{path}{name}", {**body, name: HALF}))
    return found


@pytest.mark.parametrize("kind", KEYED)
async def test_half_a_surrogate_pair_is_no_text(api: Api, phone: str, kind: str) -> None:
    for where, body in halved(body_of(kind, phone, CODE), ""):
        answer = await api.http.post(f"/v1/hooks/{kind}/web", content=json.dumps(body), headers=JSON)
        assert answer.status_code == 400, (where, answer.text)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("kind", "name"), [("keycloak", "token"), ("supertokens", "apiKey")])
async def test_a_stranger_s_key_that_is_no_text(service_urls: list[str], kind: str, name: str) -> None:
    async with httpx.AsyncClient(base_url=service_urls[0], trust_env=False, verify=False) as bare:
        answer = await bare.post(f"/v1/hooks/{kind}/web", content=json.dumps({name: HALF}), headers=JSON)
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("kind", KEYED)
@pytest.mark.parametrize("body", ['{"to":"+79160000001","to":"+79160000002"}', "[" * 17 + "]" * 17, '{"to":NaN}', "[]"])
async def test_what_could_be_read_in_two_ways_is_refused(api: Api, kind: str, body: str) -> None:
    answer = await api.http.post(f"/v1/hooks/{kind}/web", content=body, headers=JSON)
    assert answer.status_code == 400, answer.text


async def test_a_tab_is_a_blank(api: Api, gateways: Gateways, phone: str) -> None:
    body = {"to": phone, "message": f"Code:\t{CODE}"}
    assert (await api.http.post("/v1/hooks/keycloak/web", json=body)).status_code == 200
    assert await texts(gateways, phone) == [f"Code: {CODE}"]


@pytest.mark.parametrize("kind", ["authentik", "privacyidea", "linotp"])
async def test_a_text_says_its_charset_once(api: Api, kind: str) -> None:
    answer = await api.http.post(f"/v1/hooks/{kind}/web", json=body_of(kind, "+7916", CODE))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
