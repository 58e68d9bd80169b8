"""Traces reach a collector: what a request did, and nothing about the person."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from otp_service.errors import SettingsError
from otp_service.telemetry import tracing
from tests.api import Api, Gateways
from tests.running import API_KEY, running_service

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(BaseHTTPRequestHandler):
    """OTLP over HTTP: keeps the bodies."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.bodies = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", server.bodies  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.slow
async def test_a_request_is_a_trace_without_personal_data(
    folder: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `tracing` is not installed")
    await gateways.fail("password", "error", error="Неверный логин или пароль.")
    with collector() as (endpoint, bodies):
        with running_service(folder, redis_url, sandbox_process, OTP__TRACING__ENDPOINT=endpoint) as (url, _, log):
            async with Api(url, API_KEY) as api:
                api.http.headers["traceparent"] = f"00-{TRACE}-00f067aa0ba902b7-01"
                found = await api.started(phone, reference="order-of-a-person")
                code = (await gateways.codes(phone))[0]
                assert await api.outcome(found["id"], code) == "approved"
                api.http.headers["traceparent"] = "00-not-a-trace"
                assert (await api.status("nonsense")).status_code == 404
        assert TRACE in log.read_text()
    spans = {span.name: span for span in spans_in(bodies)}
    start, check = spans["POST /v1/verifications"], spans["POST /v1/verifications/{verification_id}/check"]
    assert start.trace_id.hex() == check.trace_id.hex() == TRACE
    assert said(start)["http.response.status_code"] == 201
    assert said(start)["http.route"] == "/v1/verifications"
    assert spans["redis verification/start"].parent_span_id == start.span_id
    assert spans["redis verification/settle"].parent_span_id == check.span_id
    assert spans["redis verification/settle"].kind == 3  # client
    assert said(spans["send targetsms-password"]) == {
        "otp.gateway": "targetsms-password",
        "otp.channel": "sms",
        "error.type": "credentials",
    }
    assert spans["send targetsms-password"].status.code == 2  # error
    assert spans["send targetsms-xml"].parent_span_id == start.span_id
    assert not [name for name in spans if "health" in name]
    roots = {name for name, span in spans.items() if not span.parent_span_id}
    assert all(name.startswith(("jobs ", "GET /v1/")) for name in roots), roots
    unknown = spans["GET /v1/verifications/{verification_id}"]
    assert unknown.trace_id.hex() != TRACE
    everything = b"".join(bodies)
    for secret in (phone, phone[1:], code, API_KEY, "order-of-a-person", found["id"]):
        assert secret.encode() not in everything, secret


@pytest.mark.slow
async def test_a_collector_that_never_answers_holds_nobody_up(
    folder: Path, redis_url: str, sandbox_process: str, phone: str
) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `tracing` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"
        with running_service(folder, redis_url, sandbox_process, OTP__TRACING__ENDPOINT=endpoint) as (url, child, _):
            async with Api(url, API_KEY) as api:
                began = time.monotonic()
                await api.started(phone)
                assert time.monotonic() - began < 3
                began = time.monotonic()
                child.terminate()
                assert await asyncio.to_thread(child.wait, 20) == 0
                assert time.monotonic() - began < 5


def spans_in(bodies: list[bytes]) -> Iterator[Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            assert any(item.value.string_value == "otp-service" for item in resource.resource.attributes)
            for scope in resource.scope_spans:
                yield from scope.spans


def said(span: Any) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


def test_without_an_endpoint_nothing_is_imported_and_without_the_extra_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tracing.exporting("", 1.0, "1"), tracing.span("redis x", {}) as span:
        assert span is None
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.exporter", None)
    with (
        pytest.raises(SettingsError, match=r"otp-service\[tracing\]"),
        tracing.exporting("http://127.0.0.1:1/v1/traces", 1.0, "1"),
    ):
        pass
