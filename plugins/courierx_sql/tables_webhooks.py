"""The tables of webhooks. What is due to a receiver lies here and not in `work`, where a backlog of it would
stand in the way of every claim of mail; there, each receiver has one item."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Text

from courierx_sql.columns import ENCRYPTED, Big, Json, Utc, created, owned, updated

webhooks = owned(
    "webhooks",
    Column("url", Text, nullable=False),
    Column("types", Json, nullable=False),
    Column("description", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False, info={ENCRYPTED: True}),
    Column("status", Text, nullable=False),
    Column("disabled_reason", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Utc),
    created(),
    updated(),
)

webhook_calls = owned(
    "webhook_calls",
    Column("webhook_id", Big, nullable=False),
    Column("type", Text, nullable=False),
    Column("event_id", Big),
    Column("state", Text, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("attempts", Json, nullable=False),
    created(),
)
Index("webhook_calls_log", webhook_calls.c.tenant_id, webhook_calls.c.webhook_id, webhook_calls.c.id)
Index(
    "webhook_calls_due",
    *(webhook_calls.c[name] for name in ("tenant_id", "webhook_id", "due_at", "id")),
    sqlite_where=webhook_calls.c.state == "waiting",
    postgresql_where=webhook_calls.c.state == "waiting",
)
