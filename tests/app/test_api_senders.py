"""Senders: the addresses that mail comes from, with a name and where answers go."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.courier import Courier
from courierx_core.messages.model import Content

Client = TestClient[Litestar]
NEWS = {"email": "Acme News <News@Acme.example>", "reply_to": "help@acme.example"}


@pytest.fixture
def sender(client: Client, tenant_id: int) -> Any:
    answer = client.post("/senders", json={"tenant_id": tenant_id, **NEWS})
    assert answer.status_code == 201, answer.text
    return answer.json()


def content(courier: Courier, tenant_id: int, message_id: int) -> Content:
    with courier.store.begin(tenant_id, write=False) as unit:
        return unit.messages.get(message_id).content


def test_a_sender_is_saved_changed_and_removed(client: Client, tenant_id: int, sender: Any) -> None:
    path = f"/senders/{sender['id']}"
    assert (sender["email"], sender["name"], sender["reply_to"]) == (
        "news@acme.example", "Acme News", "help@acme.example",
    )  # fmt: skip
    assert (sender["domain_status"], sender["default"]) == ("none", False)
    assert client.post("/senders", json={"tenant_id": tenant_id, **NEWS}).status_code == 409
    client.patch(f"/tenants/{tenant_id}", json={"default_from": "news@acme.example"})
    client.post("/domains/request-verification", json={"tenant_id": tenant_id, "domain": "acme.example"})
    shown = client.get(path).json()
    assert (shown["domain_status"], shown["default"]) == ("pending", True)
    changed = client.patch(path, json={"name": "The News"}).json()
    assert (changed["name"], changed["reply_to"]) == ("The News", "help@acme.example")
    assert client.get("/senders", params={"tenant_id": tenant_id}).json() == [changed]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_what_is_wrong_is_named(client: Client, tenant_id: int, sender: Any) -> None:
    body = {"tenant_id": tenant_id, "email": "b@x.example", "name": "x" * 256, "reply_to": "nowhere"}
    answer = client.post("/senders", json=body)
    assert (answer.status_code, {each["field"] for each in answer.json()["errors"]}) == (
        422, {"name", "reply_to"},
    )  # fmt: skip
    answer = client.patch(f"/senders/{sender['id']}", json={"reply_to": "nowhere"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "reply_to")


def test_mail_takes_from_its_sender_what_it_does_not_say(
    client: Client, courier: Courier, tenant_id: int, sender: Any
) -> None:
    def sent(**given: Any) -> tuple[str, str]:
        body = {"tenant_id": tenant_id, "to": ["a@x.example"], "subject": "s", "text": "t", **given}
        answer = client.post("/messages", json=body)
        assert answer.status_code == 202, answer.text
        found = content(courier, tenant_id, answer.json()["id"])
        assert found.from_email == "news@acme.example"
        return found.from_name, found.reply_to

    assert sent(**{"from": "news@acme.example"}) == ("Acme News", "help@acme.example")
    assert sent(**{"from": "Own <news@acme.example>", "reply_to": "me@acme.example"}) == (
        "Own", "me@acme.example",
    )  # fmt: skip
    client.patch(f"/tenants/{tenant_id}", json={"default_from": "news@acme.example"})
    assert sent() == ("Acme News", "help@acme.example")


def test_a_campaign_does_too(client: Client, courier: Courier, tenant_id: int, sender: Any) -> None:
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@x.example"})
    draft = {
        "tenant_id": tenant_id,
        "name": "n",
        "subject": "s",
        "body": "b",
        "from_email": "news@acme.example",
    }
    for more, expected in (
        ({}, ("Acme News", "help@acme.example")),
        ({"from_name": "Own", "reply_to": "me@acme.example"}, ("Own", "me@acme.example")),
    ):
        made = client.post("/campaigns", json={**draft, **more}).json()
        client.post(f"/campaigns/{made['id']}/send-now")
        message_id = client.get(f"/campaigns/{made['id']}").json()["message_id"]
        found = content(courier, tenant_id, message_id)
        assert (found.from_name, found.reply_to) == expected
