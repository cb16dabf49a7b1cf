"""The HTTP application: one assembled Courier behind Litestar."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from courierx_app.api.admin import AdminController
from courierx_app.api.audit import audit_log
from courierx_app.api.bad_keys import BadKeys
from courierx_app.api.caller import Access, authenticated, provide_caller
from courierx_app.api.campaign_trials import CampaignTrialController
from courierx_app.api.campaigns import CampaignController
from courierx_app.api.deliveries import DeliveryController
from courierx_app.api.domains import DomainController
from courierx_app.api.email_logs import EmailLogController
from courierx_app.api.etag import provide_match
from courierx_app.api.events import EVENT_ROUTES
from courierx_app.api.exports import ExportController
from courierx_app.api.headers import add_headers, methods_of
from courierx_app.api.health import HealthController
from courierx_app.api.idempotency import InWork, provide_once
from courierx_app.api.imports import ImportController
from courierx_app.api.keys import KeyController, me
from courierx_app.api.lists import ListController
from courierx_app.api.live import progress_stream
from courierx_app.api.measured import Measured
from courierx_app.api.messages import MessageController
from courierx_app.api.metrics import metrics
from courierx_app.api.own_transports import OwnTransportController
from courierx_app.api.paging import provide_cursor
from courierx_app.api.problems import courierx_problem, http_problem, unexpected_problem
from courierx_app.api.provider_events import provider_events
from courierx_app.api.quotas import QuotaController
from courierx_app.api.request_id import logs_name_the_request
from courierx_app.api.scopes import ANY_KEY, check_scopes
from courierx_app.api.segments import SegmentController
from courierx_app.api.send_test import send_test
from courierx_app.api.senders import SenderController
from courierx_app.api.subscribers import SubscriberController
from courierx_app.api.suppression import SuppressionController
from courierx_app.api.templates import TemplateController
from courierx_app.api.tenants import TenantController
from courierx_app.api.traced import traced
from courierx_app.api.transports import TransportController
from courierx_app.api.webhooks import WebhookController
from courierx_app.client_address import networks
from courierx_app.container import public_url_of
from courierx_app.public.routes import public_pages
from courierx_app.public.tracking import Asgi, beside
from courierx_app.settings import Settings
from courierx_core.courier import Courier
from courierx_core.errors import CourierXError

CONTROLLERS = (
    HealthController,
    TenantController,
    OwnTransportController,
    QuotaController,
    TransportController,
    SubscriberController,
    SenderController,
    ImportController,
    ExportController,
    ListController,
    SegmentController,
    CampaignController,
    CampaignTrialController,
    progress_stream,
    TemplateController,
    MessageController,
    SuppressionController,
    DomainController,
    WebhookController,
    KeyController,
    DeliveryController,
    *EVENT_ROUTES,
    provider_events,
    audit_log,
    metrics,
    me,
    send_test,
    EmailLogController,
    AdminController,
    public_pages,
)
EXPOSED = ["ETag", "Link", "X-Next-Cursor", "X-Request-ID", "Retry-After", "Idempotency-Replayed"]
BODY_MAX_BYTES = 10_000_000
"""Of a request, unless its route says otherwise; a longer one is a 413."""
COMPRESSED_FROM_BYTES = 1024


def create_app(courier: Courier, settings: Settings, *, dev: bool = False) -> Litestar:
    """Assemble the application. With `dev` a request without a key may do everything; the caller binds
    it to loopback. The courier is closed when the application shuts down. Raises PluginError for a route
    that does not say which key it needs."""

    @asynccontextmanager
    async def closing(app: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            courier.close()

    origins = list(settings.allowed_origins)
    app = Litestar(
        route_handlers=[*CONTROLLERS, *_plugin_routes(courier)],
        guards=[authenticated],
        dependencies={
            "courier": Provide(lambda: courier, sync_to_thread=False),
            "caller": Provide(provide_caller, sync_to_thread=False),
            "cursor": Provide(provide_cursor, sync_to_thread=False),
            "match": Provide(provide_match, sync_to_thread=False),
            "once": Provide(provide_once, sync_to_thread=False),
        },
        exception_handlers={
            CourierXError: courierx_problem,
            HTTPException: http_problem,
            Exception: unexpected_problem,
        },
        before_send=[add_headers],
        middleware=[
            logs_name_the_request,
            *([traced(courier.hooks.tracing)] if courier.hooks.tracing.tracer else []),
        ],
        request_max_body_size=BODY_MAX_BYTES,
        compression_config=CompressionConfig(
            backend="gzip",
            minimum_size=COMPRESSED_FROM_BYTES,
            gzip_compress_level=5,
            exclude_opt_key="uncompressed",
        ),
        cors_config=CORSConfig(allow_origins=origins, expose_headers=EXPOSED),
        openapi_config=_openapi(settings),
        state=State(
            {
                "courier": courier,
                "settings": settings,
                "access": _access(courier, settings, dev),
                "in_work": InWork(),
                "measured": Measured(),
                "ending": threading.Event(),
                "https": public_url_of(settings).startswith("https:"),
            }
        ),
        lifespan=[closing],
        logging_config=None,
        type_encoders={},
    )
    check_scopes(app)
    app.state.methods = methods_of(app)
    app.asgi_handler = app.state.measured.around(app.asgi_handler)
    return app


def serve(
    courier: Courier, settings: Settings, *, dev: bool = False, ending: threading.Event | None = None
) -> Asgi:
    """Assemble all that a process answers: the application, and tracking beside it. Once `ending` is set,
    what is streamed without an end of its own comes to one."""
    app = create_app(courier, settings, dev=dev)
    app.state.ending = ending or threading.Event()
    return beside(app, courier, https=app.state.https)


def _access(courier: Courier, settings: Settings, dev: bool) -> Access:
    return Access(
        bad_keys=BadKeys(courier.limiter, courier.runtime.monotonic),
        trusted=networks(settings.trusted_proxies),
        origins=frozenset(settings.allowed_origins),
        dev=dev,
    )


def _plugin_routes(courier: Courier) -> Sequence[Any]:
    routes: list[Any] = []
    for _, brought in courier.hooks.ask("courierx_register_routes", Sequence):
        routes += brought
    return routes


def _openapi(settings: Settings) -> OpenAPIConfig:
    return OpenAPIConfig(
        title=settings.app_name,
        version=version("courierx"),
        # The framework adds routes of its own whatever it is told; without a renderer they would be pages
        # that load scripts from other hosts. Ours is /openapi.json.
        openapi_router=Router("/openapi", route_handlers=[], include_in_schema=False, opt=ANY_KEY),
        render_plugins=[JsonRenderPlugin()],
        components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"key": []}],
        use_handler_docstrings=True,
    )
