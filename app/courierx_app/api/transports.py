"""/transports: what mail goes over, and what is paused for everybody. The platform pauses and resumes."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Controller, get, post
from litestar.params import FromPath

from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.scopes import needs
from courierx_core.ports.driver import Problem
from courierx_core.scopes import PLATFORM
from courierx_core.transports import service
from courierx_core.transports.model import RouteStanding, TransportStanding

WHY = "paused by hand"


class TransportController(Controller):
    path = "/transports"
    tags = ("Transports",)

    @get("/", opt=needs("transports:read"), sync_to_thread=True)
    def list_(self, courier: TheCourier, caller: TheCaller) -> Sequence[TransportStanding]:
        """List the transports, and which are paused, with the far side's words."""
        return service.standing(courier, caller.tenant_id)

    @get("/routes", opt=needs("transports:read"), sync_to_thread=True)
    def routes(self, courier: TheCourier) -> Sequence[RouteStanding]:
        """List the routes: who shares the mail of each, who has it otherwise, and who is paused."""
        return service.routes(courier)

    @post("/{name:str}/pause", status_code=200, opt=needs(PLATFORM), sync_to_thread=True)
    def pause(self, courier: TheCourier, name: FromPath[str]) -> TransportStanding:
        """Let nothing go over it until it is resumed; what waits for it is kept."""
        service.required(courier, name)
        service.pause(courier, name, WHY)
        return service.standing_of(courier, name)

    @post("/{name:str}/resume", status_code=200, opt=needs(PLATFORM), sync_to_thread=True)
    def resume(self, courier: TheCourier, name: FromPath[str]) -> TransportStanding:
        """Let mail go over it again, within a minute."""
        service.resume(courier, name)
        return service.standing_of(courier, name)

    @post("/{name:str}/check", status_code=200, opt=needs(PLATFORM), sync_to_thread=True)
    def check(self, courier: TheCourier, name: FromPath[str]) -> Sequence[Problem]:
        """Ask the far side, and say what is wrong and what mends it; nothing where all is well."""
        return service.check(courier, name)
