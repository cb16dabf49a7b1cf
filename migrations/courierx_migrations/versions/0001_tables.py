"""Every table and index. `courierx_sql.tables` says what the columns are for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Ids = sa.JSON().with_variant(ARRAY(sa.BigInteger), "postgresql")
Json = sa.JSON().with_variant(JSONB(), "postgresql")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")


def need(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **options)


def may(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind)


def texts(*names: str) -> list[sa.Column[Any]]:
    return [need(name, sa.Text) for name in names]


def owned(name: str, *rest: sa.schema.SchemaItem, **options: Any) -> None:
    key = sa.PrimaryKeyConstraint("tenant_id", "id")
    op.create_table(name, need("tenant_id", Big), need("id", Big), *rest, key, **options)


def upgrade() -> None:
    tenancy()
    audience()
    mailings()
    ledger()
    surroundings()


def tenancy() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", Big, primary_key=True, autoincrement=False),
        *texts("name", "name_key", "contact_email"),
        need("ses_verified", sa.Boolean),
        need("default_from", sa.Text),
        need("weight", sa.Integer),
        need("created_at", Utc),
        need("updated_at", Utc),
        sa.UniqueConstraint("name_key"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", Big, primary_key=True, autoincrement=False),
        may("tenant_id", Big),
        need("name", sa.Text),
        need("scopes", Json),
        need("digest", sa.LargeBinary),
        need("created_at", Utc),
        may("expires_at", Utc),
        may("last_used_at", Utc),
        may("revoked_at", Utc),
    )


def audience() -> None:
    owned(
        "subscribers",
        *texts("email", "first_name", "last_name", "status"),
        need("attributes", Json),
        need("created_at", Utc),
        need("updated_at", Utc),
    )
    op.create_index("subscribers_email", "subscribers", ["tenant_id", "email"], unique=True)
    owned("lists", need("name", sa.Text), need("created_at", Utc), sa.UniqueConstraint("tenant_id", "name"))
    op.create_table(
        "subscriptions",
        need("tenant_id", Big),
        need("list_id", Big),
        need("subscriber_id", Big),
        need("status", sa.Text),
        need("updated_at", Utc),
        sa.PrimaryKeyConstraint("tenant_id", "list_id", "subscriber_id"),
    )
    op.create_index("subscriptions_subscriber", "subscriptions", ["tenant_id", "subscriber_id"])
    owned(
        "suppressions",
        *texts("address", "reason", "cause"),
        need("created_at", Utc),
        may("expires_at", Utc),
    )
    op.create_index("suppressions_address", "suppressions", ["tenant_id", "address"], unique=True)


def mailings() -> None:
    owned(
        "templates",
        *texts("name", "subject", "html", "text", "layout"),
        need("created_at", Utc),
        need("updated_at", Utc),
        sa.UniqueConstraint("tenant_id", "name"),
    )
    owned(
        "campaigns",
        *texts("name", "subject", "body", "html", "text", "from_email", "from_name", "reply_to"),
        may("template_id", Big),
        need("audience", Json),
        need("transport", sa.Text),
        need("headers", Json),
        need("track_opens", sa.Boolean),
        need("track_clicks", sa.Boolean),
        *texts("unsubscribe", "status", "pause_reason"),
        may("message_id", Big),
        may("scheduled_at", Utc),
        need("created_at", Utc),
        need("updated_at", Utc),
        may("started_at", Utc),
        may("completed_at", Utc),
    )
    op.create_index("campaigns_name", "campaigns", ["tenant_id", "name"])
    owned(
        "messages",
        may("campaign_id", Big),
        *texts("stream", "transport"),
        need("content", Json),
        need("on_uncertain", sa.Text),
        may("expires_at", Utc),
        need("created_at", Utc),
        may("completed_at", Utc),
    )
    op.create_table(
        "message_counters",
        need("tenant_id", Big),
        need("message_id", Big),
        need("kind", sa.Text),
        need("n", Big),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", "kind"),
    )


def ledger() -> None:
    zero, blank = sa.text("0"), sa.text("''")
    owned(
        "deliveries",
        need("message_id", Big),
        may("subscriber_id", Big),
        *texts("address", "state"),
        need("attempt", sa.SmallInteger, server_default=zero),
        need("tries", sa.SmallInteger, server_default=zero),
        need("reason", sa.Text, server_default=blank),
        need("status", sa.Text, server_default=blank),
        need("provider_id", sa.Text, server_default=blank),
        need("reply", sa.Text, server_default=blank),
        may("updated_at", Utc),
        may("sent_at", Utc),
        sa.UniqueConstraint("tenant_id", "message_id", "subscriber_id"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": "40"},
    )
    owned(
        "work",
        *texts("stream", "topic"),
        need("subject_id", Big),
        need("lo", Big),
        need("hi", Big),
        may("ids", Ids),
        need("attempt", sa.SmallInteger),
        need("due_at", Utc),
        need("state", sa.Text),
        need("owner", sa.Text, server_default=blank),
        need("epoch", sa.Integer, server_default=zero),
        may("lease_until", Utc),
        need("cursor", Big, server_default=zero),
        need("counts", Json),
        need("error", sa.Text, server_default=blank),
        postgresql_with={"fillfactor": "50"},
    )
    ready, leased = sa.text("state = 'ready'"), sa.text("lease_until IS NOT NULL")
    op.create_index(
        "work_ready",
        "work",
        ["stream", "tenant_id", "due_at", "id"],
        postgresql_where=ready,
        sqlite_where=ready,
    )
    op.create_index("work_leases", "work", ["lease_until"], postgresql_where=leased, sqlite_where=leased)
    op.create_index("work_subject", "work", ["tenant_id", "subject_id"])
    op.create_table(
        "turns",
        sa.Column("tenant_id", Big, primary_key=True, autoincrement=False),
        need("spent", sa.Double),
    )
    op.create_table(
        "attempts",
        need("tenant_id", Big),
        need("delivery_id", Big),
        need("attempt", sa.SmallInteger),
        need("message_id", Big),
        *texts("state", "stage", "status", "reply", "transport"),
        need("at", Utc),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", "attempt"),
    )
    op.create_table(
        "events",
        need("tenant_id", Big),
        need("id", Big),
        need("at", Utc),
        need("kind", sa.Text),
        may("message_id", Big),
        may("delivery_id", Big),
        *texts("recipient", "source", "event_key"),
        need("machine", sa.Boolean),
        need("detail", Json),
        sa.PrimaryKeyConstraint("tenant_id", "id", "at"),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("events_delivery", "events", ["tenant_id", "delivery_id"])


def surroundings() -> None:
    op.create_table(
        "transports",
        need("tenant_id", Big),
        *texts("name", "driver"),
        need("settings", sa.LargeBinary),
        need("paused_reason", sa.Text),
        may("paused_until", Utc),
        need("updated_at", Utc),
        sa.PrimaryKeyConstraint("tenant_id", "name"),
    )
    op.create_table(
        "idempotency_keys",
        need("tenant_id", Big),
        need("key", sa.Text),
        need("fingerprint", sa.LargeBinary),
        need("status", sa.Integer),
        need("body", sa.LargeBinary),
        need("created_at", Utc),
        sa.PrimaryKeyConstraint("tenant_id", "key"),
    )
    owned("audit", need("at", Utc), *texts("actor", "action", "subject"), need("detail", Json))
    op.create_table(
        "installation",
        sa.Column("id", sa.Text, primary_key=True),
        *texts("environment", "public_url"),
        need("heartbeat_at", Utc),
    )
    op.create_table(
        "workers",
        sa.Column("owner", sa.Text, primary_key=True),
        need("started_at", Utc),
        need("heartbeat_at", Utc),
    )
    op.create_table("counters", sa.Column("name", sa.Text, primary_key=True), need("next", Big))
