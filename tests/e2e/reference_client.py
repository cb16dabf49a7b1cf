"""A client as somebody wrote it against the reference system's README: every documented flow, once.

Nothing in here knows CourierX. It speaks plain HTTP with the standard library, and is what must go on
working: with no key where the server runs with `--dev`, or with one line more, the header.

    python reference_client.py http://127.0.0.1:8000 [KEY]
"""

from __future__ import annotations

import datetime
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

BASE, HEADERS = "", {"Content-Type": "application/json"}
NAME = f"Acme {time.time()}"


def call(method: str, path: str, body: object = None, expect: int = 200) -> Any:
    """Ask, and return the decoded answer; any other status than the documented one ends the run."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, HEADERS, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        status, content = refused.code, refused.read()
    assert status == expect, f"{method} {path}: {status}, not {expect}: {content.decode()[:500]}"
    return json.loads(content) if content else None


def has(answer: dict[str, Any], *fields: str) -> None:
    missing = [field for field in fields if field not in answer]
    assert not missing, f"{missing} are not in {answer}"


def health() -> None:
    assert call("GET", "/health") == {"status": "ok"}
    assert call("GET", "/openapi.json")["openapi"]


def tenants() -> int:
    made = call("POST", "/tenants/", {"name": NAME, "contact_email": "post@acme.example"}, 201)
    has(made, "id", "name", "contact_email", "ses_verified")
    call("POST", "/tenants/", {"name": NAME, "contact_email": "post@acme.example"}, 409)
    assert made["id"] in [each["id"] for each in call("GET", "/tenants/")]
    path = f"/tenants/{made['id']}"
    assert call("GET", path)["name"] == NAME
    assert call("PATCH", path, {"contact_email": "new@acme.example"})["contact_email"] == "new@acme.example"
    call("GET", "/tenants/999999", expect=404)
    return int(made["id"])


def subscribers(tenant: int) -> None:
    ann = {
        "tenant_id": tenant,
        "email": "ann@x.example",
        "first_name": "Ann",
        "attributes": {"city": "Leeds"},
    }
    made = call("POST", "/subscribers/", ann)
    has(made, "id", "tenant_id", "email", "first_name", "last_name", "status", "attributes")
    assert call("POST", "/subscribers/", ann, 409)["detail"] == "Subscriber already exists"
    path = f"/subscribers/{made['id']}"
    assert call("PATCH", path, {"last_name": "Lee"})["last_name"] == "Lee"
    assert call("GET", path)["attributes"] == {"city": "Leeds"}
    assert [each["id"] for each in call("GET", f"/subscribers/?tenant_id={tenant}")] == [made["id"]]
    rows = "email,first_name\nbob@x.example,Bob\nann@x.example,Ann\nno address,Nobody\ncy@x.example,Cy\n"
    told = call("POST", "/subscribers/bulk-import", {"tenant_id": tenant, "csv_text": rows})
    assert (told["imported"], told["skipped"]) == (2, 1), told
    call("POST", "/subscribers/bulk-import", {"tenant_id": tenant, "csv_text": "name\nAnn\n"}, 400)
    gone = call("POST", "/subscribers/", {"tenant_id": tenant, "email": "gone@x.example"})
    call("DELETE", f"/subscribers/{gone['id']}", expect=204)
    call("GET", f"/subscribers/{gone['id']}", expect=404)


def suppression(tenant: int) -> None:
    given = {"tenant_id": tenant, "email": "CY@x.example", "reason": "asked us to"}
    made = call("POST", "/suppression/", given, 201)
    assert made["reason"] == "asked us to"
    call("POST", "/suppression/", given, 409)
    other = call("POST", "/suppression/", {"tenant_id": tenant, "email": "bob@x.example"}, 201)
    call("DELETE", f"/suppression/{other['id']}", expect=204)
    assert [each["email"] for each in call("GET", f"/suppression/?tenant_id={tenant}")] == ["cy@x.example"]


def draft(tenant: int, name: str) -> int:
    given = {"tenant_id": tenant, "name": name, "subject": "Hello {{ first_name }}", "body": "<p>Hi</p>"}
    made = call("POST", "/campaigns/", given)
    has(made, "id", "tenant_id", "name", "subject", "body", "status", "scheduled_at")
    assert (made["status"], made["body"]) == ("draft", "<p>Hi</p>")
    return int(made["id"])


def campaign(tenant: int) -> int:
    number = draft(tenant, "Spring")
    path = f"/campaigns/{number}"
    assert call("PATCH", path, {"subject": "Dear {{ first_name }}"})["subject"] == "Dear {{ first_name }}"
    assert number in [each["id"] for each in call("GET", f"/campaigns/?tenant_id={tenant}")]
    ann = call("GET", f"/subscribers/?tenant_id={tenant}")[-1]
    seen = call("GET", f"{path}/preview?subscriber_id={ann['id']}")
    assert (seen["subject"], "<p>Hi</p>" in seen["body"]) == ("Dear Ann", True), seen
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    planned = call("POST", f"{path}/schedule", {"scheduled_at": tomorrow.isoformat()})
    assert planned["status"] == "scheduled"
    call("POST", f"{path}/schedule", {"scheduled_at": "2001-01-01T00:00:00Z"}, 422)
    assert call("POST", f"{path}/cancel-schedule")["status"] == "draft"
    assert call("POST", f"{path}/send-now") == {"enqueued": 3, "status": "sending"}
    assert "sending" in call("POST", f"{path}/send-now", expect=409)["detail"] or completed(number)
    call("POST", "/campaigns/999999/send-now", expect=404)
    wait(number)
    unused = draft(tenant, "Never")
    call("PATCH", f"/campaigns/{unused}", {"status": "sending"}, 409)
    call("DELETE", f"/campaigns/{unused}", expect=204)
    return number


def completed(number: int) -> bool:
    return bool(call("GET", f"/campaigns/{number}")["status"] == "completed")


def wait(number: int) -> None:
    deadline = time.monotonic() + 60
    while not completed(number):
        assert time.monotonic() < deadline, call("GET", f"/campaigns/{number}")
        time.sleep(0.1)


def logs(tenant: int, number: int) -> None:
    lines = call("GET", f"/email-logs/campaign/{number}")
    assert sorted((each["recipient_email"], each["status"]) for each in lines) == [
        ("ann@x.example", "sent"), ("bob@x.example", "sent"), ("cy@x.example", "suppressed"),
    ]  # fmt: skip
    for line in lines:
        has(
            line, "id", "tenant_id", "campaign_id", "subscriber_id", "recipient_email", "message_id",
            "status", "provider_job_id", "last_event_type", "last_event_at", "last_smtp_response",
            "bounce_type", "bounce_subtype", "complaint_type", "sent_at", "created_at",
        )  # fmt: skip
        assert call("GET", f"/email-logs/{line['id']}") == line
    assert len(call("GET", f"/email-logs/?tenant_id={tenant}&status=sent")) == 2


def test_mail(tenant: int) -> None:
    given = {"recipient": "me@x.example", "subject": "It works", "body": "Hello"}
    sent = call("POST", "/send/send-test", given)
    assert sent["message_id"], sent
    assert sent["queued"] is False
    later = call("POST", "/send/send-test", {**given, "enqueue": True, "tenant_id": tenant})
    assert later["message_id"], later
    assert later["queued"] is True
    call("POST", "/send/send-test", {"subject": "to nobody"}, 422)


def admin(tenant: int) -> None:
    one, two = draft(tenant, "By hand"), draft(tenant, "By the queue")
    assert call("POST", f"/admin/run-campaign/{one}") == {"enqueued": 3}
    assert call("POST", f"/admin/enqueue-campaign/{two}")["job_id"]
    for number in (one, two):
        wait(number)


def domains(tenant: int) -> None:
    given = {"tenant_id": tenant, "domain": "acme.example"}
    made = call("POST", "/domains/request-verification", given)
    has(made, "domain", "txt_name", "txt_value", "cname_name", "cname_value", "records")
    status = call("GET", f"/domains/status?tenant_id={tenant}")
    has(status, "tenant_id", "ses_verified", "domains")
    assert [each["domain"] for each in status["domains"]] == ["acme.example"]
    call("PATCH", "/domains/mark-verified", {"tenant_id": tenant})
    assert call("GET", f"/tenants/{tenant}")["ses_verified"] is True


def provider_events() -> None:
    call("POST", "/events/sns", {"Type": "Notification"}, 403)


def main(base: str, key: str = "") -> None:
    global BASE
    BASE = base
    if key:
        HEADERS["Authorization"] = f"Bearer {key}"
    health()
    paths = call("GET", "/openapi.json")["paths"]
    tenant = tenants()
    subscribers(tenant)
    suppression(tenant)
    number = campaign(tenant)
    logs(tenant, number)
    test_mail(tenant)
    admin(tenant)
    if "/domains/request-verification" in paths:
        domains(tenant)
    provider_events()
    call("DELETE", f"/tenants/{tenant}", expect=204)
    call("GET", f"/tenants/{tenant}", expect=404)
    print("every flow works")


if __name__ == "__main__":
    main(*sys.argv[1:])
