"""Tables of the audience: people, their lists, and who gets no mail. `tables` says what all tables share."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from courierx_sql.columns import ENCRYPTED, Big, Json, Utc, created, metadata, owned, updated

subscribers = owned(
    "subscribers",
    Column("email", Text, nullable=False),
    Column("first_name", Text, nullable=False),
    Column("last_name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attributes", Json, nullable=False),
    created(),
    updated(),
)
Index("subscribers_email", subscribers.c.tenant_id, subscribers.c.email, unique=True)

lists = owned(
    "lists",
    Column("name", Text, nullable=False),
    created(),
    Column("public", Boolean, nullable=False, server_default=false()),
    Column("description", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("tenant_id", "name"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("list_id", Big, nullable=False),
    Column("subscriber_id", Big, nullable=False),
    Column("status", Text, nullable=False),
    updated(),
    PrimaryKeyConstraint("tenant_id", "list_id", "subscriber_id"),
)
Index("subscriptions_subscriber", subscriptions.c.tenant_id, subscriptions.c.subscriber_id)

opt_ins = owned(
    "opt_ins",
    Column("list_id", Big, nullable=False),
    Column("email", Text, nullable=False),
    Column("first_name", Text, nullable=False),
    Column("last_name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("asked_at", Utc, nullable=False),
    Column("asked_from", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("confirmed_at", Utc),
    Column("confirmed_from", Text, nullable=False),
)
Index("opt_ins_email", opt_ins.c.tenant_id, opt_ins.c.email)

segments = owned(
    "segments",
    Column("name", Text, nullable=False),
    Column("definition", Json, nullable=False),
    created(),
    updated(),
    UniqueConstraint("tenant_id", "name"),
)

erasure_keys = Table(
    "erasure_keys",  # hides whom a tenant erased in their mark on the suppression list
    metadata,
    Column("tenant_id", Big, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False, info={ENCRYPTED: True}),
)
