"""The application as its own plugin: the pages that describe the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from courierx_core.hooks import hookimpl

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler


@hookimpl(optionalhook=True)
def courierx_register_routes() -> Sequence[ControllerRouterHandler]:
    from courierx_app.api.docs import ROUTES

    return ROUTES
