"""Quotas as every store must keep them: nobody takes what somebody else has taken."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from courierx_core.errors import InvalidInput, NotFound
from courierx_core.ports.driver import utcnow
from courierx_core.ports.store import Store
from courierx_core.quotas import service
from courierx_core.quotas.model import Granted
from courierx_core.testing.store_samples import add_tenant


def take(store: Store[Any], tenant: int, want: int) -> Granted:
    with store.begin(tenant) as unit:
        return unit.quotas.take(want)


class QuotasContract:
    def test_without_a_quota_there_is_no_limit(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        assert take(store, tenant, 7) == Granted(granted=7, limited=False)

    def test_the_tightest_quota_counts_and_each_is_used(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store, "one"), add_tenant(store, "two")
        with store.begin(tenant) as unit:
            set_ = service.change(unit, {"month": 10, "day": 5})
            assert [(each.period, each.allowed, each.used) for each in set_] == [
                ("day", 5, 0),
                ("month", 10, 0),
            ]
        first, second = take(store, tenant, 3), take(store, tenant, 3)
        assert (first.granted, first.retry_after) == (3, 0.0)
        assert second.granted == 2
        assert 0 < first.valid_seconds <= 86_400
        assert 0 < second.retry_after <= 86_400
        assert take(store, tenant, 1).granted == 0
        with store.begin(tenant) as unit:
            assert [each.used for each in unit.quotas.list()] == [5, 5]
            assert all(each.resets_at and each.resets_at > utcnow() for each in unit.quotas.list())
            service.change(unit, {"day": None})
        assert take(store, tenant, 9).granted == 5
        assert not take(store, other, 1).limited

    def test_what_is_given_back_can_be_taken_again(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            service.change(unit, {"month": 5})
        taken = take(store, tenant, 5)
        assert taken.taken_at is not None
        with store.begin(tenant) as unit:
            unit.quotas.give_back(2, taken.taken_at)
            unit.quotas.give_back(3, taken.taken_at - timedelta(days=40))  # of a month that is over
        assert take(store, tenant, 5).granted == 2

    def test_a_lower_quota_forgets_nothing(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            service.change(unit, {"month": 5})
        take(store, tenant, 4)
        with store.begin(tenant) as unit:
            service.change(unit, {"month": 2})
        assert take(store, tenant, 1).granted == 0
        with store.begin(tenant) as unit:
            (quota,) = service.change(unit, {"month": 6})
        assert quota.used == 4
        assert take(store, tenant, 5).granted == 2

    def test_no_two_take_the_same(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            service.change(unit, {"month": 50, "day": 40})
        with ThreadPoolExecutor(4) as pool:
            granted = list(pool.map(lambda _: take(store, tenant, 3).granted, range(20)))
        assert sum(granted) == 40

    def test_what_is_wrong_is_named(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit, pytest.raises(InvalidInput, match="hour"):
            service.change(unit, {"hour": -1})
        with store.begin(tenant + 1000) as unit, pytest.raises(NotFound):
            service.change(unit, {"hour": 1})
