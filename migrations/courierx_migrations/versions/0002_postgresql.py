"""PostgreSQL only: sequences and their blocks, events by month, row-level security, the app's role.

Each table of a tenant is FORCEd, so its owner obeys too (a superuser never does). The policies read two
settings that `set_config(..., true)` gives one transaction: `courierx.tenant`, and `courierx.platform`
for the closed list of what stands above tenants. After a transaction they are '', not NULL.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

WITH_IDS = (
    "tenants", "api_keys", "subscribers", "lists", "suppressions", "templates", "campaigns", "messages",
    "deliveries", "work", "events", "audit",
)  # fmt: skip
TENANT_ONLY = (
    "subscribers", "lists", "subscriptions", "templates", "campaigns", "messages", "message_counters",
    "deliveries", "attempts", "events", "idempotency_keys", "audit",
)  # fmt: skip
TENANT_OR_PLATFORM = ("api_keys", "work", "turns", "transports")
EVERYBODY_READS_ZERO = ("suppressions",)  # tenant 0: the platform's, for all
LOOKED_UP = (
    "subscribers", "campaigns", "messages", "deliveries", "suppressions", "templates", "lists",
)  # fmt: skip
WITHOUT_TENANT = ("tenants", "installation", "workers", "counters")

# In a subquery, so that a statement reads the setting once and not for each row.
TENANT = "(SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
PLATFORM = "(SELECT current_setting('courierx.platform', true) = 'on')"

# A block has to be contiguous, so nobody may draw between its two steps. The lock is let go at once: one
# held until commit would make every import wait for every snapshot. Both sequence calls outlive a rollback.
RESERVE = """
CREATE FUNCTION courierx_reserve(name text, n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    sequence regclass := format('courierx_%s_id', name)::regclass;
    first bigint;
BEGIN
    IF n < 1 THEN
        RAISE EXCEPTION 'cannot reserve % ids of %', n, name;
    END IF;
    PERFORM pg_advisory_lock(1131962947, sequence::oid::int);
    BEGIN
        first := nextval(sequence);
        IF n > 1 THEN
            PERFORM setval(sequence, first + n - 1);
        END IF;
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(1131962947, sequence::oid::int);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(1131962947, sequence::oid::int);
    RETURN first;
END $$
"""

# False when the default partition holds rows of that month already: they stay there.
ADD_MONTH = """
CREATE FUNCTION courierx_add_month(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    first date := date_trunc('month', day)::date;
    part text := 'events_' || to_char(day, 'YYYY_MM');
BEGIN
    IF to_regclass(part) IS NOT NULL THEN
        RETURN true;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
                   part, first::timestamptz, (first + interval '1 month')::timestamptz);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
    RETURN true;
EXCEPTION
    WHEN duplicate_table THEN RETURN true;
    WHEN check_violation THEN RETURN false;
END $$
"""

# Plain platform mode does not open a tenant's tables: this asks them for one thing, as their owner.
OWNER_OF = """
CREATE FUNCTION courierx_owner_of(name text, object_id bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    owner bigint;
BEGIN
    IF name <> ALL ('{%s}'::text[]) THEN
        RAISE EXCEPTION 'nothing looks up the owner of a row of %%', name;
    END IF;
    PERFORM set_config('courierx.lookup', 'on', true);
    EXECUTE format('SELECT t.id FROM (SELECT id FROM tenants UNION ALL SELECT 0) t
                    WHERE EXISTS (SELECT FROM %%I o WHERE o.tenant_id = t.id AND o.id = $1) LIMIT 1', name)
       INTO owner USING object_id;
    PERFORM set_config('courierx.lookup', '', true);
    RETURN owner;
END $$
"""

# Without the right to make roles the app works as the role that owns the tables; `courierx doctor` says so.
APP_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') AND EXISTS
       (SELECT FROM pg_roles WHERE rolname = current_user AND (rolcreaterole OR rolsuper)) THEN
        BEGIN
            CREATE ROLE courierx_app NOLOGIN;
            GRANT courierx_app TO CURRENT_USER;
        EXCEPTION WHEN duplicate_object THEN NULL;  -- another install on the same server, just now
        END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO courierx_app', current_schema());
        GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO courierx_app;
        GRANT SELECT, INSERT, DELETE ON audit TO courierx_app;
        GRANT SELECT ON courierx_version TO courierx_app;
        GRANT USAGE, SELECT, UPDATE ON SEQUENCE {sequences} TO courierx_app;
        GRANT EXECUTE ON FUNCTION courierx_reserve, courierx_add_month, courierx_owner_of TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    sequences = [f"courierx_{table}_id" for table in WITH_IDS]
    for sequence in sequences:
        op.execute(f"CREATE SEQUENCE {sequence}")
    op.execute(RESERVE)
    partition_events()
    secure_rows()
    tables = sorted({*TENANT_ONLY, *TENANT_OR_PLATFORM, *EVERYBODY_READS_ZERO, *WITHOUT_TENANT} - {"audit"})
    op.execute(APP_ROLE.format(tables=", ".join(tables), sequences=", ".join(sequences)))


def partition_events() -> None:
    op.execute("CREATE TABLE events_rest PARTITION OF events DEFAULT")
    op.execute("ALTER TABLE events_rest ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(ADD_MONTH)
    op.execute("REVOKE EXECUTE ON FUNCTION courierx_add_month FROM PUBLIC")
    for month in range(3):
        op.execute(f"SELECT courierx_add_month((now() AT TIME ZONE 'UTC' + interval '{month} months')::date)")


def secure_rows() -> None:
    for table in TENANT_ONLY:
        secure(table, f"tenant_id = {TENANT}")
    for table in TENANT_OR_PLATFORM:
        secure(table, f"tenant_id = {TENANT} OR {PLATFORM}")
    for table in EVERYBODY_READS_ZERO:
        secure(table, f"tenant_id = {TENANT}")
        op.execute(
            f"CREATE POLICY platform_wide ON {table} FOR SELECT"
            f" USING (tenant_id = 0 AND {TENANT} IS NOT NULL)"
        )
    op.execute(OWNER_OF % ",".join(LOOKED_UP))
    op.execute("REVOKE EXECUTE ON FUNCTION courierx_owner_of FROM PUBLIC")
    for table in LOOKED_UP:
        op.execute(
            f"CREATE POLICY lookup ON {table} FOR SELECT TO CURRENT_USER"
            " USING (current_setting('courierx.lookup', true) = 'on')"
        )


def secure(table: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING ({condition}) WITH CHECK ({condition})")
