"""OpenTelemetry's SDK behind the core's small Tracer: the only module that imports it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode

from courierx_core.tracing import Ids, Note

NAMESPACE = "courierx."
"""Before our own ids; what has a dot already is named as OpenTelemetry's conventions have it."""


class OtelTracer:
    """See `courierx_core.tracing.Tracer`."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("courierx")

    @contextmanager
    def span(self, name: str, ids: Ids, headers: Mapping[str, str]) -> Iterator[Note]:
        with self._tracer.start_as_current_span(
            name,
            context=extract(headers) if headers else None,
            kind=SpanKind.SERVER if headers else SpanKind.INTERNAL,
            attributes={_name(each): value for each, value in ids.items()},
            # an exception's text may name people (S18)
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield lambda each, value: span.set_attribute(_name(each), value)
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


def exporting(endpoint: str, headers: str, service_name: str, ratio: float) -> OtelTracer:
    """Make a tracer that exports in batches, from a thread of its own; what waits goes out at exit."""
    given = dict(part.strip().split("=", 1) for part in headers.split(",") if "=" in part)
    provider = TracerProvider(
        resource=Resource.create({"service.name": service_name}),
        sampler=ParentBased(TraceIdRatioBased(ratio)),
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", headers=given)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OtelTracer(provider)


def _name(each: str) -> str:
    return each if "." in each else NAMESPACE + each
