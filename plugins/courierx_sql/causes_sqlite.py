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

    def listed(owner: str, listed_as: str) -> str:
        return (
            f"(SELECT s.cause FROM suppressions s WHERE s.tenant_id = {owner} AND s.address = {listed_as}"
            f" {stops} AND (s.expires_at IS NULL OR s.expires_at > {SQLITE_NOW}))"
        )

    domain = f"substr({address}, instr({address}, '@'))"
    found = ", ".join(listed(owner, each) for owner in (tenant, "0") for each in (address, domain))
    return (
        f"coalesce({found}, CASE {status} {unsubscribed}"
        " WHEN 'bounced' THEN 'hard_bounce' WHEN 'complained' THEN 'complaint' END)"
    )
