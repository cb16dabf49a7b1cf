"""The log over HTTP, in the reference's words: filters, pages, and what providers said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.sending import HiredWorker
from courierx_core.access import service as access
from courierx_core.courier import Courier
from courierx_core.feedback.service import receive
from courierx_core.ports.driver import utcnow
from courierx_core.ports.feedback import Feedback

Client = TestClient[Litestar]
SAID: dict[str, Any] = {"at": utcnow(), "recipient": "p1@x.example"}


def logs(client: Client, **asked: object) -> list[dict[str, Any]]:
    answer = client.get("/email-logs/", params={name: str(value) for name, value in asked.items()})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


@pytest.fixture
def campaign(client: Client, tenant_id: int, courier: Courier) -> dict[str, Any]:
    """A campaign to three people, one of them suppressed, sent."""
    rows = "email\n" + "".join(f"p{number}@x.example\n" for number in range(3))
    client.post("/subscribers/bulk-import", json={"tenant_id": tenant_id, "csv_text": rows})
    client.post("/suppression", json={"tenant_id": tenant_id, "email": "p2@x.example"})
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "t"}
    made: dict[str, Any] = client.post("/campaigns", json=body).json()
    assert client.get(f"/email-logs/campaign/{made['id']}").json() == []
    with HiredWorker(courier, "test"):
        assert client.post(f"/campaigns/{made['id']}/send-now").json()["enqueued"] == 3
        path = f"/campaigns/{made['id']}"
        while client.get(path).json()["status"] != "completed":
            pass
    return made


def test_every_delivery_is_a_line(client: Client, tenant_id: int, campaign: dict[str, Any]) -> None:
    lines = logs(client, tenant_id=tenant_id)
    assert {each["recipient_email"]: (each["status"], each["state"]) for each in lines} == {
        "p0@x.example": ("sent", "accepted"),
        "p1@x.example": ("sent", "accepted"),
        "p2@x.example": ("suppressed", "suppressed"),
    }
    assert [each["id"] for each in lines] == sorted((each["id"] for each in lines), reverse=True)
    assert client.get(f"/email-logs/campaign/{campaign['id']}/").json() == lines
    for line in lines:
        assert client.get(f"/email-logs/{line['id']}").json() == line
        assert line["campaign_id"] == campaign["id"]
        assert (line["message_id"] is None) is (line["state"] == "suppressed")
        assert line["created_at"]
    first = client.get("/email-logs", params={"tenant_id": tenant_id, "limit": 2})
    rest = client.get(first.links["next"]["url"])
    assert [*first.json(), *rest.json()] == lines


def test_the_log_is_filtered(client: Client, tenant_id: int, campaign: dict[str, Any]) -> None:
    assert [each["recipient_email"] for each in logs(client, tenant_id=tenant_id, status="suppressed")] == [
        "p2@x.example"
    ]
    assert len(logs(client, tenant_id=tenant_id, recipient="P1@X.example")) == 1
    assert len(logs(client, tenant_id=tenant_id, since=utcnow() - timedelta(hours=1))) == 3
    assert logs(client, tenant_id=tenant_id, since=utcnow() + timedelta(hours=1)) == []
    path = f"/email-logs/campaign/{campaign['id']}"
    assert len(client.get(path, params={"status": "sent", "recipient": "p0@x.example"}).json()) == 1
    for wrong in ("status=gone", "recipient=no", "since=2026-01-31T12:00:00", "limit=0", "cursor=0"):
        answer = client.get(f"/email-logs?tenant_id={tenant_id}&{wrong}")
        assert (answer.status_code, wrong) == (400 if wrong.startswith("cursor") else 422, wrong)
        assert answer.json()["errors"][0]["field"] == wrong.partition("=")[0]


def test_what_came_back_is_in_its_line(
    client: Client, courier: Courier, tenant_id: int, campaign: dict[str, Any]
) -> None:
    (line,) = logs(client, tenant_id=tenant_id, recipient="p1@x.example")
    told = {**SAID, "provider_id": line["message_id"]}
    raw = '{"bounce": {"bounceType": "Transient", "bounceSubType": "MailboxFull"}}'
    receive(courier, "mock", [Feedback(kind="bounced", bounce="soft", reply="452 full", raw=raw, **told)])
    (line,) = logs(client, tenant_id=tenant_id, status="bounced")
    assert (line["last_event_type"], line["bounce_type"]) == ("bounced", "Transient")
    assert (line["bounce_subtype"], line["last_smtp_response"]) == ("MailboxFull", "452 full")
    (other,) = logs(client, tenant_id=tenant_id, recipient="p0@x.example")
    told = {"recipient": "p0@x.example", "provider_id": other["message_id"]}
    raw = '{"complaint": {"complaintFeedbackType": "abuse"}}'
    receive(
        courier,
        "mock",
        [
            Feedback(kind="complained", at=SAID["at"] + timedelta(minutes=1), raw=raw, **told),
            Feedback(kind="delivered", at=SAID["at"], **told),
        ],
    )
    (other,) = logs(client, tenant_id=tenant_id, status="complaint")
    assert (other["state"], other["complaint_type"]) == ("delivered", "abuse")
    assert other["last_event_type"] == "complained"
    assert logs(client, tenant_id=tenant_id, status="delivered") == []


def test_another_tenants_log_reads_as_missing(
    client: Client, api: Callable[..., Client], courier: Courier, tenant_id: int, campaign: dict[str, Any]
) -> None:
    other = client.post("/tenants", json={"name": "Other", "contact_email": "o@other.example"}).json()["id"]
    theirs = api(access.create_key(courier.store, tenant_id=other)[1])
    (line, *_) = logs(client, tenant_id=tenant_id)
    assert theirs.get("/email-logs").json() == []
    for path in (f"/{line['id']}", f"/campaign/{campaign['id']}", f"/?tenant_id={tenant_id}", f"/{2**80}"):
        assert theirs.get(f"/email-logs{path}").status_code == 404, path
    assert client.get(f"/email-logs/{2**80}").status_code == 404
    for path in ("run-campaign", "enqueue-campaign"):
        assert theirs.post(f"/admin/{path}/{campaign['id']}").status_code == 404


# --- /admin


@pytest.mark.parametrize("route", ["run-campaign", "enqueue-campaign"])
def test_both_admin_routes_start_a_campaign_once(client: Client, tenant_id: int, route: str) -> None:
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@x.example"})
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "t"}
    made = client.post("/campaigns", json=body).json()
    first = client.post(f"/admin/{route}/{made['id']}")
    assert first.status_code == 200, first.text
    if route == "run-campaign":
        assert first.json() == {"enqueued": 1}
    else:
        assert first.json()["job_id"]
    assert client.get(f"/campaigns/{made['id']}").json()["status"] == "sending"
    assert client.post(f"/admin/{route}/{made['id']}").status_code == 409
    assert client.post(f"/admin/{route}/999").status_code == 404


def test_the_job_is_what_the_queue_called_it(
    client: Client, courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@x.example"})
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "t"}
    one, two = (client.post("/campaigns", json=body).json()["id"] for _ in range(2))
    monkeypatch.setattr(type(courier.queue), "notify", lambda self, topic: f"rq:{topic}")
    assert client.post(f"/admin/enqueue-campaign/{one}").json() == {"job_id": "rq:tasks"}

    def away(self: object, topic: str) -> str:
        raise ConnectionError("Redis is away")

    monkeypatch.setattr(type(courier.queue), "notify", away)
    assert client.post(f"/admin/enqueue-campaign/{two}").json() == {"job_id": None}
    assert client.get(f"/campaigns/{two}").json()["status"] == "sending"
