"""What becomes of uncertain deliveries: said over HTTP of a tenant, a campaign or a message."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

Client = TestClient[Litestar]


MAIL = {"to": ["ann@x.example"], "subject": "s", "text": "t", "from": "news@acme.example"}


def posted(client: Client, tenant_id: int, **parts: Any) -> dict[str, Any]:
    sent = client.post("/messages", json={**MAIL, "tenant_id": tenant_id, **parts})
    assert sent.status_code == 202, sent.text
    found: dict[str, Any] = client.get(f"/messages/{sent.json()['id']}").json()
    return found


def test_a_message_says_it_or_takes_its_tenants(client: Client, tenant_id: int) -> None:
    assert posted(client, tenant_id)["on_uncertain"] == "hold"
    assert posted(client, tenant_id, on_uncertain="resend")["on_uncertain"] == "resend"
    changed = client.patch(f"/tenants/{tenant_id}", json={"on_uncertain": "resend"}).json()
    assert changed["on_uncertain"] == "resend"
    found = posted(client, tenant_id)
    assert (found["on_uncertain"], found["resent"]) == ("resend", None)
    assert posted(client, tenant_id, on_uncertain="hold")["on_uncertain"] == "hold"


def test_a_campaign_and_its_clone_keep_it_and_the_message_takes_it(client: Client, tenant_id: int) -> None:
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "ann@x.example"})
    draft = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "b", "from_email": MAIL["from"]}
    made = client.post("/campaigns", json=draft).json()
    assert made["on_uncertain"] == ""
    path = f"/campaigns/{made['id']}"
    assert client.patch(path, json={"on_uncertain": "resend"}).json()["on_uncertain"] == "resend"
    assert client.post(f"{path}/clone").json()["on_uncertain"] == "resend"
    assert client.post(f"{path}/send-now").status_code == 200
    message_id = client.get(path).json()["message_id"]
    assert client.get(f"/messages/{message_id}").json()["on_uncertain"] == "resend"
    assert client.get(f"{path}/report").json()["resent"] == 0


@pytest.mark.parametrize("wrong", ["never", "", 1])
def test_a_tenant_takes_one_of_the_two(client: Client, tenant_id: int, wrong: object) -> None:
    assert client.patch(f"/tenants/{tenant_id}", json={"on_uncertain": wrong}).status_code == 422
    assert client.get(f"/tenants/{tenant_id}").json()["on_uncertain"] == "hold"
