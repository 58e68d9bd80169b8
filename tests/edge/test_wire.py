"""What stands on the wire: one request at a time, read whole, however it is cut and whatever it offers."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from otp_service.api.edge.connections import Door
from otp_service.api.edge.exchange import SLICE
from otp_service.api.edge.protocol import Connection
from tests.api import Gateways
from tests.edge.hostile import JSON, KEY, STARTS, closed, connected, exchange, read_answer, refused, request
from tests.running import API_KEY, running_service
from tests.soak import usage

UPGRADES = {
    "h2c": [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAAB"],
    "websocket": [
        b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ],
    "anything": [b"Connection: keep-alive, Upgrade", b"Upgrade: TLS/1.2, made-up/7"],
}  # fmt: skip
MIB = 1024 * 1024
LIVE = request(method=b"GET", path=b"/health/live", length=False)


@pytest.fixture
def url(service_urls: list[str]) -> str:
    return service_urls[0]


def answers(url: str, *pieces: bytes, pause: float = 0.0) -> list[httpx.Response]:
    """All answers on one connection, whose end we announce in the last request."""
    with connected(url) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            peer.sendall(piece)
            time.sleep(pause)
        found = []
        peer.settimeout(5)
        with peer.makefile("rb") as file:
            while line := file.readline():
                head: dict[str, str] = {}
                while (field := file.readline()) not in (b"\r\n", b""):
                    name, _, value = field.decode("latin-1").partition(":")
                    head[name.lower()] = value.strip()
                body = file.read(int(head.get("content-length", 0)))
                found.append(httpx.Response(int(line.split()[1]), headers=head, content=body))
    return found


# an upgrade that is not served is ignored


@pytest.mark.parametrize("name", UPGRADES)
async def test_a0_the_body_of_a_request_that_offers_an_upgrade_is_read(
    url: str, gateways: Gateways, phone: str, name: str
) -> None:
    """In one segment, cut at every place that matters, and byte by byte; what the body says is heard."""
    body = json.dumps({"to": phone, "purpose": "upgrade", "reference": "x"}).encode()
    whole = request(body, headers=[*UPGRADES[name], b"Connection: close"])
    cut = len(whole) - len(body)
    for pieces in (
        [whole],
        [whole[:cut], whole[cut:]],
        [whole[: cut - 2], whole[cut - 2 :]],
        [whole[: cut + 1], whole[cut + 1 :]],
        [whole[n : n + 7] for n in range(0, len(whole), 7)],
    ):
        (answer,) = answers(url, *pieces, pause=0.005)
        assert answer.status_code == 201, answer.text
        assert answer.json()["purpose"] == "upgrade"
        assert answer.json()["reference"] == "x"
    assert len(await gateways.messages(phone)) == 5


@pytest.mark.parametrize("name", UPGRADES)
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["one segment", "two segments"])
def test_a0_the_body_of_an_upgrade_is_no_request(url: str, name: str, pause: float) -> None:
    """A proxy that forwards the upgrade sees one request with a body; so must we."""
    hidden = LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    head = request(headers=[*UPGRADES[name], b"Content-Length: %d" % len(hidden)], length=False)
    found = answers(url, head, hidden, LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), pause=pause)
    assert [answer.status_code for answer in found] == [400, 200]
    assert found[0].json()["code"] == "malformed_request"  # it is no JSON


def test_a0_chunks_behind_an_upgrade(url: str) -> None:
    for name, headers in UPGRADES.items():
        wire = request(b"2\r\n{}\r\n0\r\n\r\n", headers=[*headers, b"Transfer-Encoding: chunked"], length=False)
        found = answers(url, wire, LIVE, LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert [answer.status_code for answer in found] == [422, 200, 200], name


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java's compiler and client")
async def test_a0_java_s_own_client(url: str, gateways: Gateways, phone: str) -> None:
    """The JDK offers h2c with every request over http; several on one connection."""
    bodies = [json.dumps({"to": phone, "reference": reference}) for reference in ("a", "заказ", "c" * 100)]
    caller = Path(__file__).parent / "java" / "Caller.java"
    done = subprocess.run(
        ["java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", str(caller), url + STARTS, API_KEY, *bodies],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    for line, sent in zip(lines, bodies, strict=True):
        status, version, body = line.split(" ", 2)
        assert (status, version) == ("201", "HTTP_1_1"), line
        assert json.loads(body)["reference"] == json.loads(sent)["reference"]
    assert len(await gateways.messages(phone)) == 3


# what one connection may have waiting


@pytest.fixture
def alone(tmp_path: Path, redis_url: str, sandbox_process: str) -> Iterator[tuple[str, int, Path]]:
    """A process whose memory is looked at: its URL, its pid, its log."""
    with running_service(tmp_path, redis_url, sandbox_process, OTP_LOG_LEVEL="WARNING") as (url, child, log):
        exchange(url, LIVE)
        yield url, child.pid, log


def test_a2_pipelined_requests_take_no_memory(alone: tuple[str, int, Path]) -> None:
    """6.5 MB of requests over 100 connections that do not read: 822 MB, and /health away for 12 s."""
    url, pid, _ = alone
    before, _ = usage(pid)
    wire = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(url)) for _ in range(100)]
        for peer in peers:
            peer.setblocking(False)
        slowest = 0.0
        until = time.monotonic() + 4
        while time.monotonic() < until:
            for peer in peers:
                try:
                    peer.send(wire)
                except (BlockingIOError, OSError):
                    continue
            began = time.monotonic()
            assert exchange(url, LIVE).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        most, _ = usage(pid)
    assert most - before < 48 * 1024, f"{(most - before) // 1024} MiB more"
    assert slowest < 1


def test_a2_requests_in_a_row_are_all_answered_in_their_order(url: str) -> None:
    paths = [b"/health/live", b"/nowhere", STARTS.encode(), b"/metrics"] * 50
    wire = b"".join(request(method=b"GET", path=path, length=False) for path in paths)
    last = request(method=b"GET", path=b"/nowhere", length=False, headers=[b"Connection: close"])
    found = answers(url, wire + last)
    assert [answer.status_code for answer in found] == [200, 404, 405, 200] * 50 + [404]


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_who_ends_its_half_of_the_connection_is_answered(url: str, pause: float) -> None:
    """As `nc -N` does, and scripts; each request that is whole, and then the connection ends."""
    whole = [request(method=b"GET", path=path, length=False) for path in (b"/health/live", b"/nowhere")]
    for wire, expected in (
        (whole[:1], [200]),
        (whole * 20, [200, 404] * 20),
        ([*whole, b"GET /health/live HTT"], [200, 404]),
        ([*whole, request(b"{}")[:-1]], [200, 404]),
    ):
        with connected(url) as peer:
            peer.sendall(b"".join(wire[:-1]))
            time.sleep(pause)
            peer.sendall(wire[-1])
            peer.shutdown(socket.SHUT_WR)
            with peer.makefile("rb") as file:
                told = file.read()
        assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", told)] == expected


async def test_a_start_of_who_ends_its_half_is_answered(url: str, gateways: Gateways, phone: str) -> None:
    """A message goes out, so its caller has to hear of it."""
    with connected(url) as peer:
        peer.sendall(request(json.dumps({"to": phone}).encode()))
        peer.shutdown(socket.SHUT_WR)
        answer = await asyncio.to_thread(read_answer, peer, "POST")
        assert answer.status_code == 201
        assert await asyncio.to_thread(closed, peer)
    assert len(await gateways.messages(phone)) == 1


# answers that nobody reads


@pytest.mark.slow
def test_a3_who_does_not_read_is_cut_off(tmp_path: Path, redis_url: str, sandbox_process: str) -> None:
    """As many as may connect ask for the OpenAPI document again and again and read nothing; after 10 s they are gone,
    and meanwhile a caller whose key was seen gets through."""
    few = {"OTP__HTTP__MAX_CONNECTIONS": "32", "OTP__HTTP__MAX_CONNECTIONS_PER_ADDRESS": "0"}
    with running_service(tmp_path, redis_url, sandbox_process, **few) as (url, child, _), ExitStack() as stack:

        def by_stranger() -> int:
            with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.9")) as client:
                return client.get(url + "/health/ready").status_code  # whether it lives is told beside any crowd

        known = {"Authorization": f"Bearer {API_KEY}"}
        assert httpx.post(url + STARTS + "/search", json={"to": "+79161234567"}, headers=known).status_code == 200
        wire = request(method=b"GET", path=b"/schema/openapi.json", length=False, usual=(b"Host: x",)) * 60
        began = time.monotonic()
        peers = []
        for number in range(40):
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            peer.bind((f"127.0.0.{2 + number % 3}", 0))
            peer.settimeout(5)
            peer.connect(("127.0.0.1", int(url.rpartition(":")[2])))
            peer.sendall(wire[:4000])
            peers.append(stack.enter_context(peer))
        time.sleep(0.5)
        assert by_stranger() == 503
        while time.monotonic() - began < 8:
            assert httpx.get(url + "/health/ready").status_code == 200
            time.sleep(0.2)
        deadline = time.monotonic() + 15
        while by_stranger() != 200:
            assert time.monotonic() < deadline, "they hold the connections for good"
            time.sleep(0.5)
        assert child.poll() is None


def test_a3_an_address_has_a_bound(tmp_path: Path, redis_url: str, sandbox_process: str) -> None:
    few = {"OTP__HTTP__MAX_CONNECTIONS_PER_ADDRESS": "5", "OTP__HTTP__TRUSTED_PROXIES": "127.0.0.7/32"}
    with running_service(tmp_path, redis_url, sandbox_process, **few) as (url, _, _), ExitStack() as stack:

        def held(address: str, asked: bytes = LIVE) -> httpx.Response:
            peer = stack.enter_context(socket.socket())
            peer.bind((address, 0))
            peer.settimeout(5)
            peer.connect(("127.0.0.1", int(url.rpartition(":")[2])))
            peer.sendall(asked)
            return read_answer(peer, "GET")

        assert [held("127.0.0.2").status_code for _ in range(5)] == [200] * 5
        refused(held("127.0.0.2", LIVE.replace(b"/live", b"/ready")), 503, code="busy")
        assert held("127.0.0.2").headers["connection"] == "close"
        assert held("127.0.0.3").status_code == 200
        assert [held("127.0.0.7").status_code for _ in range(20)] == [200] * 20


SLOW_SECONDS = 12
"""Longer than who does not read at all is waited for."""


@pytest.mark.slow
def test_a3_a_slow_reader_that_goes_on_reading_gets_all(url: str) -> None:
    with connected(url) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        path = b"/schema/assets/swagger-ui-bundle.js"
        peer.sendall(request(method=b"GET", path=path, length=False, headers=[b"Connection: close"]))
        received, began = 0, time.monotonic()
        while part := peer.recv(16_384):
            received += len(part)
            if time.monotonic() - began < SLOW_SECONDS:
                time.sleep(0.15)
    assert time.monotonic() - began > SLOW_SECONDS
    whole = httpx.get(url + path.decode()).content
    assert received > len(whole) > 1_000_000


@pytest.mark.slow
def test_an_idle_connection_is_kept_for_so_long(tmp_path: Path, redis_url: str, sandbox_process: str) -> None:
    short = {"OTP__HTTP__KEEP_ALIVE_SECONDS": "2"}
    with running_service(tmp_path, redis_url, sandbox_process, **short) as (url, _, _), connected(url) as peer:
        for _ in range(3):
            peer.sendall(LIVE)
            assert read_answer(peer, "GET").status_code == 200
            time.sleep(1)
        began = time.monotonic()
        assert closed(peer, 5)
        assert time.monotonic() - began < 3.5


# what two servers could read in two ways

REFUSED = {
    "no host": (request(b"{}", usual=(KEY, JSON)), 400),
    "two hosts": (request(b"{}", headers=[b"Host: other"]), 400),
    "the same host twice": (request(b"{}", headers=[b"Host: service"]), 400),
    "a host with a path": (request(b"{}", usual=(b"Host: a/b", KEY, JSON)), 400),
    "a host with a name": (request(b"{}", usual=(b"Host: a@b", KEY, JSON)), 400),
    "gzip, chunked": (request(b"0\r\n\r\n", headers=[b"Transfer-Encoding: gzip, chunked"], length=False), 400),
    "chunked in HTTP/1.0": (
        request(b"0\r\n\r\n", headers=[b"Transfer-Encoding: chunked"], length=False).replace(b"HTTP/1.1", b"HTTP/1.0"),
        400,
    ),
    "gzip": (request(b"{}", headers=[b"Content-Encoding: gzip"]), 415),
    "br": (request(b"{}", headers=[b"Content-Encoding: br"]), 415),
    "gzip, identity": (request(b"{}", headers=[b"Content-Encoding: gzip, identity"]), 415),
    "gzip on another line": (request(b"{}", headers=[b"Content-Encoding: identity", b"Content-Encoding: gzip"]), 415),
    "windows-1251": (
        request(b"{}", usual=(b"Host: x", KEY, b"Content-Type: application/json; charset=windows-1251")), 415
    ),
    "utf-16": (request(b"{}", usual=(b"Host: x", KEY, b'Content-Type: application/json; a=b; charset="UTF-16"')), 415),
    "two charsets": (
        request(b"{}", usual=(b"Host: x", KEY, b"Content-Type: application/json; charset=utf-8; charset=utf-7")), 415
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a4_refused(url: str, name: str) -> None:
    sent, status = REFUSED[name]
    refused(exchange(url, sent), status, code="malformed_request" if status == 400 else "unsupported_media_type")


@pytest.mark.parametrize("media", [b"application/json;charset=utf8", b'application/json; charset="UTF-8"; x=y'])
def test_a4_utf8_by_its_names(url: str, media: bytes) -> None:
    answer = exchange(url, request(b'{"to": "nobody"}', usual=(b"Host: x", KEY, b"Content-Type: " + media)))
    refused(answer, 422, code="invalid_phone")


def test_a4_http_1_0_needs_no_host(url: str) -> None:
    """Health checks of balancers look like this; and nothing here goes by a host."""
    with connected(url) as peer:
        peer.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert read_answer(peer, "GET").status_code == 200
        assert closed(peer)


@pytest.mark.parametrize(
    "broken", [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x00\x00", b"GET /\n\n", request(b"{}", usual=())]
)
def test_a4_a_broken_second_request_does_not_take_the_first_answer(url: str, broken: bytes) -> None:
    for pieces in ([LIVE + broken], [LIVE, broken]):
        found = answers(url, *pieces)
        assert [answer.status_code for answer in found] == [200, 400], pieces


SIDE_DOORS = (
    b"/metrics/", b"/%6detrics", b"/metri%63s", b"/%6D%65%74%72%69%63%73", b"//metrics", b"/./metrics",
    b"/x/../metrics",
    b"/metrics%2f", b"/metrics%2F", b"/metrics//", b"/metrics/.", b"/metrics%00", b"/metrics%20", b"/METRICS",
    b"/metrics;x", b"/metrics\\", b"/health%2flive", b"/schema/openapi%2ejson", b"/v1%2Faudit", b"/v1/%61udit",
    b"/health/live/", b"/v1/subjects/person%2e",
)  # fmt: skip


@pytest.mark.parametrize("path", SIDE_DOORS, ids=[path.decode() for path in SIDE_DOORS])
def test_a4_a_path_has_one_spelling(url: str, path: bytes) -> None:
    for target in (path, b"http://service" + path):
        refused(exchange(url, request(method=b"GET", path=target, length=False)), 404, code="not_found")


def test_a4_what_needs_escapes_may_have_them(url: str) -> None:
    for written in ("person%40example.org", "person@example.org", "a%7Cb", "%D0%B0", "a~b", "a%7Eb", "a:b"):
        answer = exchange(url, request(method=b"GET", path=f"/v1/subjects/{written}".encode(), length=False))
        assert answer.status_code == (422 if "%D0" in written else 200), written


# A caller that leaves


def test_h8_a_caller_that_leaves_while_its_answer_is_written_leaves_no_traceback(alone: tuple[str, int, Path]) -> None:
    url, _, log = alone
    stop = time.monotonic() + 3

    def leave(path: bytes, read: int) -> None:
        while time.monotonic() < stop:
            with connected(url) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes with a reset
                peer.sendall(request(method=b"GET", path=path, length=False) * 20)
                if read:
                    peer.recv(read)

    threads = [
        threading.Thread(target=leave, args=(path, read))
        for path in (b"/schema/assets/swagger-ui-bundle.js", b"/schema/openapi.json", b"/nowhere", b"/metrics")
        for read in (0, 100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exchange(url, LIVE).status_code == 200
    written = log.read_text()
    assert "Traceback" not in written, written[-3000:]
    assert "request_failed" not in written, written[-3000:]


async def test_a2_nothing_is_read_from_who_does_not_take_the_last_answer() -> None:
    """It is written and cannot leave, and no request is under way: 1 GB of whatever came next was kept, until the time
    for taking the answer was over."""
    asked = [0]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked[0] += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % SLICE)]})
        await send({"type": "http.response.body", "body": bytes(SLICE)})

    door, state = Door(max_connections=100, per_address=0, keep_alive_seconds=5), ServerState()
    made = partial(Connection, door, Config(app, log_config=None), state, {})
    async with await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0) as server:
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(server.sockets[0].getsockname())
            peer.setblocking(False)
            sent = 0
            while sent == asked[0]:  # each has an answer, until one has to wait behind it
                sent += 1
                peer.send(LIVE)
                await asyncio.sleep(0.1)
            flood, loop = 0, asyncio.get_running_loop()
            with suppress(TimeoutError):
                while flood < 64 * MIB:
                    await asyncio.wait_for(loop.sock_sendall(peer, bytes(MIB)), 1)
                    flood += MIB
        while state.connections:
            await asyncio.sleep(0.01)
    assert asked[0], "nothing was answered"
    assert flood < 64 * MIB, "all that comes is kept"


async def test_bodies_that_end_together_are_judged_one_after_the_other() -> None:
    """Else strangers that hold back the last byte of each would all begin in the same turn of the loop."""
    crowd, turn, ended = 20, [0], list[int]()
    loop = asyncio.get_running_loop()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        ended.append(turn[0])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    door = Door(max_connections=100, per_address=0, keep_alive_seconds=5)
    made = partial(Connection, door, Config(app, log_config=None), ServerState(), {})
    async with await loop.create_server(made, "127.0.0.1", 0) as server:
        with ExitStack() as stack:
            peers = [
                stack.enter_context(socket.create_connection(server.sockets[0].getsockname())) for _ in range(crowd)
            ]
            for peer in peers:
                peer.sendall(request(b"{}", path=b"/")[:-1])
            await asyncio.sleep(0.2)
            for peer in peers:
                peer.sendall(b"}")
            while len(ended) < crowd:
                turn[0] += 1
                await asyncio.sleep(0)
    assert len(set(ended)) == crowd
