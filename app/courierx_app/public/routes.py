"""What the people that tenants write to reach by the links of a mail. What fails here is a page, too."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Request, Response, Router

from courierx_app.api.problems import RETRY_AFTER_SECONDS
from courierx_app.public.page import page
from courierx_app.public.preferences import (
    ask_to_unsubscribe,
    ask_to_unsubscribe_of_old,
    preferences,
    save_preferences,
    unsubscribe_now,
    unsubscribe_of_old,
)
from courierx_app.public.subscribe import confirm, confirm_form, subscribe, subscribe_form
from courierx_app.public.view import view_mail
from courierx_app.public.words import words
from courierx_core.errors import ConfigError, NotFound, StoreError

log = logging.getLogger("courierx_app.public")


def gone(request: Request[Any, Any, Any], error: NotFound) -> Response[str]:
    return page("note", _words(request), status=404, what="gone")


def later(request: Request[Any, Any, Any], error: StoreError | ConfigError) -> Response[str]:
    log.error("a page cannot be shown: %s", error)
    answer = page("note", _words(request), status=503, what="later")
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def _words(request: Request[Any, Any, Any]) -> Any:
    return words("", accept=request.headers.get("accept-language", ""))


public_pages = Router(
    "/",
    route_handlers=[
        view_mail,
        ask_to_unsubscribe,
        unsubscribe_now,
        ask_to_unsubscribe_of_old,
        unsubscribe_of_old,
        preferences,
        save_preferences,
        subscribe_form,
        subscribe,
        confirm_form,
        confirm,
    ],
    exception_handlers={NotFound: gone, StoreError: later, ConfigError: later},
)
