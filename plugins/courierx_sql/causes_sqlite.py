"""Why a recipient may not be mailed, as one SQL expression for SQLite (see `rows/suppressed.py`)."""

from __future__ import annotations

from courierx_core.ports.transport import Stream
from courierx_sql.clock import SQLITE_NOW


def cause(stream: Stream, *, tenant: str, address: str, status: str) -> str:
    """Return an expression that gives the cause, or NULL where mail may go.

    The arguments are SQL: a column or a parameter, never a value. An unsubscribe stops broadcast only.
    """
    stops = "" if stream == "broadcast" else "AND s.cause <> 'unsubscribe'"
    unsubscribed = "WHEN 'unsubscribed' THEN 'unsubscribe'" if stream == "broadcast" else ""

    def listed(owner: str, is_domain: bool) -> str:
        asked = f"substr({address}, instr({address}, '@'))" if is_domain else address
        kind = "AND substr(s.address, 1, 1) = '@'" if is_domain else ""
        # the first is asked once a statement: few tenants suppress a domain
        return (
            f"CASE WHEN EXISTS (SELECT 1 FROM suppressions s WHERE s.tenant_id = {owner} {kind}) THEN"
            f" (SELECT s.cause FROM suppressions s WHERE s.tenant_id = {owner} AND s.address = {asked}"
            f" {stops} AND (s.expires_at IS NULL OR s.expires_at > {SQLITE_NOW})) END"
        )

    found = ", ".join(listed(owner, is_domain) for owner in (tenant, "0") for is_domain in (False, True))
    return (
        f"coalesce({found}, CASE {status} {unsubscribed}"
        " WHEN 'bounced' THEN 'hard_bounce' WHEN 'complained' THEN 'complaint' END)"
    )
