"""What comes before or above a tenant: a closed list, pinned by a test; controllers never see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import Protocol

import msgspec

from courierx_core.access.model import ApiKey
from courierx_core.ports.idempotency import Idempotency
from courierx_core.ports.metrics import Metrics
from courierx_core.tenants.model import Tenant
from courierx_core.transports.model import PausedTransport, WarmDay
from courierx_core.work import Topic


class Tenants(Protocol):
    def add(self, tenant: Tenant) -> Tenant:
        """Raises Conflict on a duplicate name (compared without case)."""

    def get(self, tenant_id: int) -> Tenant: ...
    def by_name(self, name: str) -> Tenant | None:
        """Return the tenant of that name, compared without case."""

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Tenant]: ...
    def save(self, tenant: Tenant) -> Tenant: ...
    def remove(self, tenant_id: int) -> None:
        """Delete the tenant and every row it owns. Raises Conflict while it has open work."""


class Keys(Protocol):
    def add(self, key: ApiKey) -> ApiKey: ...
    def get(self, key_id: int) -> ApiKey: ...
    def list(self) -> Sequence[ApiKey]: ...
    def revoke(self, key_id: int) -> ApiKey: ...
    def expire(self, key_id: int, at: datetime) -> ApiKey:
        """Let the key end at a time."""

    def touch(self, key_id: int) -> None:
        """Note that the key was used now."""


class Transports(Protocol):
    """What is paused for everybody, whatever process and tenant (`transports.service`)."""

    def paused(self) -> Sequence[PausedTransport]: ...
    def pause(self, name: str, reason: str) -> bool:
        """Pause it, since now; False where it is paused already, and its first reason stays."""

    def resume(self, name: str) -> bool:
        """Let it go on; False where it was not paused."""

    def warm_day(self, name: str, *, lock: bool = False) -> tuple[WarmDay | None, datetime]:
        """Return the last day of one that is warmed up, and when now is; locked, it is this transaction's."""

    def keep_warm_day(self, name: str, day: WarmDay) -> None: ...


DISOWNED = datetime.fromtimestamp(0, timezone.utc)
"""A heartbeat that says that nobody may take this database for their own unasked."""


class OldLinks(Protocol):
    """Whom the links of another system meant (`audience.old_links`): found before the tenant is known."""

    def add(self, tenant_id: int, people: Mapping[str, int]) -> None:
        """Let names lead to subscribers of a tenant, as a set; a known name leads to the later one."""

    def find(self, name: str) -> Sequence[tuple[int, int]]:
        """Return (tenant id, subscriber id) of whom a name means: one for each tenant that took it in."""


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """Who this database belongs to (LEDGER: adoption); all blank where nobody has claimed it yet."""

    id: str = ""
    environment: str = ""
    public_url: str = ""
    heartbeat_at: datetime | None = None
    """The last heartbeat, by the database's clock."""
    age_seconds: float = 0.0
    """Seconds since it."""


class LeftOut(msgspec.Struct, frozen=True):
    """A plugin that workers leave out since something of it raised."""

    plugin: str
    why: str
    """Of one of them, without what the error says."""
    workers: int


class PlatformUnit(Protocol):
    """One transaction above tenants: a closed list, pinned by a test; controllers never see it."""

    tenants: Tenants
    keys: Keys
    """Platform keys to add; any tenant's key to authenticate."""
    idempotency: Idempotency
    """Of requests that are no tenant's."""

    transports: Transports
    metrics: Metrics
    """What is counted of the whole install, and what is due in it."""
    old_links: OldLinks

    def owner_of(self, table: str, object_id: int) -> int | None:
        """Return the tenant that owns a row of `subscribers`, `campaigns`, `messages`, `deliveries`,
        `suppressions`, `templates`, `lists`, `opt_ins`, `segments`, `imports`,
        `senders` or `domains`; None when there is none. A delivery that was pruned still has one."""

    def delivery_of(self, transport: str, provider_id: str, recipient: str) -> tuple[int, int] | None:
        """Return (tenant id, delivery id) of what went to `recipient` over `transport` and was given
        `provider_id` there."""

    def messages_of(self, delivery_ids: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """Return (tenant id, message id) of each of these deliveries that there is, or was before
        it was pruned, as a set."""

    def installation(self) -> Installation:
        """Return the install's row."""

    def save_installation(self, installation: Installation) -> None:
        """Write it, with a heartbeat now by the database's clock."""

    def disown(self) -> None:
        """Let nobody send from here before `courierx adopt`: what is open may be sent elsewhere already."""

    def beat(self, owner: str, left_out: Mapping[str, str] = {}) -> None:
        """Note that a worker is alive, now by the database's clock, and what plugins it leaves out: why."""

    def workers(self) -> int:
        """Count the owners with a live lease or a heartbeat in the last minute."""

    def left_out(self) -> Sequence[LeftOut]:
        """Return what the workers with a heartbeat in the last minute leave out, by name."""

    def keep(self) -> None:
        """Make what the calendar asks of the store, such as partitions for the months to come."""

    def tenants_with_work(self, topics: Sequence[Topic], *, held_for: str = "") -> Sequence[int]:
        """Return the tenants with ready or leased items of these topics, or with items held for a reason."""
