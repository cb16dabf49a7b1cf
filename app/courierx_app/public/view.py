"""GET /v/{token}: a mail in the browser.

What a tenant wrote is shown as a document in a sandbox (SECURITY: S06): an origin of its own that can read
nothing of ours, with no script, no form, no plug-in, no frame, whatever the HTML says.
"""

from __future__ import annotations

from html import escape

from litestar import HttpMethod, MediaType, Response, route
from litestar.params import FromPath

from courierx_app.api.given import TheCourier
from courierx_app.api.scopes import PUBLIC
from courierx_core.messages.viewing import Viewed, view

POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline';"
    " img-src https: http: data:; font-src https: data:; media-src https:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Robots-Tag": "noindex, nofollow"}


@route(
    "/v/{token:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    media_type=MediaType.HTML,
    opt=PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def view_mail(courier: TheCourier, token: FromPath[str]) -> Response[str]:
    """Show one recipient's mail; 404 where the token is not ours. It changes and counts nothing."""
    return Response(_page(view(courier, token)), headers=HEADERS, media_type=MediaType.HTML)


def _page(mail: Viewed) -> str:
    head = f'<!doctype html><meta charset="utf-8"><title>{escape(mail.subject)}</title>'
    return head + (mail.html or f'<pre style="white-space:pre-wrap">{escape(mail.text)}</pre>')
