"""Transactions, schema and the walls between tenants, as every store must keep them."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from courierx_core.audience.model import Audience, MailingList
from courierx_core.campaigns.model import Campaign
from courierx_core.errors import Changed, CourierXError, NotFound, StoreError
from courierx_core.ports.driver import utcnow
from courierx_core.ports.store import Store
from courierx_core.suppression.model import Suppression
from courierx_core.templates.model import Template
from courierx_core.testing.store_people import add_people
from courierx_core.testing.store_samples import add_tenant, new_message


class UnitContract:
    def test_a_unit_that_raises_leaves_nothing(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with pytest.raises(RuntimeError, match="no"), store.begin(tenant) as unit:  # noqa: PT012
            add_people(unit, "a@example.com")
            raise RuntimeError("no")
        with pytest.raises(RuntimeError, match="no"), store.platform() as platform:  # noqa: PT012
            platform.beat("worker")
            raise RuntimeError("no")
        with store.begin(tenant) as unit:
            assert unit.subscribers.list() == []
        with store.platform() as platform:
            assert platform.workers() == 0

    def test_a_read_only_unit_cannot_write(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with pytest.raises(StoreError), store.begin(tenant, write=False) as unit:
            add_people(unit, "a@example.com")
        with store.begin(tenant) as unit:
            assert unit.subscribers.list() == []
            add_people(unit, "a@example.com")

    def test_a_reader_runs_beside_a_writer_and_sees_what_is_committed(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        counts: list[int] = []

        def read() -> None:
            with store.begin(tenant, write=False) as unit:
                counts.append(unit.subscribers.count(Audience()))

        with store.begin(tenant) as unit:
            add_people(unit, "a@example.com")
            reader = threading.Thread(target=read)
            reader.start()
            reader.join(60)
        read()
        assert counts == [0, 1]

    def test_a_steady_unit_overwrites_nothing_that_came_after_its_look(self, store: Store[Any]) -> None:
        tenant, writers, each = add_tenant(store), 3, 5
        with store.begin(tenant) as unit:
            counter = unit.lists.add(MailingList(tenant_id=tenant, name="0"))

        def count_one() -> None:
            with store.begin(tenant, steady=True) as unit:
                found = unit.lists.get(counter.id)
                unit.lists.save(msgspec.structs.replace(found, name=str(int(found.name) + 1)))

        def count() -> None:
            left = each
            while left:
                with suppress(Changed):
                    count_one()
                    left -= 1

        threads = [threading.Thread(target=count) for _ in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        with store.begin(tenant, write=False) as unit:
            assert unit.lists.get(counter.id).name == str(writers * each)

    def test_writers_take_turns(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        failures: list[CourierXError] = []

        def write(name: str) -> None:
            try:
                for n in range(10):
                    with store.begin(tenant) as unit:
                        add_people(unit, f"{name}{n}@example.com")
            except CourierXError as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert failures == []
        with store.begin(tenant) as unit:
            assert unit.subscribers.count(Audience()) == 40

    def test_ids_are_unique_in_the_install(self, store: Store[Any]) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        ids: list[int] = []
        for n in range(3):
            for tenant in (one, two):
                with store.begin(tenant) as unit:
                    ids += add_people(unit, f"{n}@example.com")
        assert ids == sorted(set(ids))

    def test_another_tenants_rows_are_not_there(self, store: Store[Any]) -> None:
        mine, theirs = add_tenant(store, "mine"), add_tenant(store, "theirs")
        with store.begin(theirs) as unit:
            (person,) = add_people(unit, "canary@example.com")
            message = new_message(unit)
            delivery = unit.deliveries.add(message, ["canary@example.com"])[0]
            news = unit.lists.add(MailingList(tenant_id=theirs, name="l"))
            suppression = unit.suppressions.add(Suppression(tenant_id=theirs, address="c@example.com"))
            template = unit.templates.add(Template(tenant_id=theirs, name="t", subject="s"))
            campaign = unit.campaigns.add(Campaign(tenant_id=theirs, name="n", subject="s"))
            (item,) = [unit.work.get(n) for n in range(1, 50) if _has(unit.work.get, n)]
        with store.begin(mine) as unit:
            for act, number in (
                (unit.subscribers.get, person),
                (unit.subscribers.remove, person),
                (unit.lists.get, news.id),
                (unit.lists.remove, news.id),
                (unit.suppressions.get, suppression.id),
                (unit.suppressions.remove, suppression.id),
                (unit.templates.get, template.id),
                (unit.templates.remove, template.id),
                (unit.campaigns.get, campaign.id),
                (unit.campaigns.remove, campaign.id),
                (unit.messages.get, message.id),
                (unit.messages.complete, message.id),
                (unit.deliveries.get, delivery.id),
                (unit.work.get, item.id),
            ):
                with pytest.raises(NotFound):
                    act(number)
            assert unit.subscribers.by_email("canary@example.com") is None
            assert [*unit.deliveries.list(), *unit.campaigns.list(), *unit.subscribers.list()] == []
            assert unit.deliveries.totals(message.id) == unit.deliveries.recount(message.id) == {}
            assert unit.work.hold(message.id) == unit.work.open_items(message.id) == 0
            assert unit.deliveries.cancel_open(message.id) == 0
        with store.begin(theirs) as unit:
            assert unit.deliveries.get(delivery.id) == delivery
            assert unit.work.open_items(message.id) == 1

    def test_a_unit_that_only_reads_sees_one_moment(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant, write=False) as reading:
            assert reading.subscribers.list() == []
            with store.begin(tenant) as writing:
                add_people(writing, "late@example.com")
            assert reading.subscribers.list() == []
        with store.begin(tenant, write=False) as reading:
            assert len(reading.subscribers.list()) == 1

    def test_an_upgrade_can_be_repeated(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        before = store.revision()
        store.upgrade()
        assert before == store.revision() != ""
        assert not store.outdated()
        with store.begin(tenant) as unit:
            assert unit.tenant.id == tenant

    def test_the_audit_log_is_kept_as_long_as_it_is_asked_to(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store, "one"), add_tenant(store, "two")
        for each in (0, tenant, other):
            with store.begin(each) as unit:
                for number in range(3):
                    unit.audit.add("made", f"thing {number}", {}, actor="somebody")
        for each in (0, tenant):
            with store.begin(each) as unit:
                assert unit.audit.let_go(before=utcnow() - timedelta(days=1)) == 0
                tomorrow = utcnow() + timedelta(days=1)
                assert unit.audit.let_go(before=tomorrow, limit=2) == 2
                assert [entry.subject for entry in unit.audit.list()] == ["thing 2"]
        with store.begin(other) as unit:
            assert len(unit.audit.list()) == 3

    def test_closing_twice_is_safe(self, store: Store[Any]) -> None:
        add_tenant(store)
        store.close()
        store.close()


def _has(get: Any, number: int) -> bool:
    try:
        get(number)
    except NotFound:
        return False
    return True
