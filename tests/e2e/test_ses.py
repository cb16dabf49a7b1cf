"""Campaigns through the SES fake on both stores: every answer, every notification (R17, R18, R19)."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from courierx_core.delivery.service import resend
from courierx_core.feedback.service import match_kept, receive
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.feedback import HttpRequest
from courierx_core.testing.http import HttpAnswer
from courierx_core.transports import service as transports
from courierx_ses.config import SesConfig
from courierx_ses.feedback import SnsConfig, SnsFeedback
from courierx_ses.transport import SesTransport
from tests.e2e.conftest import Platform
from tests.plugins.ses_fake import DROPPED, LOST, SesFake, error
from tests.plugins.sns_fake import TOPIC, Amazon, notification

Assemble = Callable[..., Platform]
Event = dict[str, Any]
KINDS = ("ann", "bounce", "full", "complaint", "delayed", "reject")


@pytest.fixture
def fake() -> Iterator[SesFake]:
    with SesFake() as peer:
        yield peer


@pytest.fixture
def sns() -> SnsFeedback:
    made = SnsFeedback("sns", SnsConfig(allowed_topic_arns=(TOPIC,)), Runtime(environment="production"))
    made.fetch = Amazon().fetch
    return made


def transport(fake: SesFake, **settings: Any) -> SesTransport:
    config = SesConfig(access_key_id="AKID", secret_access_key=Secret("s"), endpoint_url=fake.url, **settings)
    return SesTransport("smtp", config, Runtime())  # the name that the drafts of `Platform` choose


def hear(platform: Platform, sns: SnsFeedback, event: Event) -> None:
    """Take a notification in as POST /events/sns does."""
    body = json.dumps(notification(event)).encode()
    request = HttpRequest(method="POST", path="/events/sns", query={}, headers={}, body=body)
    sns.verify(request)
    receive(platform.courier, "sns", list(sns.parse(request)))


def people(number: int) -> list[str]:
    return [f"{kind}{n}@x.example" for n in range(number) for kind in KINDS]


def ended(platform: Platform, campaign_id: int) -> Any:
    """What a campaign left behind, without ids and times."""
    report = platform.report(campaign_id)
    assert platform.recount(campaign_id) == report.states
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        message_id = unit.campaigns.get(campaign_id).message_id
        rows = unit.deliveries.list(message_id=message_id, limit=1000)
        return (
            report.states,
            sorted((row.address, row.state, row.reason, row.status, row.reply) for row in rows),
            sorted((each.address, each.cause) for each in unit.suppressions.list(limit=1000)),
            sorted((each.recipient, each.kind, each.bounce or "") for each in unit.events.list(limit=1000)),
        )


def test_r18_ten_times_shuffled_and_before_the_answer_ends_as_in_order(
    assemble: Assemble, fake: SesFake, sns: SnsFeedback
) -> None:
    ordered = assemble(transport(fake))
    shuffled = Platform(ordered.courier, "Other")
    ordered.people(*people(8))
    shuffled.people(*people(8))
    first = ordered.start()
    with ordered.worker():
        ordered.finish(first)
        for event in fake.events:
            hear(ordered, sns, event)
        told = len(fake.events)
        fake.heard = lambda event: hear(shuffled, sns, event)
        second = shuffled.start()
        shuffled.finish(second)
    mixed = fake.events[told:] * 10
    random.Random(18).shuffle(mixed)
    for event in mixed:
        hear(shuffled, sns, event)
    found = ended(ordered, first)
    assert found[0] == {"bounced": 24, "delivered": 24}
    assert {cause for _, cause in found[2]} == {"hard_bounce", "complaint"}
    assert ended(shuffled, second) == found


def test_r18_what_is_heard_by_the_providers_id_alone_before_the_answer_is_kept_for_it(
    assemble: Assemble, fake: SesFake, sns: SnsFeedback
) -> None:
    """Somebody took our tag and header away; the id is not known here before SES has answered."""

    def without_ours(event: Event) -> None:
        del event["mail"]["tags"]["courierx_send_id"]
        event["mail"]["headers"] = []
        hear(platform, sns, event)

    platform = assemble(transport(fake))
    platform.people(*people(2))
    fake.heard = without_ours
    campaign_id = platform.start()
    with platform.worker():
        platform.finish(campaign_id)
    match_kept(platform.courier)
    states = platform.report(campaign_id).states
    assert states == {"accepted": 4, "delivered": 4, "bounced": 4}
    assert platform.recount(campaign_id) == states


def test_r17_every_fault_has_its_class_after_one_request_and_nobody_is_lost(
    assemble: Assemble, fake: SesFake
) -> None:
    answers = {
        "dropped": DROPPED,
        "lost": LOST,
        "broken": error(500, "InternalFailure", "oops"),
        "slow": error(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
        "virus": error(400, "MessageRejected", "Virus found"),
    }
    once = set[str]()
    guard = threading.Lock()

    def fault(body: Event) -> HttpAnswer | None:
        (recipient,) = body["Destination"]["ToAddresses"]
        found = next((answers[name] for name in answers if recipient.startswith(name)), None)
        with guard:
            again = recipient in once
            once.add(recipient)
        return None if recipient.startswith("slow") and again else found

    fake.fault = fault
    platform = assemble(transport(fake), retry_schedule=(0.1,))
    names = [*answers, "fine"]
    platform.people(*(f"{name}{n}@x.example" for name in names for n in range(5)))
    campaign_id = platform.start()
    with platform.worker():
        report = platform.finish(campaign_id)
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        rows = unit.deliveries.list(state="uncertain", limit=100)
    extra = [
        (row.address, row.reason) for row in rows if not row.address.startswith(("dropped", "lost", "broken"))
    ]
    assert extra == []
    assert report.states == {"uncertain": 15, "accepted": 10, "rejected": 5}
    assert platform.recount(campaign_id) == report.states
    requests = Counter(body["Destination"]["ToAddresses"][0] for body in fake.sends)
    assert {name: count for name, count in requests.items() if count != 1 and "slow" not in name} == {}
    assert {requests[f"slow{n}@x.example"] for n in range(5)} == {2}


def test_r17_a_quota_that_is_used_up_holds_mail_until_there_is_room(
    assemble: Assemble, fake: SesFake
) -> None:
    quota = fake.account["SendQuota"]
    quota.update(Max24HourSend=12.0, SentLast24Hours=0.0)
    made = transport(fake)
    platform = assemble(made)
    platform.people(*(f"p{n}@x.example" for n in range(20)))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda report: report.states.get("accepted") == 12)
        progress_says = platform.wait(campaign_id, lambda report: report.status == "sending")
        assert progress_says.states["queued"] == 8
    assert fake.attempts() == 12


def test_r17_a_suspension_stops_the_transport_with_sess_words_until_a_person_resumes_it(
    assemble: Assemble, fake: SesFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("courierx_core.delivery.run.UNSENDABLE_SECONDS", 0.2)
    monkeypatch.setattr("courierx_core.delivery.crew.LOOK_SECONDS", 0.0)
    fake.fault = lambda body: error(400, "AccountSuspendedException", "Your account is suspended.")
    fake.account["EnforcementStatus"] = "SHUTDOWN"
    made = transport(fake)
    platform = assemble(made)
    platform.people(*(f"p{n}@x.example" for n in range(30)))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda _: bool(transports.paused(platform.courier)))
    report = platform.report(campaign_id)
    assert (report.status, report.states) == ("sending", {"queued": 30})
    words = "400 AccountSuspendedException: Your account is suspended."
    assert transports.paused(platform.courier)["smtp"].reason == words
    asked = fake.attempts()
    assert asked <= 30, "one request each at most, and none after the pause"
    assert not transports.recovered(platform.courier, "smtp")
    fake.fault = None
    fake.account["EnforcementStatus"] = "HEALTHY"
    made._checked = None
    assert transports.recovered(platform.courier, "smtp")
    transports.resume(platform.courier, "smtp")
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 30}
    assert fake.attempts() == asked + 30


def test_r19_events_settle_what_was_uncertain_and_the_rest_is_sent_again(
    assemble: Assemble, fake: SesFake, sns: SnsFeedback
) -> None:
    """26 lose their answer: SES took 20 of them, and says so later."""
    again = threading.Event()

    def fault(body: Event) -> HttpAnswer | None:
        (recipient,) = body["Destination"]["ToAddresses"]
        if again.is_set() or recipient.startswith("p"):
            return None
        return DROPPED if recipient.startswith("taken") else LOST

    fake.fault = fault
    platform = assemble(transport(fake))
    lost: Sequence[str] = [f"lost{n}@x.example" for n in range(6)]
    platform.people(
        *lost, *(f"taken{n}@x.example" for n in range(20)), *(f"p{n}@x.example" for n in range(10))
    )
    campaign_id = platform.start()
    with platform.worker():
        report = platform.finish(campaign_id)
        assert report.states == {"uncertain": 26, "accepted": 10}
        for event in random.Random(19).sample(fake.events * 2, len(fake.events) * 2):
            hear(platform, sns, event)
        assert platform.report(campaign_id).states == {"uncertain": 6, "delivered": 30}
        with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
            listed = unit.deliveries.list(state="uncertain")
        assert sorted(row.address for row in listed) == lost
        before = fake.attempts()
        again.set()
        resend(platform.courier, platform.tenant_id, [row.id for row in listed])
        platform.wait(campaign_id, lambda report: not report.states.get("uncertain"))
        platform.finish(campaign_id)
    assert fake.attempts() - before == 6
    assert platform.report(campaign_id).states == {"accepted": 6, "delivered": 30}
