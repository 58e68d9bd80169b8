"""Requests that no honest client sends, byte by byte, and what every refusal must look like."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.running import API_KEY

STARTS = "/v1/verifications"
JSON = b"Content-Type: application/json"
KEY = b"Authorization: Bearer " + API_KEY.encode()
ALWAYS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Headers that stand on every answer, whatever it is."""


def request(
    body: bytes = b"",
    *,
    method: bytes = b"POST",
    path: bytes = STARTS.encode(),
    headers: Iterable[bytes] = (),
    usual: Sequence[bytes] = (b"Host: service", KEY, JSON),
    length: bool = True,
) -> bytes:
    """One HTTP/1.1 request. usual: the headers of an honest caller; headers: what is odd about this one."""
    lines = [method + b" " + path + b" HTTP/1.1", *usual, *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def connected(url: str, seconds: float = 15) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=seconds)


def closed(peer: socket.socket, seconds: float = 2) -> bool:
    """Whether the service has ended the connection."""
    peer.settimeout(seconds)
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def exchange(url: str, sent: bytes) -> httpx.Response:
    """Send bytes as they are; the first final answer. Fails if the service says nothing at all."""
    with connected(url) as peer:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may answer and close before it has read all
            peer.sendall(sent)
        return read_answer(peer, method=sent.split(b" ", 1)[0].decode("latin-1"))


def read_answer(peer: socket.socket, method: str = "POST") -> httpx.Response:
    found = HTTPResponse(peer, method=method)
    found.begin()
    return httpx.Response(found.status, headers=found.getheaders(), content=found.read())


def marked(answer: httpx.Response, *, policy: bool = True) -> None:
    """What every answer carries. policy: also the one of the API, which the page to try it replaces."""
    expected = {name: value for name, value in ALWAYS.items() if policy or name != "content-security-policy"}
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,128}", answer.headers["x-request-id"])


def refused(answer: httpx.Response, *statuses: int, code: str = "") -> dict[str, Any]:
    """The one shape of a refusal; never a fault of the service. statuses: any 4xx where none is given."""
    assert answer.status_code in (statuses or range(400, 500)), f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/problem+json", answer.text[:500]
    marked(answer)
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    assert found["type"] == f"urn:otp-service:problem:{found['code']}"
    assert isinstance(found["title"], str)
    assert found["title"]
    assert isinstance(found["detail"], str)
    assert found["detail"]
    assert found.keys() <= {"type", "title", "status", "code", "detail", "errors", "reason", "country", "scope"}
    for error in found.get("errors", ()):
        assert error.keys() == {"field", "message"}
        assert all(isinstance(text, str) and text for text in error.values())
    if code:
        assert found["code"] == code
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if answer.status_code == 405:
        assert answer.headers["allow"]
    return found
