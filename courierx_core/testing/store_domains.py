"""Sender domains, as every store must keep them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from courierx_core.domains.model import DkimKey, DnsRecord, SenderDomain, verified_now
from courierx_core.errors import Conflict, NotFound
from courierx_core.ports.driver import utcnow
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant

KEY = DkimKey(selector="cx1r", algorithm="rsa", public="AAAA", published=True, retired_at=utcnow())
FOUND = DnsRecord(
    kind="dkim", type="TXT", name="cx1r._domainkey.example.com", expected="v=DKIM1; p=AAAA", required=True,
    found=("é",), ok=False, why="another",
)  # fmt: skip


def new(tenant_id: int, domain: str) -> SenderDomain:
    return SenderDomain(tenant_id=tenant_id, domain=domain, keys=(KEY,), secret=b"\0\xff", records=(FOUND,))


class DomainsContract:
    def test_a_domain_is_kept_whole_and_changed(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            added = unit.domains.add(new(tenant, "example.com"))
            assert msgspec.structs.replace(added, id=0, created_at=None, updated_at=None) == new(
                tenant, "example.com"
            )
            assert unit.domains.get(added.id) == unit.domains.lock(added.id) == added
            now = utcnow().replace(microsecond=0)
            changed = msgspec.structs.replace(
                verified_now(added, "operator", now), records=(), checked_at=now
            )
            saved = unit.domains.save(changed)
            assert msgspec.structs.replace(saved, updated_at=added.updated_at) == changed
            assert unit.domains.get(added.id) == saved
            unit.domains.remove(added.id)
            for missing in (unit.domains.get, unit.domains.lock, unit.domains.remove):
                with pytest.raises(NotFound):
                    missing(added.id)
            with pytest.raises(NotFound):
                unit.domains.save(saved)

    def test_domains_are_found_by_name_within_the_tenant(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        with store.begin(other) as unit:
            theirs = unit.domains.add(new(other, "example.com"))
        with store.begin(tenant) as unit:
            assert unit.domains.named("example.com") is None
            ids = [unit.domains.add(new(tenant, name)).id for name in ("example.com", "mail.example.com")]
            with pytest.raises(Conflict, match=r"example\.com"):
                unit.domains.add(new(tenant, "example.com"))
            named = unit.domains.named("example.com")
            assert named is not None
            assert named.id == ids[0]
            names = ["a.mail.example.com", "mail.example.com", "example.com"]
            assert {each.id for each in unit.domains.among(names)} == set(ids)
            assert [each.id for each in unit.domains.list(limit=1)] == [ids[1]]
            assert [each.id for each in unit.domains.list(before=ids[1])] == [ids[0]]
            with pytest.raises(NotFound):
                unit.domains.get(theirs.id)
        with store.platform() as platform:
            assert platform.owner_of("domains", theirs.id) == other
