"""/u/{token} and /p/{token}: unsubscribe in one click (RFC 8058), and choose what to get.

GET and HEAD show a page and change nothing, so nothing that follows the links of a mail unsubscribes
anybody (S11). A POST needs no cookie, and answers 200 whatever its body and however often it comes.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from litestar import HttpMethod, MediaType, Request, Response, post, route
from litestar.params import FromPath, RawBody

from courierx_app.api.given import TheCourier
from courierx_app.api.scopes import PUBLIC
from courierx_app.public.form import BODY_MAX_BYTES, form
from courierx_app.public.page import Look, masked, page
from courierx_app.public.words import words
from courierx_core.audience import old_links
from courierx_core.audience.preferences import Preferences, choose, look, resubscribe, unsubscribe
from courierx_core.courier import Courier

_ID = re.compile("[0-9]{1,19}")

_Asked = Request[Any, Any, Any]


@route(
    "/u/{token:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    media_type=MediaType.HTML,
    opt=PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def ask_to_unsubscribe(request: _Asked, courier: TheCourier, token: FromPath[str]) -> Response[str]:
    """Show the button."""
    found = look(courier, token, "unsubscribe")
    name = "unsubscribe" if found.standing == "receives" else "unsubscribed"
    return _shown(name, request, courier, found)


@post("/u/{token:str}", status_code=200, opt=PUBLIC, include_in_schema=False, sync_to_thread=True)
def unsubscribe_now(request: _Asked, courier: TheCourier, token: FromPath[str]) -> Response[str]:
    """Unsubscribe, for a mail program and for the page's button alike: the body is not even read."""
    found = unsubscribe(courier, token, "unsubscribe", user_agent=_user_agent(request))
    return _shown("unsubscribed", request, courier, found)


@route(
    "/p/{token:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    media_type=MediaType.HTML,
    opt=PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def preferences(request: _Asked, courier: TheCourier, token: FromPath[str]) -> Response[str]:
    """Show what the person gets and may choose."""
    return _shown("preferences", request, courier, look(courier, token, "preferences"))


@post(
    "/p/{token:str}",
    status_code=200,
    opt=PUBLIC,
    include_in_schema=False,
    request_max_body_size=BODY_MAX_BYTES,
    sync_to_thread=True,
)
def save_preferences(
    request: _Asked, courier: TheCourier, token: FromPath[str], body: RawBody
) -> Response[str]:
    """Do what the button says: `save` the ticked lists, `stop` all mailings, `resume` them, or nothing."""
    given = form(body)
    match given.get("do", [""])[-1]:
        case "save":
            ticked = {int(each) for each in given.get("list", ()) if _ID.fullmatch(each)}
            found = choose(courier, token, "preferences", ticked, user_agent=_user_agent(request))
        case "stop":
            found = unsubscribe(courier, token, "preferences", user_agent=_user_agent(request))
        case "resume":
            found = resubscribe(courier, token, "preferences")
        case _:
            return _shown("preferences", request, courier, look(courier, token, "preferences"))
    return _shown("preferences", request, courier, found, saved=True)


@route(
    "/subscription/{mailing:uuid}/{person:uuid}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    media_type=MediaType.HTML,
    opt=PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def ask_to_unsubscribe_of_old(
    request: _Asked, courier: TheCourier, mailing: FromPath[UUID], person: FromPath[UUID]
) -> Response[str]:
    """Show the button for a link in mail that listmonk sent."""
    found = old_links.look(courier, str(person))
    name = "unsubscribe" if found.standing == "receives" else "unsubscribed"
    return _shown(name, request, courier, found)


@post(
    "/subscription/{mailing:uuid}/{person:uuid}",
    status_code=200,
    opt=PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def unsubscribe_of_old(
    request: _Asked, courier: TheCourier, mailing: FromPath[UUID], person: FromPath[UUID]
) -> Response[str]:
    """Unsubscribe by such a link, for a mail program and for the page's button alike."""
    return _shown("unsubscribed", request, courier, old_links.unsubscribe(courier, str(person)))


def _shown(
    name: str, request: _Asked, courier: Courier, found: Preferences, *, saved: bool = False
) -> Response[str]:
    tenant = found.tenant
    chosen = words(
        found.language, tenant.branding.language, accept=request.headers.get("accept-language", "")
    )
    path = ""
    if found.delivery_id is not None:
        path = f"/p/{courier.tokens.mint('preferences', tenant.id, found.delivery_id)}"
    return page(
        name,
        chosen,
        Look.of(tenant),
        address=masked(found.address),
        contact=tenant.contact_email,
        standing=found.standing,
        choices=found.choices,
        saved=saved,
        preferences_path=path,
    )


def _user_agent(request: _Asked) -> str:
    return request.headers.get("user-agent", "")
