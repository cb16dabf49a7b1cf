"""The SQL that differs per database: one module `sets_<dialect>` each, with these functions.

They work on whole sets in raw SQL that the tenant guard does not see, so every statement in such a
module names `tenant_id` itself and is tested line by line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from sqlalchemy import ColumnElement, Connection

from courierx_core.audience.model import Audience, ImportCounts, NewSubscriber
from courierx_core.messages.model import Message
from courierx_core.ports.store import SnapshotStep


class Sets(Protocol):
    """What a `sets_<dialect>` module offers. Every function works in the caller's transaction."""

    def bind_tenant(self, connection: Connection, tenant_id: int) -> None:
        """Tell the database that this transaction goes on as a tenant's, where it can enforce it."""

    def bind_platform(self, connection: Connection) -> None:
        """Tell the database that this transaction goes on above tenants."""

    HAS_CHANGED: ColumnElement[bool]
    """The condition that the transaction has changed something, where `may_have_changed` leaves it open."""

    def mark(self, connection: Connection) -> object:
        """Return what `may_have_changed` needs of a transaction's beginning."""

    def may_have_changed(self, connection: Connection, since: object) -> bool:
        """Tell without a statement whether the transaction may have changed something since its mark."""

    def owner_of(self, connection: Connection, table: str, object_id: int) -> int | None:
        """Return the tenant that owns a row of a table known to have an id; None when there is none."""

    def delivery_of(
        self, connection: Connection, transport: str, provider_id: str, recipient: str
    ) -> tuple[int, int] | None:
        """See `ports.platform.PlatformUnit.delivery_of`."""

    def messages_of(
        self, connection: Connection, delivery_ids: Collection[int]
    ) -> Mapping[int, tuple[int, int]]:
        """See `ports.platform.PlatformUnit.messages_of`; the ids fit 64 bits."""

    def pruned_of(
        self, connection: Connection, delivery_ids: Collection[int]
    ) -> Mapping[int, tuple[int, int]]:
        """Return (tenant id, message id) of those of these that were pruned; the ids fit 64 bits."""

    def keep(self, connection: Connection) -> None:
        """See `ports.platform.PlatformUnit.keep`."""

    def reserve(self, connection: Connection, name: str, n: int) -> int:
        """Return the first of `n` contiguous fresh ids of a table."""

    def next_ids(self, connection: Connection) -> Mapping[str, int]:
        """Return the next id of each table that has given one."""

    def start_ids(self, connection: Connection, ids: Mapping[str, int]) -> None:
        """Let the ids of an empty database go on from these."""

    def import_rows(
        self,
        connection: Connection,
        tenant_id: int,
        rows: Sequence[NewSubscriber],
        *,
        update: bool,
        list_id: int | None,
    ) -> ImportCounts:
        """See `ports.store.Subscribers.import_rows`; the list is known to exist."""

    def snapshot(
        self,
        connection: Connection,
        tenant_id: int,
        message: Message,
        audience: Audience,
        *,
        after: int,
        limit: int,
        ids: Sequence[int] = (),
    ) -> SnapshotStep:
        """See `ports.store.Deliveries.snapshot`. With `ids`, of exactly these people; else the audience has
        no segment."""
