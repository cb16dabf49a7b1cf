"""Subscribers, lists, imports and suppressions, as every store must keep them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest

from courierx_core.audience.model import Attribute, Audience, MailingList, NewSubscriber, OptIn, Subscriber
from courierx_core.campaigns.model import Campaign, CampaignStatus
from courierx_core.errors import Conflict, InvalidInput, NotFound
from courierx_core.ports.driver import utcnow
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.suppression.model import PLATFORM_WIDE, Suppression
from courierx_core.testing.store_samples import add_tenant

CAMPAIGN_STATES: tuple[CampaignStatus, ...] = get_args(CampaignStatus)


def add_list(unit: UnitOfWork, name: str, *subscriber_ids: int) -> int:
    """Make a list of these people."""
    made = unit.lists.add(MailingList(tenant_id=unit.tenant_id, name=name))
    unit.lists.subscribe(made.id, subscriber_ids)
    return made.id


def add_people(unit: UnitOfWork, *emails: str, **fields: Any) -> list[int]:
    return [
        unit.subscribers.add(Subscriber(tenant_id=unit.tenant_id, email=email, **fields)).id
        for email in emails
    ]


class PeopleContract:
    def test_the_names_of_attributes_are_listed_once(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        with store.begin(other) as unit:
            add_people(unit, "c@example.com", attributes={"theirs": 1})
        with store.begin(tenant) as unit:
            assert unit.subscribers.attribute_names() == []
            add_people(unit, "a@example.com", attributes={"b": 1, "a": None, 'c"': {"d": 1}})
            add_people(unit, "b@example.com", attributes={"b": 2, "é": []})
            add_people(unit, "d@example.com")
            assert sorted(unit.subscribers.attribute_names()) == ["a", "b", 'c"', "é"]
            assert len(unit.subscribers.attribute_names(limit=3)) == 3

    def test_a_subscriber_is_kept_and_edited(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        attributes: dict[str, Attribute] = {"city": "Zürich", "n": 3, "nested": {"a": [1, None]}}
        with store.begin(tenant) as unit:
            added = unit.subscribers.add(
                Subscriber(tenant_id=tenant, email="a@example.com", first_name="Ä", attributes=attributes)
            )
        assert added.id > 0
        assert added.created_at is not None
        assert added.created_at.tzinfo is not None
        assert abs(added.created_at - utcnow()) < timedelta(minutes=5)
        edited = msgspec.structs.replace(added, email="b@example.com", status="bounced", attributes={})
        with store.begin(tenant) as unit:
            assert unit.subscribers.get(added.id) == added
            assert unit.subscribers.by_email("a@example.com") == added
            saved = unit.subscribers.save(edited)
        assert saved.updated_at is not None
        assert saved.updated_at >= added.created_at
        with store.begin(tenant, write=False) as unit:
            assert unit.subscribers.get(added.id) == msgspec.structs.replace(
                edited, updated_at=saved.updated_at
            )
            assert unit.subscribers.by_email("a@example.com") is None

    def test_an_address_is_once_in_a_tenant_and_free_in_the_next(self, store: Store[Any]) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        with store.begin(one) as unit:
            a, b = add_people(unit, "a@example.com", "b@example.com")
            with pytest.raises(Conflict):
                add_people(unit, "a@example.com")
            with pytest.raises(Conflict):
                unit.subscribers.save(msgspec.structs.replace(unit.subscribers.get(b), email="a@example.com"))
            assert unit.subscribers.get(b).email == "b@example.com"
        with store.begin(two) as unit:
            assert add_people(unit, "a@example.com") != [a]

    def test_pages_are_newest_first_and_filtered(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            ids = add_people(unit, *(f"{n}@example.com" for n in range(5)))
            (left,) = add_people(unit, "left@example.com", status="unsubscribed")
            first = unit.subscribers.list(limit=3)
            rest = unit.subscribers.list(before=first[-1].id, limit=3)
            assert [each.id for each in (*first, *rest)] == [left, *reversed(ids)]
            assert [each.id for each in unit.subscribers.list(status="unsubscribed")] == [left]
            for limit in (0, 1001):
                with pytest.raises(InvalidInput):
                    unit.subscribers.list(limit=limit)

    def test_a_removed_subscriber_is_on_no_list(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b = add_people(unit, "a@example.com", "b@example.com")
            everyone = add_list(unit, "all", a, b)
            unit.subscribers.remove(a)
            assert unit.subscribers.count(Audience(list_ids=(everyone,))) == 1
            for missing in (unit.subscribers.get, unit.subscribers.remove):
                with pytest.raises(NotFound):
                    missing(a)

    def test_who_left_a_list_stays_off_it(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b, c = add_people(unit, "a@example.com", "b@example.com", "c@example.com")
            news = unit.lists.add(MailingList(tenant_id=tenant, name="news")).id
            assert unit.lists.subscribe(news, [a, b]) == 2
            assert unit.lists.subscribe(news, [b, c]) == 1
            assert unit.lists.unsubscribe(news, [a, b]) == 2
            assert unit.lists.unsubscribe(news, [a]) == 0
            assert unit.lists.subscribe(news, [a, b, c]) == 0
            assert unit.subscribers.count(Audience(list_ids=(news,))) == 1
            for act in (unit.lists.subscribe, unit.lists.unsubscribe):
                with pytest.raises(NotFound):
                    act(news, [a, c + 1000])
                with pytest.raises(NotFound):
                    act(news + 1000, [a])

    def test_who_left_a_list_comes_back_by_their_own_word(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b = add_people(unit, "a@example.com", "b@example.com")
            news, offers = add_list(unit, "news", a), add_list(unit, "offers", b)
            unit.lists.unsubscribe(news, [a])
            assert (unit.lists.of(a), unit.lists.of(b)) == (set(), {offers})
            assert unit.lists.subscribe(news, [a, b], again=True) == 2
            assert unit.lists.subscribe(news, [a, b], again=True) == 0
            assert (unit.lists.of(a), unit.lists.of(b)) == ({news}, {news, offers})
            assert unit.lists.unsubscribe(offers, [a]) == 0

    def test_the_ids_of_those_addresses_that_there_are(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        with store.begin(other) as unit:
            unit.subscribers.add(Subscriber(tenant_id=other, email="theirs@example.com"))
        with store.begin(tenant) as unit:
            ann = unit.subscribers.add(Subscriber(tenant_id=tenant, email="ann@example.com")).id
            many = {f"{name}@example.com" for name in ("ann", "theirs", *range(10_000 - 2))}
            assert unit.subscribers.ids(many) == {"ann@example.com": ann}
            assert unit.subscribers.ids([]) == {}

    def test_an_opt_in_is_kept_and_confirmed(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        asked = OptIn(
            tenant_id=tenant,
            list_id=7,
            email="a@example.com",
            first_name="Ä",
            language="de",
            asked_from="::1",
        )
        with store.begin(tenant) as unit:
            one, two = unit.opt_ins.add(asked), unit.opt_ins.add(asked)
            other = unit.opt_ins.add(msgspec.structs.replace(asked, list_id=8, email="b@example.com"))
            assert one.asked_at is not None
            assert msgspec.structs.replace(one, id=0, asked_at=None) == asked
            yes = unit.opt_ins.confirm(one.id, text="Yes, é.", source="192.0.2.1")
            assert (yes.text, yes.confirmed_from, yes.first_name) == ("Yes, é.", "192.0.2.1", "Ä")
            assert yes.confirmed_at is not None
            assert unit.opt_ins.get(one.id) == yes
            assert unit.opt_ins.list(email="a@example.com") == [two, yes]
            assert unit.opt_ins.list(list_id=8) == [other]
            assert unit.opt_ins.list(before=other.id, limit=1) == [two]
            assert unit.opt_ins.asked("a@example.com", since=utcnow() - timedelta(hours=1)) == 2
            assert unit.opt_ins.asked("a@example.com", since=utcnow() + timedelta(hours=1)) == 0
            for act in (unit.opt_ins.get, lambda n: unit.opt_ins.confirm(n, text="", source="")):
                with pytest.raises(NotFound):
                    act(other.id + 1000)
        with store.begin(add_tenant(store, "other")) as unit:
            assert unit.opt_ins.list() == []
            assert unit.opt_ins.asked("a@example.com", since=utcnow() - timedelta(hours=1)) == 0

    def test_public_lists_are_told_from_the_others(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            own = unit.lists.get(add_list(unit, "own"))
            shown = MailingList(tenant_id=tenant, name="shown", public=True, description="What it is.")
            shown = unit.lists.add(shown)
            assert (own.public, shown.public, shown.description) == (False, True, "What it is.")
            assert unit.lists.list(public=True) == [shown]
            assert unit.lists.list(public=False) == [own]
            assert unit.lists.list() == [shown, own]
            hidden = unit.lists.save(msgspec.structs.replace(shown, public=False))
            assert unit.lists.list(public=False) == [hidden, own]

    def test_list_names_are_unique_and_a_removed_list_is_empty(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            (a,) = add_people(unit, "a@example.com")
            news = add_list(unit, "news", a)
            with pytest.raises(Conflict):
                add_list(unit, "news")
            assert unit.lists.get(news).name == "news"
            assert [each.id for each in unit.lists.list()] == [news]
            unit.lists.remove(news)
            assert unit.subscribers.count(Audience(list_ids=(news,))) == 0
            with pytest.raises(NotFound):
                unit.lists.get(news)

    def test_a_list_is_renamed_and_counted(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b = add_people(unit, "a@example.com", "b@example.com")
            news, empty = add_list(unit, "news", a, b), add_list(unit, "empty")
            unit.lists.unsubscribe(news, [b])
            assert unit.lists.sizes([news, empty]) == {news: 1}
            assert unit.lists.sizes([]) == {}
            stored = unit.lists.get(news)
            renamed = msgspec.structs.replace(stored, name="letters")
            assert unit.lists.save(renamed) == unit.lists.get(news) == renamed
            with pytest.raises(Conflict):
                unit.lists.save(msgspec.structs.replace(stored, name="empty"))
            with pytest.raises(NotFound):
                unit.lists.save(msgspec.structs.replace(stored, id=news + 1000))

    def test_people_are_found_by_list_and_by_text(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        with store.begin(other) as unit:
            (theirs,) = add_people(unit, "a@example.com")
        with store.begin(tenant) as unit:
            (a,) = add_people(unit, "a@example.com", first_name="Ada", last_name="Ünal")
            (b,) = add_people(unit, "b_1%@example.com", first_name="Bob")
            (c,) = add_people(unit, "c@elsewhere.example", last_name="Example", status="bounced")
            news = add_list(unit, "news", a, c)
            unit.lists.unsubscribe(news, [a])

            def found(**filters: Any) -> list[int]:
                return [each.id for each in unit.subscribers.list(**filters)]

            assert found(list_id=news) == [c]
            assert found(list_id=news, status="active") == []
            assert found(list_id=news, before=c) == []
            assert found(q="EXAMPLE.com") == [b, a]
            assert found(q="example", limit=2) == [c, b]
            assert found(q="Ünal") == found(q="ada") == [a]
            assert found(q="_1%") == [b]
            assert found(q="a_e") == []
            assert unit.subscribers.known([c, a, theirs, 0, -1, 1 << 70]) == {a, c}

    def test_a_number_that_no_id_can_be_reads_as_missing(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            for number in (-1, 0, 1 << 63, 1 << 70):
                for act in (unit.subscribers.get, unit.lists.remove, unit.campaigns.get, unit.work.get):
                    with pytest.raises(NotFound):
                        act(number)

    def test_the_audiences_of_what_is_not_over_are_told(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        audience = Audience(list_ids=(1, 2), exclude_list_ids=(3,))
        with store.begin(tenant) as unit:
            made = [
                unit.campaigns.add(
                    Campaign(tenant_id=tenant, name="n", subject="s", audience=audience, status=status)
                )
                for status in CAMPAIGN_STATES
            ]
            going = {each.id: audience for each in made if each.status not in ("completed", "cancelled")}
            assert unit.campaigns.audiences() == going
            assert len(going) == 5

    def test_an_audience_counts_one_person_once(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b, c = add_people(unit, "a@example.com", "b@example.com", "c@example.com")
            (gone,) = add_people(unit, "gone@example.com", status="bounced")
            one, two = add_list(unit, "one", a, b), add_list(unit, "two", b, c, gone)
            count = unit.subscribers.count
            assert count(Audience()) == 3
            assert count(Audience(list_ids=(one, two))) == 4
            assert count(Audience(list_ids=(two,), exclude_list_ids=(one,))) == 2
            assert count(Audience(exclude_list_ids=(one,))) == 1

    def test_an_import_skips_what_is_known(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            (known,) = add_people(unit, "a@example.com", first_name="A", status="unsubscribed")
            rows = [
                NewSubscriber("a@example.com", "changed"),
                NewSubscriber("b@example.com", "B", "C", {"x": "1"}),
                NewSubscriber("b@example.com", "again"),
            ]
            counts = unit.subscribers.import_rows(rows)
            assert (counts.imported, counts.updated, counts.skipped) == (1, 0, 2)
            assert unit.subscribers.get(known).first_name == "A"
            new = unit.subscribers.by_email("b@example.com")
            assert new is not None
            assert (new.first_name, new.last_name, new.attributes) == ("B", "C", {"x": "1"})
            assert new.status == "active"
            assert unit.subscribers.import_rows([]).imported == 0

    def test_an_import_with_update_merges(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            before = {"keep": 1, "change": {"deep": 1}}
            (known,) = add_people(
                unit, "a@example.com", first_name="A", last_name="L", status="unsubscribed", attributes=before
            )
            rows = [
                NewSubscriber("a@example.com", "", "New", {"change": {"other": 2}}),
                NewSubscriber("b@example.com", "B"),
                NewSubscriber("b@example.com", "", "L", {"x": "1"}),
            ]
            counts = unit.subscribers.import_rows(rows, update=True)
            assert (counts.imported, counts.updated, counts.skipped) == (1, 2, 0)
            merged = unit.subscribers.get(known)
            assert (merged.first_name, merged.last_name, merged.status) == ("A", "New", "unsubscribed")
            assert merged.attributes == {"keep": 1, "change": {"other": 2}}
            new = unit.subscribers.by_email("b@example.com")
            assert new is not None
            assert (new.first_name, new.last_name, new.attributes) == ("B", "L", {"x": "1"})

    def test_an_import_to_a_list_leaves_off_who_left_it(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b = add_people(unit, "a@example.com", "b@example.com")
            news = add_list(unit, "news", a)
            unit.lists.unsubscribe(news, [a])
            rows = [NewSubscriber(f"{name}@example.com") for name in "abc"]
            unit.subscribers.import_rows(rows, list_id=news)
            unit.subscribers.import_rows(rows, list_id=news)
            assert unit.subscribers.count(Audience(list_ids=(news,))) == 2
            assert unit.subscribers.get(b).email == "b@example.com"
            with pytest.raises(NotFound):
                unit.subscribers.import_rows(rows, list_id=news + 1000)

    def test_a_suppression_is_once_until_it_expires(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        over = Suppression(
            tenant_id=tenant,
            address="a@example.com",
            cause="complaint",
            expires_at=utcnow() - timedelta(days=1),
        )
        with store.begin(tenant) as unit:
            first = unit.suppressions.add(over)
            assert unit.suppressions.get(first.id) == first
            assert unit.suppressions.list() == []
            lasting = Suppression(tenant_id=tenant, address="a@example.com", reason="asked", cause="manual")
            second = unit.suppressions.add(lasting)
            assert (second.reason, second.cause, second.expires_at) == ("asked", "manual", None)
            with pytest.raises(Conflict):
                unit.suppressions.add(lasting)
            assert unit.suppressions.list(address="a@example.com") == [second]
            unit.suppressions.remove(second.id)
            assert unit.suppressions.list() == []
            with pytest.raises(NotFound):
                unit.suppressions.remove(second.id)

    def test_suppressions_are_added_as_a_set(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)

        def one(name: str) -> Suppression:
            return Suppression(tenant_id=tenant, address=f"{name}@example.com")

        with store.begin(tenant) as unit:
            assert unit.suppressions.add_many([one("a"), one("b"), one("a")]) == 2
            assert unit.suppressions.add_many([one("b"), one("c")]) == 1
            assert unit.suppressions.add_many([]) == 0
            assert len(unit.suppressions.list()) == 3

    def test_those_among_some_addresses_that_are_suppressed_now(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        with store.begin(other) as unit:
            unit.suppressions.add(Suppression(tenant_id=other, address="theirs@example.com"))
        with store.begin(tenant) as unit:
            over = utcnow() - timedelta(days=1)
            unit.suppressions.add(Suppression(tenant_id=tenant, address="a@example.com"))
            unit.suppressions.add(Suppression(tenant_id=tenant, address="b@example.com", expires_at=over))
            many = {f"{name}@example.com" for name in ("a", "b", "theirs", *range(10_000 - 3))}
            assert unit.suppressions.among(many) == {"a@example.com"}
            assert unit.suppressions.among([]) == set()

    def test_the_platforms_suppressions_are_its_own(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(PLATFORM_WIDE) as unit:
            unit.suppressions.add(Suppression(tenant_id=PLATFORM_WIDE, address="a@example.com"))
        with store.begin(tenant) as unit:
            assert unit.suppressions.list() == []
            unit.suppressions.add(Suppression(tenant_id=tenant, address="a@example.com"))
