"""Tenants: who owns everything else."""

from __future__ import annotations

from datetime import datetime

import msgspec

from courierx_core.messages.model import OnUncertain

NAME_MAX = 200
WEIGHT_MAX = 100


class Branding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a tenant's pages look to the people it writes to: plain data, no HTML.

    `name` stands in place of the tenant's; `language` (`de`, `pt-br`) is for whoever's own is not known;
    `colour` is `#rrggbb`; the URLs are https; `imprint` is a few words at the foot, such as the address.
    """

    name: str = ""
    language: str = ""
    colour: str = ""
    logo_url: str = ""
    home_url: str = ""
    imprint: str = ""


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A customer of this install. `weight` (1-100) is its share of deliveries when tenants take
    turns."""

    id: int = 0
    name: str
    contact_email: str
    ses_verified: bool = False
    default_from: str = ""
    weight: int = 1
    requires_verified_domain: bool = False
    """Nothing is sent from an address whose domain is not verified (sender domains)."""
    branding: Branding = Branding()
    public_url: str = ""
    """Where the links of its mail lead, `https://links.acme.example`; '' is COURIERX_PUBLIC_URL."""
    tracking: bool = True
    """False: no click or open of its mail is tracked, whatever a campaign or a message says."""
    on_uncertain: OnUncertain = "hold"
    """What becomes of uncertain deliveries where a campaign or a message does not say."""
    transport: str = ""
    """What carries its mail where a campaign or a message names nothing: a transport or a route; '' is
    COURIERX_TRANSPORT."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
