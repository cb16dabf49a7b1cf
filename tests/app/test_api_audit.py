"""Every change by a key is in the audit log, in the transaction of the change (S20)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.access import service as access
from courierx_core.courier import Courier

Client = TestClient[Litestar]


def log(client: Client, tenant_id: int) -> list[dict[str, Any]]:
    answer = client.get(f"/audit?tenant_id={tenant_id}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_a_change_names_its_key_its_route_and_its_request(
    client: Client, api: Callable[..., Client], courier: Courier, tenant_id: int
) -> None:
    key, text = access.create_key(courier.store, tenant_id=tenant_id)
    tenant = api(text)
    made = tenant.post("/lists", json={"name": "secret name"}, headers={"X-Request-ID": "r-1"}).json()
    tenant.patch(f"/lists/{made['id']}", json={"name": "other"})
    entries = log(client, tenant_id)
    assert [(each["actor"], each["action"], each["subject"]) for each in entries] == [
        (f"key {key.id}", "PATCH /lists/{list_id}", f"/lists/{made['id']}"),
        (f"key {key.id}", "POST /lists", "/lists"),
    ]
    assert entries[1]["detail"] == {"request_id": "r-1"}
    assert "secret name" not in client.get(f"/audit?tenant_id={tenant_id}").text


def test_what_is_done_above_tenants_is_told_to_a_platform_key_alone(
    client: Client, api: Callable[..., Client], courier: Courier, tenant_id: int
) -> None:
    _, text = access.create_key(courier.store, tenant_id=tenant_id)
    assert client.patch(f"/tenants/{tenant_id}", json={"name": "renamed"}).status_code == 200
    other = client.post("/tenants", json={"name": "B", "contact_email": "b@b.example"}).json()["id"]
    assert client.delete(f"/tenants/{other}").status_code == 204
    assert client.post("/keys", json={"name": "platform"}).status_code == 201
    told = [(each["actor"], each["action"], each["subject"]) for each in client.get("/audit").json()]
    assert told == [
        ("key 1", "POST /keys", "/keys"),
        ("key 1", "DELETE /tenants/{tenant_id}", f"/tenants/{other}"),
        ("key 1", "POST /tenants", "/tenants"),
        ("key 1", "PATCH /tenants/{tenant_id}", f"/tenants/{tenant_id}"),
        ("key 1", "POST /tenants", "/tenants"),
    ]
    assert api(text).get("/audit").json() == []


def test_what_changes_nothing_is_not_in_it(client: Client, tenant_id: int) -> None:
    body = {"tenant_id": tenant_id, "name": "news"}
    assert client.post("/lists", json=body).status_code == 201
    assert client.post("/lists", json=body).status_code == 409
    assert client.get(f"/lists?tenant_id={tenant_id}").status_code == 200
    assert client.delete("/lists/999").status_code == 404
    assert len(log(client, tenant_id)) == 1
