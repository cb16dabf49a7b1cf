"""Templates, campaigns, messages, keys, audit and idempotency, as every store must keep them."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from courierx_core.access.model import ApiKey, key_matches, new_secret
from courierx_core.audience.model import Audience, MailingList
from courierx_core.audit import ACT, Act
from courierx_core.campaigns.model import Campaign
from courierx_core.errors import Conflict, NotFound
from courierx_core.messages.model import Content, Message
from courierx_core.ports.driver import utcnow
from courierx_core.ports.store import Store
from courierx_core.ports.transport import Attachment
from courierx_core.senders.model import Sender
from courierx_core.templates.model import Template
from courierx_core.testing.store_samples import add_tenant, new_message


class ContentContract:
    def test_senders_are_kept_by_unique_address(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        new = Sender(tenant_id=tenant, email="news@example.com", name="Näws", reply_to="help@example.com")
        with store.begin(other) as unit:
            unit.senders.add(msgspec.structs.replace(new, name="theirs"))
        with store.begin(tenant) as unit:
            one = unit.senders.add(new)
            two = unit.senders.add(msgspec.structs.replace(new, email="post@example.com"))
            assert unit.senders.get(one.id) == unit.senders.by_email("news@example.com") == one
            assert unit.senders.by_email("nobody@example.com") is None
            assert [each.id for each in unit.senders.list()] == [two.id, one.id]
            assert [each.id for each in unit.senders.list(before=two.id, limit=1)] == [one.id]
            with pytest.raises(Conflict):
                unit.senders.add(new)
            saved = unit.senders.save(msgspec.structs.replace(one, name="", reply_to=""))
            assert unit.senders.get(one.id) == saved
            unit.senders.remove(one.id)
            for missing in (unit.senders.get, unit.senders.remove):
                with pytest.raises(NotFound):
                    missing(one.id)
            with pytest.raises(NotFound):
                unit.senders.save(one)

    def test_templates_are_kept_by_unique_name(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        new = Template(tenant_id=tenant, name="welcome", subject="Hi {{ name }}", html="<p>é</p>", layout="x")
        with store.begin(tenant) as unit:
            one = unit.templates.add(new)
            two = unit.templates.add(msgspec.structs.replace(new, name="bye"))
            assert unit.templates.get(one.id) == one
            assert [each.id for each in unit.templates.list()] == [two.id, one.id]
            for act in (unit.templates.add, unit.templates.save):
                with pytest.raises(Conflict):
                    act(msgspec.structs.replace(two, name="welcome"))
            saved = unit.templates.save(msgspec.structs.replace(one, text="plain"))
            assert unit.templates.get(one.id) == saved
            assert saved.text == "plain"
            unit.templates.remove(one.id)
            for missing in (unit.templates.get, unit.templates.remove):
                with pytest.raises(NotFound):
                    missing(one.id)
            with pytest.raises(NotFound):
                unit.templates.save(one)

    def test_a_campaign_is_kept_whole(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        due = utcnow().replace(microsecond=0) + timedelta(hours=1)
        new = Campaign(
            tenant_id=tenant,
            name="May",
            subject="News",
            audience=Audience(list_ids=(1, 2), exclude_list_ids=(3,)),
            headers=(("X-A", "1"), ("X-B", "2")),
            track_opens=False,
            scheduled_at=due,
        )
        with store.begin(tenant) as unit:
            added = unit.campaigns.add(new)
            assert msgspec.structs.replace(added, id=0, created_at=None, updated_at=None) == new
            assert unit.campaigns.get(added.id) == added
            newer = unit.campaigns.add(new)
            assert unit.campaigns.by_name("May") == newer
            assert unit.campaigns.by_name("may") is None
            assert [each.id for each in unit.campaigns.list(statuses=["draft", "paused"])] == [
                newer.id,
                added.id,
            ]
            assert unit.campaigns.list(statuses=["sending"]) == []
            unit.campaigns.remove(newer.id)
            with pytest.raises(NotFound):
                unit.campaigns.get(newer.id)

    def test_the_campaigns_that_still_need_a_template(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            new = Campaign(tenant_id=tenant, name="n", subject="s", template_id=5)
            draft, scheduled, over = (
                unit.campaigns.add(msgspec.structs.replace(new, status=status)).id
                for status in ("draft", "scheduled", "completed")
            )
            unit.campaigns.add(msgspec.structs.replace(new, template_id=6))
            assert draft < scheduled < over
            assert list(unit.campaigns.made_of(5)) == [scheduled, draft]
        with store.begin(add_tenant(store, "other")) as unit:
            assert not unit.campaigns.made_of(5)

    def test_a_campaign_is_saved_only_from_the_status_it_was_read_in(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            read = unit.campaigns.add(Campaign(tenant_id=tenant, name="n", subject="s"))
        started = msgspec.structs.replace(read, status="preparing", message_id=7, started_at=utcnow())
        with store.begin(tenant) as unit:
            assert unit.campaigns.save(started, was="draft").status == "preparing"
            with pytest.raises(Conflict, match="sending"):
                unit.campaigns.save(started, was="draft")
            with pytest.raises(NotFound):
                unit.campaigns.save(msgspec.structs.replace(started, id=read.id + 1000), was="draft")
            assert unit.campaigns.get(read.id).message_id == 7

    def test_of_two_starts_at_once_one_wins(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            read = unit.campaigns.add(Campaign(tenant_id=tenant, name="n", subject="s"))
        started = msgspec.structs.replace(read, status="preparing")
        ready = threading.Barrier(4)
        results: list[str] = []

        def start() -> None:
            ready.wait(30)
            try:
                with store.begin(tenant) as unit:
                    unit.campaigns.save(started, was="draft")
                results.append("started")
            except Conflict:
                results.append("conflict")

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(results) == ["conflict"] * 3 + ["started"]

    def test_a_message_is_kept_whole(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        content = Content(
            from_email="a@example.com",
            subject="S",
            to=("Ann <a@example.com>",),
            cc=("b@example.com",),
            headers=(("X-A", "ü"),),
            attachments=(Attachment(filename="f", content_type="a/b", content=b"\x00\xff"),),
            variables={"a": [1, {"b": None}], "c": True},
            tags=("x", "y"),
            metadata={"k": "v"},
            links=("https://example.com/?a=1&b=2",),
        )
        new = Message(
            tenant_id=tenant,
            campaign_id=9,
            stream="transactional",
            transport="mock",
            content=content,
            on_uncertain="resend",
            expires_at=utcnow().replace(microsecond=0),
            scheduled_at=utcnow().replace(microsecond=0) + timedelta(days=1),
        )
        with store.begin(tenant) as unit:
            added = unit.messages.add(new)
            assert msgspec.structs.replace(added, id=0, created_at=None) == new
            assert unit.messages.get(added.id) == added
            with pytest.raises(NotFound):
                unit.messages.get(added.id + 1000)

    def test_messages_are_listed_without_their_bodies_and_cancelled(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        content = Content(
            from_email="news@acme.example",
            from_name="Acmé",
            subject="Hi",
            to=("a@x.example", "b@x.example"),
            html="<p>long</p>",
            tags=("receipt",),
            metadata={"order": "47"},
        )
        with store.begin(other) as unit:
            new_message(unit)
        with store.begin(tenant) as unit:
            first, second = new_message(unit), new_message(unit, stream="transactional", content=content)
            found = unit.messages.list()
            assert [each.id for each in found] == [second.id, first.id]
            assert unit.messages.list(before=second.id) == [found[1]]
            assert unit.messages.list(limit=1) == [found[0]]
            for name in found[0].__struct_fields__:
                holder = second if hasattr(second, name) else content
                assert getattr(found[0], name) == getattr(holder, name), name
            noted = unit.messages.note_cancelled(first.id)
            assert noted.cancelled_at is not None
            assert unit.messages.get(first.id) == noted
            with pytest.raises(NotFound):
                unit.messages.note_cancelled(second.id + 1000)

    def test_keys_are_a_tenants_own(self, store: Store[Any]) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        secret, digest = new_secret()
        scopes = ("lists:read", "messages:send")
        new = ApiKey(tenant_id=one, name="ci", scopes=scopes, digest=digest)
        with store.begin(one) as unit:
            key = unit.keys.add(new)
            assert (key.tenant_id, key.scopes, key.last_used_at) == (
                one,
                ("lists:read", "messages:send"),
                None,
            )
            assert key_matches(unit.keys.get(key.id), secret, utcnow())
            unit.keys.touch(key.id)
            assert unit.keys.get(key.id).last_used_at is not None
        with store.begin(two) as unit:
            assert unit.keys.list() == []
            for act in (unit.keys.get, unit.keys.revoke):
                with pytest.raises(NotFound):
                    act(key.id)
            with pytest.raises(NotFound):
                unit.keys.expire(key.id, utcnow())
        with store.begin(one) as unit:
            ends = utcnow().replace(microsecond=0)
            assert unit.keys.expire(key.id, ends).expires_at == ends
            revoked = unit.keys.revoke(key.id)
            assert revoked.revoked_at is not None
            assert unit.keys.revoke(key.id).revoked_at == revoked.revoked_at
            assert [each.id for each in unit.keys.list()] == [key.id]

    def test_what_is_done_above_tenants_is_noted_there(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        token = ACT.set(Act("key 7", "PATCH /tenants/{tenant_id}", "/tenants/1", {}))
        try:
            with store.platform() as platform:
                found = platform.tenants.get(tenant)
            with store.begin(0, write=False) as unit:
                assert unit.audit.list() == []
            with store.platform() as platform:
                platform.tenants.save(msgspec.structs.replace(found, name="renamed"))
        finally:
            ACT.reset(token)
        token = ACT.set(Act("user op", "courierx tenants remove", "", {}))
        try:
            with store.platform() as platform:
                platform.tenants.remove(tenant)
        finally:
            ACT.reset(token)
        with store.begin(0, write=False) as unit:
            assert [each.actor for each in unit.audit.list()] == ["user op", "key 7"]

    def test_a_unit_that_changes_something_notes_whose_act_it_is(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        token = ACT.set(Act("key 7", "POST /lists", "/lists", {"request_id": "r"}))
        try:
            with store.begin(tenant) as unit:
                unit.lists.list()
            with store.begin(tenant, write=False) as unit:
                assert unit.audit.list() == []
            with pytest.raises(RuntimeError), store.begin(tenant) as unit:  # noqa: PT012
                unit.lists.add(MailingList(tenant_id=tenant, name="undone"))
                raise RuntimeError
            for name in ("one", "two"):
                with store.begin(tenant) as unit:
                    unit.lists.add(MailingList(tenant_id=tenant, name=name))
        finally:
            ACT.reset(token)
        with store.begin(tenant) as unit:
            (noted,) = unit.audit.list()
            unit.lists.add(MailingList(tenant_id=tenant, name="the system's"))
        assert (noted.actor, noted.action, noted.subject) == ("key 7", "POST /lists", "/lists")
        assert noted.detail == {"request_id": "r"}
        with store.begin(tenant) as unit:
            assert unit.audit.list() == [noted]
        with store.begin(add_tenant(store, "other")) as unit:
            assert unit.audit.list() == []

    def test_the_audit_log_takes_entries(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            for n in range(3):
                unit.audit.add("campaign.start", f"campaign:{n}", {"n": n}, actor="key:1")
