"""/subscribe/{list_id} and /confirm/{token}: double opt-in to a public list, with nothing but two forms.

A GET confirms nothing, so no scanner subscribes anybody (S23). The answer is the same whoever asks for
whomever: it tells nobody which addresses are known, nor a robot that fills every field that it was known.
"""

from __future__ import annotations

from typing import Any

from litestar import HttpMethod, MediaType, Request, Response, post, route
from litestar.params import FromPath, RawBody

from courierx_app.api.given import TheCourier
from courierx_app.api.scopes import PUBLIC
from courierx_app.client_address import client_address, source
from courierx_app.public.form import BODY_MAX_BYTES, form
from courierx_app.public.page import Look, masked, page
from courierx_app.public.words import Words, words
from courierx_core.audience import opt_in
from courierx_core.audience.opt_in import Asked, Offer, Wording
from courierx_core.errors import InvalidInput
from courierx_core.ports.limiter import Rate

RATE = Rate(20, 3600, burst=20)
"""What one source address (of IPv6 its /64) may ask for."""
TRAP = "website"
"""A field that no person sees."""

_Asks = Request[Any, Any, Any]


@route(
    "/subscribe/{list_id:int}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    media_type=MediaType.HTML,
    opt=PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def subscribe_form(request: _Asks, courier: TheCourier, list_id: FromPath[int]) -> Response[str]:
    """Show the form of a public list."""
    return _form(request, opt_in.offer(courier, list_id))


@post(
    "/subscribe/{list_id:int}",
    status_code=200,
    opt=PUBLIC,
    include_in_schema=False,
    request_max_body_size=BODY_MAX_BYTES,
    sync_to_thread=True,
)
def subscribe(request: _Asks, courier: TheCourier, list_id: FromPath[int], body: RawBody) -> Response[str]:
    """Send the mail that asks for a yes; the form may stand on any site."""
    offered = opt_in.offer(courier, list_id)
    given = {name: values[-1] for name, values in form(body).items()}
    chosen, look = _words(request, offered), Look.of(offered.tenant)
    if given.get(TRAP):
        return page("note", chosen, look, what="asked")
    if not courier.limiter.take(f"subscribe:{source(_address(request))}", 1, RATE).granted:
        return page("note", chosen, look, status=429, what="often")
    try:
        opt_in.ask(
            courier,
            offered,
            _mail(chosen, offered),
            email=given.get("email", ""),
            first_name=given.get("first_name", ""),
            last_name=given.get("last_name", ""),
            language=chosen["tag"],
            source=_address(request),
        )
    except InvalidInput:
        return _form(request, offered, email=given.get("email", "")[:254])
    return page("note", chosen, look, what="asked")


@route(
    "/confirm/{token:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    media_type=MediaType.HTML,
    opt=PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def confirm_form(request: _Asks, courier: TheCourier, token: FromPath[str]) -> Response[str]:
    """Show what a yes means, and the button."""
    asked = opt_in.look(courier, token)
    return _confirmed(request, asked) if asked.opt_in.confirmed_at else _confirm(request, asked)


@post("/confirm/{token:str}", status_code=200, opt=PUBLIC, include_in_schema=False, sync_to_thread=True)
def confirm(request: _Asks, courier: TheCourier, token: FromPath[str]) -> Response[str]:
    """Take the yes, and keep what was shown as its proof."""
    shown = _consent(request, opt_in.look(courier, token))
    return _confirmed(request, opt_in.confirm(courier, token, text=shown, source=_address(request)))


def _form(request: _Asks, offered: Offer, *, email: str | None = None) -> Response[str]:
    return page(
        "subscribe",
        _words(request, offered),
        Look.of(offered.tenant),
        status=200 if email is None else 422,
        list=offered.list.name,
        description=offered.list.description,
        email=email or "",
        wrong=email is not None,
        trap=TRAP,
    )


def _confirm(request: _Asks, asked: Asked) -> Response[str]:
    return page(
        "confirm",
        _words_of(request, asked),
        Look.of(asked.tenant),
        description=asked.list.description,
        consent=_consent(request, asked),
    )


def _confirmed(request: _Asks, asked: Asked) -> Response[str]:
    return page(
        "note",
        _words_of(request, asked),
        Look.of(asked.tenant),
        what="confirmed",
        list=asked.list.name,
        address=masked(asked.opt_in.email),
    )


def _consent(request: _Asks, asked: Asked) -> str:
    return _words_of(request, asked)["confirm_ask"].format(
        list=asked.list.name, sender=Look.of(asked.tenant).name, address=masked(asked.opt_in.email)
    )


def _mail(chosen: Words, offered: Offer) -> Wording:
    known = {"list": offered.list.name, "sender": Look.of(offered.tenant).name, "url": "{url}"}
    return Wording(chosen["mail_subject"].format_map(known), chosen["mail_text"].format_map(known))


def _words(request: _Asks, offered: Offer) -> Words:
    return words("", offered.tenant.branding.language, accept=request.headers.get("accept-language", ""))


def _words_of(request: _Asks, asked: Asked) -> Words:
    """Go on in the language that the person was asked in."""
    return words(asked.opt_in.language, accept=request.headers.get("accept-language", ""))


def _address(request: _Asks) -> str:
    return client_address(request.scope, request.app.state.access.trusted)[:64]
