"""POST /send/send-test: the far side's answer, the queue's, and how often a key may ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.api import send_test as route
from courierx_app.asgi import create_app
from courierx_app.sending import HiredWorker
from courierx_app.settings import Configuration
from courierx_core.access import service as access
from courierx_core.courier import Courier

Client = TestClient[Litestar]
MAIL = {"recipient": "Ann <ann@x.example>", "subject": "Hi", "body": "<p>Hello</p>"}


def test_it_waits_for_the_answer_of_the_far_side(client: Client, courier: Courier, tenant_id: int) -> None:
    with HiredWorker(courier, "test"):
        answer = client.post("/send/send-test", json={**MAIL, "tenant_id": tenant_id})
    assert answer.status_code == 200, answer.text
    sent = answer.json()
    assert (sent["queued"], sent["state"]) == (False, "accepted")
    (line,) = client.get(f"/email-logs?tenant_id={tenant_id}").json()
    assert sent["message_id"] == line["message_id"] is not None
    assert (sent["delivery_id"], line["recipient_email"]) == (line["id"], "ann@x.example")
    (message,) = client.get(f"/messages?tenant_id={tenant_id}").json()
    shown = client.get(f"/messages/{message['id']}").json()
    assert "<p>Hello</p>" in shown["html"]
    assert shown["from"] == "courierx@sandbox.invalid"


def test_a_refusal_is_told_with_the_words_of_the_far_side(
    client: Client, courier: Courier, tenant_id: int
) -> None:
    refused = {**MAIL, "tenant_id": tenant_id, "recipient": {"email": "bounced@sandbox.invalid"}}
    with HiredWorker(courier, "test"):
        sent = client.post("/send/send-test", json=refused).json()
    assert (sent["message_id"], sent["queued"], sent["state"]) == (None, False, "bounced")
    assert sent["reply"].startswith("550")


def test_enqueued_it_answers_at_once_with_the_id_of_the_queue(
    client: Client, courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(courier.queue), "notify", lambda self, topic: f"rq:{topic}")
    sent = client.post("/send/send-test", json={**MAIL, "tenant_id": tenant_id, "enqueue": True}).json()
    assert (sent["message_id"], sent["queued"], sent["state"]) == ("rq:transactional", True, "queued")


def test_without_an_answer_in_time_it_is_queued(
    client: Client, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "WAIT_SECONDS", 0.2)
    sent = client.post("/send/send-test", json={**MAIL, "tenant_id": tenant_id}).json()
    assert (sent["queued"], sent["state"]) == (True, "queued")
    assert sent["message_id"]


def test_a_suppressed_recipient_is_a_state_and_no_error(client: Client, tenant_id: int) -> None:
    client.post("/suppression", json={"tenant_id": tenant_id, "email": "ann@x.example"})
    sent = client.post("/send/send-test", json={**MAIL, "tenant_id": tenant_id}).json()
    assert (sent["message_id"], sent["queued"], sent["state"]) == (None, False, "suppressed")


def test_it_needs_no_tenant_above_tenants(api: Callable[..., Client], client: Client) -> None:
    for asking in (api(dev=True), client):
        answer = asking.post("/send/send-test", json={**MAIL, "enqueue": True})
        assert answer.status_code == 200, answer.text
    (tenant,) = client.get("/tenants").json()
    assert tenant["name"] == route.TENANT


def test_every_wrong_field_is_named(client: Client, tenant_id: int) -> None:
    answer = client.post("/send/send-test", json={"recipient": 5, "subject": None, "enqueue": "often"})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["recipient", "subject", "body", "enqueue"]
    for change, field in (
        ({"recipient": "nobody"}, "recipient"),
        ({"subject": "x" * 999}, "subject"),
        ({"body": ""}, "body"),
        ({"body": "{% if %}"}, "body"),
        ({"tenant_id": 999}, ""),
    ):
        answer = client.post("/send/send-test", json={**MAIL, "tenant_id": tenant_id, **change})
        assert answer.status_code == (422 if field else 404), change
        assert [each["field"] for each in answer.json()["errors"]] == ([field] if field else [])
    assert client.get(f"/messages?tenant_id={tenant_id}").json() == []


def test_a_key_asks_so_often_a_minute_and_then_hears_when_again(
    api: Callable[..., Client], courier: Courier, configuration: Configuration, tenant_id: int
) -> None:
    settings = msgspec.structs.replace(configuration.settings, rate_limit_per_minute=3)
    texts = [access.create_key(courier.store, tenant_id=tenant_id)[1] for _ in range(2)]
    with TestClient(create_app(courier, settings)) as client:

        def ask(text: str) -> Any:
            headers = {"Authorization": f"Bearer {text}"}
            return client.post("/send/send-test", json={**MAIL, "enqueue": True}, headers=headers)

        first = [ask(texts[0]) for _ in range(4)]
        assert [each.status_code for each in first] == [200, 200, 200, 429]
        assert 1 <= int(first[-1].headers["retry-after"]) <= 20
        assert first[-1].json()["code"] == "too_many_requests"
        assert "RATE_LIMIT_PER_MINUTE" in first[-1].json()["detail"]
        assert ask(texts[1]).status_code == 200
