"""Sender domains of a tenant, by unique name."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping

from courierx_core.domains.model import DkimKey, DnsRecord, SenderDomain
from courierx_core.errors import Conflict
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import domains


class DomainRows(Slice[SenderDomain]):
    table = domains
    struct = SenderDomain
    noun = "sender domain"

    def add(self, domain: SenderDomain) -> SenderDomain:
        added = self._insert(domain)
        if added is None:
            raise Conflict(f"The sender domain {domain.domain} exists.")
        return added

    def lock(self, domain_id: int) -> SenderDomain:
        self._check(domain_id)
        held = self._tenant.select(domains).where(domains.c.id == domain_id).with_for_update()
        row = self._tenant.execute(held).one_or_none()
        if row is None:
            raise self._missing(domain_id)
        return self._read(row._mapping)

    def named(self, domain: str) -> SenderDomain | None:
        found = self.among([domain])
        return found[0] if found else None

    def among(self, domains_: Sequence[str]) -> Sequence[SenderDomain]:
        return self._page(None, 1000, domains.c.domain.in_(domains_))

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[SenderDomain]:
        return self._page(before, limit)

    def save(self, domain: SenderDomain) -> SenderDomain:
        saved = self._update(domain.id, self._values(domain))
        if saved is None:
            raise self._missing(domain.id)
        return saved

    def _read(self, row: RowMapping) -> SenderDomain:
        values = {
            **row,
            "keys": msgspec.convert(row["keys"], tuple[DkimKey, ...]),
            "records": msgspec.convert(row["records"], tuple[DnsRecord, ...]),
            "secret": bytes(row["secret"]),
        }
        return SenderDomain(**values)
