"""Tenants' own transports as every store must keep them: sealed, and nobody else's."""

from __future__ import annotations

from typing import Any

from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant
from courierx_core.transports.model import Sealed


class OwnTransportsContract:
    def test_an_own_transport_is_kept_changed_and_removed(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            made = unit.own_transports.save("ours", "smtp", b"sealed")
            assert (made.name, made.driver) == ("ours", "smtp")
            unit.own_transports.save("also", "mock", b"")
            assert [each.name for each in unit.own_transports.list()] == ["also", "ours"]
            assert unit.own_transports.get("ours") == Sealed("smtp", b"sealed")
        with store.begin(tenant) as unit:
            assert unit.own_transports.save("ours", "ses", b"anew").updated_at >= made.updated_at
            assert unit.own_transports.get("ours") == Sealed("ses", b"anew")
            assert unit.own_transports.remove("ours")
            assert not unit.own_transports.remove("ours")
            assert unit.own_transports.get("ours") is None

    def test_an_own_transport_is_no_other_tenants_nor_the_platforms(self, store: Store[Any]) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        with store.begin(one) as unit:
            unit.own_transports.save("ours", "smtp", b"sealed")
        with store.begin(two) as unit:
            assert unit.own_transports.get("ours") is None
            assert not unit.own_transports.list()
            assert not unit.own_transports.remove("ours")
            unit.own_transports.save("ours", "mock", b"theirs")
        with store.platform() as platform:
            assert platform.transports.pause("ours", "suspended")
            assert platform.transports.resume("ours")
        with store.begin(one) as unit:
            assert unit.own_transports.get("ours") == Sealed("smtp", b"sealed")
