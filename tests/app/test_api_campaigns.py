"""Campaigns over HTTP: written, started once, paused, and reported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.access import service as access
from courierx_core.courier import Courier

Client = TestClient[Litestar]


@pytest.fixture
def draft(client: Client, tenant_id: int) -> dict[str, Any]:
    body = {
        "tenant_id": tenant_id,
        "name": "May",
        "subject": "Hello {{ first_name }}",
        "body": "<p>Hi {{ first_name }}</p>",
        "from_email": "Acme <news@acme.example>",
        "reply_to": "Help <help@acme.example>",
    }
    answer = client.post("/campaigns/", json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
def people(client: Client, tenant_id: int) -> int:
    rows = "email\n" + "".join(f"p{number}@x.example\n" for number in range(5))
    answer = client.post("/subscribers/bulk-import", json={"tenant_id": tenant_id, "csv_text": rows})
    return int(answer.json()["imported"])


def test_a_draft_is_written_shown_changed_and_deleted(client: Client, draft: dict[str, Any]) -> None:
    assert draft["status"] == "draft"
    assert draft["scheduled_at"] is None
    path = f"/campaigns/{draft['id']}"
    assert client.get(path).json() == draft
    assert client.get(f"/campaigns/?tenant_id={draft['tenant_id']}").json() == [draft]
    changed = client.patch(path, json={"subject": "New", "track_opens": False}).json()
    assert (changed["subject"], changed["track_opens"], changed["name"]) == ("New", False, "May")
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_every_bad_field_of_a_campaign_is_named(client: Client, tenant_id: int) -> None:
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "from_email": "no", "list_ids": [7, 8]}
    answer = client.post("/campaigns", json=body)
    assert answer.status_code == 422
    assert {each["field"]: each["code"] for each in answer.json()["errors"]} == {
        "from_email": "invalid_email",
        "list_ids[0]": "not_found",
        "list_ids[1]": "not_found",
    }
    wrong = client.post("/campaigns", json={"list_ids": [1, "x"], "headers": 3}).json()
    assert [each["field"] for each in wrong["errors"]] == ["name", "subject", "list_ids[1]", "headers"]


def test_a_template_that_does_not_compile_is_a_422_with_its_line(client: Client, tenant_id: int) -> None:
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "one\n{% if %}"}
    answer = client.post("/campaigns", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "render"
    assert "line 2" in answer.json()["detail"]


def test_progress_says_how_far_it_is_and_what_it_waits_for(
    client: Client, draft: dict[str, Any], people: int
) -> None:
    path = f"/campaigns/{draft['id']}"
    assert client.get(path).json()["progress"] is None
    client.post(f"{path}/send-now")
    answer = client.get(f"{path}/progress")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found == client.get(path).json()["progress"]
    assert (found["audience"], found["done"], found["eta"]) == (0, 0, None)
    assert [each["code"] for each in found["waiting_for"]] == ["no_worker", "preparing"]
    assert client.get("/campaigns/999/progress").status_code == 404


def test_send_now_starts_once(client: Client, draft: dict[str, Any], people: int) -> None:
    path = f"/campaigns/{draft['id']}"
    first = client.post(f"{path}/send-now")
    assert first.status_code == 200, first.text
    assert first.json() == {"enqueued": people, "status": "sending"}
    again = client.post(f"{path}/send-now")
    assert again.status_code == 409
    assert "is sending" in again.json()["detail"]
    assert client.get(path).json()["status"] == "sending"
    assert client.delete(path).status_code == 409
    assert client.patch(path, json={"subject": "too late"}).status_code == 409


def test_send_now_with_an_idempotency_key_answers_the_first_again(
    client: Client, draft: dict[str, Any], people: int
) -> None:
    path = f"/campaigns/{draft['id']}/send-now"
    headers = {"Idempotency-Key": "k1"}
    first = client.post(path, headers=headers)
    assert first.json()["enqueued"] == people
    assert "idempotency-replayed" not in first.headers
    again = client.post(path, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert client.post(path, headers={"Idempotency-Key": "k2"}).status_code == 409


def test_an_idempotency_key_makes_one_campaign_and_fits_one_body(client: Client, tenant_id: int) -> None:
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "text": "t"}
    headers = {"Idempotency-Key": "k"}
    first = client.post("/campaigns", json=body, headers=headers)
    assert client.post("/campaigns", json=body, headers=headers).json() == first.json()
    assert len(client.get(f"/campaigns?tenant_id={tenant_id}").json()) == 1
    other = client.post("/campaigns", json={**body, "name": "other"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_mismatch"


def test_a_key_whose_request_failed_may_be_used_again(
    client: Client, draft: dict[str, Any], tenant_id: int
) -> None:
    path, headers = f"/campaigns/{draft['id']}/send-now", {"Idempotency-Key": "k"}
    assert client.post(path, headers=headers).status_code == 409  # nobody to go to
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@x.example"})
    assert client.post(path, headers=headers).json() == {"enqueued": 1, "status": "sending"}


def test_an_unknown_campaign_is_a_404(client: Client) -> None:
    for method, path in (("GET", ""), ("POST", "/send-now"), ("POST", "/pause"), ("GET", "/report")):
        assert client.request(method, f"/campaigns/999{path}").status_code == 404, path


def test_pause_resume_and_cancel(client: Client, draft: dict[str, Any], people: int) -> None:
    path = f"/campaigns/{draft['id']}"
    assert client.post(f"{path}/pause").status_code == 409
    client.post(f"{path}/send-now")
    assert client.post(f"{path}/pause").json()["status"] == "paused"
    assert client.post(f"{path}/resume").json()["status"] == "sending"
    assert client.post(f"{path}/cancel").json()["status"] == "cancelled"
    assert client.post(f"{path}/cancel").status_code == 409


def test_a_report_adds_up(client: Client, draft: dict[str, Any], people: int) -> None:
    path = f"/campaigns/{draft['id']}"
    report = client.get(f"{path}/report").json()
    assert (report["campaign_id"], report["status"], report["states"]) == (draft["id"], "draft", {})
    client.post(f"{path}/send-now")
    report = client.get(f"{path}/report").json()
    assert sum(report["states"].values()) == report["audience"]
    assert sum(each["audience"] for each in report["domains"]) == report["audience"]
    assert (report["rates"], report["links"], report["series"], report["bounces"]) == ({}, [], [], {})


def test_a_schedule_is_set_and_taken_back(client: Client, draft: dict[str, Any]) -> None:
    path = f"/campaigns/{draft['id']}"
    soon = datetime.now(timezone.utc) + timedelta(days=1)
    scheduled = client.post(f"{path}/schedule", json={"scheduled_at": soon.isoformat()})
    assert scheduled.status_code == 200, scheduled.text
    assert scheduled.json()["status"] == "scheduled"
    assert datetime.fromisoformat(scheduled.json()["scheduled_at"]) == soon
    back = client.post(f"{path}/cancel-schedule").json()
    assert (back["status"], back["scheduled_at"]) == ("draft", None)
    assert client.post(f"{path}/cancel-schedule").status_code == 409


@pytest.mark.parametrize("at", ["past", "naive", "never", None])
def test_a_wrong_time_is_a_422(client: Client, draft: dict[str, Any], at: str | None) -> None:
    now = datetime.now(timezone.utc)
    given = {
        "past": (now - timedelta(seconds=1)).isoformat(),
        "naive": (now + timedelta(days=1)).isoformat()[:19],
    }
    answer = client.post(f"/campaigns/{draft['id']}/schedule", json={"scheduled_at": given.get(str(at), at)})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["scheduled_at"]


def test_a_status_may_be_set_where_an_action_leads_there(
    client: Client, draft: dict[str, Any], people: int
) -> None:
    path = f"/campaigns/{draft['id']}"
    illegal = client.patch(path, json={"status": "sending"})
    assert illegal.status_code == 409
    assert f"POST {path}/send-now" in illegal.json()["detail"]
    assert client.patch(path, json={"status": "completed"}).status_code == 409
    assert client.patch(path, json={"status": "draft"}).json()["status"] == "draft"
    client.post(f"{path}/send-now")
    assert client.patch(path, json={"status": "paused"}).json()["status"] == "paused"
    assert client.patch(path, json={"status": "sending"}).json()["status"] == "sending"
    assert client.patch(path, json={"status": "cancelled"}).json()["status"] == "cancelled"


def test_a_campaign_to_lists_takes_what_it_was_given(
    client: Client, courier: Courier, tenant_id: int
) -> None:
    from courierx_core.audience.model import MailingList

    with courier.store.begin(tenant_id) as unit:
        mailing_list = unit.lists.add(MailingList(tenant_id=tenant_id, name="all"))
    body = {
        "tenant_id": tenant_id,
        "name": "n",
        "subject": "s",
        "text": "t",
        "list_ids": [mailing_list.id],
        "reply_to": {"email": "r@acme.example", "name": "Re"},
        "headers": {"X-Kind": "news"},
    }
    made = client.post("/campaigns", json=body).json()
    assert made["list_ids"] == [mailing_list.id]
    assert made["reply_to"] == "Re <r@acme.example>"
    assert made["headers"] == {"X-Kind": "news"}
    assert client.patch(f"/campaigns/{made['id']}", json={"list_ids": []}).json()["list_ids"] == []


def test_a_key_that_may_only_write_cannot_start(
    api: Callable[..., Client], courier: Courier, draft: dict[str, Any], people: int
) -> None:
    writer = api(access.create_key(courier.store, scopes=["campaigns:read", "campaigns:write"])[1])
    assert writer.patch(f"/campaigns/{draft['id']}", json={"name": "x"}).status_code == 200
    assert writer.post(f"/campaigns/{draft['id']}/send-now").status_code == 403


def test_another_tenants_campaign_reads_as_missing(
    client: Client, api: Callable[..., Client], courier: Courier, draft: dict[str, Any], people: int
) -> None:
    other = client.post("/tenants", json={"name": "Other", "contact_email": "o@o.example"}).json()["id"]
    tenant = api(access.create_key(courier.store, tenant_id=other)[1])
    path = f"/campaigns/{draft['id']}"
    for method, tail in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/report"),
        *(("POST", f"/{each}") for each in ("send-now", "pause", "resume", "cancel", "cancel-schedule")),
    ):
        answer = tenant.request(method, path + tail, json={} if method == "PATCH" else None)
        assert answer.status_code == 404, (method, tail, answer.text)
        assert "May" not in answer.text
    assert tenant.get("/campaigns").json() == []
    assert client.get(path).json() == draft
