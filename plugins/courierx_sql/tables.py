"""Every table. `tenant_id` leads every key of what a tenant owns, so a tenant's rows lie together, no
query crosses tenants by accident, and the tables can be sharded by tenant later.

Ids come from `Unit.reserve` (sequences on PostgreSQL, the `counters` table on SQLite), one row of
numbers per table, unique in the whole install; deliveries take contiguous blocks. There are no foreign
keys: on the ledger's tables they cost a snapshot four fifths of its speed, and deleting a tenant walks
its tables in order. Deliveries have no index on state, because nothing ever looks for work in them.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from courierx_sql.columns import ENCRYPTED, Big, Ids, Json, Utc, created, metadata, owned, updated
from courierx_sql.tables_above import counters as counters
from courierx_sql.tables_above import installation as installation
from courierx_sql.tables_above import old_links as old_links
from courierx_sql.tables_above import tallies as tallies
from courierx_sql.tables_above import workers as workers
from courierx_sql.tables_people import erasure_keys as erasure_keys
from courierx_sql.tables_people import lists as lists
from courierx_sql.tables_people import opt_ins as opt_ins
from courierx_sql.tables_people import segments as segments
from courierx_sql.tables_people import subscribers as subscribers
from courierx_sql.tables_people import subscriptions as subscriptions
from courierx_sql.tables_pruned import frozen_reports as frozen_reports
from courierx_sql.tables_pruned import pruned_deliveries as pruned_deliveries
from courierx_sql.tables_shares import quotas as quotas
from courierx_sql.tables_shares import turns as turns
from courierx_sql.tables_webhooks import webhook_calls as webhook_calls
from courierx_sql.tables_webhooks import webhooks as webhooks

tenants = Table(
    "tenants",
    metadata,
    Column("id", Big, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),  # casefolded: "Acme" and "ACME" are one
    Column("contact_email", Text, nullable=False),
    Column("ses_verified", Boolean, nullable=False),
    Column("default_from", Text, nullable=False),
    Column("weight", Integer, nullable=False),
    created(),
    updated(),
    Column("requires_verified_domain", Boolean, nullable=False, server_default=false()),
    Column("branding", Json, nullable=False, server_default=text("'{}'")),
    Column("public_url", Text, nullable=False, server_default=text("''")),
    Column("tracking", Boolean, nullable=False, server_default=true()),
    Column("on_uncertain", Text, nullable=False, server_default=text("'hold'")),
    Column("transport", Text, nullable=False, server_default=text("''")),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Big, primary_key=True, autoincrement=False),
    Column("tenant_id", Big),  # NULL: a platform key
    Column("name", Text, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    created(),
    Column("expires_at", Utc),
    Column("last_used_at", Utc),
    Column("revoked_at", Utc),
)

senders = owned(
    "senders",
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reply_to", Text, nullable=False),
    created(),
    updated(),
    UniqueConstraint("tenant_id", "email"),
)

imports = owned(
    "imports",
    Column("kind", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_id", Big, nullable=False),
    Column("options", Json, nullable=False),
    Column("state", Text, nullable=False),
    Column("size", Big, nullable=False),
    Column("offset", Big, nullable=False),
    Column("line", Big, nullable=False),
    Column("counts", Json, nullable=False),
    Column("error", Text, nullable=False),
    created(),
    updated(),
    Column("finished_at", Utc),
    Column("workbook_id", Big),
)

import_errors = Table(
    "import_errors",
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("import_id", Big, nullable=False),
    Column("line", Big, nullable=False),
    Column("email", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "import_id", "line"),
)

files = Table(
    "files",  # in pieces, so that none is ever in memory whole
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("id", Big, nullable=False),
    Column("number", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id", "number"),
)

suppressions = owned(
    "suppressions",  # tenant_id 0: platform-wide
    Column("address", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cause", Text, nullable=False),
    created(),
    Column("expires_at", Utc),
)
Index("suppressions_address", suppressions.c.tenant_id, suppressions.c.address, unique=True)
# Tells every snapshot, read and window at once whether it has to look domains up.
Index(
    "suppressions_domains",
    suppressions.c.tenant_id,
    suppressions.c.address,
    postgresql_where=text("substr(address, 1, 1) = '@'"),
    sqlite_where=text("substr(address, 1, 1) = '@'"),
)

templates = owned(
    "templates",
    Column("name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("layout", Text, nullable=False),
    created(),
    updated(),
    UniqueConstraint("tenant_id", "name"),
)

campaigns = owned(
    "campaigns",
    Column("name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("from_email", Text, nullable=False),
    Column("from_name", Text, nullable=False),
    Column("reply_to", Text, nullable=False),
    Column("template_id", Big),
    Column("audience", Json, nullable=False),
    Column("transport", Text, nullable=False),
    Column("headers", Json, nullable=False),
    Column("track_opens", Boolean, nullable=False),
    Column("track_clicks", Boolean, nullable=False),
    Column("unsubscribe", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("pause_reason", Text, nullable=False),
    Column("message_id", Big),
    Column("scheduled_at", Utc),
    created(),
    updated(),
    Column("started_at", Utc),
    Column("completed_at", Utc),
    Column("utm", Json, nullable=False, server_default=text("'{}'")),
    Column("on_uncertain", Text, nullable=False, server_default=text("''")),
)
Index("campaigns_name", campaigns.c.tenant_id, campaigns.c.name)

messages = owned(
    "messages",
    Column("campaign_id", Big),
    Column("stream", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("content", Json, nullable=False),
    Column("on_uncertain", Text, nullable=False),
    Column("expires_at", Utc),
    created(),
    Column("completed_at", Utc),
    Column("scheduled_at", Utc),
    Column("cancelled_at", Utc),
    Column("resent", Integer),
    Column("pruned_at", Utc),
)

# What is under way, and nothing else.
Index(
    "messages_open",
    messages.c.tenant_id,
    messages.c.id,
    postgresql_where=messages.c.completed_at.is_(None),
    sqlite_where=messages.c.completed_at.is_(None),
)

message_counters = Table(
    "message_counters",  # changes that no work item made: feedback, late answers, re-queues
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("message_id", Big, nullable=False),
    Column("kind", Text, nullable=False),
    Column("n", Big, nullable=False),
    PrimaryKeyConstraint("tenant_id", "message_id", "kind"),
)

deliveries = owned(
    "deliveries",
    Column("message_id", Big, nullable=False),
    Column("subscriber_id", Big),
    Column("address", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", SmallInteger, nullable=False, server_default=text("0")),
    Column("tries", SmallInteger, nullable=False, server_default=text("0")),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("status", Text, nullable=False, server_default=text("''")),
    Column("provider_id", Text, nullable=False, server_default=text("''")),
    Column("reply", Text, nullable=False, server_default=text("''")),
    Column("updated_at", Utc),
    Column("sent_at", Utc),
    Column("transport", Text, nullable=False, server_default=text("''")),  # '' was before it was kept
    UniqueConstraint("tenant_id", "message_id", "subscriber_id"),
    sqlite_with_rowid=False,
    # room on each page for the one UPDATE of all its rows, which no index then hears of; answers are long
    postgresql_with={"fillfactor": "40"},
)

Index("deliveries_address", deliveries.c.tenant_id, deliveries.c.address)

work = owned(
    "work",
    Column("stream", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("subject_id", Big, nullable=False),
    Column("lo", Big, nullable=False),
    Column("hi", Big, nullable=False),
    Column("ids", Ids),
    Column("attempt", SmallInteger, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False, server_default=text("''")),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("lease_until", Utc),
    Column("cursor", Big, nullable=False, server_default=text("0")),
    Column("counts", Json, nullable=False),
    Column("error", Text, nullable=False, server_default=text("''")),
    postgresql_with={"fillfactor": "50"},
)
# A claim walks this index tenant by tenant; it holds what is ready and nothing else.
Index(
    "work_ready",
    work.c.stream,
    work.c.tenant_id,
    work.c.due_at,
    work.c.id,
    postgresql_where=work.c.state == "ready",
    sqlite_where=work.c.state == "ready",
)
Index(
    "work_leases",
    work.c.lease_until,
    postgresql_where=work.c.lease_until.is_not(None),
    sqlite_where=work.c.lease_until.is_not(None),
)
Index("work_subject", work.c.tenant_id, work.c.subject_id)

attempts = Table(
    "attempts",  # only those that were not accepted
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("delivery_id", Big, nullable=False),
    Column("attempt", SmallInteger, nullable=False),
    Column("message_id", Big, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("at", Utc, nullable=False),
    PrimaryKeyConstraint("tenant_id", "delivery_id", "attempt"),
)

events = Table(
    "events",  # append-only; by month on PostgreSQL
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("id", Big, nullable=False),
    Column("at", Utc, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message_id", Big),
    Column("delivery_id", Big),
    Column("recipient", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_key", Text, nullable=False),
    Column("machine", Boolean, nullable=False),
    Column("detail", Json, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id", "at"),
    postgresql_partition_by="RANGE (at)",
)
Index("events_delivery", events.c.tenant_id, events.c.delivery_id)
Index("events_recipient", events.c.tenant_id, events.c.recipient)
Index("events_message", events.c.tenant_id, events.c.message_id, events.c.kind)

transports = Table(
    "transports",  # named instances; tenant_id 0 is the platform's
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("name", Text, nullable=False),
    Column("driver", Text, nullable=False),
    Column("settings", LargeBinary, nullable=False, info={ENCRYPTED: True}),
    Column("paused_reason", Text, nullable=False),
    Column("paused_until", Utc),
    updated(),
    Column("warm_day", Json),
    PrimaryKeyConstraint("tenant_id", "name"),
)

domains = owned(
    "domains",
    Column("domain", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("verified_by", Text, nullable=False),
    Column("verified_at", Utc),
    Column("checked_at", Utc),
    Column("keys", Json, nullable=False),
    Column("secret", LargeBinary, nullable=False, info={ENCRYPTED: True}),
    Column("records", Json, nullable=False),
    created(),
    updated(),
    UniqueConstraint("tenant_id", "domain"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    created(),
    PrimaryKeyConstraint("tenant_id", "key"),
)

audit = owned(
    "audit",
    Column("at", Utc, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Json, nullable=False),
)

OWNED: frozenset[str] = frozenset(name for name, table in metadata.tables.items() if "tenant_id" in table.c)
"""Tables whose every statement must name its tenant."""
