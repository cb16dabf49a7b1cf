"""Transactional mail over HTTP: stored when it is answered, each bad field named, nothing half-done."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.asgi import create_app
from courierx_app.container import default_sender
from courierx_app.settings import Configuration
from courierx_core.access import service as access
from courierx_core.courier import Courier
from courierx_core.messages.limits import FILES_MAX_BYTES, RECIPIENTS_MAX

Client = TestClient[Litestar]


@pytest.fixture
def order(tenant_id: int) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "from": "Acme <hi@acme.example>",
        "to": ["Ann <ann@x.example>"],
        "subject": "Order {{ order }}",
        "html": "<p>Your order {{ order }}</p>",
        "variables": {"order": 4711},
    }


def test_a_message_is_stored_with_its_deliveries_and_shown(client: Client, order: dict[str, Any]) -> None:
    file = {"filename": "a.pdf", "content_type": "application/pdf", "content": "JVBERg=="}
    body = {
        **order,
        "to": ["Ann <ann@x.example>", {"email": "BOB@x.example"}],
        "cc": ["cy@x.example"],
        "bcc": ["dee@x.example", "ann@x.example"],
        "reply_to": {"email": "help@acme.example", "name": "Help"},
        "attachments": [file],
        "headers": {"X-Order": "4711"},
        "tags": ["receipt"],
        "metadata": {"order_id": "4711"},
        "scheduled_at": None,
    }
    answer = client.post("/messages", json=body)
    assert answer.status_code == 202, answer.text
    sent = answer.json()
    assert sent["status"] == "queued"
    assert [(each["to"], each["status"]) for each in sent["deliveries"]] == [
        (f"{name}@x.example", "queued") for name in ("ann", "bob", "cy", "dee")
    ]
    shown = client.get(f"/messages/{sent['id']}").json()
    assert shown["from"] == "Acme <hi@acme.example>"
    assert shown["to"] == ["Ann <ann@x.example>", "bob@x.example"]
    assert (shown["cc"], shown["reply_to"]) == (["cy@x.example"], "Help <help@acme.example>")
    assert shown["attachments"] == [
        {"filename": "a.pdf", "content_type": "application/pdf", "content_id": "", "size": 4}
    ]
    assert (shown["headers"], shown["tags"], shown["metadata"]) == (
        {"X-Order": "4711"}, ["receipt"], {"order_id": "4711"},
    )  # fmt: skip
    assert shown["states"] == {"queued": 4}
    assert shown["deliveries"] == sent["deliveries"][::-1]
    (listed,) = client.get(f"/messages/?tenant_id={order['tenant_id']}").json()
    assert listed == {name: shown[name] for name in listed}
    assert "html" not in listed


def test_a_suppressed_address_is_a_delivery_in_that_state(client: Client, order: dict[str, Any]) -> None:
    for email in ("ann@x.example", "cy@x.example"):
        told = {"tenant_id": order["tenant_id"], "email": email, "reason": "bounce"}
        assert client.post("/suppression", json=told).status_code == 201
    both = client.post("/messages", json={**order, "to": ["ann@x.example", "bob@x.example"]}).json()
    assert [each["status"] for each in both["deliveries"]] == ["suppressed", "queued"]
    assert both["status"] == "queued"
    nobody = client.post("/messages", json=order).json()
    assert [each["status"] for each in nobody["deliveries"]] == ["suppressed"]
    assert nobody["status"] == "completed"


def test_a_template_gives_what_the_message_leaves_out(
    client: Client, courier: Courier, order: dict[str, Any]
) -> None:
    from courierx_core.templates.model import Template

    with courier.store.begin(order["tenant_id"]) as unit:
        new = Template(tenant_id=order["tenant_id"], name="t", subject="S {{ order }}", text="T {{ name }}")
        template_id = unit.templates.add(new).id
    body = {name: order[name] for name in ("tenant_id", "from", "to", "variables")}
    sent = client.post("/messages", json={**body, "template_id": template_id}).json()
    assert sent["warnings"] == [
        "`name` is not a known variable; it renders empty for everyone without an attribute of that name"
    ]
    shown = client.get(f"/messages/{sent['id']}").json()
    assert (shown["subject"], shown["text"]) == ("S {{ order }}", "T {{ name }}")
    unknown = client.post("/messages", json={**body, "template_id": template_id + 1})
    assert [each["field"] for each in unknown.json()["errors"]] == ["template_id"]


def test_a_scheduled_message_waits_and_can_be_cancelled_once(client: Client, order: dict[str, Any]) -> None:
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    sent = client.post("/messages", json={**order, "scheduled_at": soon.isoformat()}).json()
    assert (sent["status"], datetime.fromisoformat(sent["scheduled_at"])) == ("scheduled", soon)
    path = f"/messages/{sent['id']}"
    assert datetime.fromisoformat(client.get(path).json()["expires_at"]) > soon
    cancelled = client.post(f"{path}/cancel")
    assert cancelled.status_code == 200, cancelled.text
    assert (cancelled.json()["status"], cancelled.json()["states"]) == ("cancelled", {"cancelled": 1})
    again = client.post(f"{path}/cancel")
    assert again.status_code == 409
    assert "cancelled" in again.json()["detail"]


def test_a_campaigns_message_is_cancelled_with_its_campaign(client: Client, order: dict[str, Any]) -> None:
    tenant_id = order["tenant_id"]
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@x.example"})
    draft = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "b", "from_email": "a@acme.example"}
    campaign = client.post("/campaigns", json=draft).json()
    client.post(f"/campaigns/{campaign['id']}/send-now")
    message_id = client.get(f"/campaigns/{campaign['id']}").json()["message_id"]
    assert client.get(f"/messages/{message_id}").json()["campaign_id"] == campaign["id"]
    assert client.post(f"/messages/{message_id}/cancel").status_code == 409


def test_an_idempotency_key_makes_one_message(client: Client, order: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "order-4711"}
    first = client.post("/messages", json=order, headers=headers)
    again = client.post("/messages", json=order, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len(client.get(f"/messages?tenant_id={order['tenant_id']}").json()) == 1
    other = client.post("/messages", json={**order, "subject": "x"}, headers=headers)
    assert other.json()["code"] == "idempotency_mismatch"


def refused(client: Client, order: dict[str, Any], **changes: Any) -> dict[str, str]:
    answer = client.post("/messages", json={**order, **changes})
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert all(each["message"] for each in problem["errors"])
    listed = client.get(f"/messages?tenant_id={order['tenant_id']}").json()
    assert listed == [], "something half-done stayed"
    return {each["field"]: each["code"] for each in problem["errors"]}


FILE = {"filename": "a.txt", "content": "eA=="}


def test_without_any_sender_it_is_refused_outside_development(
    courier: Courier, configuration: Configuration, platform_key: str, order: dict[str, Any]
) -> None:
    settings = msgspec.structs.replace(configuration.settings, environment="staging")
    policy = msgspec.structs.replace(courier.policy, default_sender=default_sender(settings))
    app = create_app(msgspec.structs.replace(courier, policy=policy), settings)
    with TestClient(app) as client:
        client.headers["Authorization"] = f"Bearer {platform_key}"
        assert refused(client, order, **{"from": None}) == {"from": "missing"}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"to": []}, {"to": "required"}),
        ({"to": "ann@x.example"}, {"to": "invalid"}),
        ({"to": ["ann", "a@x.example", {"email": "b"}], "cc": ["@"], "reply_to": "c"},
         dict.fromkeys(("to[0]", "to[2]", "cc[0]", "reply_to"), "invalid_email")),
        ({"to": [f"a{n}@x.example" for n in range(RECIPIENTS_MAX)], "bcc": ["b@x.example"]},
         {"to": "too_many"}),
        ({"from": "no"}, {"from": "invalid_email"}),
        ({"subject": "s" * 999}, {"subject": "too_long"}),
        ({"subject": "a\0b"}, {"subject": "invalid"}),
        ({"html": ""}, {"html": "missing"}),
        ({"html": "x" * (2 * 1024 * 1024 + 1)}, {"html": "too_long"}),
        ({"html": "one\n{% if %}"}, {"html": "render"}),
        ({"html": "{{ 'a' * 9 }}"}, {"html": "render"}),
        ({"template_id": 10**30}, {"template_id": "out_of_range"}),
        ({"template_id": -1}, {"template_id": "not_found"}),
        ({"variables": [1]}, {"variables": "invalid"}),
        ({"variables": {"a": "x" * 300_000}}, {"variables": "too_long"}),
        ({"variables": {"a": {"b": ["\0"]}}}, {"variables.a.b[0]": "invalid"}),
        ({"headers": {"Bcc": "x@x.example"}}, {"headers[0]": "invalid_header"}),
        ({"headers": {"X-A": "b\r\nBcc: x@x.example"}}, {"headers[0]": "invalid_header"}),
        ({"headers": {"X A": "b"}}, {"headers[0]": "invalid_header"}),
        ({"tags": ["", "a\nb"]}, {"tags[0]": "required", "tags[1]": "invalid"}),
        ({"tags": ["t"] * 21}, {"tags": "too_many"}),
        ({"metadata": {"k": 1}}, {"metadata.k": "invalid"}),
        ({"metadata": {"k": "v" * 501}}, {"metadata.k": "too_long"}),
        ({"attachments": [{"filename": "a"}]}, {"attachments[0].content": "required"}),
        ({"attachments": [{**FILE, "content": "!"}]}, {"attachments[0].content": "invalid"}),
        ({"attachments": [{**FILE, "filename": " "}]}, {"attachments[0].filename": "length"}),
        ({"attachments": [{**FILE, "content_type": "pdf"}]}, {"attachments[0].content_type": "invalid"}),
        ({"attachments": [{**FILE, "content_id": "a>b"}]}, {"attachments[0].content_id": "invalid"}),
        ({"attachments": [FILE] * 51}, {"attachments": "too_many"}),
        ({"transport": "pigeon"}, {"transport": "not_found"}),
        ({"scheduled_at": "2020-01-01T00:00:00Z"}, {"scheduled_at": "in_the_past"}),
        ({"scheduled_at": "2120-01-01T00:00:00"}, {"scheduled_at": "invalid"}),
        ({"scheduled_at": "9999-12-31T23:59:59Z"}, {"scheduled_at": "too_far"}),
        ({"scheduled_at": "soon"}, {"scheduled_at": "invalid"}),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_nothing_is_stored(
    client: Client, order: dict[str, Any], changes: dict[str, Any], fields: dict[str, str]
) -> None:
    assert refused(client, order, **changes) == fields


def test_files_have_a_limit_together(client: Client, order: dict[str, Any]) -> None:
    half = base64.b64encode(b"x" * (FILES_MAX_BYTES // 2 + 1)).decode()
    files = [{"filename": "a", "content": half}, {"filename": "b", "content": half}]
    assert refused(client, order, attachments=files) == {"attachments": "too_large"}
    one = client.post("/messages", json={**order, "attachments": files[:1]})
    assert one.status_code == 202, one.text


def test_a_body_that_is_no_json_is_a_400(client: Client, order: dict[str, Any]) -> None:
    for content in (b"", b"{", b"[1]", b"\xff", b"[" * 100_000):
        answer = client.post("/messages", content=content)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body"), content[:10]


def test_a_batch_takes_each_message_by_itself(client: Client, order: dict[str, Any]) -> None:
    tenant_id = order["tenant_id"]
    good = {name: value for name, value in order.items() if name != "tenant_id"}
    batch = {
        "tenant_id": tenant_id,
        "messages": [
            {**good, "to": ["a@x.example"]},
            {**good, "to": ["a@x.example", "no"]},
            {"subject": 5},
            {**good, "html": "{{ 5"},
            {**good, "tenant_id": tenant_id + 1},
            {**good, "to": ["b@x.example"]},
        ],
    }
    answer = client.post("/messages/batch", json=batch, headers={"Idempotency-Key": "b"})
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert answer.json()["accepted"] == 2
    assert [each["status"] for each in results] == [202, 422, 422, 422, 422, 202]
    assert [[p["field"] for p in each["error"]["errors"]] for each in results if each["error"]] == [
        ["to[1]"],
        ["to", "subject"],
        ["html"],
        ["tenant_id"],
    ]
    assert [each["message"]["deliveries"][0]["to"] for each in results if each["message"]] == [
        "a@x.example",
        "b@x.example",
    ]
    assert len(client.get(f"/messages?tenant_id={tenant_id}").json()) == 2
    again = client.post("/messages/batch", json=batch, headers={"Idempotency-Key": "b"})
    assert again.json() == answer.json()
    for messages in ([], [good] * 501, [5], None):
        wrong = client.post("/messages/batch", json={"tenant_id": tenant_id, "messages": messages})
        assert wrong.status_code == 422, wrong.text
    assert len(client.get(f"/messages?tenant_id={tenant_id}").json()) == 2


def test_another_tenants_message_reads_as_missing(
    client: Client, api: Callable[..., Client], courier: Courier, order: dict[str, Any]
) -> None:
    message_id = client.post("/messages", json=order).json()["id"]
    other = client.post("/tenants", json={"name": "Other", "contact_email": "o@o.example"}).json()["id"]
    tenant = api(access.create_key(courier.store, tenant_id=other)[1])
    for method, path in (("GET", ""), ("POST", "/cancel")):
        answer = tenant.request(method, f"/messages/{message_id}{path}")
        assert answer.status_code == 404, answer.text
    assert tenant.get("/messages").json() == []
    assert tenant.post("/messages", json=order).status_code == 404
    assert client.get(f"/messages/{message_id}").json()["states"] == {"queued": 1}
