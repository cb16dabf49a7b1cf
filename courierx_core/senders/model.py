"""A sender: an address that a tenant's mail comes from, and where the answers go."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Mail from `email` that says no more is from `name` and answered to `reply_to`; either may be blank."""

    id: int = 0
    tenant_id: int
    email: str
    name: str = ""
    reply_to: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
