"""/metrics: what Prometheus reads."""

from __future__ import annotations

from importlib.metadata import version

from litestar import Response, get
from litestar.datastructures import State

from courierx_app.api.given import TheCourier
from courierx_app.api.scopes import needs
from courierx_core.metrics.exposition import CONTENT_TYPE, exposed
from courierx_core.metrics.model import HTTP_SECONDS
from courierx_core.metrics.service import read
from courierx_core.scopes import METRICS


@get("/metrics", include_in_schema=False, opt=needs(METRICS), sync_to_thread=True)
def metrics(courier: TheCourier, state: State) -> Response[bytes]:
    """Tell what the whole install does, in Prometheus's text format. A platform key reads it; one with the
    scope `metrics:read` alone is what a monitoring system should be given."""
    found = read(courier, version=version("courierx"), tenants=state.settings.metrics_tenants)
    found = {**found, HTTP_SECONDS: state.measured.samples()}
    return Response(exposed(found).encode(), media_type=CONTENT_TYPE)
