"""What is tracked is the choice of tenant, campaign and message; and so is whose host the links name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.courier import Courier
from courierx_core.feedback.model import FeedbackKind
from courierx_core.feedback.service import record
from courierx_core.messages.compile import Compiled
from courierx_core.messages.model import Message, Recipient
from courierx_core.ports.feedback import Feedback

Client = TestClient[Litestar]

HTML = '<p><a href="https://acme.example/a">a</a></p>'


def start(client: Client, tenant_id: int, **fields: Any) -> int:
    """Start a campaign to Ann; return its message."""
    draft = {"tenant_id": tenant_id, "name": "n", "subject": "s", "html": HTML, **fields}
    made = client.post("/campaigns", json=draft).json()
    assert client.post(f"/campaigns/{made['id']}/send-now").status_code == 200
    return int(client.get(f"/campaigns/{made['id']}").json()["message_id"])


def rendered(courier: Courier, tenant_id: int, message_id: int) -> str:
    with courier.store.begin(tenant_id, write=False) as unit:
        message: Message = unit.messages.get(message_id)
    person = Recipient(id=7, message_id=message_id, address="ann@x.example", state="queued")
    fields = Compiled(message, courier.tokens).fields(person)
    return fields.html + str(dict(fields.headers).get("List-Unsubscribe"))


@pytest.fixture
def ann(client: Client, tenant_id: int) -> int:
    return int(
        client.post("/subscribers", json={"tenant_id": tenant_id, "email": "ann@x.example"}).json()["id"]
    )


@pytest.mark.parametrize(
    ("tenant", "campaign", "clicks", "opens"),
    [
        ({}, {}, True, True),
        ({}, {"track_clicks": False}, False, True),
        ({}, {"track_opens": False}, True, False),
        ({"tracking": False}, {"track_clicks": True, "track_opens": True}, False, False),
    ],
)
def test_a_campaign_is_tracked_unless_somebody_says_no(
    client: Client, courier: Courier, tenant_id: int, ann: int, tenant: dict[str, Any],
    campaign: dict[str, Any], clicks: bool, opens: bool,
) -> None:  # fmt: skip
    assert client.patch(f"/tenants/{tenant_id}", json=tenant).status_code == 200
    html = rendered(courier, tenant_id, start(client, tenant_id, **campaign))
    assert ("mail.example.com/c/" in html) is clicks
    assert ("https://acme.example/a" in html) is not clicks
    assert ("mail.example.com/o/" in html) is opens


@pytest.mark.parametrize("asked", [True, False])
def test_a_single_message_is_tracked_where_it_asks_for_it(
    client: Client, courier: Courier, tenant_id: int, asked: bool
) -> None:
    body = {"tenant_id": tenant_id, "to": ["ann@x.example"], "subject": "s", "html": HTML}
    more = {"track_opens": True, "track_clicks": True} if asked else {}
    sent = client.post("/messages", json={**body, **more}).json()
    html = rendered(courier, tenant_id, sent["id"])
    assert ("/c/" in html) is ("/o/" in html) is asked


def test_a_tenants_own_host_is_in_every_link(
    client: Client, courier: Courier, tenant_id: int, ann: int
) -> None:
    changed = client.patch(f"/tenants/{tenant_id}", json={"public_url": "https://links.acme.example/"})
    assert changed.json()["public_url"] == "https://links.acme.example"
    html = rendered(courier, tenant_id, start(client, tenant_id))
    assert set(re.findall(r"https://([^/]+)/[a-z]/", html)) == {"links.acme.example"}
    assert len(re.findall(r"https://links.acme.example/[cou]/", html)) == 3


@pytest.mark.parametrize(
    "url",
    ["http://x.example", "x.example", "https://x.example/a", "https://", "https://a@x.example",
     "https://x.example?b", "https://é.example", "https://x.exa mple", "javascript:alert(1)"],
)  # fmt: skip
def test_a_host_that_no_link_should_name_is_refused(client: Client, tenant_id: int, url: str) -> None:
    answer = client.patch(f"/tenants/{tenant_id}", json={"public_url": url})
    assert [each["field"] for each in answer.json()["errors"]] == ["public_url"]


def test_links_tell_the_sites_statistics_where_they_came_from(
    client: Client, courier: Courier, tenant_id: int, ann: int
) -> None:
    utm = {"source": "news", "campaign": "May & June"}
    message_id = start(client, tenant_id, utm=utm)
    wanted = "https://acme.example/a?utm_source=news&utm_campaign=May+%26+June"
    with courier.store.begin(tenant_id, write=False) as unit:
        assert unit.messages.get(message_id).content.links == (wanted,)
    (campaign,) = client.get("/campaigns", params={"tenant_id": tenant_id}).json()
    assert campaign["utm"] == utm
    copy = client.post(f"/campaigns/{campaign['id']}/clone").json()
    assert copy["utm"] == utm
    untracked = rendered(courier, tenant_id, start(client, tenant_id, utm=utm, track_clicks=False))
    assert wanted.replace("&", "&amp;") in untracked


@pytest.mark.parametrize("utm", [{"color": "red"}, {"source": "x" * 201}, {"source": "a\nb"}, {"source": ""}])
def test_parameters_that_say_nothing_are_refused(client: Client, tenant_id: int, utm: dict[str, str]) -> None:
    draft = {"tenant_id": tenant_id, "name": "n", "subject": "s", "html": HTML, "utm": utm}
    answer = client.post("/campaigns", json=draft)
    assert answer.status_code == 422
    assert all(each["field"].startswith("utm") for each in answer.json()["errors"])


def test_a_report_counts_all_and_people(client: Client, courier: Courier, tenant_id: int, ann: int) -> None:
    message_id = start(client, tenant_id)
    (campaign,) = client.get("/campaigns", params={"tenant_id": tenant_id}).json()
    path = f"/campaigns/{campaign['id']}/report"
    assert client.get(path).json()["events"] == {}
    with courier.store.begin(tenant_id) as unit:
        message = unit.messages.get(message_id)
        (delivery,) = unit.deliveries.add(message, ["ann@x.example"], subscriber_ids=[ann])
    told: list[tuple[FeedbackKind, bool]] = [("opened", False), ("opened", True), ("clicked", False)]
    for number, (kind, machine) in enumerate(told):
        feedback = Feedback(kind=kind, at=courier.runtime.now(), event_id=str(number), machine=machine)
        with courier.store.begin(tenant_id) as unit:
            record(unit, delivery.id, "test", [feedback])
    assert client.get(path).json()["events"] == {
        "opened": {"all": 2, "human": 1, "people": 1},
        "clicked": {"all": 1, "human": 1, "people": 1},
    }
