"""A dump of the database gives nothing away, and a new secret key takes over from the old (S13, S19)."""

from __future__ import annotations

from typing import Any

import pytest

from courierx_core.domains.model import SenderDomain
from courierx_core.errors import ConfigError
from courierx_core.ports.store import Store
from courierx_core.renewal import renew_secrets
from courierx_core.secrets import SecretBox
from courierx_core.testing.store_samples import add_tenant
from courierx_sql.clock import now
from courierx_sql.tables import transports

OLD, NEW = SecretBox(["o" * 40]), SecretBox(["n" * 40])
BOTH = SecretBox(["n" * 40, "o" * 40])


def keep(store: Store[Any], tenant_id: int, box: SecretBox, word: str) -> None:
    """Put one value into every encrypted column, as the adapters do."""
    with store.begin(tenant_id) as unit:
        rows: Any = unit._rows  # type: ignore[attr-defined]
        unit.domains.add(
            SenderDomain(tenant_id=tenant_id, domain="example.com", secret=box.encrypt(word.encode()))
        )
        for name, settings in (("eu", box.encrypt(word.encode())), ("none", b"")):
            rows.execute(
                rows.insert(transports).values(
                    name=name, driver="smtp", settings=settings, paused_reason="", updated_at=now()
                )
            )


def kept(store: Store[Any], tenant_id: int) -> list[bytes]:
    with store.begin(tenant_id, write=False) as unit:
        rows: Any = unit._rows  # type: ignore[attr-defined]
        found = [*rows.execute(rows.select(transports, transports.c.settings)).scalars()]
        found += [domain.secret for domain in unit.domains.list()]
    return [bytes(value) for value in found if value]


def test_everything_stored_moves_to_the_newest_key(store: Store[Any]) -> None:
    tenants = [0, add_tenant(store, "one"), add_tenant(store, "two")]
    for tenant_id in tenants:
        keep(store, tenant_id, OLD, f"canary {tenant_id}")
    assert renew_secrets(store, BOTH) == 6
    for tenant_id in tenants:
        assert {NEW.decrypt(value) for value in kept(store, tenant_id)} == {f"canary {tenant_id}".encode()}
    assert renew_secrets(store, NEW) == 6


def test_a_lost_key_is_said_and_changes_nothing(store: Store[Any]) -> None:
    tenant_id = add_tenant(store)
    keep(store, tenant_id, OLD, "canary")
    before = kept(store, tenant_id)
    with pytest.raises(ConfigError, match="lacks the secret"):
        renew_secrets(store, NEW)
    assert kept(store, tenant_id) == before
