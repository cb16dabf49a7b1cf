"""People who change their minds while mail goes out: R11 and R13."""

from __future__ import annotations

import random

import msgspec
import pytest

from courierx_core.campaigns import service as campaigns
from courierx_core.errors import Conflict
from courierx_core.suppression.model import Suppression
from courierx_core.templates.model import Template
from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.script import Rule
from tests.faults.conftest import PACED, Sites
from tests.faults.invariants import check_invariants, deliveries_of
from tests.faults.site import WINDOW, Site, wait_for

CANCEL_SECONDS = 2.0
"""What an answer takes during which a cancel comes."""
CHANGE_SECONDS = 3.0
"""What an answer takes during which people change."""


def test_r11_nothing_is_intended_after_a_pause(
    site: Site, seed: int, chance: random.Random, thorough: bool
) -> None:
    pauses, recipients = (200, 4000) if thorough else (40, 1000)
    audiences = {}
    for _ in range(4):
        list_id, addresses = site.people(recipients // 4)
        audiences[site.start(list_id)] = addresses
    workers = [site.worker(), site.worker()]
    wait_for("the first message", lambda: site.sent())
    landed = 0
    doomed = list(audiences)[-1]
    for step in range(pauses):
        campaign_id = chance.choice(list(audiences))
        try:
            if step == pauses // 2:
                campaigns.cancel(site.courier, site.tenant_id, campaign_id := doomed)
            else:
                campaigns.pause(site.courier, site.tenant_id, campaign_id)
        except Conflict:
            continue  # it is over, or has not begun
        landed += 1
        intended = cursors(site, campaign_id)
        moment = site.sent() + chance.randrange(0, WINDOW)
        wait_for("some others are sent", lambda moment=moment: site.sent() >= moment or idle(site, audiences))
        assert cursors(site, campaign_id) == intended, f"campaign {campaign_id} intended more after its pause"
        if campaign_id != doomed or step != pauses // 2:
            try:
                campaigns.resume(site.courier, site.tenant_id, campaign_id)
            except Conflict:  # all that was left of it was under way when it was paused
                assert site.campaign(campaign_id).status == "completed"
    assert landed >= pauses // 4, f"only {landed} pauses found something to pause"
    live = [each for each in audiences if each != doomed]
    site.finish(*live)
    wait_for("the cancelled one is counted to its end", lambda: closed(site, doomed) == recipients // 4)
    states = check_invariants(site, audiences, uncertain=0)
    assert states["cancelled"], "the cancellation came too late to cancel anybody"
    for worker in workers:
        worker.stop()


def test_r11_a_worker_that_dies_after_a_cancel_leaves_nothing_open(sites: Sites) -> None:
    """What it records last is to be tried again, of a message that is cancelled, and nobody settles it."""
    slow = Rule(stage="mail", action=f"delay {CANCEL_SECONDS}")
    site = sites(slow, Rule(stage="rcpt", action="450 4.2.1 busy"))
    list_id, addresses = site.people(1)
    campaign_id = site.start(list_id)
    worker = site.worker(failpoint="after_record:kill")
    wait_for("it is under way", lambda: any(cursor for _, cursor in cursors(site, campaign_id)))
    campaigns.cancel(site.courier, site.tenant_id, campaign_id)
    assert worker.wait() == -9, worker.words()
    assert site.states(campaign_id) == {"deferred": 1}, "it died before its answer was recorded"
    second = site.worker()
    wait_for("it is cancelled", lambda: site.states(campaign_id) == {"cancelled": 1})
    wait_for("nothing is open", lambda: not site.items())
    check_invariants(site, {campaign_id: addresses}, uncertain=0)
    second.stop()


def closed(site: Site, campaign_id: int) -> int:
    states = site.states(campaign_id)
    return sum(states.values()) - states.get("queued", 0) - states.get("deferred", 0)


def cursors(site: Site, campaign_id: int) -> list[tuple[int, int]]:
    """Return what is intended of a campaign: the cursor of each send item, of ended ones too."""
    message_id = site.campaign(campaign_id).message_id
    return [
        (int(item), int(cursor))
        for item, cursor in site.rows(
            f"SELECT id, cursor FROM work WHERE topic = 'send' AND subject_id = {message_id} ORDER BY id"
        )
    ]


def idle(site: Site, audiences: dict[int, list[str]]) -> bool:
    """Nothing else is being sent, so waiting for it is in vain."""
    return not any(site.campaign(each).status == "sending" for each in audiences)


def test_r13_changes_count_from_their_commit_on_and_the_content_stays_frozen(sites: Sites) -> None:
    # every connection stands still for a while just as the changes are made
    slow = Rule(stage="dot", action=f"delay {CHANGE_SECONDS}", first=WINDOW + 1, last=WINDOW + 4)
    site = sites(slow, PACED, options=ServerOptions(keep="whole"))
    list_id, addresses = site.people(300)
    with site.courier.store.begin(site.tenant_id) as unit:
        template = unit.templates.add(
            Template(tenant_id=site.tenant_id, name="May", subject="Frozen", text="Dear {{ first_name }}")
        )
    campaign_id = site.start(list_id, subject="", text="", template_id=template.id)
    worker = site.worker()
    wait_for("a few are sent", lambda: site.sent() >= WINDOW)
    rows = deliveries_of(site, campaign_id)
    late = rows[150:]
    gone, unsubscribed, listed, renamed = (late[n::10] for n in range(4))
    with site.courier.store.begin(site.tenant_id) as unit:
        for row in gone:
            unit.subscribers.remove(row.subscriber_id)
        for row in unsubscribed:
            person = unit.subscribers.get(row.subscriber_id)
            unit.subscribers.save(msgspec.structs.replace(person, status="unsubscribed"))
        for row in renamed:
            person = unit.subscribers.get(row.subscriber_id)
            unit.subscribers.save(msgspec.structs.replace(person, first_name="Zoë"))
        unit.suppressions.add_many(
            [Suppression(tenant_id=site.tenant_id, address=row.address) for row in listed]
        )
        unit.templates.save(msgspec.structs.replace(template, subject="Changed", text="Changed"))
    [(cursor,)] = site.rows("SELECT max(cursor) FROM work WHERE topic = 'send'")
    # a window that was being committed just then may have intended as many again
    assert cursor + WINDOW < late[0].id, "the changes came too late: they were intended already"
    changed = msgspec.structs.replace(site.campaign(campaign_id), subject="Changed")
    with site.courier.store.begin(site.tenant_id) as unit, pytest.raises(Conflict):
        campaigns.update(site.courier, unit, changed)
    site.finish(campaign_id)
    before = [row.address for row in (*gone, *unsubscribed, *listed)]
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0, suppressed=before)
    assert states == {"accepted": 300 - len(before), "suppressed": len(before)}
    contents = [message.content for message in site.server.received()]
    assert len(contents) == 300 - len(before)
    assert all(b"Subject: Frozen" in content and b"Changed" not in content for content in contents)
    worker.stop()
