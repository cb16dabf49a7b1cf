"""ETag and If-Match: nobody overwrites what somebody else has changed meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

Client = TestClient[Litestar]

THINGS: dict[str, dict[str, Any]] = {
    "/tenants": {"name": "Other", "contact_email": "a@other.example"},
    "/subscribers": {"email": "ann@x.example", "attributes": {"b": 1.0, "a": {"d": 1, "c": 2}}},
    "/lists": {"name": "news"},
    "/segments": {"name": "all", "definition": {"type": "not", "of": {"type": "list", "list_id": 1}}},
    "/templates": {"name": "t", "subject": "s", "text": "t"},
    "/campaigns": {"name": "c", "subject": "s", "text": "t"},
}
CHANGE: dict[str, Any] = {"/subscribers": {"first_name": "Ann"}}


@pytest.fixture(params=THINGS)
def thing(request: pytest.FixtureRequest, client: Client, tenant_id: int) -> tuple[str, dict[str, Any]]:
    """The path of one thing, and a change of it."""
    kind = str(request.param)
    client.post("/lists", json={"name": "first", "tenant_id": tenant_id})
    body = THINGS[kind] if kind == "/tenants" else {**THINGS[kind], "tenant_id": tenant_id}
    made = client.post(kind, json=body)
    assert made.status_code in (200, 201), made.text
    return f"{kind}/{made.json()['id']}", CHANGE.get(kind, {"name": "changed"})


def test_a_change_of_what_has_changed_is_refused(client: Client, thing: tuple[str, dict[str, Any]]) -> None:
    path, change = thing
    read = client.get(path)
    old = read.headers["etag"]
    assert client.get(path).headers["etag"] == old
    changed = client.patch(path, json=change, headers={"If-Match": old})
    assert changed.status_code == 200, changed.text
    new = changed.headers["etag"]
    assert new != old
    assert client.get(path).headers["etag"] == new
    for refused in (
        client.patch(path, json=change, headers={"If-Match": old}),
        client.patch(path, json=change, headers={"If-Match": f"W/{new}"}),
        client.delete(path, headers={"If-Match": f'{old}, "other"'}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
        assert "GET it again" in refused.json()["detail"]
    assert client.get(path).headers["etag"] == new
    assert client.patch(path, json=change, headers={"If-Match": "*"}).status_code == 200
    now = client.get(path).headers["etag"]
    assert client.delete(path, headers={"If-Match": f'"other", {now}'}).status_code == 204
    assert client.delete(path, headers={"If-Match": now}).status_code == 404
