"""Months of events that nothing is left of go, as whole partitions."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"

# The size is asked, not the rows: row-level security shows nothing of a partition to anybody, its owner
# included. It is 0 once the rows are removed and vacuum has passed. Whoever reads events is not waited for.
DROP_EMPTY_MONTHS = """
CREATE FUNCTION courierx_drop_empty_months() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC'
SET lock_timeout = '200ms' AS $$
DECLARE
    part regclass;
    dropped integer := 0;
BEGIN
    FOR part IN SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]{4}_[0-9]{2}$'
                   AND c.relname < 'events_' || to_char(now() - interval '2 months', 'YYYY_MM')
                   AND pg_relation_size(c.oid) = 0 LOOP
        EXECUTE format('LOCK TABLE ONLY events, %s IN ACCESS EXCLUSIVE MODE', part);
        IF pg_relation_size(part) = 0 THEN
            EXECUTE format('DROP TABLE %s', part);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
EXCEPTION
    WHEN lock_not_available THEN RETURN 0;
END $$
"""
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT EXECUTE ON FUNCTION courierx_drop_empty_months TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(DROP_EMPTY_MONTHS)
        op.execute("REVOKE EXECUTE ON FUNCTION courierx_drop_empty_months FROM PUBLIC")
        op.execute(GRANT)
