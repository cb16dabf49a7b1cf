"""A tenant's own transport by HTTP and command line: the platform gives it, its tenant uses it (S19)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.app.test_api_tenants import new
from tests.app.test_routes import posted

Client = TestClient[Litestar]
WORD = "hunter2-canary"
SMTP = {"driver": "smtp", "settings": {"url": f"smtp://us:{WORD}@relay.example:587", "per_second": 5}}


def test_one_is_given_listed_and_taken_away(client: Client, tenant_id: int) -> None:
    path = f"/tenants/{tenant_id}/transports"
    given = client.put(f"{path}/ours", json=SMTP)
    assert (given.status_code, given.json()["name"], given.json()["driver"]) == (200, "ours", "smtp")
    assert client.get(path).json() == [given.json()]
    assert WORD not in client.get(path).text + given.text
    assert client.delete(f"{path}/ours").status_code == 204
    assert client.delete(f"{path}/ours").status_code == 404
    assert client.get(path).json() == []
    assert client.put("/tenants/987654/transports/ours", json=SMTP).status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("mock", SMTP, "name"),
        ("Ours", SMTP, "name"),
        ("ours@1", SMTP, "name"),
        ("ours", {"driver": "nosuch"}, "driver"),
        ("ours", {"driver": "smtp", "settings": {"url": f"{WORD}://x", "per_second": 0}}, "settings"),
        ("ours", {"driver": "smtp", "settings": {"pass": WORD}}, "settings"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_told(
    client: Client, tenant_id: int, name: str, body: dict[str, Any], field: str
) -> None:
    answer = client.put(f"/tenants/{tenant_id}/transports/{name}", json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert WORD not in answer.text
    assert client.get(f"/tenants/{tenant_id}/transports").json() == []


def test_the_environment_lends_it_nothing(
    client: Client, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_URL", f"smtp://us:{WORD}@relay.example")
    answer = client.put(f"/tenants/{tenant_id}/transports/ours", json={"driver": "smtp"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "settings"


def test_its_tenant_uses_it_and_nobody_else_can(client: Client, tenant_id: int) -> None:
    other = new(client, "other")["id"]
    assert client.put(f"/tenants/{tenant_id}/transports/ours", json={"driver": "mock"}).status_code == 200
    whole = f"ours@{tenant_id}"
    assert posted(client, tenant_id, transport="ours") == whole
    assert posted(client, tenant_id, transport=whole) == whole
    mail = {"to": ["ann@x.example"], "subject": "s", "text": "t", "from": "a@b.example", "tenant_id": other}
    for name in ("ours", whole, f"ours@{other}", f"mock@{tenant_id}"):
        refused = client.post("/messages", json={**mail, "transport": name})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "transport"), name
        assert client.patch(f"/tenants/{other}", json={"transport": name}).status_code == 422
    assert client.patch(f"/tenants/{tenant_id}", json={"transport": "ours"}).status_code == 200
    assert posted(client, tenant_id) == whole


def test_a_tenants_key_sees_its_own_and_gives_itself_none(client: Client, api: Callable[..., Client]) -> None:
    ours, theirs = new(client, "ours")["id"], new(client, "theirs")["id"]
    for tenant in (ours, theirs):
        assert client.put(f"/tenants/{tenant}/transports/own", json={"driver": "mock"}).status_code == 200
        assert client.post(f"/transports/own@{tenant}/pause").status_code == 200
    tenant = api(client.post("/keys", json={"tenant_id": ours, "name": "key"}).json()["key"])
    assert [each["name"] for each in tenant.get(f"/tenants/{ours}/transports").json()] == ["own"]
    assert tenant.get(f"/tenants/{theirs}/transports").status_code == 404
    assert [each["name"] for each in tenant.get("/transports").json()] == ["mock", f"own@{ours}"]
    assert tenant.put(f"/tenants/{ours}/transports/more", json={"driver": "mock"}).status_code == 403
    assert tenant.delete(f"/tenants/{ours}/transports/own").status_code == 403
    assert len(client.get("/transports").json()) == 3


def test_the_command_line_gives_and_takes(
    client: Client, tenant_id: int, command: Callable[..., str]
) -> None:
    run, tenant = partial(command, "transports"), str(tenant_id)
    toml = f'url = "smtp://us:{WORD}@relay.example:587"\n'
    assert "has a transport ours of its own" in run("give", tenant, "ours", "smtp", given=toml)
    assert [each["driver"] for each in json.loads(run("own", tenant, "--json"))] == ["smtp"]
    assert "ours" in run("own", tenant)
    assert "has no transport ours any more" in run("take", tenant, "ours")
    assert json.loads(run("own", tenant, "--json")) == []
