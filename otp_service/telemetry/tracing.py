"""Traces by OpenTelemetry: off unless `tracing.endpoint` is set, and an extra to install (docs/adr/0012).

Nothing personal goes into a span: names and attributes are routes, scripts, gateways, stable codes and request ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from otp_service.errors import SettingsError

EXPORT_SECONDS = 1.0
"""For handing over one batch, repeats included; at the end of the process two of them may be waited for."""
_OF_PROBES = ("/health/", "/metrics")
_NOTHING = nullcontext()
_tracer: Any = None
"""None while traces are off; then `span` costs a comparison."""


@contextmanager
def exporting(endpoint: str, share: float, version: str) -> Iterator[None]:
    """Send spans to a collector for as long as this is open; with an empty endpoint nothing is done or imported.

    endpoint: URL of OTLP over HTTP, as `http://collector:4318/v1/traces`. share: of the traces that begin here; those
    that a caller began follow the caller's decision (W3C Trace Context). Raises SettingsError.
    """
    global _tracer
    if not endpoint:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ModuleNotFoundError:
        raise SettingsError("tracing.endpoint: needs the extra: pip install 'otp-service[tracing]'") from None
    resource = Resource.create({"service.name": "otp-service", "service.version": version})
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(share)))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_SECONDS)))
    _tracer = provider.get_tracer("otp_service")
    try:
        yield
    finally:
        _tracer = None
        provider.shutdown()


def span(name: str, attributes: Mapping[str, str]) -> AbstractContextManager[Any]:
    """A span within the current one, for a call to somebody else; nothing where no request or job is under way."""
    if _tracer is None:
        return _NOTHING
    from opentelemetry.trace import SpanKind, get_current_span

    if not get_current_span().get_span_context().is_valid:
        return _NOTHING

    found: AbstractContextManager[Any] = _tracer.start_as_current_span(
        name,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,  # an exception's text is not ours
        set_status_on_exception=False,
    )
    return found


def job_span(kind: str) -> AbstractContextManager[Any]:
    """A trace of a batch of due jobs."""
    if _tracer is None:
        return _NOTHING
    found: AbstractContextManager[Any] = _tracer.start_as_current_span(
        f"jobs {kind}", record_exception=False, set_status_on_exception=False
    )
    return found


def request_span(path: str, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[Any]:
    """The span of a request, within the caller's trace if the headers (of ASGI) name one. None for probes."""
    if _tracer is None or path.startswith(_OF_PROBES):
        return _NOTHING
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name.startswith(b"trace")}
    context = TraceContextTextMapPropagator().extract(named)
    found: AbstractContextManager[Any] = _tracer.start_as_current_span(
        "request", context=context, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    )
    return found


def note_request(method: str, route: str, status: int, request_id: str) -> None:
    """What became of the current request: its route's template, never its path."""
    if _tracer is None:
        return
    from opentelemetry.trace import Status, StatusCode, get_current_span

    current = get_current_span()
    current.update_name(f"{method} {route}")
    current.set_attributes({"http.request.method": method, "http.route": route, "otp.request_id": request_id})
    current.set_attribute("http.response.status_code", status)
    if status >= 500:
        current.set_status(Status(StatusCode.ERROR))


def note_failure(code: str) -> None:
    """The current span failed, for this reason: a stable code, never the text of an exception."""
    if _tracer is None:
        return
    from opentelemetry.trace import Status, StatusCode, get_current_span

    current = get_current_span()
    current.set_attribute("error.type", code)
    current.set_status(Status(StatusCode.ERROR))


def trace_id() -> str:
    """Of the current trace, as it stands in a `traceparent`; empty while traces are off."""
    if _tracer is None:
        return ""
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return str(format_trace_id(context.trace_id)) if context.is_valid else ""
