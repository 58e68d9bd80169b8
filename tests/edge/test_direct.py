"""What goes past the framework is answered as the framework answers it, byte by byte."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from otp_service import settings
from otp_service.api import direct
from otp_service.api.application import create_litestar
from otp_service.app import create_app, open_service
from tests.api import Gateways
from tests.running import API_KEY, service_environ

KEY = {"Authorization": f"Bearer {API_KEY}"}
JSON = {"Content-Type": "application/json"}
OF_ITS_OWN = {"x-request-id"}
LOOSE = [
    b'{"to":"+79161234567","channel":"auto","steps":[{"channel":"sms","wait_seconds":%b}]}' % each
    for each in (b'"3"', b"3.5", b'"null"', b"true")
] + [b'{"to":"+79161234567","client":{"trusted":%b}}' % each for each in (b'"true"', b"1", b"0")]
"""Values of another type than the schema's, though one could guess what is meant."""


def shown(answer: httpx.Response) -> tuple[int, Mapping[str, str], bytes]:
    return answer.status_code, {k: v for k, v in answer.headers.items() if k not in OF_ITS_OWN}, answer.content


async def test_both_ways_answer_the_same(
    tmp_path: Path,
    redis_url: str,
    sandbox_process: str,
    gateways: Gateways,
    phone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed: list[str] = []
    original = direct._send

    async def noted(answer: Any, status: int, send: Any) -> None:
        passed.append(type(answer).__name__)
        await original(answer, status, send)

    monkeypatch.setattr(direct, "_send", noted)
    found = settings.load(service_environ(tmp_path, redis_url, sandbox_process))
    async with open_service(found, worker=False) as service:
        past, through = create_app(service), create_app(service)
        cast("Any", through)._app = create_litestar(service)
        ways = [
            httpx.AsyncClient(base_url="http://service", transport=httpx.ASGITransport(cast("Any", app)))
            for app in (past, through)
        ]

        async def same(method: str, path: str, headers: Any = None, body: bytes | None = None) -> httpx.Response:
            one, other = [await way.request(method, path, headers=headers or KEY, content=body) for way in ways]
            assert shown(one) == shown(other), (method, path, headers, body)
            return one

        root = direct.ROOT
        answers = [
            await way.post(root, json={"to": f"{phone[:-1]}{n}", "client": {"ip": "203.0.113.9"}}, headers=KEY)
            for n, way in enumerate(ways)
        ]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert [list(answer.json()) for answer in answers] == [list(answers[0].json())] * 2
        assert [{*answer.headers} for answer in answers] == [{*answers[0].headers}] * 2
        started = answers[0].json()["id"]
        assert len(passed) == 1
        told = await same("GET", f"{root}/{started}")
        assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
        assert told.headers["etag"]
        for known in (told.headers["etag"], "", '"x"'):
            await same("GET", f"{root}/{started}", {**KEY, "If-None-Match": known})
        assert len(passed) == 5
        await same("HEAD", f"{root}/{started}")
        for path in (
            started, "A" * 36, f"{started}?wait=0", f"{started}?wait=x", "search", "check", "x", f"{started}/other",
        ):  # fmt: skip
            for method in ("GET", "PUT", "DELETE", "OPTIONS"):
                await same(method, f"{root}/{path}")
        for headers in (
            {"X-Nothing": "1"}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"},
            {"Authorization": "Bearer"}, {**KEY, "Idempotency-Key": "a b"},
            [*KEY.items(), ("If-None-Match", '"a"'), ("If-None-Match", '"b"')],
        ):  # fmt: skip
            await same("GET", f"{root}/{started}", headers)
            await same(
                "POST", root, [*(headers.items() if isinstance(headers, dict) else headers), *JSON.items()], b"{}"
            )
        code = (await gateways.codes(f"{phone[:-1]}0"))[0]
        for body in (
            b"", b"{}", b"null", b"[]", b'"x"', b"{", b'{"code":123456}', b'{"code":"12"}', b'{"code":"123456","x":1}',
            b'{"code":"12\\u0000"}', b'{"code":"123456","to":"+79161234567"}', b'{"code":"1234567"}', b'{"to":5}',
            b'{"to":"+7916"}', b'{"to":"nobody","client":{"ip":"x"}}', b'{"to":"+79161234567","channel":"none"}',
            b'\xff', b'{"to":"+79161234567","client":7}', b'{"to":null}', b'{"to":"+79161234567","limits":{"a":1}}',
        ):  # fmt: skip
            await same("POST", root, {**KEY, **JSON}, body)
            await same("POST", f"{root}/{'A' * 36}/check", {**KEY, **JSON}, body)
            await same("POST", f"{root}/{started}/check", {**KEY, **JSON}, body if code.encode() not in body else b"{}")
        for body in LOOSE:
            answer = await same("POST", root, {**KEY, **JSON}, body)
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), body
        whole = b'{"to":"%b7","channel":"auto","steps":[{"channel":"sms","wait_seconds":3.0}]}' % phone[:-1].encode()
        for way in ways:
            answer = await way.post(root, headers={**KEY, **JSON}, content=whole)
            assert answer.status_code == 201, answer.text
        right = b'{"code":"%b","purpose":"verification"}' % code.encode()
        first = await ways[0].post(f"{root}/{started}/check", headers={**KEY, **JSON}, content=right)
        assert (first.status_code, first.json()["outcome"]) == (200, "approved"), first.text
        again = await same("POST", f"{root}/{started}/check", {**KEY, **JSON}, right)
        assert again.json()["outcome"] == "already_approved"
        for way in ways:
            await way.aclose()
