"""Traces over OpenTelemetry's protocol (OTLP over HTTP), where OTEL_EXPORTER_OTLP_ENDPOINT says where to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from courierx_core.config import load
from courierx_core.courier import Courier
from courierx_core.errors import ConfigError
from courierx_core.hooks import hookimpl
from courierx_core.ports.driver import Secret
from courierx_core.tracing import Tracer

if TYPE_CHECKING:
    from collections.abc import Mapping


class OtelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """OpenTelemetry's own variables; without an endpoint nothing is traced, or imported."""

    endpoint: Annotated[
        str, msgspec.Meta(extra={"env": "OTEL_EXPORTER_OTLP_ENDPOINT"}, examples=["http://localhost:4318"])
    ] = ""
    headers: Annotated[
        Secret, msgspec.Meta(extra={"env": "OTEL_EXPORTER_OTLP_HEADERS"}, examples=["api-key=..."])
    ] = Secret("")
    """What the endpoint asks for, `name=value` separated by commas."""
    service_name: Annotated[str, msgspec.Meta(extra={"env": "OTEL_SERVICE_NAME"})] = "courierx"
    ratio: Annotated[float, msgspec.Meta(ge=0, le=1, extra={"env": "OTEL_TRACES_SAMPLER_ARG"})] = 1.0
    """The part of traces that is kept where whoever asked has not decided; 0.01 is plenty for campaigns."""


class Otel:
    """The hook plugin: reads its settings once, and offers a tracer where they name an endpoint."""

    def __init__(self) -> None:
        self._config = OtelConfig()

    @hookimpl
    def courierx_startup(self, courier: Courier) -> None:
        environ: Mapping[str, str] = courier.runtime.environ
        self._config = load(OtelConfig, table={}, environ=environ, where="the plugin otel")

    @hookimpl
    def courierx_tracer(self) -> Tracer | None:
        if not self._config.endpoint:
            return None
        try:
            from courierx_otel.tracer import exporting
        except ModuleNotFoundError as missing:
            raise ConfigError(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set, which takes an extra: pip install 'courierx[otel]'"
            ) from missing
        config = self._config
        return exporting(config.endpoint, config.headers.reveal(), config.service_name, config.ratio)
