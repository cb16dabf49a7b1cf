"""OpenTelemetry: off unless an endpoint is named, W3C parents, and no text of an exception in a span."""

from __future__ import annotations

import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from courierx_core.errors import ConfigError
from courierx_core.ports.driver import Runtime
from courierx_core.testing.http import HttpPeer
from courierx_otel import Otel
from courierx_otel.tracer import OtelTracer, exporting

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class _Courier:
    """As much of one as the plugin looks at."""

    def __init__(self, **environ: str) -> None:
        self.runtime = Runtime(environ=environ)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter) -> OtelTracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return OtelTracer(provider)


def test_without_an_endpoint_nothing_is_traced() -> None:
    plugin = Otel()
    plugin.courierx_startup(_Courier())  # type: ignore[arg-type]
    assert plugin.courierx_tracer() is None


def test_without_the_extra_an_endpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "courierx_otel.tracer")
    plugin = Otel()
    plugin.courierx_startup(_Courier(OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"pip install 'courierx\[otel\]'"):
        plugin.courierx_tracer()


def test_a_wrong_ratio_is_refused() -> None:
    with pytest.raises(ConfigError, match="OTEL_TRACES_SAMPLER_ARG"):
        Otel().courierx_startup(_Courier(OTEL_TRACES_SAMPLER_ARG="2"))  # type: ignore[arg-type]


def test_spans_nest_below_the_request_that_came_in(tracer: OtelTracer, spans: InMemorySpanExporter) -> None:
    with tracer.span("GET /x", {"request_id": "r"}, {"traceparent": PARENT}) as note:
        note("http.response.status_code", 200)
        with tracer.span("window", {"tenant_id": 7}, {}):
            pass
    inner, outer = spans.get_finished_spans()
    assert outer.parent is not None
    assert f"{outer.parent.trace_id:032x}" == PARENT.split("-")[1]
    assert (outer.kind, inner.kind) == (SpanKind.SERVER, SpanKind.INTERNAL)
    assert inner.parent == outer.get_span_context()
    assert dict(outer.attributes or {}) == {"courierx.request_id": "r", "http.response.status_code": 200}
    assert dict(inner.attributes or {}) == {"courierx.tenant_id": 7}


def test_an_exception_is_told_by_its_type_alone(tracer: OtelTracer, spans: InMemorySpanExporter) -> None:
    with pytest.raises(RuntimeError), tracer.span("work send", {}, {}):
        raise RuntimeError("ann@x.example")
    (span,) = spans.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "RuntimeError")
    assert not span.events


def test_a_parent_that_is_none_begins_a_trace(tracer: OtelTracer, spans: InMemorySpanExporter) -> None:
    with tracer.span("GET /x", {}, {"traceparent": "nonsense"}):
        pass
    assert spans.get_finished_spans()[0].parent is None


def test_spans_are_posted_to_the_endpoint() -> None:
    with HttpPeer() as collector:
        tracer = exporting(collector.url, "api-key=k", "courierx", 1.0)
        with tracer.span("window", {}, {}):
            pass
        tracer.provider.shutdown()
        (call,) = collector.calls
    assert call.path == "/v1/traces"
    assert call.headers["api-key"] == "k"
    assert b"window" in call.body
