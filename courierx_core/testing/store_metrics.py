"""What is counted of the whole install and what is due in it, as every store must tell them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from courierx_core.ports.driver import utcnow
from courierx_core.ports.metrics import NO_TENANT, OTHER_TENANTS, Tally
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant
from courierx_core.work import WorkItem


class MetricsContract:
    @pytest.fixture
    def unswept(self, store: Store[Any]) -> Iterator[Any]:
        ledger = store.ledger()
        yield ledger
        ledger.close()

    def test_tallies_add_up_and_tell_only_some_tenants_apart(self, store: Store[Any]) -> None:
        first, second, third = (add_tenant(store, name) for name in "abc")
        counted = [
            Tally("sent", first, "smtp", "accepted", 3),
            Tally("sent", second, "smtp", "accepted", 5),
            Tally("sent", third, "smtp", "accepted", 7),
            Tally("told", NO_TENANT, "broadcast", "failed", 1),
        ]
        with store.platform() as unit:
            assert unit.metrics.tallies() == []
            unit.metrics.add([])
            unit.metrics.add(counted)
            unit.metrics.add([Tally("sent", third, "smtp", "accepted", 100)])
        with store.platform(write=False) as unit:
            assert [each.n for each in unit.metrics.tallies()] == [3, 5, 107, 1]
            assert unit.metrics.tallies(tenants=3) == unit.metrics.tallies()
            assert unit.metrics.tallies(tenants=1) == [
                Tally("sent", OTHER_TENANTS, "smtp", "accepted", 112), counted[0], counted[3]
            ]  # fmt: skip
            none = unit.metrics.tallies(tenants=0)
            assert [(each.tenant_id, each.n) for each in none] == [(OTHER_TENANTS, 115), (NO_TENANT, 1)]
        with store.platform() as unit:
            unit.tenants.remove(third)
            assert [each.n for each in unit.metrics.tallies()] == [3, 5, 1]

    def test_the_backlog_is_what_is_due_and_what_is_leased(self, store: Store[Any], unswept: Any) -> None:
        now, busy, other = utcnow(), add_tenant(store, "Busy"), add_tenant(store, "Other")
        with store.begin(busy) as unit:
            for minutes in (-10, -2, 60):
                unit.work.add(_send(busy, due_at=now + timedelta(minutes=minutes)))
            unit.work.add(_send(busy, topic="import", due_at=now + timedelta(minutes=60)))
        with store.begin(other) as unit:
            unit.work.add(_send(other))
        with store.platform(write=False) as unit:
            (found,) = unit.metrics.backlog()
        assert (found.topic, found.stream, found.due, found.leased) == ("send", "broadcast", 3, 0)
        assert 590 < found.due_seconds < 900
        assert found.expired_seconds == 0
        assert len(unswept.claim("gone", limit=1, lease_seconds=-90, topics=("send",))) == 1
        assert len(unswept.claim("here", limit=1, lease_seconds=90, topics=("send",))) == 1
        with store.platform(write=False) as unit:
            (found,) = unit.metrics.backlog()
        assert (found.due, found.leased) == (1, 2)
        assert 80 < found.expired_seconds < 400

    def test_the_last_heartbeat_is_anybodys(self, store: Store[Any]) -> None:
        with store.platform() as unit:
            assert unit.metrics.heartbeat_seconds() is None
            unit.beat("a")
        with store.platform() as unit:
            unit.beat("b")
            seconds = unit.metrics.heartbeat_seconds()
        assert seconds is not None
        assert 0 <= seconds < 60


def _send(tenant: int, **fields: Any) -> WorkItem:
    values: dict[str, Any] = {
        "stream": "broadcast",
        "topic": "send",
        "subject_id": 7,
        "lo": 1,
        "hi": 1,
        **fields,
    }
    return WorkItem(tenant_id=tenant, **values)
