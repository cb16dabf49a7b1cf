"""Spans of the API and of a worker, with OpenTelemetry's own exporter in memory; and tracing that fails."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
from litestar.testing import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from courierx_app.asgi import create_app
from courierx_app.sending import HiredWorker
from courierx_app.settings import Configuration
from courierx_core import hookimpl
from courierx_core.courier import Courier
from courierx_core.plugins import register
from courierx_core.tracing import Note, Tracing
from courierx_otel.tracer import OtelTracer

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(courier: Courier) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    assert courier.hooks.tracing.tracer is None
    courier.hooks.tracing.tracer = OtelTracer(provider)
    return exporter


def test_a_request_and_the_work_it_makes_are_traced(
    spans: InMemorySpanExporter, courier: Courier, configuration: Configuration
) -> None:
    app = create_app(courier, configuration.settings, dev=True)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        body = {"name": "Acme", "contact_email": "a@acme.example"}
        tenant = client.post("/tenants", json=body, headers={"traceparent": PARENT}).json()["id"]
        order = {
            "tenant_id": tenant,
            "from": "a@acme.example",
            "to": ["p@x.example"],
            "subject": "s",
            "text": "t",
        }
        with HiredWorker(courier, "test"):
            sent = client.post("/messages", json=order).json()["id"]
            while client.get(f"/messages/{sent}").json()["deliveries"][0]["status"] == "queued":
                pass
        assert client.get("/nothing").status_code == 404
    found = {span.name: span for span in spans.get_finished_spans()}
    made = found["POST /tenants"]
    assert made.parent is not None
    assert f"{made.parent.trace_id:032x}" == PARENT.split("-")[1]
    assert (made.attributes or {})["http.response.status_code"] == 201
    run, window = found["work send transactional"], found["window"]
    assert window.parent is not None
    assert window.parent.trace_id == run.context.trace_id  # type: ignore[union-attr]
    assert (window.attributes or {})["courierx.tenant_id"] == tenant
    assert (found["transport mock"].attributes or {})["courierx.transport"] == "mock"
    assert found["transport mock"].context.trace_id == run.context.trace_id  # type: ignore[union-attr]
    assert "x.example" not in "".join(span.to_json() for span in spans.get_finished_spans())


class Failing:
    """A tracer that raises: when a span is opened, or when it is closed."""

    def __init__(self, *, late: bool) -> None:
        self.late = late

    def span(
        self, name: str, ids: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AbstractContextManager[Note]:
        if not self.late:
            raise OSError("no collector")
        return self  # type: ignore[return-value]

    def __enter__(self) -> Note:
        return lambda name, value: None

    def __exit__(self, *given: object) -> None:
        raise OSError("no collector")


@pytest.mark.parametrize("late", [False, True])
def test_tracing_that_fails_is_off_and_nothing_else_is(late: bool) -> None:
    tracing = Tracing()
    tracing.tracer = Failing(late=late)
    with tracing.span("work") as note:
        note("n", 1)
    assert tracing.tracer is None
    with tracing.span("work") as note:
        note("n", 1)
    tracing.tracer = Failing(late=late)
    with pytest.raises(ValueError, match="its own"), tracing.span("work"):
        raise ValueError("its own")


def test_the_first_plugin_that_offers_a_tracer_is_it() -> None:
    class Without:
        @hookimpl
        def courierx_tracer(self) -> None:
            return None

    class Broken:
        @hookimpl
        def courierx_tracer(self) -> None:
            raise OSError("no collector")

    class With:
        @hookimpl
        def courierx_tracer(self) -> Failing:
            return Failing(late=True)

    hooks = register([("without", Without()), ("broken", Broken()), ("with", With())])
    hooks.startup(None)
    assert isinstance(hooks.tracing.tracer, Failing)
    assert list(hooks.quarantined) == ["broken"]
