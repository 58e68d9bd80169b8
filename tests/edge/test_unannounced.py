"""A body that no header announced, as another server might hand it on: it is judged as any other."""

from __future__ import annotations

from typing import Any

import pytest

from otp_service.api.edge.edge import Edge


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        (b"text/plain", b"{}", 415),
        (b"application/json", b'{"code": 1, "code": 2}', 400),
        (b"application/json", b'{"code": "1"}', 204),
        (b"application/json", b"", 204),
    ],
)
async def test_a_body_without_a_length(media: bytes, body: bytes, status: int) -> None:
    seen: list[bytes] = []
    sent: list[Any] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http", "method": "POST", "path": "/v1/verifications", "raw_path": b"/v1/verifications",
        "headers": [(b"content-type", media)],
        "client": ("192.0.2.1", 4711),
    }  # fmt: skip
    await Edge(app)(scope, receive, send)
    assert sent[0]["status"] == status
    assert seen == ([body] if status == 204 else [])
