"""What is left when deliveries are kept no longer, as every store must keep it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from courierx_core.audience.model import Segment
from courierx_core.audience.tree import HasEvent
from courierx_core.campaigns.model import Campaign
from courierx_core.campaigns.report import full_report, taken_down
from courierx_core.errors import NotFound
from courierx_core.feedback.model import Event
from courierx_core.imports.model import BadLine, Import
from courierx_core.messages.model import Content
from courierx_core.ports.driver import utcnow
from courierx_core.ports.pruning import Gone
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.testing.store_deliveries import claim, finish, snapshot_all
from courierx_core.testing.store_people import add_people
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.testing.store_upkeep import broken
from courierx_core.upkeep.pruning import prune, weigh

SHOP = "https://shop.example/"


def later() -> datetime:
    """A time before which all that a test makes was completed."""
    return utcnow() + timedelta(hours=1)


def settle(store: Store[Any], state: str = "accepted") -> None:
    """Send all there is to send."""
    ledger = store.ledger()
    while items := claim(ledger):
        for item in items:
            finish(ledger, item, state)
    ledger.close()


def add_campaign(unit: UnitOfWork) -> Campaign:
    campaign = unit.campaigns.add(Campaign(tenant_id=unit.tenant_id, name="May", subject="Hi"))
    message = new_message(unit, campaign_id=campaign.id)
    snapshot_all(unit, message, limit=4)
    return unit.campaigns.save(msgspec.structs.replace(campaign, message_id=message.id), was=campaign.status)


def add_click(unit: UnitOfWork, message_id: int, delivery_id: int, key: str = "k") -> None:
    unit.events.append(
        [
            Event(
                tenant_id=unit.tenant_id,
                at=utcnow(),
                kind="clicked",
                message_id=message_id,
                delivery_id=delivery_id,
                recipient="0@example.com",
                source="test",
                event_key=key,
                url=SHOP,
            )
        ]
    )


def sum_of(steps: Iterable[Gone]) -> Gone:
    gone = Gone()
    for step in steps:
        gone = gone.plus(step)
    return gone


class PruningContract:
    def test_a_report_outlives_its_rows(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        with store.begin(tenant) as unit:
            people = add_people(unit, *(f"{n}@example.com" for n in range(10)))
            campaign = add_campaign(unit)
            message_id = campaign.message_id or 0
        settle(store)
        with store.begin(tenant) as unit:
            rows = unit.deliveries.list(message_id=message_id)
            add_click(unit, message_id, rows[0].id)
            assert unit.messages.complete(message_id)
            told = full_report(unit, campaign.id)
        assert all((told.links, told.domains, told.series, told.events, told.states))
        assert weigh(store, tenant, before=later()) == Gone(campaigns=1, deliveries=10, events=1)
        assert weigh(store, tenant, before=utcnow() - timedelta(hours=1)) == Gone()
        assert list(prune(store, tenant, before=utcnow() - timedelta(hours=1))) == []
        assert sum_of(prune(store, tenant, before=later())) == Gone(campaigns=1, deliveries=10, events=1)
        with store.begin(tenant, write=False) as unit:
            assert full_report(unit, campaign.id) == told
            assert unit.deliveries.list(message_id=message_id) == []
            assert unit.events.list() == []
            assert unit.work.open_items(message_id) == 0
            by_id = {row.id: row.subscriber_id for row in rows}
            assert {each: unit.pruning.person(each) for each in by_id} == by_id
            assert set(by_id.values()) == set(people)
            assert unit.pruning.person(max(by_id) + 1) is unit.pruning.person(min(by_id) - 1) is None
        with store.begin(other, write=False) as unit:
            assert unit.pruning.person(rows[0].id) is None
            assert unit.reports.frozen(message_id) is None
        with store.platform(write=False) as platform:
            assert platform.owner_of("deliveries", rows[0].id) == tenant
            assert platform.owner_of("deliveries", rows[0].id + 1000) is None
            assert platform.messages_of([*by_id, 1 << 40]) == dict.fromkeys(by_id, (tenant, message_id))
        assert list(prune(store, tenant, before=later())) == []
        assert broken(store, tenant) == {}

    def test_whoever_dies_between_two_steps_leaves_all_as_it_should_be(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            add_people(unit, *(f"{n}@example.com" for n in range(9)))
            campaign = add_campaign(unit)
            message_id = campaign.message_id or 0
        settle(store, "bounced")
        with store.begin(tenant) as unit:
            first = unit.deliveries.list(message_id=message_id)[-1].id
            add_click(unit, message_id, first)
            assert unit.messages.complete(message_id)
            told = full_report(unit, campaign.id)
            assert unit.pruning.freeze(message_id, taken_down(unit, message_id), before=later())
            assert not unit.pruning.freeze(message_id, taken_down(unit, message_id), before=later())
        after = 0
        for left in (5, 1, 0):
            with store.begin(tenant) as unit:
                _gone, after = unit.pruning.deliveries(message_id, after=after, limit=4)
            with store.begin(tenant, write=False) as unit:
                assert full_report(unit, campaign.id) == told
                assert sum(unit.deliveries.recount(message_id).values()) == left
                # its work items are still there, so that the next run comes back to it
                assert [each.id for each in unit.pruning.old(before=later())[0]] == [message_id]
            assert broken(store, tenant) == {}
        assert sum_of(prune(store, tenant, before=later())) == Gone()
        with store.begin(tenant, write=False) as unit:
            assert full_report(unit, campaign.id) == told
            assert unit.pruning.old(before=later()) == ([], 0)

    def test_an_import_that_is_over_goes_with_its_lines(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            over, open_ = (
                unit.imports.add(Import(tenant_id=tenant, file_id=unit.files.new(), state="working"))
                for _ in range(2)
            )
            for each in (over, open_):
                unit.files.put(each.file_id, 0, b"a")
                unit.imports.note_errors(each.id, [BadLine(2, "a@", "odd")])
            unit.imports.save(msgspec.structs.replace(over, state="done"), was="working")
        assert weigh(store, tenant, before=later()) == Gone(imports=1)
        assert list(prune(store, tenant, before=later())) == [Gone(imports=1)]
        assert broken(store, tenant) == {}
        with store.begin(tenant) as unit:
            assert [each.id for each in unit.imports.list()] == [open_.id]
            assert unit.imports.errors(over.id) == []
            assert len(unit.imports.errors(open_.id)) == 1
            assert unit.files.piece(open_.file_id, 0) == b"a"
            with pytest.raises(NotFound):
                unit.files.piece(over.file_id, 0)
            assert unit.pruning.import_(open_.id) == Gone()

    def test_what_is_open_or_asked_for_stays(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            add_people(unit, "0@example.com")
            asked, open_ = add_campaign(unit), add_campaign(unit)
            single = new_message(unit)
            unit.deliveries.add(single, ["a@example.com"])
            unit.segments.add(
                Segment(
                    tenant_id=tenant,
                    name="Readers",
                    definition=HasEvent(kind="clicked", campaign_id=asked.id),
                )
            )
        ledger = store.ledger()
        for item in claim(ledger):
            if item.subject_id == asked.message_id:
                finish(ledger, item, "accepted")
        ledger.close()
        with store.begin(tenant) as unit:
            assert unit.messages.complete(asked.message_id or 0)
        assert list(prune(store, tenant, before=later())) == []
        with store.begin(tenant) as unit:
            message_id = open_.message_id or 0
            assert not unit.pruning.freeze(message_id, taken_down(unit, message_id), before=later())
            assert unit.reports.frozen(message_id) is None
            assert unit.pruning.singles([single.id], before=later()) == Gone()
            assert len(unit.deliveries.list()) == 3

    def test_a_single_message_goes_whole_but_for_its_links(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        content = Content(from_email="s@example.com", subject="Code 1234", text="1234", to=("a@example.com",))
        with store.begin(tenant) as unit:
            (person,) = add_people(unit, "a@example.com")
            gone = new_message(unit, stream="transactional", content=content)
            linked = new_message(unit, content=msgspec.structs.replace(content, links=(SHOP,)))
            for message in (gone, linked):
                unit.deliveries.add(message, ["a@example.com"], subscriber_ids=[person])
        settle(store)
        with store.begin(tenant) as unit:
            rows = {row.message_id: row for row in unit.deliveries.list()}
            for message in (gone, linked):
                add_click(unit, message.id, rows[message.id].id)
                assert unit.messages.complete(message.id)
        counted = Gone(messages=2, deliveries=2, events=2)
        assert weigh(store, tenant, before=later()) == counted
        assert list(prune(store, tenant, before=later())) == [counted]
        assert list(prune(store, tenant, before=later())) == []
        assert broken(store, tenant) == {}
        with store.begin(tenant, write=False) as unit:
            with pytest.raises(NotFound):
                unit.messages.get(gone.id)
            kept = unit.messages.get(linked.id)
            assert kept.content == Content(from_email="s@example.com", subject="", links=(SHOP,))
            assert unit.deliveries.totals(linked.id) == {"accepted": 1}
            assert unit.deliveries.totals(gone.id) == {}
            assert unit.deliveries.list() == []
            assert unit.events.list() == []
            assert unit.pruning.person(rows[linked.id].id) == person
            assert unit.pruning.person(rows[gone.id].id) is None
        with store.platform(write=False) as platform:
            assert platform.messages_of([rows[linked.id].id]) == {rows[linked.id].id: (tenant, linked.id)}
            assert platform.owner_of("deliveries", rows[gone.id].id) is None
