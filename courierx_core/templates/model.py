"""Templates: Jinja sources a tenant keeps."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Sources of one mail. `layout` is HTML with `{{ content }}` where the html part goes; '' is none.
    Either of `html` and `text` may be empty, not both."""

    id: int = 0
    tenant_id: int
    name: str
    subject: str
    html: str = ""
    text: str = ""
    layout: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
