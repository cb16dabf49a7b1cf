"""Tenants and keys over HTTP: the reference's contract, and whose objects a key sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.access import service as access
from courierx_core.courier import Courier

Client = TestClient[Litestar]


def new(client: Client, name: str) -> dict[str, Any]:
    answer = client.post("/tenants/", json={"name": name, "contact_email": f"post@{name}.example"})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_tenant_is_added_shown_changed_and_deleted(client: Client) -> None:
    made = new(client, "acme")
    assert made["ses_verified"] is False
    assert (made["name"], made["contact_email"]) == ("acme", "post@acme.example")
    path = f"/tenants/{made['id']}"
    assert client.get(path).json() == made
    changed = client.patch(path, json={"contact_email": "New@Acme.Example"})
    assert changed.status_code == 200
    assert changed.json()["contact_email"] == "new@acme.example"
    assert changed.json()["name"] == "acme"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


@pytest.mark.parametrize("path", ["/tenants", "/tenants/"])
def test_a_collection_answers_with_and_without_the_slash(client: Client, path: str) -> None:
    assert client.post(path, json={"name": path, "contact_email": "a@b.example"}).status_code == 201
    assert [each["name"] for each in client.get(path).json()] == [path]


def test_a_name_that_is_taken_is_a_conflict(client: Client) -> None:
    new(client, "acme")
    answer = client.post("/tenants/", json={"name": "ACME", "contact_email": "a@b.example"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"


def test_every_bad_field_is_named(client: Client) -> None:
    answer = client.post("/tenants/", json={"name": "  ", "contact_email": "nowhere"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["detail"] == "2 fields are wrong."
    assert {each["field"]: each["code"] for each in body["errors"]} == {
        "name": "required",
        "contact_email": "invalid_email",
    }
    missing = client.post("/tenants/", json={"contact_email": 5}).json()
    assert [(each["field"], each["code"]) for each in missing["errors"]] == [
        ("name", "required"),
        ("contact_email", "invalid"),
    ]


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', "\xff", "null"])
def test_a_body_that_is_no_object_is_a_400(client: Client, body: str) -> None:
    answer = client.post("/tenants/", content=body.encode("latin-1"))
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_body"


def test_lists_are_bare_arrays_newest_first_with_a_cursor(client: Client) -> None:
    ids = [new(client, f"t{number}")["id"] for number in range(5)]
    first = client.get("/tenants/?limit=2")
    assert [each["id"] for each in first.json()] == ids[:2:-1]
    cursor = first.headers["x-next-cursor"]
    assert first.headers["link"] == f'</tenants?limit=2&cursor={cursor}>; rel="next"'
    second = client.get(first.headers["link"].partition(">")[0][1:])
    assert [each["id"] for each in second.json()] == ids[2:0:-1]
    last = client.get(f"/tenants?cursor={second.headers['x-next-cursor']}")
    assert [each["id"] for each in last.json()] == ids[:1]
    assert "link" not in last.headers


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many"])
def test_a_wrong_limit_is_a_422_that_names_it(client: Client, limit: str) -> None:
    answer = client.get(f"/tenants?limit={limit}")
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["limit"]


def test_without_a_key_nothing_is_answered(api: Callable[..., Client]) -> None:
    client = api()
    for path in ("/tenants", "/campaigns", "/subscribers", "/suppression", "/keys", "/me"):
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthorized"


def test_a_wrong_altered_or_revoked_key_is_a_401(
    api: Callable[..., Client], courier: Courier, platform_key: str
) -> None:
    client = api()
    for text in ("cx_1_", "cx_99_secret", platform_key[:-1], platform_key + "x", "hello", ""):
        assert client.get("/me", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    headers = {"Authorization": f"Bearer {platform_key}"}
    assert client.get("/me", headers=headers).status_code == 200
    access.revoke_key(courier.store, 1)
    assert client.get("/me", headers=headers).status_code == 401


def test_in_dev_no_key_is_needed_but_a_wrong_one_is_still_wrong(api: Callable[..., Client]) -> None:
    client = api(dev=True)
    assert client.get("/me").json()["platform"] is True
    assert client.get("/me", headers={"Authorization": "Bearer cx_1_x"}).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_in_dev_a_page_of_another_site_gets_nothing(
    api: Callable[..., Client], headers: dict[str, str]
) -> None:
    assert api(dev=True).get("/tenants", headers=headers).status_code == 403


def test_a_tenants_key_sees_its_own_tenant_only(client: Client, api: Callable[..., Client]) -> None:
    ours, theirs = new(client, "ours"), new(client, "theirs")
    made = client.post("/keys", json={"tenant_id": ours["id"], "name": "app"})
    assert made.status_code == 201
    tenant = api(made.json()["key"])
    assert tenant.get("/me").json()["tenant_id"] == ours["id"]
    assert [each["id"] for each in tenant.get("/tenants").json()] == [ours["id"]]
    assert tenant.get(f"/tenants/{ours['id']}").status_code == 200
    for method in ("GET", "PATCH"):
        answer = tenant.request(method, f"/tenants/{theirs['id']}", json={"name": "x"})
        assert answer.status_code == 404, method
        assert "theirs" not in answer.text
    assert tenant.post("/tenants", json={"name": "x", "contact_email": "a@b.example"}).status_code == 403
    # only the platform's keys delete tenants: the refusal is the same whatever the id, and tells nothing
    for tenant_id in (ours["id"], theirs["id"], 999):
        assert tenant.delete(f"/tenants/{tenant_id}").status_code == 403
    assert client.get(f"/tenants/{theirs['id']}").json()["name"] == "theirs"


def test_a_key_is_shown_once_and_listed_without_its_secret(client: Client) -> None:
    made = client.post("/keys", json={"name": "ci", "scopes": ["lists:read"]}).json()
    assert made["key"].startswith(f"cx_{made['id']}_")
    listed = client.get("/keys").json()
    assert listed[0]["name"] == "ci"
    secret = made["key"].split("_", 2)[2]
    assert secret not in client.get("/keys").text
    assert all("digest" not in each and "key" not in each for each in listed)
    assert client.delete(f"/keys/{made['id']}").status_code == 204
    assert client.get("/keys").json()[0]["revoked_at"]


def test_a_key_cannot_make_a_stronger_one(client: Client, api: Callable[..., Client]) -> None:
    maker = api(client.post("/keys", json={"scopes": ["keys:write", "lists:read"]}).json()["key"])
    assert maker.post("/keys", json={"scopes": ["lists:read"]}).status_code == 201
    assert maker.post("/keys", json={"scopes": ["lists:write"]}).status_code == 403
    assert maker.post("/keys", json={}).status_code == 403


def test_unknown_scopes_are_named(client: Client) -> None:
    answer = client.post("/keys", json={"scopes": ["lists:read", "fly"]})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["scopes[1]"]


def test_a_tenants_key_cannot_revoke_anothers(client: Client, api: Callable[..., Client]) -> None:
    ours, theirs = new(client, "ours"), new(client, "theirs")
    key = client.post("/keys", json={"tenant_id": ours["id"]}).json()
    other = client.post("/keys", json={"tenant_id": theirs["id"]}).json()
    tenant = api(key["key"])
    assert tenant.delete(f"/keys/{other['id']}").status_code == 404
    assert api(other["key"]).get("/me").status_code == 200
    assert tenant.post("/keys", json={"tenant_id": theirs["id"]}).status_code == 404
