"""Stores: where the truth is. Bound to one tenant by `begin`; one small repository per slice.

Every method works inside the unit's transaction. Ids that are not the tenant's read as missing
(NotFound). Lists are newest first: `before` is the id to continue below, `limit` 1-1000.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, NewType, Protocol

import msgspec

from courierx_core.access.model import ApiKey
from courierx_core.audience.model import Audience
from courierx_core.campaigns.model import Campaign, CampaignStatus
from courierx_core.delivery.log import LogLine, LogStatus
from courierx_core.delivery.model import RESENDABLE, Delivery, DeliveryState, Pace
from courierx_core.domains.model import SenderDomain
from courierx_core.errors import NotFound, StoreError
from courierx_core.feedback.model import Event, FeedbackKind
from courierx_core.messages.model import Message, MessageSummary
from courierx_core.ports.audit import Audit
from courierx_core.ports.driver import C, Driver
from courierx_core.ports.erasures import Erasures
from courierx_core.ports.idempotency import Idempotency
from courierx_core.ports.imports import Files, Imports
from courierx_core.ports.ledger import Ledger
from courierx_core.ports.own_transports import OwnTransports
from courierx_core.ports.people import Lists, OptIns, Segments, Subscribers, Suppressions
from courierx_core.ports.platform import Keys, PlatformUnit
from courierx_core.ports.pruning import Pruning
from courierx_core.ports.quotas import Quotas
from courierx_core.ports.reports import Reason, Reports, Tally
from courierx_core.ports.upkeep import Upkeep
from courierx_core.ports.webhooks import WebhookCalls, Webhooks
from courierx_core.senders.model import Sender
from courierx_core.templates.model import Template
from courierx_core.tenants.model import Tenant
from courierx_core.work import OF_MESSAGE, Standing, Topic, WorkItem

TenantId = NewType("TenantId", int)


class Senders(Protocol):
    def add(self, sender: Sender) -> Sender:
        """Raises Conflict when the tenant has that address."""

    def get(self, sender_id: int) -> Sender: ...
    def by_email(self, email: str) -> Sender | None: ...
    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Sender]: ...
    def save(self, sender: Sender) -> Sender: ...
    def remove(self, sender_id: int) -> None: ...


class Templates(Protocol):
    def add(self, template: Template) -> Template: ...
    def get(self, template_id: int) -> Template: ...
    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Template]: ...
    def save(self, template: Template) -> Template: ...
    def remove(self, template_id: int) -> None: ...


class Campaigns(Protocol):
    def add(self, campaign: Campaign) -> Campaign: ...
    def get(self, campaign_id: int) -> Campaign: ...
    def by_name(self, name: str) -> Campaign | None:
        """Return the newest campaign of that exact name."""

    def list(
        self, *, before: int | None = None, limit: int = 100, statuses: Sequence[CampaignStatus] = ()
    ) -> Sequence[Campaign]: ...
    def save(self, campaign: Campaign, *, was: CampaignStatus) -> Campaign:
        """Write it if its stored status is still `was`, else raise Conflict: two starts, one run."""

    def remove(self, campaign_id: int) -> None: ...
    def made_of(self, template_id: int) -> Sequence[int]:
        """Return the ids of the drafts and scheduled campaigns that use a template, newest first."""

    def audiences(self) -> Mapping[int, Audience]:
        """Return the audience of each campaign that is neither completed nor cancelled, by its id."""


class Domains(Protocol):
    def add(self, domain: SenderDomain) -> SenderDomain:
        """Raises Conflict when the tenant has that domain."""

    def get(self, domain_id: int) -> SenderDomain: ...
    def lock(self, domain_id: int) -> SenderDomain:
        """Return it with nobody else able to change it until the unit ends."""

    def named(self, domain: str) -> SenderDomain | None: ...
    def among(self, domains: Sequence[str]) -> Sequence[SenderDomain]:
        """Return those of these names (at most 1,000) that the tenant has."""

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[SenderDomain]: ...
    def save(self, domain: SenderDomain) -> SenderDomain: ...
    def remove(self, domain_id: int) -> None: ...


class Messages(Protocol):
    def add(self, message: Message) -> Message: ...
    def get(self, message_id: int) -> Message: ...
    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[MessageSummary]: ...
    def note_cancelled(self, message_id: int) -> Message:
        """Write down that it was cancelled now."""

    def complete(self, message_id: int) -> bool:
        """Mark it completed if it has no open work item and no open delivery; True when that was now."""

    def reopen(self, message_id: int) -> bool:
        """Take the completion back if something of it is open; True when that was now."""

    def note_resent(self, message_id: int, count: int) -> Message:
        """Add to how many of its deliveries `on_uncertain` has queued again."""

    def left_over(self, *, limit: int = 1000) -> Sequence[int]:
        """Return messages that are not completed though no item of theirs can move any more: all are
        done, or it was cancelled and what is held has no owner. Whoever should have seen to them died."""


class SnapshotStep(msgspec.Struct, frozen=True):
    """What one chunk of a snapshot did. `cursor` is the last subscriber id seen; `more` is False at the
    end. `counts` are the new deliveries by state (queued, suppressed)."""

    cursor: int
    more: bool
    counts: Mapping[str, int]


class Deliveries(Protocol):
    def snapshot(self, message: Message, audience: Audience, *, after: int, limit: int) -> SnapshotStep:
        """Make deliveries for the next `limit` (<= 50,000) subscribers with id > `after`: queued, or
        closed as suppressed, plus send items of at most SEND_ITEM_MAX that are ready at once. Safe to
        repeat: one delivery per message and subscriber."""

    def add(
        self,
        message: Message,
        addresses: Sequence[str],
        *,
        subscriber_ids: Sequence[int | None] = (),
        barred: Collection[str] = (),
    ) -> Sequence[Delivery]:
        """Make deliveries for named addresses (those suppressed, or `barred`, closed as such) and, where any
        is queued, one send item that is ready when this unit commits, or at the message's `scheduled_at`."""

    def get(self, delivery_id: int) -> Delivery: ...
    def lock(self, delivery_id: int) -> Delivery:
        """Return it with nobody else able to move it until the unit ends. Lock one in a unit."""

    def some(self, delivery_ids: Collection[int]) -> Sequence[Delivery]:
        """Return those of the ids that there are."""

    def arrive(self, delivery_ids: Collection[int]) -> Set[int]:
        """Move those that evidence may raise to delivered, in the counters too, as a set; return which. It
        passes over what somebody else has locked: no wait for one delivery with another in hand."""

    def prove(self, delivery: Delivery, state: DeliveryState, event: Event) -> None:
        """Move a locked delivery to what an event proves, with its words, in the message's counters too."""

    def list(
        self,
        *,
        message_id: int | None = None,
        state: DeliveryState | None = None,
        address: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]: ...
    def log(
        self,
        *,
        delivery_id: int | None = None,
        message_id: int | None = None,
        status: LogStatus | None = None,
        address: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[LogLine]:
        """List deliveries as a log tells of them; `since` is of their last change."""

    def totals(self, message_id: int) -> dict[str, int]:
        """Sum the counters: state -> deliveries, zeros left out. What reports show."""

    def pace(self, message_id: int) -> Pace:
        """Say how it moves now, from the items that moved last, over the last minute at most."""

    def recount(self, message_id: int) -> dict[str, int]:
        """Count the rows themselves."""

    def reasons(self, message_id: int, *, limit: int = 20) -> Sequence[Reason]:
        """Group every closed delivery that was not accepted or delivered, commonest first."""

    def requeue(
        self,
        message_id: int,
        delivery_ids: Sequence[int],
        *,
        states: Collection[DeliveryState] = RESENDABLE,
    ) -> Sequence[int]:
        """Queue again exactly those of the deliveries that are in `states`, as one new send item per 500;
        return the ids that moved."""

    def cancel_open(self, message_id: int) -> int:
        """Close what is open and not intended as `cancelled`; mark the message's send and resend items done
        where nothing of theirs is under way, held where something is. Returns how many were cancelled."""


class Events(Protocol):
    """Append-only. In a unit of the platform (tenant 0): what fits no delivery yet."""

    def add(self, events: Sequence[Event]) -> Sequence[Event]:
        """Keep those that are new; return them with their ids, in order. An event is known by delivery
        (or recipient where it has none), kind and `event_key`; whoever adds holds the delivery's lock."""

    def append(self, events: Sequence[Event], *, again: bool = False) -> Sequence[Event]:
        """Keep events of deliveries as a set, without a lock: their keys are their caller's own, and new.
        `again`, after a failure, leaves out what is kept already. Returns those kept, with their ids."""

    def tally(self, message_id: int, *, since: datetime | None = None) -> Mapping[FeedbackKind, Tally]:
        """Count a message's events by kind; those from a time on, if it is given."""

    def list(
        self,
        *,
        message_id: int | None = None,
        delivery_id: int | None = None,
        recipient: str | None = None,
        kinds: Sequence[FeedbackKind] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Event]: ...
    def get(self, event_id: int) -> Event: ...
    def some(self, ids: Sequence[int]) -> Sequence[Event]:
        """Return those of the ids that there are."""

    def let_go(self, *, ids: Sequence[int] = (), before: datetime | None = None) -> int:
        """Remove what no delivery was found for: by id, or older than `before`."""


class Work(Protocol):
    def add(self, item: WorkItem, *, delay_seconds: float = 0.0) -> WorkItem:
        """With no `due_at` it is due `delay_seconds` from now, by the database's clock."""

    def get(self, item_id: int) -> WorkItem: ...
    def hold(self, subject_id: int, *, topics: Sequence[Topic] = OF_MESSAGE) -> int:
        """Pause: ready and leased items of the subject become held; live leases keep their owner until
        what is under way is answered. Returns how many."""

    def unhold(self, subject_id: int, *, topics: Sequence[Topic] = OF_MESSAGE) -> int:
        """Resume: held items are ready again, or leased still where a lease is open (its owner gives it
        back, or the sweep takes it). What is overdue is due now; why it was held is forgotten."""

    def end(self, subject_id: int, *, topics: Sequence[Topic]) -> Sequence[WorkItem]:
        """Mark the subject's open items done; whoever has one leased is fenced. Returns them."""

    def hold_all(self, why: str, *, topics: Sequence[Topic]) -> int:
        """Hold every ready and leased item of the tenant, noting why; return how many."""

    def held_for(self, why: str) -> Sequence[tuple[Topic, int]]:
        """Return topic and subject of what is held for this reason, each once."""

    def hasten(self, subject_id: int, *, topics: Sequence[Topic]) -> int:
        """Make due now what of the subject is ready and due later. Returns how many."""

    def advance(
        self,
        item: WorkItem,
        *,
        cursor: int,
        counts: Mapping[str, int] | None = None,
        done: bool = False,
        error: str = "",
        delay_seconds: float | None = None,
    ) -> None:
        """Save a topic's progress in this unit. With `delay_seconds` the lease is given back and the
        item is due again then. Raises Fenced when the lease is no longer ours."""

    def open_items(self, subject_id: int, *, topics: Sequence[Topic] = OF_MESSAGE) -> int:
        """Count the subject's items that are not done."""

    def standing(self, subject_id: int, *, stale_seconds: float, limit: int = 20) -> Standing:
        """Say where the items of a message stand. A lease is stale when it ends within so many
        seconds: whoever is alive has renewed it by then. `limit` is for those that are due later."""


class Secrets(Protocol):
    def renew(self, change: Callable[[bytes], bytes]) -> int:
        """Replace each of the tenant's values that is encrypted at rest by `change` of it; return how
        many there are."""


class UnitOfWork(Protocol):
    """One transaction of one tenant."""

    @property
    def tenant_id(self) -> int: ...
    @property
    def tenant(self) -> Tenant:
        """The tenant's row, read when asked. Raises NotFound."""

    subscribers: Subscribers
    lists: Lists
    opt_ins: OptIns
    segments: Segments
    senders: Senders
    imports: Imports
    files: Files
    suppressions: Suppressions
    templates: Templates
    campaigns: Campaigns
    domains: Domains
    webhooks: Webhooks
    webhook_calls: WebhookCalls
    messages: Messages
    deliveries: Deliveries
    events: Events
    reports: Reports
    work: Work
    keys: Keys
    audit: Audit
    idempotency: Idempotency
    erasures: Erasures
    secrets: Secrets
    upkeep: Upkeep
    pruning: Pruning
    quotas: Quotas
    own_transports: OwnTransports


class Store(Driver[C]):
    """Entry-point group `courierx.stores`. See `courierx_core.testing.StoreContract`."""

    @abstractmethod
    def begin(
        self, tenant_id: int, *, write: bool = True, steady: bool = False
    ) -> AbstractContextManager[UnitOfWork]:
        """Open a transaction bound to one tenant: committed when the block ends, rolled back when it
        raises. With `write=False` it sees one moment, beside any writer, and must not change
        anything. With `steady` it raises Changed, and does not overwrite, where another transaction has
        changed a row since this one began to read."""

    @abstractmethod
    def platform(self, *, write: bool = True, steady: bool = False) -> AbstractContextManager[PlatformUnit]:
        """Open a transaction for what comes before or above a tenant; ends like `begin`."""

    def key(self, key_id: int) -> ApiKey | None:
        """Return any key as it is now, None where there is none: what every request begins with, so a store
        that can do it in fewer steps should."""
        try:
            with self.platform(write=False) as unit:
                return unit.keys.get(key_id)
        except NotFound:
            return None

    @abstractmethod
    def ledger(self) -> Ledger:
        """Open the hot path on a connection of its own."""

    @abstractmethod
    def upgrade(self) -> None:
        """Bring the schema to this version's; a second run after a crash completes it. A newer version's is
        left as it is: schemas only expand, so this version goes on beside the next."""

    @abstractmethod
    def revision(self) -> str:
        """Return the schema's revision; '' for an empty database."""

    @abstractmethod
    def outdated(self) -> bool:
        """Return whether this version needs `upgrade` first: the schema is older, or there is none."""

    def copy_from(self, source: Store[Any]) -> Iterator[tuple[str, int]]:
        """Take over all that another store holds, as of one moment, ids included: all of it or nothing.
        Gives each table's name and rows as it goes. Raises Conflict where this store is not empty."""
        raise StoreError(f"The store {self.name} cannot take over what {source.name} holds.")

    def backup(self, path: Path) -> None:
        """Write all it holds into an empty file, as of one moment, beside whatever sends."""
        raise StoreError(f"The store {self.name} writes no backups: use its server's own tools.")

    def restore(self, path: Path) -> None:
        """Read what `backup` wrote. Raises Conflict where there is a schema already."""
        raise StoreError(f"The store {self.name} reads no backups: use its server's own tools.")
