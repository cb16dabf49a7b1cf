"""Health: alive, and ready to be sent traffic."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from litestar import Controller, HttpMethod, Response, route

from courierx_app.api.given import TheCourier
from courierx_app.api.scopes import PUBLIC
from courierx_core import adoption
from courierx_core.courier import Courier
from courierx_core.errors import CourierXError
from courierx_core.ports.driver import checked
from courierx_core.transports.service import paused

log = logging.getLogger("courierx_app.api")
_LOOK = [HttpMethod.GET, HttpMethod.HEAD]


class HealthController(Controller):
    path = "/health"
    tags = ("Health",)
    opt = PUBLIC

    @route(["/", "/live"], http_method=_LOOK, sync_to_thread=False)
    def live(self) -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @route("/ready", http_method=_LOOK, sync_to_thread=True)
    def ready(self, courier: TheCourier) -> Response[dict[str, Any]]:
        """Say whether the store, the queue and the transports are there: 200 `degraded` without the
        queue or a transport, while one is paused, while a plugin is left out because it is broken, here or
        by a worker, or while the database waits for `courierx adopt`; 503 without the store."""
        store, queue = _store(courier), _works(courier.queue)
        stopped = _paused(courier) if store == "ok" else ()
        transports = {
            name: "paused" if name in stopped else _works(each)
            for name, each in sorted(courier.transports.items())
        }
        adopted = _adoption(courier) if store == "ok" else "unknown"
        without = _left_out(courier) if store == "ok" else ()
        plugins = dict.fromkeys(sorted({*courier.hooks.quarantined, *without}), "quarantined")
        well = queue == adopted == "ok" and set(transports.values()) <= {"ok"} and not plugins
        word = "unavailable" if store != "ok" else "ok" if well else "degraded"
        body = {
            "status": word,
            "store": store,
            "adoption": adopted,
            "queue": queue,
            "transports": transports,
            "plugins": plugins,
        }
        return Response(body, status_code=200 if store == "ok" else 503)


def _store(courier: Courier) -> str:
    try:
        return "ok" if courier.store.revision() else "no schema"
    except CourierXError as problem:
        log.warning("not ready: %s", problem)
        return "away"


def _paused(courier: Courier) -> Collection[str]:
    try:
        return paused(courier)
    except CourierXError as problem:
        log.warning("not ready: %s", problem)
        return ()


def _left_out(courier: Courier) -> Collection[str]:
    try:
        with courier.store.platform(write=False) as platform:
            return [each.plugin for each in platform.left_out()]
    except CourierXError as problem:
        log.warning("not ready: %s", problem)
        return ()


def _adoption(courier: Courier) -> str:
    try:
        why = adoption.needed(courier.store, courier.runtime, courier.policy)
    except CourierXError as problem:
        log.warning("not ready: %s", problem)
        return "unknown"
    return "needed" if why else "ok"


def _works(driver: Any) -> str:
    return "away" if any(problem.level == "error" for problem in checked(driver)) else "ok"
