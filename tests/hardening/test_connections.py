"""Connections: bounded in number, in time for a head and a body, and never read in two ways (S-22, S-23)."""

from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from otp_service.api.edge.connections import MOST_REFUSED
from tests.api import Api
from tests.edge.hostile import ALWAYS, closed, connected, exchange, marked, read_answer, refused, request
from tests.hardening.conftest import CONNECTIONS

HEAD_SECONDS = 10


def test_one_connection_too_many(guarded: str) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(guarded)) for _ in range(CONNECTIONS)]
        for peer in peers:
            peer.sendall(request(method=b"GET", path=b"/health/live", headers=[b"Connection: keep-alive"]))
            assert read_answer(peer, "GET").status_code == 200
        with connected(guarded) as late:
            answer = read_answer(late, "GET")
            refused(answer, 503, code="busy")
            assert answer.headers["retry-after"] == "1"
            assert closed(late)
    deadline = time.monotonic() + 5
    while exchange(guarded, request(method=b"GET", path=b"/health/live")).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_c13_a_crowd_is_no_reason_to_kill_the_process(guarded: str) -> None:
    """Every place is taken, and three times as many as are heard wait in front: whether it lives is answered at once,
    nothing else is, and no such answer keeps a place."""
    live = request(method=b"GET", path=b"/health/live")
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(guarded)) for _ in range(CONNECTIONS)]
        for peer in peers:
            peer.sendall(live)
            assert read_answer(peer, "GET").status_code == 200
        for _ in range(3 * MOST_REFUSED):
            stack.enter_context(connected(guarded))
        for _ in range(20):
            with connected(guarded) as probe:
                began = time.monotonic()
                probe.sendall(live)
                answer = read_answer(probe, "GET")
                assert (answer.status_code, answer.headers["connection"]) == (200, "close")
                assert closed(probe)
                assert time.monotonic() - began < 1
        for path in (b"/health/ready", b"/v1/verifications", b"/metrics"):
            refused(exchange(guarded, request(method=b"GET", path=path)), 503, code="busy")
        for body in (b"x", b"x" * 60_000):
            refused(exchange(guarded, request(body, path=b"/health/live")), 503, code="busy")
        with connected(guarded) as silent:
            refused(read_answer(silent, "GET"), 503, code="busy")
            assert closed(silent)


def test_a_head_has_bounds(service_urls: list[str]) -> None:
    for headers in ([b"X-%d: 1" % n for n in range(101)], [b"X-Big: " + b"a" * 33_000]):
        refused(exchange(service_urls[0], request(headers=headers)), 431, code="head_too_large")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/health/live", 200), ("/nowhere", 404), ("/v1/verifications", 405), ("/v1/audit", 403), ("/schema", 200),
     ("/schema/assets/swagger-ui.css", 200), ("/schema/assets/nothing.js", 404), ("/v1/audit\xff", 400)],
)  # fmt: skip
def test_every_answer_carries_the_headers(service_urls: list[str], path: str, status: int) -> None:
    answer = exchange(service_urls[0], request(method=b"GET", path=path.encode("latin-1")))
    assert answer.status_code == status
    page = path == "/schema"
    marked(answer, policy=not page)
    policy = answer.headers["content-security-policy"]
    assert ("script-src 'self';" in policy) == page
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert policy.endswith("frame-ancestors 'none'")


def test_the_page_has_no_inline_script(service_urls: list[str]) -> None:
    html = exchange(service_urls[0], request(method=b"GET", path=b"/schema")).text
    assert html.count("<script") == html.count("<script src=") == 3
    assert "onload" not in html


BEGUN = (b"", b"GET /", b"\r\n", b"GET / HTTP/1.1\r\nX-A: 1\r\n", request(method=b"GET", path=b"/health/live"))
"""Silent, dripping bytes of a head, or empty lines: at once, and after a first request."""


@pytest.mark.slow
def test_s22_a_head_slower_than_10_s(service_urls: list[str]) -> None:
    """Each is cut off in time, with an answer."""
    with ThreadPoolExecutor(len(BEGUN)) as pool:
        for _ in pool.map(lambda begun: head_is_late(service_urls[0], begun), BEGUN):
            pass


def head_is_late(url: str, begun: bytes) -> None:
    with connected(url) as peer:
        peer.sendall(begun)
        if begun.startswith(b"GET /health"):
            assert read_answer(peer, "GET").status_code == 200
        began = time.monotonic()
        peer.settimeout(0.5)
        while time.monotonic() - began < 20:
            try:
                peer.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                if begun:
                    peer.sendall(b"\r\n" if begun.endswith(b"\r\n\r\n") or begun == b"\r\n" else b"x")
        took = time.monotonic() - began
        peer.settimeout(5)
        refused(read_answer(peer, "GET"), 408, code="request_timeout")
        assert HEAD_SECONDS - 1 < took < HEAD_SECONDS + 2, begun
        assert closed(peer)


@pytest.mark.slow
async def test_s22_500_dripping_sockets_do_not_slow_the_others(service_urls: list[str], api: Api) -> None:
    """Half of them drip a head, half a body; all are gone after ten seconds, answered or not."""

    async def p99() -> float:
        took = []
        for _ in range(400):
            began = time.perf_counter()
            assert (await api.http.get("/health/live")).status_code == 200
            took.append(time.perf_counter() - began)
        return sorted(took)[int(len(took) * 0.99)]

    await p99()
    baseline = await p99()
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(service_urls[0])) for _ in range(500)]
        for number, peer in enumerate(peers):
            whole = request(headers=[b"Content-Length: 1000"], length=False) + b" "
            peer.sendall(whole if number % 2 else b"POST /v1/verifications HTTP/1.1\r\nX-A: ")
        began = time.monotonic()

        async def drip() -> None:
            while time.monotonic() - began < 12:
                for peer in peers:
                    try:
                        peer.send(b" ")
                    except OSError:
                        continue
                    await asyncio.sleep(0)
                await asyncio.sleep(1)

        dripping = asyncio.create_task(drip())
        meanwhile = await p99()
        assert meanwhile < max(2 * baseline, 0.02), (baseline, meanwhile)
        await dripping
        assert all(ended(peer) for peer in peers)


def ended(peer: socket.socket) -> bool:
    """The service has closed the connection, whatever it said before."""
    peer.settimeout(0.5)
    try:
        while peer.recv(65_536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_the_headers_are_these() -> None:
    assert {"content-security-policy", "x-frame-options", "cross-origin-resource-policy"} <= ALWAYS.keys()
