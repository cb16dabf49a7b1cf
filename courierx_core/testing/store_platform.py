"""What stands above tenants, as every store must keep it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from courierx_core.access.model import ApiKey, new_secret
from courierx_core.audience.model import MailingList, OptIn, Segment
from courierx_core.audience.tree import OnList
from courierx_core.campaigns.model import Campaign
from courierx_core.errors import Conflict, NotFound
from courierx_core.imports.model import Import
from courierx_core.ports.driver import utcnow
from courierx_core.ports.platform import Installation
from courierx_core.ports.store import Store
from courierx_core.senders.model import Sender
from courierx_core.suppression.model import Suppression
from courierx_core.templates.model import Template
from courierx_core.tenants.model import Branding, Tenant
from courierx_core.testing.store_people import add_people
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.transports.model import WarmDay
from courierx_core.work import WorkItem


class PlatformContract:
    def test_what_the_calendar_asks_may_be_asked_often(self, store: Store[Any]) -> None:
        for _ in range(2):
            with store.platform() as unit:
                unit.keep()

    def test_tenants_are_kept_by_name_without_case(self, store: Store[Any]) -> None:
        look = Branding(name="Ä", colour="#000000", language="de")
        new = Tenant(
            name="Straße",
            contact_email="a@example.com",
            default_from="x@example.com",
            weight=7,
            branding=look,
            transport="main",
        )
        with store.platform() as unit:
            added = unit.tenants.add(new)
            other = unit.tenants.add(msgspec.structs.replace(new, name="Other"))
            assert unit.tenants.get(added.id) == added
            assert (added.weight, added.default_from, added.ses_verified) == (7, "x@example.com", False)
            assert added.transport == "main"
            assert (added.branding, unit.tenants.get(added.id).branding) == (look, look)
            with pytest.raises(Conflict):
                unit.tenants.add(msgspec.structs.replace(new, name="STRASSE"))
            with pytest.raises(Conflict):
                unit.tenants.save(msgspec.structs.replace(other, name="strasse"))
            assert unit.tenants.save(msgspec.structs.replace(added, name="STRASSE")).name == "STRASSE"
            found = unit.tenants.by_name("straße")
            assert found is not None
            assert found.id == added.id
            assert unit.tenants.by_name("stras") is None
            assert [each.id for each in unit.tenants.list(limit=1)] == [other.id]
            assert [each.id for each in unit.tenants.list(before=other.id)] == [added.id]
            with pytest.raises(NotFound):
                unit.tenants.get(other.id + 1000)
            with pytest.raises(NotFound):
                unit.tenants.get(1 << 80)

    def test_a_transport_is_paused_once_and_resumed(self, store: Store[Any]) -> None:
        with store.platform() as unit:
            assert unit.transports.pause("ses", "suspended")
            assert unit.transports.pause("eu", "530 5.7.0")
            assert not unit.transports.pause("ses", "another reason")
        with store.platform(write=False) as unit:
            found = {each.name: each.reason for each in unit.transports.paused()}
            assert found == {"eu": "530 5.7.0", "ses": "suspended"}
        with store.platform() as unit:
            assert unit.transports.resume("ses")
            assert not unit.transports.resume("ses")
            assert not unit.transports.resume("nothing")
            assert [each.name for each in unit.transports.paused()] == ["eu"]
            assert unit.transports.pause("ses", "again")

    def test_a_warm_day_is_kept_beside_a_pause(self, store: Store[Any]) -> None:
        with store.platform() as unit:
            nothing, now = unit.transports.warm_day("eu", lock=True)
            assert nothing is None
            day = WarmDay(day=now.date(), allowed=50, used=3, answered=2, objected=1)
            unit.transports.keep_warm_day("eu", day)
            assert not unit.transports.paused()
        with store.platform() as unit:
            assert unit.transports.pause("eu", "530 5.7.0")
            since = unit.transports.paused()[0].since
            unit.transports.keep_warm_day("eu", msgspec.structs.replace(day, used=4))
            assert unit.transports.resume("eu")
            assert unit.transports.pause("us", "suspended")
        with store.platform(write=False) as unit:
            found, later = unit.transports.warm_day("eu")
            assert found == msgspec.structs.replace(day, used=4)
            assert later >= now >= since - timedelta(days=1)
            assert unit.transports.warm_day("us")[0] is None
            assert unit.transports.warm_day("nothing")[0] is None

    def test_two_who_take_of_a_warm_day_take_turns(self, store: Store[Any]) -> None:
        def take(_: int) -> None:
            with store.platform() as unit:
                last, now = unit.transports.warm_day("eu", lock=True)
                used = last.used if last else 0
                unit.transports.keep_warm_day("eu", WarmDay(day=now.date(), allowed=50, used=used + 1))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(take, range(20)))
        with store.platform(write=False) as unit:
            found, _ = unit.transports.warm_day("eu")
        assert found is not None
        assert found.used == 20

    def test_a_unit_reads_its_tenant(self, store: Store[Any]) -> None:
        tenant = add_tenant(store, "Acme")
        with store.begin(tenant) as unit:
            assert (unit.tenant_id, unit.tenant.name) == (tenant, "Acme")
        with store.begin(tenant + 1000) as unit, pytest.raises(NotFound):
            assert unit.tenant

    def test_any_key_is_found_to_authenticate(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            own = unit.keys.add(ApiKey(tenant_id=tenant, digest=new_secret()[1]))
        with store.platform() as platform:
            key = platform.keys.add(ApiKey(name="root", digest=new_secret()[1]))
            assert key.tenant_id is None
            assert platform.keys.get(own.id) == own
            assert [each.id for each in platform.keys.list() if each.tenant_id is None] == [key.id]
            platform.keys.touch(own.id)
            assert platform.keys.get(own.id).last_used_at is not None
            assert platform.keys.expire(key.id, utcnow()).expires_at is not None
            assert platform.keys.revoke(key.id).revoked_at is not None
            with pytest.raises(NotFound):
                platform.keys.get(key.id + 1000)
        with store.begin(tenant) as unit:
            assert [each.id for each in unit.keys.list()] == [own.id]

    def test_a_key_is_read_as_it_is_now(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        new = ApiKey(
            tenant_id=tenant, name="its", digest=new_secret()[1], scopes=("lists:read",), expires_at=utcnow()
        )
        with store.begin(tenant) as unit:
            own = unit.keys.add(new)
        with store.platform() as platform:
            root = platform.keys.add(ApiKey(digest=new_secret()[1]))
        assert (store.key(own.id), store.key(root.id)) == (own, root)
        with store.begin(tenant) as unit:
            revoked = unit.keys.revoke(own.id)
        assert store.key(own.id) == revoked
        assert [store.key(unknown) for unknown in (root.id + 1000, 0, -1, 2**80)] == [None] * 4

    def test_the_owner_of_a_row_is_found(self, store: Store[Any]) -> None:
        add_tenant(store, "one")
        tenant = add_tenant(store, "two")
        with store.begin(tenant) as unit:
            message = new_message(unit)
            made = {
                "subscribers": add_people(unit, "a@example.com")[0],
                "messages": message.id,
                "deliveries": unit.deliveries.add(message, ["a@example.com"])[0].id,
                "campaigns": unit.campaigns.add(Campaign(tenant_id=tenant, name="n", subject="s")).id,
                "suppressions": unit.suppressions.add(
                    Suppression(tenant_id=tenant, address="b@example.com")
                ).id,
                "templates": unit.templates.add(Template(tenant_id=tenant, name="t", subject="s")).id,
                "lists": unit.lists.add(MailingList(tenant_id=tenant, name="l")).id,
                "opt_ins": unit.opt_ins.add(OptIn(tenant_id=tenant, list_id=1, email="a@example.com")).id,
                "segments": unit.segments.add(Segment(tenant_id=tenant, name="s", definition=OnList(1))).id,
                "senders": unit.senders.add(Sender(tenant_id=tenant, email="s@example.com")).id,
                "imports": unit.imports.add(Import(tenant_id=tenant)).id,
            }
        with store.platform() as platform:
            assert {
                table: platform.owner_of(table, number) for table, number in made.items()
            } == dict.fromkeys(made, tenant)
            for nothing in (message.id + 1000, 0, -1, 1 << 63, 1 << 80):
                assert platform.owner_of("messages", nothing) is None
            with pytest.raises(ValueError, match="api_keys"):
                platform.owner_of("api_keys", 1)

    def test_an_old_link_leads_to_whoever_took_it_in(self, store: Store[Any]) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        with store.platform() as platform:
            platform.old_links.add(one, {"a": 1, "b": 2})
            platform.old_links.add(two, {"a": 3})
            platform.old_links.add(one, {"b": 4})
            platform.old_links.add(one, {})
        with store.platform(write=False) as platform:
            assert sorted(platform.old_links.find("a")) == [(one, 1), (two, 3)]
            assert platform.old_links.find("b") == [(one, 4)]
            assert platform.old_links.find("c") == []
        with store.platform() as platform:
            platform.tenants.remove(one)
            assert platform.old_links.find("a") == [(two, 3)]

    def test_a_removed_tenant_leaves_nothing(self, store: Store[Any]) -> None:
        kept, gone = add_tenant(store, "kept"), add_tenant(store, "gone")
        for tenant in (kept, gone):
            with store.begin(tenant) as unit:
                (person,) = add_people(unit, "a@example.com")
                news = unit.lists.add(MailingList(tenant_id=tenant, name="l")).id
                unit.lists.subscribe(news, [person])
                message = new_message(unit)
                delivery = unit.deliveries.add(message, ["a@example.com"])[0].id
                key = unit.keys.add(ApiKey(tenant_id=tenant, digest=new_secret()[1])).id
                unit.audit.add("a", "b", {}, actor="c")
        with store.platform() as platform, pytest.raises(Conflict, match="left to send"):
            platform.tenants.remove(gone)
        with store.begin(gone) as unit:
            unit.deliveries.cancel_open(message.id)
        with store.platform() as platform:
            platform.tenants.remove(gone)
            for table, number in (("subscribers", person), ("lists", news), ("deliveries", delivery)):
                assert platform.owner_of(table, number) is None
            for missing in (platform.tenants.get, platform.tenants.remove):
                with pytest.raises(NotFound):
                    missing(gone)
            with pytest.raises(NotFound):
                platform.keys.get(key)
        with store.begin(gone) as unit:
            assert unit.subscribers.list() == []
            assert unit.deliveries.list() == []
        with store.begin(kept) as unit:
            assert len(unit.subscribers.list()) == len(unit.deliveries.list()) == 1

    def test_other_open_work_goes_with_its_tenant(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            item = unit.work.add(
                WorkItem(tenant_id=tenant, stream="broadcast", topic="schedule", subject_id=1)
            )
        with store.platform() as platform:
            platform.tenants.remove(tenant)
        with store.begin(tenant) as unit, pytest.raises(NotFound):
            unit.work.get(item.id)

    def test_the_installation_is_one_and_has_a_heartbeat(self, store: Store[Any]) -> None:
        with store.platform() as platform:
            assert platform.installation() == Installation()
            platform.save_installation(Installation(environment="development"))
        with store.platform(write=False) as platform:
            made = platform.installation()
            assert len(made.id) >= 16
            assert made.environment == "development"
            assert made.heartbeat_at is not None
        with store.platform() as platform:
            platform.save_installation(
                msgspec.structs.replace(made, id="other", environment="staging", public_url="https://x")
            )
        with store.platform() as platform:
            saved = platform.installation()
            assert (saved.id, saved.environment, saved.public_url) == ("other", "staging", "https://x")
            assert 0 <= saved.age_seconds < 60

    def test_of_installations_written_at_once_one_stays(self, store: Store[Any]) -> None:
        ready = threading.Barrier(2)

        def write(environment: str) -> None:
            with store.platform() as platform:
                with suppress(threading.BrokenBarrierError):  # a store that takes one writer at a time
                    ready.wait(timeout=0.5)
                platform.save_installation(Installation(environment=environment))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write, ("development", "staging")))
        with store.platform() as platform:
            made = platform.installation()
            platform.save_installation(made)
        with store.platform(write=False) as platform:
            assert platform.installation().id == made.id

    def test_workers_are_counted_while_they_beat(self, store: Store[Any]) -> None:
        with store.platform() as platform:
            assert platform.workers() == 0
            for owner in ("a", "b", "a"):
                platform.beat(owner)
        with store.platform() as platform:
            assert platform.workers() == 2

    def test_what_workers_leave_out_is_told_until_they_have_it_again(self, store: Store[Any]) -> None:
        with store.platform() as platform:
            assert platform.left_out() == []
            platform.beat("a", {"stamps": "OSError in courierx_after_send", "letters": "no ink"})
            platform.beat("b", {"stamps": "OSError in courierx_after_send"})
            platform.beat("c")
        with store.platform(write=False) as platform:
            told = [(each.plugin, each.why, each.workers) for each in platform.left_out()]
        assert told == [("letters", "no ink", 1), ("stamps", "OSError in courierx_after_send", 2)]
        with store.platform() as platform:
            platform.beat("a")
            assert [(each.plugin, each.workers) for each in platform.left_out()] == [("stamps", 1)]
            platform.beat("b", {})
            assert platform.left_out() == []

    def test_tenants_with_work_are_told_whatever_tenant_they_are(self, store: Store[Any]) -> None:
        busy, other, idle = add_tenant(store, "busy"), add_tenant(store, "other"), add_tenant(store, "idle")
        for tenant in (busy, other):
            with store.begin(tenant) as unit:
                unit.work.add(WorkItem(tenant_id=tenant, stream="broadcast", topic="schedule", subject_id=1))
        with store.begin(other) as unit:
            unit.work.hold_all("why", topics=("schedule",))
        with store.platform(write=False) as platform:
            assert platform.tenants_with_work(("send", "schedule")) == [busy]
            assert platform.tenants_with_work(("send",)) == []
            assert platform.tenants_with_work(("schedule",), held_for="why") == [other]
            assert platform.tenants_with_work(("schedule",), held_for="because") == []
            assert idle not in platform.tenants_with_work(("schedule",))
