"""Units of work: one transaction of one tenant, and the closed list of what stands above tenants."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from courierx_core.ports import (
    audit,
    erasures,
    idempotency,
    imports,
    metrics,
    own_transports,
    people,
    platform,
    pruning,
    quotas,
    reports,
    store,
    upkeep,
    webhooks,
)
from courierx_core.tenants.model import Tenant
from courierx_core.work import Topic
from courierx_sql.accessor import Accessor
from courierx_sql.rows import installation, tenants
from courierx_sql.rows.audit import AuditRows
from courierx_sql.rows.campaigns import CampaignRows
from courierx_sql.rows.deliveries import DeliveryRows
from courierx_sql.rows.domains import DomainRows
from courierx_sql.rows.erasures import ErasureRows
from courierx_sql.rows.events import EventRows
from courierx_sql.rows.idempotency import IdempotencyRows
from courierx_sql.rows.imports import FileRows, ImportRows
from courierx_sql.rows.keys import KeyRows, PlatformKeyRows
from courierx_sql.rows.lists import ListRows
from courierx_sql.rows.messages import MessageRows
from courierx_sql.rows.metrics import MetricRows
from courierx_sql.rows.old_links import OldLinkRows
from courierx_sql.rows.opt_ins import OptInRows
from courierx_sql.rows.own_transports import OwnTransportRows
from courierx_sql.rows.pruning import PruningRows
from courierx_sql.rows.quotas import QuotaRows
from courierx_sql.rows.reports import ReportRows
from courierx_sql.rows.secrets import SecretRows
from courierx_sql.rows.segments import SegmentRows
from courierx_sql.rows.senders import SenderRows
from courierx_sql.rows.slice import is_id
from courierx_sql.rows.subscribers import SubscriberRows
from courierx_sql.rows.suppressions import SuppressionRows
from courierx_sql.rows.templates import TemplateRows
from courierx_sql.rows.transports import TransportRows
from courierx_sql.rows.upkeep import UpkeepRows
from courierx_sql.rows.webhooks import WebhookCallRows, WebhookRows
from courierx_sql.rows.work import WorkRows
from courierx_sql.sets import Sets


class SqlUnit:
    """`ports.store.UnitOfWork` on a connection whose transaction is open and bound."""

    def __init__(self, connection: Connection, tenant_id: int, sets: Sets) -> None:
        rows = Accessor(connection, tenant_id, sets)
        self._rows = rows
        self.subscribers: people.Subscribers = SubscriberRows(rows)
        self.lists: people.Lists = ListRows(rows)
        self.opt_ins: people.OptIns = OptInRows(rows)
        self.segments: people.Segments = SegmentRows(rows)
        self.senders: store.Senders = SenderRows(rows)
        self.imports: imports.Imports = ImportRows(rows)
        self.files: imports.Files = FileRows(rows)
        self.suppressions: people.Suppressions = SuppressionRows(rows)
        self.templates: store.Templates = TemplateRows(rows)
        self.campaigns: store.Campaigns = CampaignRows(rows)
        self.domains: store.Domains = DomainRows(rows)
        self.webhooks: webhooks.Webhooks = WebhookRows(rows)
        self.webhook_calls: webhooks.WebhookCalls = WebhookCallRows(rows)
        self.messages: store.Messages = MessageRows(rows)
        self.deliveries: store.Deliveries = DeliveryRows(rows)
        self.events: store.Events = EventRows(rows)
        self.reports: reports.Reports = ReportRows(rows)
        self.work: store.Work = WorkRows(rows)
        self.keys: platform.Keys = KeyRows(rows)
        self.audit: audit.Audit = AuditRows(rows)
        self.idempotency: idempotency.Idempotency = IdempotencyRows(rows)
        self.erasures: erasures.Erasures = ErasureRows(rows)
        self.secrets: store.Secrets = SecretRows(rows)
        self.upkeep: upkeep.Upkeep = UpkeepRows(rows)
        self.pruning: pruning.Pruning = PruningRows(rows)
        self.quotas: quotas.Quotas = QuotaRows(rows)
        self.own_transports: own_transports.OwnTransports = OwnTransportRows(rows)

    @property
    def tenant_id(self) -> int:
        return self._rows.tenant_id

    @property
    def tenant(self) -> Tenant:
        return tenants.get(self._rows.connection, self.tenant_id)


class SqlPlatformUnit:
    """`ports.platform.PlatformUnit`; adding to it is a decision about tenancy, and a test pins it."""

    def __init__(self, connection: Connection, sets: Sets) -> None:
        self._connection = connection
        self._sets = sets
        self.tenants: platform.Tenants = tenants.TenantRows(connection, sets)
        self.keys: platform.Keys = PlatformKeyRows(connection, sets)
        self.idempotency: idempotency.Idempotency = IdempotencyRows(Accessor(connection, 0, sets))
        self.old_links: platform.OldLinks = OldLinkRows(connection)
        self.transports: platform.Transports = TransportRows(Accessor(connection, 0, sets))
        self.metrics: metrics.Metrics = MetricRows(connection)

    def owner_of(self, table: str, object_id: int) -> int | None:
        return tenants.owner_of(self._connection, self._sets, table, object_id)

    def delivery_of(self, transport: str, provider_id: str, recipient: str) -> tuple[int, int] | None:
        return self._sets.delivery_of(self._connection, transport, provider_id, recipient)

    def messages_of(self, delivery_ids: Collection[int]) -> Mapping[int, tuple[int, int]]:
        ids = {each for each in delivery_ids if is_id(each)}
        found = dict(self._sets.messages_of(self._connection, ids))
        if pruned := ids - found.keys():
            found |= self._sets.pruned_of(self._connection, pruned)
        return found

    def installation(self) -> platform.Installation:
        return installation.read(self._connection)

    def save_installation(self, installation_: platform.Installation) -> None:
        installation.save(self._connection, installation_)

    def disown(self) -> None:
        installation.disown(self._connection)

    def beat(self, owner: str, left_out: Mapping[str, str] = {}) -> None:
        installation.beat(self._connection, owner, left_out)

    def workers(self) -> int:
        return installation.workers(self._connection)

    def left_out(self) -> Sequence[platform.LeftOut]:
        return installation.left_out(self._connection)

    def keep(self) -> None:
        self._sets.keep(self._connection)

    def tenants_with_work(self, topics: Sequence[Topic], *, held_for: str = "") -> Sequence[int]:
        return installation.tenants_with_work(self._connection, topics, held_for)
