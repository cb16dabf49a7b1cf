"""The people a tenant may write to, their lists, and what a CSV row becomes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from courierx_core.audience.tree import Node

SubscriberStatus: TypeAlias = Literal["active", "unsubscribed", "bounced", "complained"]
Attribute: TypeAlias = str | int | float | bool | list["Attribute"] | dict[str, "Attribute"] | None


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """A person, once per tenant and normalised address. Only `active` ones get broadcast mail."""

    id: int = 0
    tenant_id: int
    email: str
    first_name: str = ""
    last_name: str = ""
    status: SubscriberStatus = "active"
    attributes: Mapping[str, Attribute] = {}
    created_at: datetime | None = None
    updated_at: datetime | None = None


class MailingList(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of subscribers; many-to-many. People see a `public` one, with its description, where they
    choose what they get."""

    id: int = 0
    tenant_id: int
    name: str
    public: bool = False
    description: str = ""
    created_at: datetime | None = None


class OptIn(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's wish to be on a list: asked when and from where, and, once they said yes on the page that
    showed `text`, confirmed when and from where."""

    id: int = 0
    tenant_id: int
    list_id: int
    email: str
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    asked_at: datetime | None = None
    asked_from: str = ""
    text: str = ""
    confirmed_at: datetime | None = None
    confirmed_from: str = ""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """People by a saved condition, who they are whenever it is asked."""

    id: int = 0
    tenant_id: int
    name: str
    definition: Node
    created_at: datetime | None = None
    updated_at: datetime | None = None


class NewSubscriber(msgspec.Struct, frozen=True):
    """One valid row of an import: the address is normalised already."""

    email: str
    first_name: str = ""
    last_name: str = ""
    attributes: Mapping[str, Attribute] = {}


class ImportCounts(msgspec.Struct, frozen=True):
    """What one batch did; the three add up to the batch's rows."""

    imported: int = 0
    updated: int = 0
    skipped: int = 0


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Who a campaign goes to: who is on one of the lists or in the segment, less who is on an excluded
    list; without lists and segment every active subscriber. One person once, whatever the overlap."""

    list_ids: tuple[int, ...] = ()
    exclude_list_ids: tuple[int, ...] = ()
    segment_id: int | None = None
    segment: Node | None = None
    """The segment's tree as it was at the start; what a store goes by."""
