"""A page for the people that tenants write to: plain HTML, no script, nothing kept, nothing told on (S11)."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from litestar import MediaType, Response

from courierx_app.public.words import Words
from courierx_core.tenants.model import Branding, Tenant

COLOUR = "#1f5fbf"
_PAGES = files("courierx_app.public") / "pages"


class Look(NamedTuple):
    """Whose page it is: what stands at its head and foot."""

    name: str = ""
    colour: str = COLOUR
    logo_url: str = ""
    home_url: str = ""
    imprint: str = ""

    @staticmethod
    def of(tenant: Tenant) -> Look:
        brand: Branding = tenant.branding
        return Look(
            brand.name or tenant.name, brand.colour or COLOUR, brand.logo_url, brand.home_url, brand.imprint
        )


NOBODY = Look()


def page(name: str, words: Words, look: Look = NOBODY, *, status: int = 200, **values: Any) -> Response[str]:
    """Render `pages/NAME.html`. Values are texts and are escaped; a text of the catalogue may name them."""
    style = _source("page.css").replace(COLOUR, look.colour)
    known = {"sender": look.name, **values}

    def say(key: str) -> str:
        return words[key].format_map(known)

    body = _template(name).render(say=say, words=words, look=look, style=style, **values)
    return Response(
        body,
        status_code=status,
        media_type=MediaType.HTML,
        headers={
            "Content-Security-Policy": _policy(style, look),
            "Content-Language": words["tag"],
            "X-Robots-Tag": "noindex, nofollow",
            "Vary": "Accept-Language",
        },
    )


def masked(address: str) -> str:
    """Show an address to whoever holds a link of its mail, which may have been passed on."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def _policy(style: str, look: Look) -> str:
    """Allow this one style sheet, by its hash, and the tenant's logo; forms lead back to us alone."""
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    image = " img-src https:;" if look.logo_url else ""
    return (
        f"default-src 'none'; style-src 'sha256-{digest}';{image}"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@cache
def _source(name: str) -> str:
    return (_PAGES / name).read_text("utf-8").strip()


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.html")
