"""Answers to requests with an Idempotency-Key, as every store must keep them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from courierx_core.audience.model import MailingList
from courierx_core.errors import Conflict
from courierx_core.ports.idempotency import IdempotentAnswer
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.testing.store_samples import add_tenant

ANSWER = IdempotentAnswer("k", b"\x01f", 202, b"{}")


class IdempotencyContract:
    def test_a_key_has_one_answer_which_is_kept_with_the_rows(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store, "one"), add_tenant(store, "two")

        def answer(unit: UnitOfWork) -> None:
            unit.lists.add(MailingList(tenant_id=tenant, name="not kept"))
            unit.idempotency.add(ANSWER)

        def fail(unit: UnitOfWork) -> None:
            answer(unit)
            raise RuntimeError

        with pytest.raises(RuntimeError), store.begin(tenant) as unit:
            fail(unit)
        with store.begin(tenant) as unit:
            assert unit.idempotency.get("k") is None
            unit.idempotency.add(ANSWER)
            assert unit.idempotency.get("k") == ANSWER
        with pytest.raises(Conflict), store.begin(tenant) as unit:
            answer(unit)
        more = IdempotentAnswer("k", b"\x01f", 202, b'{"more": 1}')
        with store.begin(tenant) as unit:
            assert not unit.lists.list()
            unit.idempotency.save(more)
        with store.begin(tenant, write=False) as unit:
            assert unit.idempotency.get("k") == more
        with store.begin(other) as unit:
            assert unit.idempotency.get("k") is None
            unit.idempotency.add(ANSWER)

    def test_the_platform_has_keys_of_its_own(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.platform() as platform:
            platform.idempotency.add(ANSWER)
        with store.platform(write=False) as platform:
            assert platform.idempotency.get("k") == ANSWER
        with store.begin(tenant, write=False) as unit:
            assert unit.idempotency.get("k") is None

    def test_of_two_that_answer_one_key_at_a_time_one_commits(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        both, committed = threading.Barrier(2), list[str]()

        def answer(name: str) -> None:
            both.wait(timeout=30)
            try:
                with store.begin(tenant) as unit:
                    unit.lists.add(MailingList(tenant_id=tenant, name=name))
                    unit.idempotency.add(IdempotentAnswer("k", b"f", 201, name.encode()))
            except Conflict:
                return
            committed.append(name)

        threads = [threading.Thread(target=answer, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.begin(tenant, write=False) as unit:
            kept = unit.idempotency.get("k")
            assert [each.name for each in unit.lists.list()] == committed
        assert kept is not None
        assert [kept.body.decode()] == committed
