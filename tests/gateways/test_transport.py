"""The fault table of reliability.md 8.3: what proves "not sent", and that nothing is ever sent twice."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import GatewayError, Then
from otp_service.gateways.http import HttpClient
from otp_service.outbound import transport
from tests.gateways.stub import PATIENT, Stub, closed_port

NAME = "receiver.test"
Connect = Callable[..., HttpClient]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes clients that are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(url: str, **options: Any) -> HttpClient:
            client = HttpClient(url, **{"connect_seconds": PATIENT, **options})
            stack.push_async_callback(client.close)
            return client

        yield make


async def failure(client: HttpClient, method: str = "POST", seconds: float = PATIENT) -> tuple[Reason, Then]:
    with pytest.raises(GatewayError) as caught:
        await client.exchange(method, "/x", content=b"hello" if method == "POST" else b"", seconds=seconds)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value.reason, caught.value.then


@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
@pytest.mark.parametrize(
    ("fault", "reason", "processed"),
    [
        ("reset at accept", Reason.BROKEN_ANSWER, 0),
        ("reset after reading", Reason.BROKEN_ANSWER, 0),
        ("processed, then reset", Reason.BROKEN_ANSWER, 1),
        ("processed, then closed", Reason.BROKEN_ANSWER, 1),
        ("stall", Reason.TIMEOUT, 1),
        ("cut", Reason.BROKEN_ANSWER, 1),
        ("drip", Reason.TIMEOUT, 1),
        ("garbage", Reason.BROKEN_ANSWER, 1),
    ],
)
async def test_a_fault_after_the_connection_is_unclear_and_nothing_is_repeated(
    stub: Stub, method: str, fault: str, reason: Reason, processed: int, connect: Connect
) -> None:
    client = connect(stub.url)
    late = reason is Reason.TIMEOUT
    if late:  # with a connection at hand: to connect may take a busy machine longer than all of this time
        await client.exchange(method, "/x", seconds=PATIENT)
    stub.fault = fault

    assert await failure(client, method, 0.25 if late else PATIENT) == (reason, Then.UNCLEAR)

    await asyncio.sleep(0.05)
    assert len(stub.processed) == processed + late
    assert len(stub.read) <= 1 + late
    assert stub.connections == 1


@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
async def test_a_kept_connection_that_breaks_is_not_tried_again(stub: Stub, method: str, connect: Connect) -> None:
    """aiohttp by itself repeats GET and PUT here."""
    stub.fault, stub.from_request = "processed, then reset", 2
    client = connect(stub.url)
    await client.exchange(method, "/x", seconds=PATIENT)

    assert await failure(client, method) == (Reason.BROKEN_ANSWER, Then.UNCLEAR)

    assert (len(stub.processed), stub.connections) == (2, 1)


async def test_a_connection_closed_while_idle_is_replaced_unnoticed(stub: Stub, connect: Connect) -> None:
    stub.close_after_seconds = 0.05
    client = connect(stub.url)
    await client.exchange("POST", "/x", seconds=PATIENT)
    await asyncio.sleep(0.15)

    reply = await client.exchange("POST", "/x", seconds=PATIENT)

    assert reply.status == 200
    assert (len(stub.processed), stub.connections) == (2, 2)


async def test_connections_are_kept(stub: Stub, connect: Connect) -> None:
    client = connect(stub.url)
    for _ in range(5):
        await client.exchange("POST", "/x", seconds=PATIENT)

    assert (len(stub.processed), stub.connections) == (5, 1)


@pytest.mark.parametrize("pause", [0, 0.02])
@pytest.mark.parametrize("length", [1, 20, 100], ids=["a byte", "a part", "all"])
async def test_an_answer_that_nobody_asked_for_is_not_the_next_ones(
    pause: float, length: int, connect: Connect
) -> None:
    """A repeated answer names a message of somebody else."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % asked
                writer.write(answer)
                await asyncio.sleep(pause)
                writer.write(answer[:length])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        client = connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for n in (1, 2, 3):
            assert (await client.exchange("GET", "/x", seconds=PATIENT)).text() == str(n)
            await asyncio.sleep(2 * pause)


async def test_a_closed_port_is_not_sent(connect: Connect) -> None:
    client = connect(f"http://127.0.0.1:{closed_port()}")

    assert await failure(client) == (Reason.UNREACHABLE, Then.NEXT)


async def test_a_name_that_does_not_resolve_is_not_sent(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    async def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    client = connect("http://gateway.invalid")

    assert await failure(client) == (Reason.UNREACHABLE, Then.NEXT)


@pytest.mark.parametrize(("connect_seconds", "seconds"), [(0.2, 2.0), (2.0, 0.2)])
async def test_a_full_backlog_is_not_sent(connect_seconds: float, seconds: float, connect: Connect) -> None:
    """Linux answers no SYN while the backlog is full: the connection is never made."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        client = connect(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_seconds=connect_seconds)

        assert await failure(client, seconds=seconds) == (Reason.UNREACHABLE, Then.NEXT)


async def test_a_handshake_that_never_ends_is_not_sent(stub: Stub, connect: Connect) -> None:
    client = connect(stub.url.replace("http:", "https:"), connect_seconds=0.2)

    assert await failure(client, seconds=2) == (Reason.UNREACHABLE, Then.NEXT)


async def test_an_unknown_certificate_is_not_sent(tmp_path: Path, connect: Connect) -> None:
    context = certificate(tmp_path)
    async with Stub(tls=context) as stub:
        client = connect(stub.url)

        assert await failure(client, seconds=2) == (Reason.UNREACHABLE, Then.NEXT)

        assert stub.read == []


async def test_a_known_certificate_is_accepted(tmp_path: Path, connect: Connect) -> None:
    context = certificate(tmp_path)
    async with Stub(tls=context) as stub:
        trusted = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
        client = connect(stub.url, ssl_context=trusted)

        reply = await client.exchange("POST", "/x", seconds=PATIENT)

        assert reply.body == b"ok"


async def test_waiting_for_a_slot_counts_and_is_not_sent(stub: Stub, connect: Connect) -> None:
    stub.fault = "stall"
    client = connect(stub.url, max_parallel=1)
    holder = asyncio.create_task(failure(client, seconds=0.5))
    await asyncio.sleep(0.05)

    assert await failure(client, seconds=0.2) == (Reason.THROTTLED, Then.NEXT)

    assert await holder == (Reason.TIMEOUT, Then.UNCLEAR)
    assert len(stub.read) == 1


async def test_redirects_cookies_and_proxies_are_ignored(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    stub.status, stub.headers = 302, (f"Location: {stub.url}/elsewhere", "Set-Cookie: a=b")
    client = connect(stub.url.replace("127.0.0.1", "localhost"))  # aiohttp keeps no cookies of bare addresses

    for _ in range(2):
        assert (await client.exchange("GET", "/x", seconds=PATIENT)).status == 302

    assert [request.path for request in stub.read] == ["/x", "/x"]
    assert "cookie" not in stub.read[1].headers


async def test_only_our_headers_go_out(stub: Stub, connect: Connect) -> None:
    client = connect(stub.url)

    await client.exchange("POST", "/x", content=b"hello", headers={"Content-Type": "text/xml"}, seconds=PATIENT)

    (request,) = stub.read
    assert request.body == b"hello"
    assert request.headers == {
        "host": f"127.0.0.1:{stub.port}",
        "content-length": "5",
        "content-type": "text/xml",
        "accept-encoding": "identity",
    }


@pytest.mark.parametrize(("path", "kept"), [("/x", 1), ("/x?user=u&pwd=p&text=123456", 0)])
async def test_a_url_is_kept_unless_it_has_a_query(stub: Stub, path: str, kept: int, connect: Connect) -> None:
    """A query may hold credentials, a phone and a code."""
    client = connect(stub.url)
    before = transport._kept.cache_info()

    for _ in range(3):
        await client.exchange("POST", path, content=b"hello", seconds=PATIENT)

    after = transport._kept.cache_info()
    assert [request.path for request in stub.read] == [path] * 3
    assert (after.misses - before.misses, after.hits - before.hits) == (kept, 2 * kept)


async def test_a_cancellation_storm_leaves_the_pool_healthy(stub: Stub, connect: Connect) -> None:
    """R-08: cancelled while waiting, connecting, sending or reading; every slot is free afterwards."""
    size = 10
    client = connect(stub.url, max_parallel=size)
    stub.body, stub.drip_seconds = b"x" * 50, 0.001
    draw = random.Random(7)
    for storm in range(40):
        stub.fault = ("", "drip", "stall", "reset after reading")[storm % 4]
        calls = [asyncio.create_task(client.exchange("POST", "/x", seconds=PATIENT)) for _ in range(3 * size)]
        for call in calls:
            asyncio.get_running_loop().call_later(draw.uniform(0, 0.03), call.cancel)
        await asyncio.gather(*calls, return_exceptions=True)

    stub.fault = ""
    replies = await asyncio.gather(*(client.exchange("POST", "/x", seconds=PATIENT) for _ in range(5 * size)))

    assert {reply.status for reply in replies} == {200}
    session = client._transport._session
    assert session is not None
    assert session.connector is not None
    assert not session.connector._acquired


def certificate(folder: Path) -> ssl.SSLContext:
    """A self-signed certificate for 127.0.0.1 and `NAME`, also left in the folder as certificate.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName(NAME)]), False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
