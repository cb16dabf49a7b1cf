"""What the tables are made of: types that both databases keep alike, and the columns they share."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import JSON, TypeDecorator

metadata = MetaData()

ENCRYPTED = "courierx_encrypted"
"""A column's `info`: it holds what `SecretBox.encrypt` gave, and a rotation renews it (SECURITY: S19)."""

Big = BigInteger().with_variant(Integer, "sqlite")
Json = JSON().with_variant(JSONB(), "postgresql")
MaybeJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Ids = JSON(none_as_null=True).with_variant(ARRAY(BigInteger), "postgresql")


class Utc(TypeDecorator[datetime]):
    """Aware UTC times: timestamptz on PostgreSQL, seconds since 1970 as a float on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Double() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return value.timestamp()

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(timezone.utc)
        return datetime.fromtimestamp(value, timezone.utc)


def owned(name: str, *columns: Column[Any] | UniqueConstraint, **options: Any) -> Table:
    """Make a tenant's table: PRIMARY KEY (tenant_id, id)."""
    return Table(
        name,
        metadata,
        Column("tenant_id", Big, nullable=False),
        Column("id", Big, nullable=False),
        *columns,
        PrimaryKeyConstraint("tenant_id", "id"),
        **options,
    )


def created() -> Column[Any]:
    return Column("created_at", Utc, nullable=False)


def updated() -> Column[Any]:
    return Column("updated_at", Utc, nullable=False)
