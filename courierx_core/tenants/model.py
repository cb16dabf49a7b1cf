"""Tenants: who owns everything else."""

from __future__ import annotations

from datetime import datetime

import msgspec

NAME_MAX = 200


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A customer of this install. `weight` (1-100) is its share when tenants take turns."""

    id: int = 0
    name: str
    contact_email: str
    ses_verified: bool = False
    default_from: str = ""
    weight: int = 1
    requires_verified_domain: bool = False
    """Nothing is sent from an address whose domain is not verified (sender domains)."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
