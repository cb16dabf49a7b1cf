"""Mail that is kept no longer: its links still lead where they did, and what it was for is asked no more."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.courier import Courier
from courierx_core.delivery import service as deliveries
from courierx_core.errors import Conflict, NotFound
from courierx_core.feedback.inbound import take_in
from courierx_core.mail.token import Kind
from courierx_core.messages.model import Content
from courierx_core.ports.driver import utcnow
from courierx_core.testing.store_pruning import later, settle
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.tracking.links import Links
from courierx_core.tracking.model import Hit
from courierx_core.tracking.service import keep
from courierx_core.upkeep import daily
from courierx_core.upkeep.daily import TURN_SECONDS, plan
from courierx_core.upkeep.pruning import prune
from courierx_core.upkeep.service import check
from courierx_core.webhooks.model import Call, Webhook
from courierx_core.work import WorkItem
from courierx_core.worker import TASKS
from courierx_sql.tables import frozen_reports

Client = TestClient[Litestar]
SHOP = "https://shop.example/"


class Pruned:
    """Ann's mail of a campaign, completed; and its links."""

    def __init__(self, courier: Courier, tenant_id: int, person: int, state: str = "failed") -> None:
        self.courier, self.tenant_id = courier, tenant_id
        content = Content(from_email="a@x.example", subject="s", html="h", links=(SHOP,))
        with courier.store.begin(tenant_id) as unit:
            campaign = unit.campaigns.add(Campaign(tenant_id=tenant_id, name="May", subject="Hi"))
            message = new_message(unit, content=content, campaign_id=campaign.id)
            unit.campaigns.save(msgspec.structs.replace(campaign, message_id=message.id), was="draft")
            (row,) = unit.deliveries.add(message, ["ann@x.example"], subscriber_ids=[person])
        settle(courier.store, state)
        with courier.store.begin(tenant_id) as unit:
            assert unit.messages.complete(message.id)
        self.campaign_id, self.message_id, self.id = campaign.id, message.id, row.id

    def token(self, kind: Kind) -> str:
        return self.courier.tokens.mint(kind, self.tenant_id, self.id)

    def prune(self) -> None:
        assert sum(each.deliveries for each in prune(self.courier.store, self.tenant_id, before=later())) == 1


@pytest.fixture
def person(client: Client, tenant_id: int) -> int:
    new = {"tenant_id": tenant_id, "email": "ann@x.example"}
    return int(client.post("/subscribers", json=new).json()["id"])


def test_its_links_go_on_working(
    courier: Courier, tenant_id: int, person: int, api: Callable[..., Client]
) -> None:
    mail, anyone = Pruned(courier, tenant_id, person), api()
    mail.prune()
    assert anyone.get(f"/p/{mail.token('preferences')}").status_code == 200
    for _ in range(2):
        assert "You are unsubscribed" in anyone.post(f"/u/{mail.token('unsubscribe')}").text
    with courier.store.begin(tenant_id, write=False) as unit:
        assert [each.cause for each in unit.suppressions.list(address="ann@x.example")] == ["unsubscribe"]
        assert unit.events.list() == []
    links, token = Links(courier), courier.tokens.read(mail.token("click"))
    links.learn([mail.id])
    assert links.url(token) == SHOP
    hit = Hit(token=token, kind="clicked", at=later(), key="k", user_agent="", machine=False)
    keep(courier, links, [hit])  # nobody asks for it any more
    with courier.store.begin(tenant_id) as unit:
        assert unit.events.list() == []
        unit.subscribers.remove(person)
    assert anyone.get(f"/p/{mail.token('preferences')}").status_code == 404


def test_a_mail_to_its_list_unsubscribe_works_on(courier: Courier, tenant_id: int, person: int) -> None:
    mail = Pruned(courier, tenant_id, person)
    mail.prune()
    to = f"u-{mail.token('unsubscribe')}@bounce.example.com"
    assert take_in(courier, b"Subject: unsubscribe\r\n\r\n", to=to) == "recorded"
    with courier.store.begin(tenant_id, write=False) as unit:
        assert [each.cause for each in unit.suppressions.list(address="ann@x.example")] == ["unsubscribe"]


def test_what_is_no_longer_kept_is_neither_sent_again_nor_cloned(
    courier: Courier, tenant_id: int, person: int
) -> None:
    mail = Pruned(courier, tenant_id, person)
    steps = prune(courier.store, tenant_id, before=later())
    assert next(steps).campaigns == 1  # frozen, and its rows are still there
    with pytest.raises(Conflict, match="is being pruned"):
        deliveries.resend(courier, tenant_id, [mail.id])
    assert sum(each.deliveries for each in steps) == 1
    with pytest.raises(NotFound):
        deliveries.resend(courier, tenant_id, [mail.id])
    with pytest.raises(Conflict, match="no longer kept"):
        campaigns.clone(courier, tenant_id, mail.campaign_id, only=["failed"])
    with courier.store.begin(tenant_id, write=False) as unit:
        assert campaigns.report(unit, mail.campaign_id).states == {"failed": 1}


def test_mail_that_goes_out_again_just_now_stays(courier: Courier, tenant_id: int, person: int) -> None:
    mail = Pruned(courier, tenant_id, person)
    deliveries.resend(courier, tenant_id, [mail.id])
    assert list(prune(courier.store, tenant_id, before=later())) == []


def keeping(courier: Courier, days: int, *, after_days: float = 32, audit_days: int = 0) -> Courier:
    """The same process with a retention, some days from now."""
    at = utcnow() + timedelta(days=after_days)
    return msgspec.structs.replace(
        courier,
        policy=msgspec.structs.replace(courier.policy, retention_days=days, audit_retention_days=audit_days),
        runtime=msgspec.structs.replace(courier.runtime, now=lambda: at),
    )


def do(courier: Courier) -> int:
    """Do what is due of topic prune; return how many items that were."""
    ledger = courier.store.ledger()
    items = ledger.claim("worker", limit=10, lease_seconds=60, topics=("prune",))
    for item in items:
        TASKS[item.topic](courier, item)
    ledger.close()
    return len(items)


def test_a_worker_removes_what_is_old_once_a_day(courier: Courier, tenant_id: int, person: int) -> None:
    mail = Pruned(courier, tenant_id, person)
    plan(courier)
    assert do(courier) == 0  # unless a retention is set, nothing is removed
    young, old = keeping(courier, 31, after_days=30), keeping(courier, 31)
    for _ in range(2):
        plan(young)
    assert do(young) == 1
    assert do(old) == 0  # it is due tomorrow
    with courier.store.begin(tenant_id) as unit:
        assert unit.work.hasten(tenant_id, topics=("prune",)) == 1
        assert unit.deliveries.get(mail.id).state == "failed"
    assert do(old) == 1
    with courier.store.begin(tenant_id) as unit:
        assert unit.deliveries.some([mail.id]) == []
        assert unit.work.hasten(tenant_id, topics=("prune",)) == 1
        unit.work.add(WorkItem(tenant_id=tenant_id, stream="broadcast", topic="prune", subject_id=tenant_id))
    assert do(old) == 2  # one of two ends
    with courier.store.begin(tenant_id) as unit:
        assert unit.work.open_items(tenant_id, topics=("prune",)) == 1
        unit.work.hasten(tenant_id, topics=("prune",))
    assert do(courier) == 1  # the retention was taken away
    with courier.store.begin(tenant_id, write=False) as unit:
        assert unit.work.open_items(tenant_id, topics=("prune",)) == 0


def test_many_tenants_are_planned_for_in_turns(
    courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = [tenant_id, *(add_tenant(courier.store, f"Tenant {number}") for number in range(2))]
    monkeypatch.setattr(daily, "PLANNED", 2)
    old = keeping(courier, 31)
    assert [plan(old) for _ in range(3)] == [False, True, True]
    for each in tenants:
        with courier.store.begin(each, write=False) as unit:
            assert unit.work.open_items(each, topics=("prune",)) == 1


def test_a_turn_is_short(courier: Courier, tenant_id: int, person: int) -> None:
    for _ in range(3):
        Pruned(courier, tenant_id, person)
    old = keeping(courier, 31)
    ticks = itertools.count(0.0, TURN_SECONDS)
    hurried = msgspec.structs.replace(
        old, runtime=msgspec.structs.replace(old.runtime, monotonic=lambda: next(ticks))
    )
    plan(old)
    turns = 0
    while True:
        turns += do(hurried)
        with courier.store.begin(tenant_id) as unit:
            if not unit.deliveries.list():
                break
            assert unit.work.hasten(tenant_id, topics=("prune",)) == 1
    assert turns > 3


def test_what_a_disabled_receiver_was_told_goes_after_a_month(courier: Courier, tenant_id: int) -> None:
    with courier.store.begin(tenant_id) as unit:
        hook = unit.webhooks.add(
            Webhook(tenant_id=tenant_id, url="https://x.example/", types=(), secret=b"s", status="disabled")
        )
        unit.webhook_calls.add([Call(tenant_id=tenant_id, webhook_id=hook.id, type="test")])
    plan(courier)
    assert do(courier) == 1
    with courier.store.begin(tenant_id) as unit:
        assert len(unit.webhook_calls.list(hook.id)) == 1
        unit.work.hasten(tenant_id, topics=("prune",))
    assert do(keeping(courier, 0)) == 1
    with courier.store.begin(tenant_id) as unit:
        assert unit.webhook_calls.list(hook.id) == []


def test_the_audit_log_is_shortened_where_it_is_asked_to_be(courier: Courier, tenant_id: int) -> None:
    owners = (0, tenant_id)
    for owner in owners:
        with courier.store.begin(owner) as unit:
            unit.audit.add("made", "thing", {}, actor="somebody")
    for days, after, kept in ((0, 366, True), (365, 364, True), (365, 366, False)):
        with courier.store.begin(tenant_id) as unit:
            unit.work.hasten(tenant_id, topics=("prune",))
        later_on = keeping(courier, 0, after_days=after, audit_days=days)
        plan(later_on)
        do(later_on)
        for owner in owners:
            with courier.store.begin(owner, write=False) as unit:
                assert bool(unit.audit.list()) == kept


def test_a_pruned_campaign_without_its_report_is_found(courier: Courier, tenant_id: int, person: int) -> None:
    mail = Pruned(courier, tenant_id, person)
    mail.prune()
    assert dict(check(courier.store))[tenant_id] == []
    with courier.store.begin(tenant_id) as unit:
        rows = unit._rows  # type: ignore[attr-defined]
        rows.execute(rows.delete(frozen_reports))
    (found,) = dict(check(courier.store))[tenant_id]
    assert (found.invariant, found.examples) == ("pruned_keeps_its_report", (mail.message_id,))
